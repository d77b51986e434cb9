"""One SQLite file with one owner: opened, checked, written in whole transactions.

The log is written ahead and synced at each commit, so what was answered survives a SIGKILL and a
power cut. One connection, used by one thread at a time.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scenesearch.core.errors import StoreError

Row = tuple[Any, ...]
Explain = Callable[[sqlite3.Error], StoreError]
"""What SQLite says, in words of whoever keeps the file."""


@dataclass(frozen=True, slots=True)
class Form:
    """What a file must be.

    Attributes:
        application_id: in its header: what tells it from any other database.
        version: of its tables, from 1.
        tables: a script that makes them.
        other_version: says so of an older or newer file, with ``{path}`` and ``{version}``.
        foreign: says so of another program's file, with ``{path}``.
        pragmas: further settings of the connection.
    """

    application_id: int
    version: int
    tables: str
    other_version: str
    foreign: str
    pragmas: tuple[str, ...] = ()

    def check(self, db: sqlite3.Connection, path: Path) -> None:
        """Do nothing for an empty file or one of this form.

        Raises:
            StoreError: it is something else.
            sqlite3.Error: it cannot be read.
        """
        (application,) = db.execute("PRAGMA application_id").fetchone()
        (version,) = db.execute("PRAGMA user_version").fetchone()
        (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if (application, version) == (self.application_id, self.version):
            return
        if application == self.application_id:
            raise StoreError(self.other_version.format(path=path, version=version))
        if application or tables:
            raise StoreError(self.foreign.format(path=path))

    def open(self, path: Path) -> sqlite3.Connection:
        """The file with its tables, made where it is missing.

        Raises:
            StoreError: it is something else.
            sqlite3.Error: it cannot be read or written.
        """
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            self.check(db, path)
            # before anything is written: how a file gives pages back is fixed by its first one
            for pragma in self.pragmas:
                db.execute(f"PRAGMA {pragma}")
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            if db.execute("PRAGMA user_version").fetchone() == (0,):
                # one transaction, so that a kill leaves an empty file or a whole one
                db.executescript(
                    f"BEGIN; {self.tables} PRAGMA application_id={self.application_id};"
                    f"PRAGMA user_version={self.version}; COMMIT;"
                )
        except BaseException:
            db.close()
            raise
        return db


class DurableFile:
    """The open file.

    Args:
        path: of the file; its folder is there.
        form: what it must be.
        explain: turns an error of SQLite into one that says what to do.

    Raises:
        StoreError: it is not of this form, or what ``explain`` makes of the error.
    """

    def __init__(self, path: Path, form: Form, explain: Explain) -> None:
        self._turns = threading.RLock()
        self._explain = explain
        with self.guard():
            self.db = form.open(path)

    def close(self) -> None:
        """Give the file back."""
        with self._turns:
            self.db.close()

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[Row]:
        """All rows of a query."""
        with self.guard(), closing(self.db.execute(query, values)) as found:
            return found.fetchall()

    def one(self, query: str, values: Sequence[Any] = ()) -> Row | None:
        """The first row of a query."""
        with self.guard(), closing(self.db.execute(query, values)) as found:
            row: Row | None = found.fetchone()
            return row

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it is on the disk when the block ends well, else nothing."""
        with self.guard(), transaction(self.db):
            yield self.db

    @contextmanager
    def guard(self) -> Iterator[None]:
        """A turn at the file; errors of SQLite leave it explained."""
        try:
            with self._turns:
                yield
        except sqlite3.Error as error:
            raise self._explain(error) from error


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All of the block, or none of it; other writers wait."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def is_full(error: sqlite3.Error) -> bool:
    """Whether the disk had no room."""
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL


def is_damaged(error: sqlite3.Error) -> bool:
    """Whether the file is no database, or no longer one."""
    code = getattr(error, "sqlite_errorcode", None)
    return code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
