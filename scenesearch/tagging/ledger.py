"""What was tagged already: an SQLite file (WAL) beside the output, one record a source.

A batch is written in one transaction and is on the disk when :meth:`Ledger.commit` returns: a
kill, a full disk or a power cut costs the batch in hand and nothing else.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from scenesearch.core.errors import StoreError, StoreUnavailableError
from scenesearch.system.lock_file import DirectoryLock
from scenesearch.system.row_sums import Summed
from scenesearch.system.sqlite_file import DurableFile, Form, damage, explained, sound
from scenesearch.tagging.rows import Row, TagRow
from scenesearch.tagging.sources import Identity, Source, identify

APPLICATION_ID = 0x53435447
"""In the header of the file (``SCTG``): what tells a ledger from any other database."""
VERSION = 2
_RECORDS = Summed(
    "records",
    ("source",),
    ("source", "size", "stamp", "sha256", "fingerprint", "failed", "scene_warnings", "row"),
)
_PLACES = Summed("places", ("place",), ("place", "source"))
_TABLES = f"""
CREATE TABLE records (source TEXT PRIMARY KEY, size INTEGER, stamp TEXT, sha256 TEXT NOT NULL,
    fingerprint TEXT NOT NULL, failed INTEGER NOT NULL, scene_warnings INTEGER NOT NULL,
    row TEXT NOT NULL, sum INTEGER) WITHOUT ROWID;
