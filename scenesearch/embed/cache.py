"""Embeddings kept by content, so that no photo is embedded twice and an index can be rebuilt.

One SQLite file (WAL): key is the sha256 of the photo and the fingerprint of everything that
turned it into vectors; the value is a small .npz beside a JSON text.
"""

from __future__ import annotations

import io
import json
import sqlite3
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenesearch.errors import NoSpaceError, StoreError

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
    """The cache file; ``:memory:`` keeps it in memory.

    Raises:
        StoreError: the file is not a cache, or cannot be opened.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = str(path)
        try:
            if self._path != ":memory:":
                Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute("PRAGMA busy_timeout=10000")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS photos (sha256 TEXT, fingerprint TEXT, regions BLOB,"
                " payload TEXT, PRIMARY KEY (sha256, fingerprint)) WITHOUT ROWID"
            )
        except (sqlite3.Error, OSError) as error:
            if hasattr(self, "_db"):
                self._db.close()
            raise StoreError(
                f"{self._path}: cannot be used as embedding cache: {error}; give another "
                f"cache_dir, or delete the file to have it made again"
            ) from error

    def get(self, sha256: Sequence[str], fingerprint: str) -> dict[str, tuple[Entry, ...]]:
        """The photos that are there, by sha256; each with its regions.

        Raises:
            StoreError: an entry cannot be read.
        """
        found: dict[str, tuple[Entry, ...]] = {}
        for start in range(0, len(sha256), _VARIABLES):
            part = sha256[start : start + _VARIABLES]
            marks = ",".join("?" * len(part))
            query = (
                f"SELECT sha256, regions, payload FROM photos "  # noqa: S608 - only ? marks
                f"WHERE fingerprint = ? AND sha256 IN ({marks})"
            )
            with closing(self._db.execute(query, (fingerprint, *part))) as rows:
                for key, blob, text in rows:
                    try:
                        found[key] = _decode(blob, text)
                    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
                        raise StoreError(
                            f"{self._path}: the entry of photo {key} is damaged ({error}); delete "
                            f"the file to have it made again"
                        ) from error
        return found

    def known(self, sha256: Iterable[str], fingerprint: str) -> set[str]:
        """Which of these photos are there."""
        with closing(
            self._db.execute("SELECT sha256 FROM photos WHERE fingerprint = ?", (fingerprint,))
        ) as rows:
            return {key for (key,) in rows} & set(sha256)

    def put(self, photos: Mapping[str, Sequence[Entry]], fingerprint: str) -> None:
        """Keep photos, all or none; they survive a killed process when this returns.

        Raises:
            NoSpaceError: the disk is full.
        """
        rows = [(key, fingerprint, *_encode(entries)) for key, entries in photos.items()]
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("INSERT OR REPLACE INTO photos VALUES (?, ?, ?, ?)", rows)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
                raise NoSpaceError(
                    f"{self._path}: the disk is full; nothing of this batch was written, free "
                    f"some space and run again"
                ) from error
            raise StoreError(f"{self._path}: the embedding cache failed: {error}") from error

    def close(self) -> None:
        """Give the file back."""
        self._db.close()


def _encode(entries: Sequence[Entry]) -> tuple[bytes, str]:
    buffer = io.BytesIO()
    arrays = {f"{i}/{k}": v for i, entry in enumerate(entries) for k, v in entry.vectors.items()}
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue(), json.dumps([dict(entry.payload) for entry in entries])


def _decode(blob: bytes, text: str) -> tuple[Entry, ...]:
    payloads = json.loads(text)
    vectors: list[dict[str, NDArray[Any]]] = [{} for _ in payloads]
    with np.load(io.BytesIO(blob), allow_pickle=False) as arrays:
        for name in arrays.files:
            number, space = name.split("/", 1)
            vectors[int(number)][space] = arrays[name]
    return tuple(Entry(v, p) for v, p in zip(vectors, payloads, strict=True))
