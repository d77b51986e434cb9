"""Making a backup, beside a service that goes on.

The order makes the parts agree. The state comes first: a job that is settled afterwards is still
waiting in the copy, and doing it twice is doing it once. Then photos, then collections, then the
photos that came meanwhile: none younger than an hour is swept, so each that a collection's copy
names is among them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scenesearch import __version__
from scenesearch.backup.manifest import (
    COLLECTIONS,
    FILE,
    PHOTOS,
    STATE,
    VERSION,
    Manifest,
    list_files,
    write_manifest,
)
from scenesearch.backup.state_files import copy_photos, copy_state
from scenesearch.core.errors import StoreError
from scenesearch.core.protocols import Copyable


@dataclass(frozen=True, slots=True)
class BackedUp:
    """What a backup came to.

    Attributes:
        folder: where it is.
        collections: points of each, None where nobody counted.
        photos: of inserted items and scenes.
        state: whether there was a state of a service.
        bytes: of all files.
        seconds: that it took.
    """

    folder: str
    collections: Mapping[str, int | None]
    photos: int
    state: bool
    bytes: int
    seconds: float


def back_up(
    folder: Path,
    collections: Mapping[str, Copyable],
    state_dir: Path,
    *,
    embedded: bool,
    nodes: int = 1,
) -> BackedUp:
    """Copy everything that cannot be made again; what was acknowledged before is in it.

    Args:
        folder: made for it.
        collections: by name; those that do not exist are left out.
        state_dir: of the service.
        embedded: whether the collections are files.
        nodes: of a server.

    Raises:
        StoreError: the folder holds something, or a part cannot be copied; what was begun has no
            ``backup.json`` then.
        NoSpaceError: the disk is full.
    """
    begun, made = time.perf_counter(), time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    new_folder(folder)
    has_state = copy_state(state_dir, folder / STATE)
    photos = copy_photos(state_dir / PHOTOS, folder / PHOTOS)
    counts: dict[str, int | None] = {}
    for name, collection in collections.items():
        target = folder / COLLECTIONS / name
        counts[name] = collection.copy_to(target)
    photos += copy_photos(state_dir / PHOTOS, folder / PHOTOS)
    files = list_files(folder)
    there = state_dir.absolute().as_posix()
    write_manifest(
        folder, Manifest(VERSION, __version__, made, embedded, nodes, there, counts, files)
    )
    size = sum(one for one, _ in files.values())
    seconds = round(time.perf_counter() - begun, 3)
    return BackedUp(str(folder), counts, photos, has_state, size, seconds)


def new_folder(folder: Path) -> None:
    """Make a folder for a backup; an empty one will do.

    Raises:
        StoreError: it holds something else, or cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        there = next(folder.iterdir(), None)
    except OSError as error:
        raise StoreError(f"{folder} cannot be made: {error}; name another folder") from error
    if there is not None:
        what = "a backup" if (folder / FILE).exists() else "something"
        raise StoreError(
            f"{folder} holds {what} already; name a new folder, or remove this one",
            code="backup_exists",
        )
