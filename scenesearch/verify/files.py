"""Files of SQLite: a ledger, a service's state, the addresses of fetched photos.

What is looked at is opened to be read only. What is mended is written anew beside it, of the rows
that are what was written; the damaged file is set aside, and never deleted.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from scenesearch.core.errors import StoreError
from scenesearch.system.row_sums import Summed, row_sum, teach
from scenesearch.system.sqlite_file import Form, transaction
from scenesearch.system.whole_file import sync_directory
from scenesearch.verify.report import Finding, Report, some

READ = 10
"""Of the damages that SQLite lists."""
_SIDES = ("", "-wal", "-shm")


class Mended(NamedTuple):
    """What came of mending a file.

    Attributes:
        kept: rows that are in it.
        left: rows that were read and were not what was written.
        aside: where the damaged file is.
    """

    kept: int
    left: int
    aside: Path


def read_only(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing, and reads text that is none any more."""
    db = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)
    db.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
    return teach(db)


def check_file(path: Path, form: Form) -> Report:
    """Look through a file."""
    found: list[Finding] = []

    def add(code: str, what: str, *, damage: bool = True) -> None:
        found.append(Finding(str(path), code, what, damage))

    rows = 0
    try:
        with closing(read_only(path)) as db:
            form.check(db, path)
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version != form.version:
                add("older", f"of version {version}; opening it brings it up to date", damage=False)
            for (said,) in db.execute(f"PRAGMA integrity_check({READ})"):
                if said != "ok":
                    add("tables", said)
            if version == form.version:
                for said in _other_tables(db, form):
                    add("tables", said)
                for table in form.summed:
                    rows += _check_rows(db, table, add)
            for name, sha256, data in form.by_content:
                wrong = [
                    str(digest)
                    for digest, content in db.execute(f"SELECT {sha256}, {data} FROM {name}")  # noqa: S608
                    if hashlib.sha256(content).hexdigest() != digest
                ]
                if wrong:
                    add("rows", f"{len(wrong)} of {name} are not what was written: {some(wrong)}")
            for said, query in form.never.items():
                (count,) = db.execute(query).fetchone()
                if count:
                    add("rows", f"{count} {said}")
    except (sqlite3.Error, StoreError, ValueError, TypeError) as error:
        add("unreadable", str(error))
    return Report((f"{path}: {rows} rows",), tuple(found))


def _check_rows(db: sqlite3.Connection, table: Summed, add: Any) -> int:
    count, wrong = 0, []
    for row, good in _rows(db, table.table, table):
        count += 1
        if not good:
            wrong.append(str(row[table.key[-1]]))
    if wrong:
        add("rows", f"{len(wrong)} of {table.table} are not what was written: {some(wrong)}")
    return count


def _rows(
    db: sqlite3.Connection, table: str, summed: Summed | None, order: str = ""
) -> Iterator[tuple[dict[str, Any], bool]]:
    with closing(db.execute(f"SELECT * FROM {table} {order}")) as found:  # noqa: S608 - our names
        names = [one[0] for one in found.description]
        for values in found:
            row = dict(zip(names, values, strict=True))
            total = row.pop("sum", None)
            # not of an earlier version, whose rows have none
            if summed is not None and "sum" in names:
                yield row, total == row_sum(*(row.get(name) for name in summed.columns))
            else:
                yield row, True


def _tables(db: sqlite3.Connection) -> dict[str, str]:
    query = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"
    return {name: sql for name, sql in db.execute(query) if not name.startswith("sqlite_")}


def _fresh(form: Form) -> sqlite3.Connection:
    db = teach(sqlite3.connect(":memory:", isolation_level=None))
    db.executescript(form.tables)
    return db


def _other_tables(db: sqlite3.Connection, form: Form) -> list[str]:
    with closing(_fresh(form)) as fresh:
        wanted = _tables(fresh)
    found = _tables(db)
    missing = [name for name in wanted if name not in found]
    return [f"{name} is missing" for name in missing]


def mend_file(path: Path, form: Form) -> Mended:
    """Write a file anew with what of it is what was written.

    Raises:
        OSError: it cannot be written.
        sqlite3.Error: likewise.
    """
    new = path.with_name(f"{path.name}.mended")
    _remove(new)
    kept = left = 0
    with closing(form.open(new)) as db:
        tables = [name for name in _tables(db) if _is_table(db, name)]
        with suppress(sqlite3.Error), closing(read_only(path)) as old:
            for table in tables:
                if table in form.remade:
                    continue
                with transaction(db):
                    good, bad = _copy(old, db, table, form)
                kept, left = kept + good, left + bad
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return Mended(kept, left, put_in_place(path, new))


def put_in_place(path: Path, new: Path) -> Path:
    """Set a file aside, with what lies beside it, and put another in its place."""
    aside = unused(path)
    for side in _SIDES:
        with suppress(FileNotFoundError):
            Path(f"{path}{side}").rename(f"{aside}{side}")
    new.rename(path)
    sync_directory(path.parent)
    return aside


def unused(path: Path) -> Path:
    """A name beside a file or folder for the damaged one."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    return aside


def _remove(path: Path) -> None:
    for side in _SIDES:
        Path(f"{path}{side}").unlink(missing_ok=True)


def _is_table(db: sqlite3.Connection, name: str) -> bool:
    found = db.execute("SELECT type FROM sqlite_master WHERE name = ?", (name,)).fetchone()
    return bool(found == ("table",))


def _copy(
    old: sqlite3.Connection, new: sqlite3.Connection, table: str, form: Form
) -> tuple[int, int]:
    """Rows of a table, from its start and, where a page of it cannot be read, from its end."""
    summed = next((one for one in form.summed if one.table == table), None)
    content = next((one for one in form.by_content if one[0] == table), None)
    key = summed.key if summed is not None else ("job", "sha256")
    backwards = "ORDER BY " + ", ".join(f"{name} DESC" for name in key)
    seen: set[tuple[Any, ...]] = set()
    kept = left = 0
    for order in ("", backwards):
        try:
            for row, sound in _rows(old, table, summed, order):
                told = tuple(row[name] for name in key)
                if told in seen:
                    continue
                seen.add(told)
                good = sound and (content is None or _is_content(row, content))
                good = good and _insert(new, table, row)
                kept, left = kept + good, left + (not good)
        except (sqlite3.Error, TypeError):
            continue
        break
    return kept, left


def _is_content(row: dict[str, Any], content: tuple[str, str, str]) -> bool:
    _, sha256, data = content
    return bool(hashlib.sha256(row[data]).hexdigest() == row[sha256])


def _insert(db: sqlite3.Connection, table: str, row: dict[str, Any]) -> bool:
    names: Sequence[str] = list(row)
    marks = ", ".join("?" * len(names))
    statement = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608 - our names
    try:
        db.execute(statement, tuple(row.values()))
    except (sqlite3.Error, UnicodeEncodeError):
        return False  # what it belongs to is gone, or it is there
    return True
