"""Which embeddings leave a cache that has grown too large: the least recently used ones.

Never one that a run still counts on: not what this run has used, and nothing at all while another
run has the file open.

The tables: ``photos`` holds the embeddings, as it always has. ``uses`` says when each was last
used: a table of its own, because the rows of ``photos`` are kilobytes long and SQLite writes a
changed row anew. ``runs`` says who has the file open, so that nobody removes what another still
counts on.
"""

from __future__ import annotations

import logging
import math
import sqlite3
import time
import uuid
from collections.abc import Iterable

from scenesearch.core.errors import StoreError
from scenesearch.system.sqlite_file import transaction

log = logging.getLogger(__name__)

KEEP = 0.9
"""Eviction goes down to this share of the cap, so that it does not start again at once."""
RETRY = 1.05
"""After an eviction that could not free enough, the next try is when the file grew by this."""
BATCH = 500
"""Entries of one transaction."""
PENDING = 20_000
"""Uses remembered in memory before they are written."""
BEAT_S = 60.0
"""How often a run says that it is alive."""
DEAD_S = 3600.0
"""A run that has not said so for this long was killed."""

VERSION = 2
"""``PRAGMA user_version``: 0 had ``photos`` alone, 1 no sums of its rows."""


def prepare(db: sqlite3.Connection) -> None:
    """Make or bring up to date what the file needs; killed at any moment, nothing is lost.

    Raises:
        StoreError: it is of a newer version.
        sqlite3.Error: it is no cache.
    """
    if not db.execute("PRAGMA page_count").fetchone()[0]:
        # a file that has tables already needs a VACUUM for it, see cache_eviction
        db.execute("PRAGMA auto_vacuum=INCREMENTAL")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")
    db.execute("PRAGMA busy_timeout=10000")
    if _version(db) == VERSION:
        return
    with transaction(db):
        # another process may have done it while this one waited
        found = _version(db)
        if found > VERSION:
            raise StoreError(
                f"it has version {found}, expected at most {VERSION}: a newer scenesearch made it"
            )
        if found < 1:
            _migrate(db)
        if found < VERSION:
            # rows from before have none: to sum them, a file of gigabytes would be written anew
            db.execute("ALTER TABLE photos ADD COLUMN sum INTEGER")
            db.execute(f"PRAGMA user_version={VERSION}")


def _migrate(db: sqlite3.Connection) -> None:
    db.execute(
        "CREATE TABLE IF NOT EXISTS photos (sha256 TEXT, fingerprint TEXT, regions BLOB,"
        " payload TEXT, PRIMARY KEY (sha256, fingerprint)) WITHOUT ROWID"
    )
    # a fingerprint is hundreds of characters long, so uses has its number
    db.execute("CREATE TABLE fingerprints (id INTEGER PRIMARY KEY, text TEXT UNIQUE)")
    db.execute(
        "CREATE TABLE uses (fingerprint INTEGER, sha256 TEXT, used INTEGER,"
        " PRIMARY KEY (fingerprint, sha256)) WITHOUT ROWID"
    )
    db.execute("CREATE TABLE runs (id TEXT PRIMARY KEY, seen INTEGER) WITHOUT ROWID")
    db.execute("INSERT INTO fingerprints (text) SELECT DISTINCT fingerprint FROM photos")
    # when they were used is not known: they are the first to go
    db.execute(
        "INSERT INTO uses SELECT f.id, p.sha256, 0 FROM photos p"
        " JOIN fingerprints f ON f.text = p.fingerprint"
    )


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


