"""The list of a backup's files, written last: a folder without one is no backup.

::

    DIR/backup.json                    what there is, with a checksum of every file
    DIR/state/service.sqlite           jobs, their records, feedback
    DIR/photos/...                     photos of inserted items and scenes
    DIR/collections/NAME/...           of an embedded store: its files
    DIR/collections/NAME/N.snapshot    of a server: a snapshot of its N-th node
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from scenesearch.core.errors import StoreError
from scenesearch.system.whole_file import sync_directory, write_whole

FILE = "backup.json"
COLLECTIONS, PHOTOS, STATE = "collections", "photos", "state"
VERSION = 1
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds.

    Attributes:
        version: of this form.
        scenesearch: the version that made it.
        made: when it was begun, UTC; what was acknowledged before is in it.
        embedded: whether collections are files of the embedded store, or snapshots of a server.
        nodes: of the server.
        state_dir: where photos of inserted items lay, which their records name.
        collections: points of each, None where a server counted none at that moment.
        files: size and sha256 of each, by its path in the folder.
    """

    version: int
    scenesearch: str
    made: str
    embedded: bool
    nodes: int
    state_dir: str
    collections: Mapping[str, int | None]
    files: Mapping[str, tuple[int, str]]


def list_files(folder: Path) -> dict[str, tuple[int, str]]:
    """Size and checksum of every file of a backup, made durable on the way."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            sync_directory(path)
        elif path.name != FILE:
            found[path.relative_to(folder).as_posix()] = digest(path, sync=True)
    sync_directory(folder)
    return found


def digest(path: Path, *, sync: bool = False) -> tuple[int, str]:
    """Size and sha256 of a file.

    Args:
        path: of the file.
        sync: make it durable, too.
    """
    sha256, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            sha256.update(chunk)
            size += len(chunk)
        if sync:
            os.fsync(file.fileno())
    return size, sha256.hexdigest()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """What makes the folder a backup."""
    write_whole(folder / FILE, json.dumps(asdict(manifest), indent=1).encode())


def read_manifest(folder: Path) -> Manifest:
    """What a backup holds.

    Raises:
        StoreError: it is none, was not finished, or is of another version.
    """
    path = folder / FILE
    try:
        found = json.loads(path.read_text("utf-8"))
        version = found["version"]
        if version == VERSION:
            files = {name: (int(size), str(sha)) for name, (size, sha) in found["files"].items()}
            return Manifest(**{**found, "files": files})
    except FileNotFoundError as error:
        raise StoreError(
            f"{folder} is no backup, or one that was not finished: it has no {FILE}; make another",
            code="no_backup",
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"{path} cannot be read ({error}); use another backup") from error
    raise StoreError(
        f"{path} is of version {version}, this scenesearch reads version {VERSION}; restore it "
        "with the version that made it"
    )
