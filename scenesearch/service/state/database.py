"""One SQLite file with one owner: opened, checked, written in whole transactions.

The log is written ahead and synced at each commit, so what was answered survives a SIGKILL and a
power cut. One connection, used by one thread at a time.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from scenesearch.errors import NoSpaceError, StoreError
from scenesearch.store.disk import MIN_FREE_BYTES, check_free_space
from scenesearch.store.owner import DirectoryLock

APPLICATION_ID = 0x53435356
"""In the header of the file (``SCSV``): what tells it from any other database."""
VERSION = 1
_PAGES = 25_000
TABLES = """
CREATE TABLE jobs (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL, status TEXT NOT NULL, total INTEGER NOT NULL, done INTEGER NOT NULL,
    failed INTEGER NOT NULL, bytes INTEGER NOT NULL, created REAL NOT NULL, started REAL,
    finished REAL, code TEXT, detail TEXT);
CREATE INDEX jobs_by_status ON jobs (status, seq);
CREATE TABLE records (job INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE,
    place INTEGER NOT NULL, line INTEGER, item_id TEXT NOT NULL, attributes TEXT NOT NULL,
    photos TEXT NOT NULL, PRIMARY KEY (job, place)) WITHOUT ROWID;
CREATE TABLE errors (job INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE,
    place INTEGER NOT NULL, line INTEGER, item_id TEXT, code TEXT NOT NULL, detail TEXT NOT NULL,
    PRIMARY KEY (job, place)) WITHOUT ROWID;
CREATE TABLE photos (job INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE,
    sha256 TEXT NOT NULL, data BLOB NOT NULL, UNIQUE (job, sha256));
CREATE TABLE keys (caller TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL,
    job INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE, PRIMARY KEY (caller, key))
    WITHOUT ROWID;
CREATE INDEX keys_by_job ON keys (job);
CREATE TABLE feedback (seq INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL,
    caller TEXT NOT NULL, kind TEXT NOT NULL, item_id TEXT NOT NULL, query_id TEXT,
    region INTEGER, rank INTEGER);
CREATE INDEX feedback_by_time ON feedback (at);
"""
Row = tuple[Any, ...]


class Database:
    """The file; one process at a time.

    Args:
        folder: of ``service.sqlite`` and ``service.lock``; made where it is missing.
        min_free_bytes: larger writes are refused when less disk than this would be left.

    Raises:
        StoreUnavailableError: another service has it open, or the folder cannot be written.
        StoreError: the file is damaged, of another program, or of another version.
        NoSpaceError: the disk is full.
    """

    def __init__(self, folder: Path, *, min_free_bytes: int = MIN_FREE_BYTES) -> None:
        self.path = folder / "service.sqlite"
        self._min_free = min_free_bytes
        self._turns = threading.RLock()
        self._lock = DirectoryLock(folder / "service.lock", f"the service's state in {folder}")
        try:
            self._db = self._open()
        except BaseException:
            self._lock.release()
            raise

    def close(self) -> None:
        """Give the file back."""
        with self._turns:
            self._db.close()
            self._lock.release()

    def check_space(self, needed: int) -> None:
        """Refuse a write before it is begun.

        Raises:
            NoSpaceError: the disk has no room for it.
        """
        # the log and the file both get it
        check_free_space(self.path.parent, self._min_free + 2 * needed, self._min_free)

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[Row]:
        """All rows of a query."""
        with self._guard(), closing(self._db.execute(query, values)) as found:
            return found.fetchall()

    def one(self, query: str, values: Sequence[Any] = ()) -> Row | None:
        """The first row of a query."""
        with self._guard(), closing(self._db.execute(query, values)) as found:
            row: Row | None = found.fetchone()
            return row

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it is on the disk when the block ends well, else nothing.

        Raises:
            NoSpaceError: the disk is full; nothing was written.
        """
        with self._guard():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def shrink(self) -> None:
        """Give pages that are no longer used back to the disk, about 100 MB of them at a time."""
        with self._guard():
            # a script, because that is stepped to its end; execute() gives back one page
            self._db.executescript(f"PRAGMA incremental_vacuum({_PAGES})")
            self._db.executescript("PRAGMA wal_checkpoint(TRUNCATE)")

    def _open(self) -> sqlite3.Connection:
        with self._guard():
            db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            try:
                _check(db, self.path)
                # before the first table, or it does nothing
                db.execute("PRAGMA auto_vacuum=INCREMENTAL")
                db.execute("PRAGMA journal_mode=WAL")
                db.execute("PRAGMA synchronous=FULL")
                db.execute("PRAGMA foreign_keys=ON")
                # photos of finished jobs are not left readable in the file
                db.execute("PRAGMA secure_delete=FAST")
                if db.execute("PRAGMA user_version").fetchone() == (0,):
                    # one transaction, so that a kill leaves an empty file or a whole one
                    db.executescript(
                        f"BEGIN; {TABLES} PRAGMA application_id={APPLICATION_ID};"
                        f"PRAGMA user_version={VERSION}; COMMIT;"
                    )
            except BaseException:
                db.close()
                raise
            return db

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            with self._turns:
                yield
        except sqlite3.Error as error:
            raise self._explained(error) from error

    def _explained(self, error: sqlite3.Error) -> StoreError:
        code = getattr(error, "sqlite_errorcode", None)
        if code == sqlite3.SQLITE_FULL:
            return NoSpaceError(
                "the disk of the service's state is full; nothing of this was written; free some "
                "space and try again"
            )
        if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            return StoreError(
                f"{self.path} is damaged ({error}); move it away to begin with no jobs and no "
                f"feedback"
            )
        return StoreError(
            f"the service's state failed ({error}); check that its folder is there and writable"
        )


def _check(db: sqlite3.Connection, path: Path) -> None:
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if (application, version) == (APPLICATION_ID, VERSION) or (not application and not tables):
        return
    if application == APPLICATION_ID:
        raise StoreError(
            f"{path} is of version {version}, this scenesearch writes version {VERSION}; run the "
            f"version that wrote it until its jobs are done, or move it away"
        )
    raise StoreError(
        f"{path} is a database of something else, expected the service's state; set "
        f"service.state_dir to another folder"
    )