class Uses:
    """When the entries of one open cache were used, and the cap on its size.

    Not safe to call from several threads: the cache calls it under its lock.

    Args:
        db: the open cache.
        max_bytes: size of the data above which entries leave; 0 for no cap.
    """

    def __init__(self, db: sqlite3.Connection, max_bytes: int) -> None:
        self._db = db
        self._max_bytes = max_bytes
        self._run = uuid.uuid4().hex
        self._since = time.time_ns()
        self._beat_at = float("-inf")
        self._pending: set[tuple[int, str]] = set()
        self._next_try = float(max_bytes)

    def alive(self) -> None:
        """Say that this run has the file open; before anything it may count on is read.

        Raises:
            sqlite3.Error: it cannot be written.
        """
        now = time.monotonic()
        if now - self._beat_at >= BEAT_S:
            self._db.execute("INSERT OR REPLACE INTO runs VALUES (?, ?)", (self._run, _now()))
            self._beat_at = now

    def fingerprint(self, text: str, *, add: bool = False) -> int | None:
        """The number of a fingerprint; None where it has none and ``add`` is False."""
        if add:
            self._db.execute("INSERT OR IGNORE INTO fingerprints (text) VALUES (?)", (text,))
        row = self._db.execute("SELECT id FROM fingerprints WHERE text = ?", (text,)).fetchone()
        return None if row is None else int(row[0])

    def add(self, fingerprint: int, sha256: Iterable[str]) -> None:
        """Note entries that are being written, in the transaction that writes them."""
        now = time.time_ns()
        self._db.executemany(
            "INSERT OR REPLACE INTO uses VALUES (?, ?, ?)",
            ((fingerprint, key, now) for key in sha256),
        )

    def touch(self, fingerprint: int, sha256: Iterable[str]) -> None:
        """Note entries that were read; they are written later, many at once."""
        self._pending.update((fingerprint, key) for key in sha256)
        if len(self._pending) >= PENDING:
            self.flush()

    def forget(self, sha256: str, fingerprint: str) -> None:
        """Remove an entry, in a transaction.

        Raises:
            sqlite3.Error: it cannot be written.
        """
        self._db.execute(
            "DELETE FROM photos WHERE sha256 = ? AND fingerprint = ?", (sha256, fingerprint)
        )
        self._db.execute(
            "DELETE FROM uses WHERE sha256 = ? AND fingerprint ="
            " (SELECT id FROM fingerprints WHERE text = ?)",
            (sha256, fingerprint),
        )

    def flush(self) -> None:
        """Write what :meth:`touch` noted. It is advice: what cannot be written is let go."""
        pending, self._pending = self._pending, set()
        if not pending:
            return
        now = time.time_ns()
        try:
            with transaction(self._db):
                # once a run is enough
                self._db.executemany(
                    "UPDATE uses SET used = ? WHERE fingerprint = ? AND sha256 = ? AND used < ?",
                    ((now, *key, self._since) for key in sorted(pending)),
                )
        except sqlite3.Error as error:
            log.debug("when embeddings were used cannot be noted: %s", error)

    def trim(self) -> int:
        """Remove entries while the cache is too large; returns how many.

        Raises:
            sqlite3.Error: the file cannot be written; what is left is whole.
        """
        size = self._size()
        if not self._max_bytes or size <= self._next_try:
            return 0
        self.flush()
        goal, evicted, left = KEEP * self._max_bytes, 0, size
        (count,) = self._db.execute("SELECT count(*) FROM uses").fetchone()
        mean = size / max(count, 1)
        # what this run has used stays
        oldest = self._db.execute(
            "SELECT fingerprint, sha256 FROM uses WHERE used < ?"
            " ORDER BY used, fingerprint, sha256 LIMIT ?",
            (self._since, math.ceil((size - goal) / mean) + BATCH),
        ).fetchall()
        while left > goal and oldest:
            # entries are about of one size; those that are not make another round
            many = min(math.ceil((left - goal) / mean), BATCH)
            removed = self._evict(oldest[:many])
            if not removed:
                break
            del oldest[:many]
            evicted += removed
            left = self._size()
        self._next_try = max(float(self._max_bytes), RETRY * left)
        if evicted:
            log.debug("embedding cache: %d entries left, %d bytes are used", evicted, left)
            self._shrink()
        return evicted

    def close(self) -> None:
        """Write what is pending, and let other runs evict."""
        self.flush()
        try:
            self._db.execute("DELETE FROM runs WHERE id = ?", (self._run,))
        except sqlite3.Error as error:
            log.debug("this run stays noted in the embedding cache: %s", error)

    def _size(self) -> int:
        pages, free, page = (
            int(self._db.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * page

    def _evict(self, batch: list[tuple[int, str]]) -> int:
        with transaction(self._db):
            # inside, because a run that opens the file now waits until this is over
            self._db.execute("DELETE FROM runs WHERE seen < ?", (_now() - round(DEAD_S),))
            others = self._db.execute(
                "SELECT count(*) FROM runs WHERE id <> ?", (self._run,)
            ).fetchone()
            if others[0]:
                return 0
            self._db.executemany(
                "DELETE FROM photos WHERE sha256 = ?2 AND fingerprint ="
                " (SELECT text FROM fingerprints WHERE id = ?1)",
                batch,
            )
            self._db.executemany("DELETE FROM uses WHERE fingerprint = ? AND sha256 = ?", batch)
        return len(batch)

    def _shrink(self) -> None:
        """Give free pages back to the disk; where that is not possible, they are used again."""
        try:
            if self._db.execute("PRAGMA auto_vacuum").fetchone()[0] == 2:
                # execute() takes one step of it, which frees one page
                self._db.executescript("PRAGMA incremental_vacuum")
            else:
                # a file from before it was capped is written anew, once
                self._db.execute("PRAGMA auto_vacuum=INCREMENTAL")
                self._db.execute("VACUUM")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error as error:
            log.debug("the embedding cache keeps its free pages: %s", error)


def _now() -> int:
    return int(time.time())
