"""What a service keeps beside its collections: a SQLite file and photos, copied while it runs."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from scenesearch.core.errors import StoreError

STATE_FILE = "service.sqlite"
"""In the state's folder: jobs, their records and photos, feedback."""


def copy_state(source: Path, target: Path) -> bool:
    """Copy the state as it is at one moment, whoever has it open; False where there is none.

    Raises:
        StoreError: it cannot be read, or is damaged.
    """
    file = source / STATE_FILE
    if not file.is_file():
        return False
    target.mkdir(parents=True)
    try:
        with (
            closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as there,
            closing(sqlite3.connect(target / STATE_FILE)) as copy,
        ):
            there.backup(copy)
            # one file, without a log beside it
            copy.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        raise StoreError(f"{file} cannot be copied: {error}") from error
    check_state(target)
    return True


def check_state(folder: Path) -> None:
    """Nothing, when the copy of a state is whole.

    Raises:
        StoreError: it is damaged.
    """
    file = folder / STATE_FILE
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True)) as db:
            found = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        found = str(error)
    if found != "ok":
        raise StoreError(f"{file} is damaged: {found}")


def copy_photos(source: Path, target: Path) -> int:
    """Copy photos that are not there yet, which are never changed; returns how many."""
    copied = 0
    for path in sorted(source.rglob("*")):
        # drafts of writes that are under way begin with a dot
        if path.name.startswith(".") or path.is_dir():
            continue
        to = target / path.relative_to(source)
        if to.exists():
            continue
        to.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(path, to)
        except FileNotFoundError:
            # swept: nothing that is stored names it
            to.unlink(missing_ok=True)
            continue
        copied += 1
    return copied
