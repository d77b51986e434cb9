"""Models brought from a hub into the folder of weights, checked and written down."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from scenesearch.core.errors import ModelError, StoreUnavailableError
from scenesearch.models.fetched import Fetched, read_fetched, write_fetched
from scenesearch.models.hub import Hub, HubError, HubFile
from scenesearch.models.weights import ModelRecord, sha256_of
from scenesearch.system.disk import check_free_space
from scenesearch.system.lock_file import DirectoryLock

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """What became of one file.

    Attributes:
        name: of it in the folder of weights.
        path: where it is.
        size: in bytes.
        sha256: of its bytes.
        new: whether it was brought now.
    """

    name: str
    path: Path
    size: int
    sha256: str
    new: bool


def fetch_models(
    records: Iterable[ModelRecord],
    folder: Path,
    hub: Hub,
    *,
    renew: bool = False,
    min_free_bytes: int = 0,
    progress: Progress = lambda *_: None,
) -> list[FetchedFile]:
    """Bring the files of models; those that are there and are what they were stay.

    A file is fetched by the commit of the first time, and must have the hash of the first time.

    Args:
        records: of models with a hub; others are passed over.
        folder: of weights; made when it is needed.
        hub: where from.
        renew: take what the hub has now, and its hashes, whatever was there.
        min_free_bytes: of the disk, which stay free.
        progress: called with a file's name, bytes that are there, and of how many.

    Raises:
        HubError: the hub does not give a file, or gives another one than the first time.
        NoSpaceError: the disk is too full.
        ModelError: the folder cannot be written, or another process fetches into it.
    """
    wanted = [one for one in records if one.hub]
    if not wanted:
        return []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            return [
                _brought(one, name, folder, hub, renew, min_free_bytes, progress)
                for one in wanted
                for name in one.files
            ]
    except OSError as error:
        raise ModelError(
            f"{folder}: cannot be written: {error.strerror or error}; check the permissions, or "
            f"set SCENESEARCH_MODELS_DIR to another folder"
        ) from error


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process fetches at a time: two would write one file."""
    try:
        lock = DirectoryLock(folder / "fetched.lock", f"the folder of weights {folder}")
    except StoreUnavailableError as error:
        raise ModelError(
            f"{folder}: another process fetches into it, or it cannot be written ({error}); wait "
            f"for it",
            code="fetch_running",
        ) from error
    try:
        yield
    finally:
        lock.release()


def _brought(
    record: ModelRecord,
    name: str,
    folder: Path,
    hub: Hub,
    renew: bool,
    min_free_bytes: int,
    progress: Progress,
) -> FetchedFile:
    path = folder / name
    known = None if renew else read_fetched(folder).get(name)
    if known is not None and path.is_file() and sha256_of(path) == known.sha256:
        return FetchedFile(name, path, known.size, known.sha256, new=False)
    described = hub.describe(
        record.hub, Path(name).name, revision=known.commit if known else "main"
    )
    if known is not None and described.hub_hash != known.hub_hash:
        raise HubError(
            f"{name}: {hub.endpoint} has another file now than when it was first fetched "
            f"({described.hub_hash}, expected {known.hub_hash}); where that is meant, take the new "
            f"one with --renew",
            code="hub_file_changed",
        )
    if path.is_file() and described.is_of(path):
        return _noted(record, name, folder, hub, described, path, new=False)
    if path.is_file() and known is None and not renew:
        raise HubError(
            f"{path} is there and is not what {hub.endpoint} has ({described.hub_hash}); move it "
            f"away, or replace it with --renew",
            code="hub_file_changed",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    # another file's beginning must not be gone on with
    mark = hashlib.sha256(described.hub_hash.encode()).hexdigest()[:12]
    part = path.with_name(f"{path.name}.{mark}.part")
    there = part.stat().st_size if part.exists() else 0
    check_free_space(path.parent, max(described.size - there, 0), min_free_bytes)
    hub.bring(described, part, lambda done, total: progress(name, done, total))
    if not described.is_of(part):
        part.unlink()
        raise HubError(
            f"{name}: what came is not what the hub names ({described.hub_hash}); it was removed, "
            f"fetch it again",
            code="hub_wrong_hash",
        )
    with part.open("rb") as file:
        os.fsync(file.fileno())
    # known before it has its name: a kill between the two leaves what the next run takes up
    done = _noted(record, name, folder, hub, described, part, new=True)
    part.replace(path)
    return replace(done, path=path)


def _noted(
    record: ModelRecord,
    name: str,
    folder: Path,
    hub: Hub,
    described: HubFile,
    path: Path,
    *,
    new: bool,
) -> FetchedFile:
    """Write a file that was checked into the manifest."""
    digest = sha256_of(path)
    files = read_fetched(folder)
    files[name] = Fetched(
        sha256=digest,
        size=described.size,
        hub_hash=described.hub_hash,
        hub=record.hub,
        commit=described.commit,
        endpoint=hub.endpoint,
        fetched_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    write_fetched(folder, files)
    return FetchedFile(name, path, described.size, digest, new=new)
