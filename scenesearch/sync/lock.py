"""One sync at a time for each collection, between its rounds too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scenesearch.core.errors import StoreUnavailableError
from scenesearch.system.lock_file import DirectoryLock


@contextmanager
def sync_lock(file: Path, what: str) -> Iterator[None]:
    """Hold a file locked; the system lets go of it however the process ends.

    Two syncs of one collection from different manifests would delete each other's items.

    Args:
        file: made where it is missing, never deleted.
        what: names the collection in the message.

    Raises:
        StoreUnavailableError: another sync holds it; names its process.
    """
    try:
        lock = DirectoryLock(file, f"the sync lock {file}")
    except StoreUnavailableError as error:
        raise StoreUnavailableError(
            f"{what} is being synced by another process, and two syncs would undo each other's "
            f"work; wait for it or stop it ({error})"
        ) from error
    try:
        yield
    finally:
        lock.release()