CREATE INDEX by_content ON records (sha256, fingerprint) WHERE failed = 0;
CREATE TABLE places (place INTEGER PRIMARY KEY, source TEXT NOT NULL, sum INTEGER);
{_RECORDS.triggers} {_PLACES.triggers}
"""
FORM = Form(
    APPLICATION_ID,
    VERSION,
    _TABLES,
    other_version="{path} is a ledger of version {version}, this scenesearch writes version "
    f"{VERSION}; give another --out, or delete the ledger to tag everything again",
    foreign="{path} is a database of something else, expected the ledger of a tagging run; give "
    "another --out",
    summed=(_RECORDS, _PLACES),
    migrations={1: _RECORDS.migration + _PLACES.migration},
    never={
        "sources of the last run have no row": "SELECT count(*) FROM places p "
        "LEFT JOIN records r ON r.source = p.source WHERE r.source IS NULL"
    },
    remade=frozenset({"places"}),
)

R = TypeVar("R", bound=Row)
Decision = Literal["skip", "verify", "work"]


class Known(NamedTuple):
    """What the ledger says of a source, but for its row."""

    identity: Identity | None
    sha256: str
    fingerprint: str
    failed: bool


@dataclass(frozen=True, slots=True)
class Finished:
    """A source that one batch brought to its end.

    Attributes:
        place: of the source among those of this run, from 0.
        source: its name.
        identity: what the file was like before it was read.
        sha256: of the content; empty where unknown.
        row: the answer; None where the one in the ledger stands.
        scene_warnings: how many of the row's first warnings are about this file rather than its
            content.
        copied: whether the row is that of another source with the same content.
    """

    place: int
    source: str
    identity: Identity | None = None
    sha256: str = ""
    row: Row | None = None
    scene_warnings: int = 0
    copied: bool = False


@dataclass(slots=True)
class Entry:
    """One source of a run.

    Attributes:
        place: among the sources of the run, from 0.
        identity: what the file was like before it was read; set late for object storage.
        decision: what is to be done with it.
        known_sha256: of the content that was tagged already; empty for none.
    """

    place: int
    source: Source
    identity: Identity | None = None
    decision: Decision = "work"
    known_sha256: str = ""


class Memory:
    """What was tagged before: here nothing was, and everything is new.

    Attributes:
        kind: of the rows.
    """

    kind: type[Row] = TagRow

    def enter(self, place: int, source: Source) -> Entry:
        """Decide what is to be done with a source."""
        return Entry(place, source)

    def same_content(self, sha256: str) -> tuple[Row, int] | None:  # noqa: ARG002
        """A row of this content, and how many of its first warnings are about its file."""
        return None


def decide(
    known: Known | None,
    identity: Identity | None,
    fingerprint: str,
    *,
    rehash: bool = False,
    retry_failed: bool = False,
) -> Decision:
    """Whether a source is left as it is, compared by content, or worked on.

    Args:
        known: its record.
        identity: what the file is like now; None where that cannot be known.
        fingerprint: of the models now.
        rehash: compare the content even where size and time of change are the same.
        retry_failed: work on what failed before.
    """
    if known is None or known.fingerprint != fingerprint:
        return "work"
    same = known.identity == identity
    if known.failed:
        return "skip" if same and not retry_failed else "work"
    return "skip" if same and identity is not None and not rehash else "verify"


class Ledger(Memory):
    """The ledger of one output; one process at a time.

    Args:
        out: the output; the ledger is ``OUT.ledger``, its lock ``OUT.ledger.lock``.
        fingerprint: of the models of this run.
        rehash: compare contents even where size and time of change are the same.
        retry_failed: work on what failed before.
        kind: of the rows.

    Raises:
        StoreUnavailableError: another run writes this output.
        StoreError: the file is damaged, of another program, or of another version.
        NoSpaceError: the disk is full.
    """

    def __init__(
        self,
        out: Path,
        fingerprint: str,
        *,
        rehash: bool = False,
        retry_failed: bool = False,
        kind: type[Row] = TagRow,
    ) -> None:
        self.kind = kind
        self.path = ledger_path(out)
        self._fingerprint = fingerprint
        self._rehash = rehash
        self._retry_failed = retry_failed
        self._nothing_known = False
        self._lock = _lock(out, self.path)
        try:
            # the thread that draws the sources asks, the main one writes
            self._file = DurableFile(self.path, FORM, partial(_explained, self.path))
        except BaseException:
            self._lock.release()
            raise

    def close(self) -> None:
        """Give the file back."""
        self._file.close()
        self._lock.release()

    def begin(self) -> None:
        """Forget which sources the run before had; their records stay."""
        with self._file.writing() as db:
            db.execute("DELETE FROM places")
        # a run asks for each source once, before its record is written
        self._nothing_known = self._file.one("SELECT 1 FROM records LIMIT 1") is None

    def known(self, source: str) -> Known | None:
        """What earlier runs recorded of a source."""
        if self._nothing_known:
            return None
        found = self._file.sound_one(
            _RECORDS.select("size, stamp, sha256, fingerprint, failed", "WHERE source = ?"),
            (source,),
        )
        if found is None:
            return None
        size, stamp, sha256, fingerprint, failed = found
        identity = None if size is None else Identity(size, stamp)
        return Known(identity, sha256, fingerprint, bool(failed))

    def enter(self, place: int, source: Source) -> Entry:
        """By the record of the source and what its file is like now."""
        identity = identify(source)
        known = self.known(source.name)
        decision = decide(
            known,
            identity,
            self._fingerprint,
            rehash=self._rehash,
            retry_failed=self._retry_failed,
        )
        sha256 = known.sha256 if known is not None and decision == "verify" else ""
        return Entry(place, source, identity, decision, sha256)

    def same_content(self, sha256: str) -> tuple[Row, int] | None:
        """The row of any source with this content, and how many of its warnings are its file's."""
        found = self._file.sound_one(
            _RECORDS.select(
                "row, scene_warnings",
                "WHERE sha256 = ? AND fingerprint = ? AND failed = 0 LIMIT 1",
            ),
            (sha256, self._fingerprint),
        )
        return None if found is None else (_row(self.path, found[0], self.kind), found[1])

    def commit(self, finished: Sequence[Finished]) -> None:
        """Keep a batch, all or nothing.

        Raises:
            NoSpaceError: the disk is full; nothing of the batch was written.
        """
        # statements for the whole batch: one call each, and the thread that draws the sources
        # waits for the ledger no longer than it has to
        places = [(one.place, one.source) for one in finished]
        records = [self._record(one, one.row) for one in finished if one.row is not None]
        seen = [
            (*one.identity, one.source, *one.identity)
            for one in finished
            if one.row is None and one.identity is not None
        ]
        with self._file.writing() as db:
            db.executemany(_PLACES.insert(), places)
            db.executemany(_RECORDS.insert("INSERT OR REPLACE"), records)
            db.executemany(
                "UPDATE records SET size = ?, stamp = ? WHERE source = ? "
                "AND (size IS NOT ? OR stamp IS NOT ?)",
                seen,
            )

    def _record(self, one: Finished, row: Row) -> tuple[Any, ...]:
        text = json.dumps(row.to_dict(), ensure_ascii=False, allow_nan=False)
        failed = row.error is not None
        identity = one.identity or (None, None)
        known = (one.sha256, self._fingerprint, failed, one.scene_warnings, text)
        return (one.source, *identity, *known)

    def failed(self) -> int:
        """How many sources of this run have a row with an error."""
        found = self._file.one(
            "SELECT count(*) FROM places JOIN records USING (source) WHERE failed = 1", ()
        )
        return 0 if found is None else int(found[0])

    def texts(self, *, failed_only: bool = False) -> Iterator[str]:
        """The rows of this run as JSON texts, in the order of its sources.

        Raises:
            DamagedError: a row is not what was written, or is gone.
        """
        yield from _texts(self._file.db, self.path, failed_only=failed_only)


