"""Which names came before, in memory that does not grow with their number."""

from __future__ import annotations

import sqlite3
from types import TracebackType

from scenesearch.core.errors import NoSpaceError, StoreError


class Seen:
    """A set of texts in a temporary database without a name: it vanishes with the process."""

    def __init__(self) -> None:
        # one thread uses it, but whoever gives up the stream may be another
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=OFF")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.execute("CREATE TABLE seen (key BLOB PRIMARY KEY) WITHOUT ROWID")
        self._db.execute("BEGIN")

    def __enter__(self) -> Seen:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._db.close()

    def first_time(self, key: str) -> bool:
        """Whether it was not asked for before.

        Raises:
            NoSpaceError: the folder for temporary files is full.
        """
        data = key.encode("utf-8", "surrogateescape")
        try:
            return self._db.execute("INSERT OR IGNORE INTO seen VALUES (?)", (data,)).rowcount == 1
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
                raise NoSpaceError(
                    "the folder for temporary files is full; free some space there, or set "
                    "SQLITE_TMPDIR to another folder"
                ) from error
            raise StoreError(f"the list of photos seen so far failed: {error}") from error
