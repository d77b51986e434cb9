"""The embedding cache: every entry reads, and is what was written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from scenesearch.models.embed.cache import DAMAGES, EmbeddingCache, Entry, read_entry
from scenesearch.models.embed.cache_eviction import VERSION
from scenesearch.verify.files import Mended, put_in_place, read_only
from scenesearch.verify.report import Finding, Report, some

SAMPLE = 200
"""Entries that are read where not all are."""
BATCH = 500
_COLUMNS = "sha256, fingerprint, regions, payload"


def check_cache(path: Path, *, deep: bool) -> Report:
    """Look through a cache; without ``deep``, at some of its entries."""
    found: list[Finding] = []

    def add(code: str, what: str, *, damage: bool = True) -> None:
        found.append(Finding(str(path), code, what, damage))

    count = 0
    try:
        with closing(read_only(path)) as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version > VERSION:
                add("tables", f"of version {version}, expected at most {VERSION}")
            if version < VERSION:
                add("older", f"of version {version}; opening it brings it up to date", damage=False)
            check = "integrity_check" if deep else "quick_check"
            for (said,) in db.execute(f"PRAGMA {check}(10)"):
                if said != "ok":
                    add("tables", said)
            wrong = []
            for key, entry in _entries(
                db, summed=version >= VERSION, limit=None if deep else SAMPLE
            ):
                count += 1
                if entry is None:
                    wrong.append(key[0])
            if wrong:
                add("rows", f"{len(wrong)} entries are not what was written: photos {some(wrong)}")
            if deep and version >= 1:
                _compare_uses(db, add)
    except sqlite3.Error as error:
        add("unreadable", str(error))
    return Report((f"{path}: {count} entries of the embedding cache",), tuple(found))


def _compare_uses(db: sqlite3.Connection, add: object) -> None:
    """What is said to be there is there: index asks for the one and reads the other."""
    (lost,) = db.execute(
        "SELECT count(*) FROM uses u JOIN fingerprints f ON f.id = u.fingerprint "
        "LEFT JOIN photos p ON p.sha256 = u.sha256 AND p.fingerprint = f.text "
        "WHERE p.sha256 IS NULL"
    ).fetchone()
    if lost:
        assert callable(add)
        add("rows", f"{lost} entries are listed and not there")


def _entries(
    db: sqlite3.Connection, *, summed: bool, limit: int | None = None, order: str = ""
) -> Iterator[tuple[tuple[str, str], tuple[Entry, ...] | None]]:
    total = "sum" if summed else "NULL"
    most = "" if limit is None else f"LIMIT {limit}"
    query = f"SELECT {_COLUMNS}, {total} FROM photos {order} {most}"  # noqa: S608 - our names
    with closing(db.execute(query)) as rows:
        for sha256, fingerprint, blob, text, kept in rows:
            try:
                yield (sha256, fingerprint), read_entry(sha256, fingerprint, blob, text, kept)
            except DAMAGES:
                yield (sha256, fingerprint), None


def mend_cache(path: Path) -> Mended:
    """Write a cache anew with the entries that are what was written.

    Raises:
        StoreError: it cannot be written.
        OSError: likewise.
    """
    new = path.with_name(f"{path.name}.mended")
    for side in ("", "-wal", "-shm"):
        Path(f"{new}{side}").unlink(missing_ok=True)
    seen: set[tuple[str, str]] = set()
    kept = left = 0
    with closing(EmbeddingCache(new)) as cache:
        cache.known([], "")  # an empty one is a file, too
        waiting: dict[str, dict[str, tuple[Entry, ...]]] = {}

        def write(at_least: int) -> None:
            for fingerprint, photos in waiting.items():
                if len(photos) >= at_least:
                    cache.put(photos, fingerprint)
                    waiting[fingerprint] = {}

        with suppress(sqlite3.Error), closing(read_only(path)) as old:
            (version,) = old.execute("PRAGMA user_version").fetchone()
            # where a page cannot be read, what lies behind it is read from the end
            for order in ("", "ORDER BY sha256 DESC, fingerprint DESC"):
                try:
                    for key, entry in _entries(old, summed=version >= VERSION, order=order):
                        if key in seen:
                            continue
                        seen.add(key)
                        kept, left = kept + (entry is not None), left + (entry is None)
                        if entry is not None:
                            waiting.setdefault(key[1], {})[key[0]] = entry
                            write(BATCH)
                except sqlite3.Error:
                    continue
                break
        write(1)
    return Mended(kept, left, put_in_place(path, new))