def ledger_path(out: Path) -> Path:
    """The ledger of an output."""
    return out.with_name(f"{out.name}.ledger")


def recorded_rows(out: Path) -> Iterator[TagRow]:
    """The rows of the last run that wrote ``out``, in order, without holding them in memory.

    Raises:
        StoreError: there is no ledger beside it, or it is damaged.
    """
    path = ledger_path(out)
    if not path.is_file():
        raise StoreError(
            f"there is no {path}: expected the ledger of the run that wrote {out}; tag again"
        )
    try:
        with closing(FORM.open(path)) as db:
            for text in _texts(db, path, failed_only=False):
                yield _row(path, text, TagRow)
    except sqlite3.Error as error:
        raise _explained(path, error) from error


def _texts(db: sqlite3.Connection, path: Path, *, failed_only: bool) -> Iterator[str]:
    # a place whose record is gone has no sum to compare with, and is found as well
    query = (
        f"SELECT {_PLACES.sound('p')} AND {_RECORDS.sound('r')}, r.row FROM places p "  # noqa: S608
        "LEFT JOIN records r ON r.source = p.source {} ORDER BY p.place"
    )
    try:
        only = "WHERE r.failed IS NOT 0" if failed_only else ""
        with closing(db.execute(query.format(only))) as rows:
            for (text,) in sound(rows):
                yield text
    except sqlite3.Error as error:
        raise _explained(path, error) from error


def _row(path: Path, text: str, kind: type[R]) -> R:
    try:
        return kind.from_dict(json.loads(text))
    except ValueError as error:
        raise _explained(path, damage(f"{type(error).__name__}: {error}")) from error


def _explained(path: Path, error: sqlite3.Error) -> StoreError:
    return explained(
        error,
        path,
        what="the ledger",
        kept="everything before this batch is kept",
        repair=f"scenesearch verify {path} --repair takes out what is damaged, and the next run "
        "tags those photos again",
    )


def _lock(out: Path, path: Path) -> DirectoryLock:
    file = path.with_name(f"{path.name}.lock")
    try:
        return DirectoryLock(file, str(path))
    except StoreUnavailableError as error:
        if isinstance(error.__cause__, OSError):
            raise
        try:
            holder = file.read_text(encoding="ascii", errors="replace").strip()
        except OSError:
            holder = ""
        raise StoreUnavailableError(
            f"{out} is being written by another run, process {holder or 'unknown'}; wait until it "
            f"is done or stop it, or give another --out"
        ) from error
