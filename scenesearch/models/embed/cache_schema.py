"""The tables of the embedding cache, and how an older file gets them.

``photos`` holds the embeddings, as it always has. ``uses`` says when each was last used: a table
of its own, because the rows of ``photos`` are kilobytes long and SQLite writes a changed row anew.
``runs`` says who has the file open, so that nobody removes what another still counts on.
"""

from __future__ import annotations

import sqlite3

from scenesearch.system.sqlite_file import transaction

VERSION = 1
"""``PRAGMA user_version``: 0 had ``photos`` alone."""


def prepare(db: sqlite3.Connection) -> None:
    """Make or bring up to date what the file needs; killed at any moment, nothing is lost.

    Raises:
        sqlite3.Error: it is no cache, or one of a newer version.
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
            raise sqlite3.DatabaseError(
                f"it has version {found}, expected at most {VERSION}: a newer scenesearch made it"
            )
        if found < VERSION:
            _migrate(db)


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
    db.execute(f"PRAGMA user_version={VERSION}")


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])
