"""Embeddings kept by content, so that no photo is embedded twice and an index can be rebuilt.

One SQLite file (WAL): key is the sha256 of the photo and the fingerprint of everything that
turned it into vectors; the value is a small .npz beside a JSON text. Nothing of a catalogue or a
folder is in the key, so whoever has the same photo and the same models shares the entry: indexing
and tagging may use one file. It can be given a largest size; see
:mod:`scenesearch.models.embed.cache_eviction` for what leaves then.
"""

from __future__ import annotations

import io
import json
import logging
import sqlite3
import threading
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.batches import batches
from scenesearch.core.errors import StoreError
from scenesearch.models.embed.arrays_file import read_arrays
from scenesearch.models.embed.cache_eviction import Uses, prepare
from scenesearch.system.once import once
from scenesearch.system.row_sums import DAMAGED, row_sum
from scenesearch.system.sqlite_file import explained, said_in_text, transaction, trouble

log = logging.getLogger(__name__)

_VARIABLES = 500  # SQLite's smallest limit of ? in a statement is 999


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One region of a photo as the models saw it.

    Attributes:
        vectors: raw embeddings by space, before any projection.
        payload: what was measured on the pixels (box, colours, hash), JSON values.
    """

    vectors: Mapping[str, NDArray[Any]]
    payload: Mapping[str, Any]


class EmbeddingCache:
    """The cache file, opened by the first call that needs it; ``:memory:`` keeps it in memory.

    Args:
        path: the file; made where it is missing, brought up to date where it is older.
        max_megabytes: size above which the least recently used entries leave; 0 for no cap.
            What was used since this object was made never leaves, and nothing does while
            another process has the file open, so the file can be larger for a while.

    Raises:
        ValueError: ``max_megabytes`` is negative.
        StoreError: every call, where the file is not a cache or cannot be opened.
    """

    def __init__(self, path: Path | str, *, max_megabytes: int = 0) -> None:
        if max_megabytes < 0:
            raise ValueError(f"max_megabytes must be 0 (no cap) or more, got {max_megabytes}")
        self._path = str(path)
        self._max_bytes = max_megabytes * 1_000_000
        self._lock = threading.Lock()

    @once
    def _db(self) -> sqlite3.Connection:
        db: sqlite3.Connection | None = None
        try:
            if self._path != ":memory:":
                Path(self._path).parent.mkdir(parents=True, exist_ok=True)
            db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            # text that is none any more is a damaged row, and not the end of all that are asked for
            db.text_factory = _text
            with said_in_text():
                prepare(db)
        except (sqlite3.Error, OSError, StoreError) as error:
            if db is not None:
                db.close()
            if isinstance(error, sqlite3.Error) and trouble(error) != "other":
                raise self._explained(error) from error
            raise StoreError(
                f"{self._path}: cannot be used as embedding cache: {error}; give another "
                f"cache_dir, or move the file away to have it made again"
            ) from error
        return db

    @once
    def _uses(self) -> Uses:
        return Uses(self._db, self._max_bytes)

    def get(
        self, sha256: Sequence[str], fingerprint: str, *, forget: bool = True
    ) -> dict[str, tuple[Entry, ...]]:
        """The photos that are there, by sha256; each with its regions.

        An entry that is not what was written is none.

        Args:
            sha256: of the photos.
            fingerprint: of the models.
            forget: remove such entries from the file.

        Raises:
            StoreError: the file cannot be read.
        """
        with self._locked():
            self._uses.alive()
        found: dict[str, tuple[Entry, ...]] = {}
        damaged: list[str] = []
        query = "SELECT sha256, regions, payload, sum FROM photos WHERE fingerprint = ?"
        for key, blob, text, total in self._rows(query, sha256, fingerprint):
            try:
                found[key] = read_entry(key, fingerprint, blob, text, total)
            except DAMAGES as error:
                log.log(
                    logging.WARNING if forget else logging.DEBUG,
                    "%s: what is kept of photo %s is damaged (%s), and is made again",
                    *(self._path, key, error),
                )
                damaged.append(key)
        if damaged and forget:
            self.forget(damaged, fingerprint)
        self._touch(found, fingerprint)
        return found

    def known(self, sha256: Iterable[str], fingerprint: str) -> set[str]:
        """Which of these photos are there; they stay while this object is open."""
        with self._locked():
            self._uses.alive()
        # of the two tables with one row an entry, this one is far smaller
        query = (
            "SELECT sha256 FROM uses"
            " WHERE fingerprint = (SELECT id FROM fingerprints WHERE text = ?)"
        )
        found = {key for (key,) in self._rows(query, dict.fromkeys(sha256), fingerprint)}
        self._touch(found, fingerprint)
        return found

    def _rows(self, query: str, sha256: Iterable[str], fingerprint: str) -> Iterator[Any]:
        """What a query says of photos, some of them at a time: one more must not read millions."""
        for part in batches(sha256, _VARIABLES):
            few = f"{query} AND sha256 IN ({','.join('?' * len(part))})"
            # one connection for all threads: what another one writes is seen whole or not at all
            with self._locked(), closing(self._db.execute(few, (fingerprint, *part))) as rows:
                found = rows.fetchall()
            yield from found

    def put(self, photos: Mapping[str, Sequence[Entry]], fingerprint: str) -> None:
        """Keep photos, all or none; they survive a killed process when this returns.

        Raises:
            NoSpaceError: the disk is full.
        """
        rows = []
        for key, entries in photos.items():
            row = key, fingerprint, *_encode(entries)
            rows.append((*row, row_sum(*row)))
        with self._locked():
            self._uses.alive()
            with transaction(self._db):
                number = self._uses.fingerprint(fingerprint, add=True)
                assert number is not None
                self._db.executemany("INSERT OR REPLACE INTO photos VALUES (?, ?, ?, ?, ?)", rows)
                self._uses.add(number, photos)
        try:
            self.trim()
        except StoreError as error:
            # the batch is kept all the same; the next one tries again
            log.debug("%s", error)

    def forget(self, sha256: Sequence[str], fingerprint: str) -> None:
        """Remove photos; they are not :meth:`known` any more.

        Raises:
            StoreError: the file cannot be written.
        """
        with self._locked(), transaction(self._db):
            for key in sha256:
                self._uses.forget(key, fingerprint)

    def trim(self) -> int:
        """Remove what is too much now, as :meth:`put` does by itself; returns how many photos.

        Raises:
            StoreError: the file cannot be written.
        """
        with self._locked():
            return self._uses.trim()

    def close(self) -> None:
        """Give the file back."""
        with self._lock:
            if "_uses" in self.__dict__:
                self._uses.close()
            if "_db" in self.__dict__:
                self._db.close()

    def _touch(self, sha256: Iterable[str], fingerprint: str) -> None:
        with self._locked():
            number = self._uses.fingerprint(fingerprint)
            if number is not None:
                self._uses.touch(number, sha256)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """The file for this thread alone; what SQLite refuses is said in our words."""
        try:
            with self._lock:
                yield
        except sqlite3.Error as error:
            raise self._explained(error) from error

    def _explained(self, error: sqlite3.Error) -> StoreError:
        return explained(
            error,
            self._path,
            what="the embedding cache",
            kept="nothing of this batch was written",
            repair=f"scenesearch verify {self._path} --repair keeps what can be read of it, and "
            "the rest is embedded again",
        )


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


DAMAGES = (ValueError, TypeError, KeyError, IndexError, OSError, EOFError, zipfile.BadZipFile)
"""What :func:`read_entry` raises."""


def read_entry(
    sha256: str, fingerprint: str, blob: bytes, text: str, total: int | None
) -> tuple[Entry, ...]:
    """The regions of a row of the cache.

    Args:
        sha256: of the photo.
        fingerprint: of the models.
        blob: their vectors.
        text: their payloads.
        total: the row's sum; None for what an earlier version wrote, which kept none.

    Raises:
        ValueError: it is not what was written; so do the others of :data:`DAMAGES`.
    """
    if total is not None and total != row_sum(sha256, fingerprint, blob, text):
        raise ValueError(DAMAGED)
    return _decode(blob, text)


def _encode(entries: Sequence[Entry]) -> tuple[bytes, str]:
    buffer = io.BytesIO()
    arrays = {f"{i}/{k}": v for i, entry in enumerate(entries) for k, v in entry.vectors.items()}
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue(), json.dumps([dict(entry.payload) for entry in entries])


def _decode(blob: bytes, text: str) -> tuple[Entry, ...]:
    payloads = json.loads(text)
    vectors: list[dict[str, NDArray[Any]]] = [{} for _ in payloads]
    for name, array in read_arrays(blob):
        number, space = name.split("/", 1)
        vectors[int(number)][space] = array
    return tuple(Entry(v, p) for v, p in zip(vectors, payloads, strict=True))
