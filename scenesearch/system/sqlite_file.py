"""One SQLite file with one owner: opened, checked, written in whole transactions.

The log is written ahead and synced at each commit, so what was answered survives a SIGKILL and a
power cut. One connection, used by one thread at a time.
"""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from scenesearch.core.errors import DamagedError, NoSpaceError, StoreError, StoreUnavailableError
from scenesearch.system.row_sums import DAMAGED, Summed, teach

Row = tuple[Any, ...]
Explain = Callable[[sqlite3.Error], StoreError]
"""What SQLite says, in words of whoever keeps the file."""
Trouble = Literal["full", "busy", "read only", "damaged", "other"]
LITTLE_BYTES = 1 << 18
"""What SQLite writes beside the data; a disk with less room is full."""


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
        summed: tables whose rows have sums.
        migrations: scripts that bring an older file up to date, by its version.
        by_content: tables whose rows are told by the sha256 of what they hold: name, the column of
            the sha256, that of the content.
        never: queries that count what must not be, by what that is.
        remade: tables that are written anew with each use, and not kept where the file is mended.
    """

    application_id: int
    version: int
    tables: str
    other_version: str
    foreign: str
    pragmas: tuple[str, ...] = ()
    summed: tuple[Summed, ...] = ()
    migrations: Mapping[int, str] = field(default_factory=dict)
    by_content: tuple[tuple[str, str, str], ...] = ()
    never: Mapping[str, str] = field(default_factory=dict)
    remade: frozenset[str] = frozenset()

    def check(self, db: sqlite3.Connection, path: Path) -> None:
        """Do nothing for an empty file, one of this form or one that can be brought to it.

        Raises:
            StoreError: it is something else.
            sqlite3.Error: it cannot be read.
        """
        with said_in_text():
            (application,) = db.execute("PRAGMA application_id").fetchone()
            (version,) = db.execute("PRAGMA user_version").fetchone()
            (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if application == self.application_id:
            if version == self.version or version in self.migrations:
                return
            raise StoreError(self.other_version.format(path=path, version=version))
        if application or tables or version:
            raise StoreError(self.foreign.format(path=path))

    def open(self, path: Path) -> sqlite3.Connection:
        """The file with its tables, made where it is missing and migrated where it is older.

        What a crash may have left is checked first.

        Raises:
            StoreError: it is something else.
            sqlite3.Error: it cannot be read or written, or is damaged.
        """
        crashed = left_open(path)
        db = teach(sqlite3.connect(path, isolation_level=None, check_same_thread=False))
        try:
            self.check(db, path)
            # before anything is written: how a file gives pages back is fixed by its first one
            for pragma in self.pragmas:
                db.execute(f"PRAGMA {pragma}")
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            if crashed:
                _check_quickly(db)
            self._bring_up_to_date(db)
        except BaseException:
            db.close()
            raise
        return db

    def _bring_up_to_date(self, db: sqlite3.Connection) -> None:
        while (version := int(db.execute("PRAGMA user_version").fetchone()[0])) != self.version:
            made, script = (self.version, self.tables) if not version else (version + 1, "")
            # one transaction, so that a kill leaves what was there or a whole file
            db.executescript(
                f"BEGIN IMMEDIATE; {script or self.migrations[version]} "
                f"PRAGMA application_id={self.application_id};"
                f"PRAGMA user_version={made}; COMMIT;"
            )


def left_open(path: Path) -> bool:
    """Whether whoever had a file open last did not close it: its log is still there."""
    try:
        return Path(f"{path}-wal").stat().st_size > 0
    except OSError:
        return False


def _check_quickly(db: sqlite3.Connection) -> None:
    (said,) = db.execute("PRAGMA quick_check(1)").fetchone()
    if said != "ok":
        raise damage(str(said))


def damage(said: str) -> sqlite3.DatabaseError:
    """An error as SQLite raises it where it finds damage by itself."""
    error = sqlite3.DatabaseError(said)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


@contextmanager
def said_in_text() -> Iterator[None]:
    """Damage as an error of SQLite also where it quotes the bytes that are no text.

    Python then cannot read what SQLite says, and raises UnicodeDecodeError in its place.
    """
    try:
        yield
    except UnicodeDecodeError as error:
        raise damage(str(error)) from error


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

    def sound_rows(self, query: str, values: Sequence[Any] = ()) -> list[Row]:
        """All rows of a query, without their first column: whether each is what was written."""
        with self.guard(), closing(self.db.execute(query, values)) as found:
            return list(sound(found))

    def sound_one(self, query: str, values: Sequence[Any] = ()) -> Row | None:
        """The first row of such a query."""
        with self.guard(), closing(self.db.execute(query, values)) as found:
            return next(sound(found), None)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it is on the disk when the block ends well, else nothing."""
        with self.guard(), transaction(self.db):
            yield self.db

    @contextmanager
    def guard(self) -> Iterator[None]:
        """A turn at the file; errors of SQLite leave it explained."""
        try:
            with self._turns, said_in_text():
                yield
        except sqlite3.Error as error:
            raise self._explain(error) from error


def sound(rows: Iterator[Row]) -> Iterator[Row]:
    """Rows without their first column, which says whether they are what was written.

    Raises:
        sqlite3.DatabaseError: one is not.
    """
    for good, *row in rows:
        if not good:
            raise damage(DAMAGED)
        yield tuple(row)


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


def trouble(error: sqlite3.Error, path: Path | str | None = None) -> Trouble:
    """What kind of error SQLite has.

    Args:
        error: of SQLite.
        path: of the file, where there is one.
    """
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        # Python's own, such as bytes that are no text
        return "damaged" if isinstance(error, sqlite3.OperationalError) else "other"
    # the low byte is the kind of an extended code
    kind = code & 0xFF
    if kind == sqlite3.SQLITE_FULL:
        return "full"
    if kind in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN) and path and _is_full(Path(path)):
        return "full"
    if kind in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return "busy"
    if kind in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return "read only"
    # a statement of ours that is refused: the tables are not what they were
    if kind in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR):
        return "damaged"
    return "damaged" if DAMAGED in str(error) else "other"


def explained(
    error: sqlite3.Error, path: Path | str, *, what: str, kept: str, repair: str
) -> StoreError:
    """An error of SQLite in words of ours, of a class for each kind of it.

    Args:
        error: what was raised.
        path: of the file.
        what: names it (``the ledger``).
        kept: what a full disk did not cost.
        repair: what to do where it is damaged.
    """
    match trouble(error, path):
        case "full":
            return NoSpaceError(
                f"{path}: the disk is full; {kept}, free some space and run again to go on"
            )
        case "busy":
            return StoreUnavailableError(
                f"{path}: another process is writing {what}; try again when it is done",
                retry_after_s=1,
            )
        case "read only":
            return StoreError(
                f"{path}: {what} cannot be written ({error}); check the permissions of the file "
                "and its folder, and whether the disk is mounted to be read only",
                code="read_only",
            )
        case "damaged":
            return DamagedError(f"{path}: {what} is damaged, or it is none ({error}); {repair}")
        case _:
            return StoreError(
                f"{path}: {what} failed ({error}); check that the folder is there and writable"
            )


def _is_full(path: Path) -> bool:
    """Whether the disk has no room for the little that SQLite writes beside the data."""
    try:
        return shutil.disk_usage(path.parent).free < LITTLE_BYTES
    except OSError:
        return False
