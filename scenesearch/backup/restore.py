"""Checking a backup, and putting it in place of nothing: what is there is never replaced."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from scenesearch.backup.manifest import (
    COLLECTIONS,
    FILE,
    PHOTOS,
    STATE,
    Manifest,
    digest,
    read_manifest,
)
from scenesearch.backup.state_files import STATE_FILE, check_state, copy_photos
from scenesearch.core.batches import scroll_all
from scenesearch.core.errors import StoreError
from scenesearch.core.protocols import Store
from scenesearch.system.whole_file import copy_sparse, sync_directory

OpenStore = Callable[[str], Store]
"""Opens a collection by its name."""
PutBack = Callable[[str, Path], None]
"""Puts a collection in place, by its name, from its folder in the backup."""
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Restored:
    """What came of it.

    Attributes:
        collections: points of each, as they are now.
        photos: of inserted items and scenes.
        moved: points whose photo lies in another folder than it did, and says so now.
        seconds: that it took.
    """

    collections: Mapping[str, int]
    photos: int
    moved: int
    seconds: float


def check(folder: Path) -> Manifest:
    """Read every file of a backup, and compare it with what was written.

    Raises:
        StoreError: it is none, or a file is missing, longer, shorter or another; names them.
    """
    manifest = read_manifest(folder)
    wrong = []
    for name, wanted in manifest.files.items():
        path = folder / name
        try:
            found = digest(path)
        except OSError as error:
            wrong.append(f"{name} cannot be read ({error.strerror or error})")
            continue
        if found != wanted:
            wrong.append(f"{name} is not what was written")
    there = {one.relative_to(folder).as_posix() for one in folder.rglob("*") if one.is_file()}
    wrong += [f"{name} is none of its files" for name in sorted(there - {*manifest.files, FILE})]
    if wrong:
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise StoreError(
            f"{folder} is damaged: {'; '.join(wrong[:_SHOWN])}{more}; use another backup",
            code="backup_damaged",
        )
    if f"{STATE}/{STATE_FILE}" in manifest.files:
        check_state(folder / STATE)
    return manifest


def check_embedded(folder: Path, manifest: Manifest, open_in: Callable[[Path, str], Store]) -> None:
    """Open a copy of each embedded collection, and find the points and the photos it had.

    Args:
        folder: of the backup.
        manifest: of it.
        open_in: opens a collection of a folder of collections.

    Raises:
        StoreError: one cannot be opened, has other points than it had, or names a photo that
            is not there.
    """
    for name, wanted in manifest.collections.items():
        with TemporaryDirectory(prefix="scenesearch-check-") as scratch:
            there = Path(scratch) / name
            shutil.copytree(folder / COLLECTIONS / name, there, copy_function=copy_sparse)
            with closing(open_in(Path(scratch), name)) as store:
                found = store.count()
                if found != wanted:
                    raise StoreError(f"{name} has {found} points, and had {wanted}")
                check_photos(folder, manifest, name, store)


def check_photos(folder: Path, manifest: Manifest, name: str, store: Store) -> None:
    """Nothing, when every photo that was kept for a collection is in the backup.

    Raises:
        StoreError: one is not; names it.
    """
    root = f"{manifest.state_dir}/{PHOTOS}/"
    for record in scroll_all(store, fields=("photo",)):
        path = str(record.payload.get("photo", ""))
        if path.startswith(root) and f"{PHOTOS}/{path[len(root) :]}" not in manifest.files:
            raise StoreError(f"{folder} has no {path}, which point {record.id} of {name} names")


def restore(folder: Path, state_dir: Path, put_back: PutBack, open_store: OpenStore) -> Restored:
    """Put a backup in place.

    Args:
        folder: of the backup.
        state_dir: of the service that will go on with it.
        put_back: refuses where a collection is there.
        open_store: opens what was put back.

    Raises:
        StoreError: the backup is damaged, or there is something already where it goes.
        NoSpaceError: the disk is full.
    """
    begun = time.perf_counter()
    manifest = check(folder)
    if (state_dir / STATE_FILE).exists():
        raise StoreError(
            f"{state_dir / STATE_FILE} is there already; a backup is restored in place of nothing: "
            "stop the service and move it away, or set service.state_dir to another folder",
            code="restore_over",
        )
    photos = copy_photos(folder / PHOTOS, state_dir / PHOTOS)
    counts, moved = {}, 0
    for name, wanted in manifest.collections.items():
        put_back(name, folder / COLLECTIONS / name)
        with closing(open_store(name)) as store:
            counts[name] = store.count()
            if wanted is not None and counts[name] != wanted:
                raise StoreError(f"{name} has {counts[name]} points, and had {wanted}")
            moved += _move_photos(store, manifest.state_dir, state_dir)
    # last: a service that finds it goes on with its jobs
    if (folder / STATE / STATE_FILE).exists():
        state_dir.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / STATE / STATE_FILE, state_dir / f"{STATE_FILE}.new")
        (state_dir / f"{STATE_FILE}.new").rename(state_dir / STATE_FILE)
        sync_directory(state_dir)
    return Restored(counts, photos, moved, round(time.perf_counter() - begun, 3))


def _move_photos(store: Store, before: str, now: Path) -> int:
    """Let points name their photos where these lie now."""
    old, new = f"{before}/{PHOTOS}/", f"{now.absolute().as_posix()}/{PHOTOS}/"
    if old == new:
        return 0
    moved: dict[str, list[str]] = {}
    for record in scroll_all(store, fields=("photo",)):
        path = str(record.payload.get("photo", ""))
        if path.startswith(old):
            moved.setdefault(new + path[len(old) :], []).append(record.id)
    with store.batch_writes():
        for path, ids in moved.items():
            store.set_payload({"photo": path}, ids=ids)
    return sum(map(len, moved.values()))
