"""What is known of photos that were fetched: which content an address had, and how to ask again."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from scenesearch.core.batches import batches
from scenesearch.core.errors import StoreError
from scenesearch.system.row_sums import Summed
from scenesearch.system.sqlite_file import DurableFile, Form, explained

_PHOTO = Summed("photo", ("address",), ("address", "sha256", "etag", "modified"))
FORM = Form(
    application_id=0x53534144,  # "SSAD"
    version=2,
    tables=(
        "CREATE TABLE photo (address TEXT PRIMARY KEY, sha256 TEXT NOT NULL, etag TEXT,"
        " modified TEXT, sum INTEGER) WITHOUT ROWID;" + _PHOTO.triggers
    ),
    summed=(_PHOTO,),
    migrations={1: _PHOTO.migration},
    other_version=(
        "{path} is of version {version}, and this version reads at most 2; remove it, and the "
        "photos are fetched again"
    ),
    foreign="{path} is another program's database; move it away",
)


class Known(NamedTuple):
    """A photo that was fetched.

    Attributes:
        sha256: of its content.
        etag: by which a server tells whether it changed; None where it sent none.
        modified: likewise, ``Last-Modified``.
    """

    sha256: str
    etag: str | None = None
    modified: str | None = None


class AddressBook:
    """Photos by address, in one file that survives a kill.

    Args:
        path: of the file; its folder is there.

    Raises:
        StoreError: it cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = DurableFile(path, FORM, self._explain)

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def find(self, addresses: Sequence[str]) -> dict[str, Known]:
        """What is known of some addresses."""
        found: dict[str, Known] = {}
        for some in batches(addresses, 500):
            marks = ",".join("?" * len(some))
            columns = "address, sha256, etag, modified"
            query = _PHOTO.select(columns, f"WHERE address IN ({marks})")
            found |= {row[0]: Known(*row[1:]) for row in self._file.sound_rows(query, list(some))}
        return found

    def note(self, photos: Iterable[tuple[str, Known]]) -> None:
        """Remember some photos; all of them or none."""
        rows = [(address, *known) for address, known in photos]
        with self._file.writing() as db:
            db.executemany(_PHOTO.insert("REPLACE"), rows)

    def _explain(self, error: sqlite3.Error) -> StoreError:
        return explained(
            error,
            self._path,
            what="the list of fetched photos",
            kept="what was fetched before is kept",
            repair=f"scenesearch verify {self._path} --repair takes out what is damaged, and those "
            "photos are asked for again",
        )
