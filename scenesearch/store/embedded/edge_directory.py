"""The directory of an embedded collection: made whole or not at all, held by one store.

::

    <path>/<collection>/schema.json   what the collection holds
    <path>/<collection>/shard/        the engine's files and its log
    <path>/<collection>/blobs/        small files kept with it
    <path>/<collection>/census.json   how much there is; only while nobody writes
    <path>/<collection>.lock          held while a store has it open; names the process
    <path>/<collection>.new/          being made; renamed when it is complete
    <path>/<collection>.mended/       complete; takes the place of a damaged one
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scenesearch.core.errors import DamagedError, NoSpaceError, StoreError
from scenesearch.core.quantization import Memory, Quantization
from scenesearch.core.types import Census, CollectionSchema
from scenesearch.store.census import REPAIR, dump_census, load_census
from scenesearch.store.checks import check_blob_name, check_name
from scenesearch.store.embedded.edge_translate import (
    EdgeRequests,
    create_shard,
    engine_errors,
    load_shard,
)
from scenesearch.store.schemas import check_schema, dump_schema, load_schema
from scenesearch.system.disk import is_full
from scenesearch.system.lock_file import DirectoryLock
from scenesearch.system.whole_file import copy_sparse, sync_directory, sync_file, write_whole

CENSUS = "census.json"


def forget_indexes(root: Path, collection: str) -> None:
    """Remove the indexes of payloads, without which a damaged collection may open, to be read.

    Raises:
        StoreUnavailableError: it is open.
        OSError: the disk does not let it be done.
    """
    lock = DirectoryLock(root / f"{collection}.lock", f"the index in {root / collection}")
    try:
        for folder in (root / collection / "shard" / "segments").glob("*/payload_index"):
            shutil.rmtree(folder)
    finally:
        lock.release()


def replace_collection(root: Path, collection: str, by: str) -> Path:
    """Put a whole collection in the place of another one, which is set aside; gives where.

    Raises:
        StoreUnavailableError: one of them is open.
        OSError: the disk does not let it be done.
    """
    locks = [
        DirectoryLock(root / f"{name}.lock", f"the index in {root / name}")
        for name in (collection, by)
    ]
    try:
        # first: where a kill comes between the next two, whoever looks for it ends this
        shutil.rmtree(mended := root / f"{collection}{WHOLE}", ignore_errors=True)
        (root / by).rename(mended)
        number = 1
        while (aside := root / f"{collection}.damaged-{number}").exists():
            number += 1
        if (root / collection).exists():
            (root / collection).rename(aside)
        _end_replacing(root, collection)
        sync_directory(root)
    finally:
        for lock in locks:
            lock.release()
    (root / f"{by}.lock").unlink(missing_ok=True)
    return aside


def _end_replacing(root: Path, collection: str) -> None:
    """Put a mended collection where nothing is."""
    mended = root / f"{collection}{WHOLE}"
    if mended.is_dir() and not (root / collection).exists():
        with suppress(FileNotFoundError):  # somebody else was quicker
            mended.rename(root / collection)


@dataclass(slots=True)
class OpenShard:
    """What a store has while it holds a directory.

    Attributes:
        shard: the engine's handle.
        lock: keeps other stores out.
        schema: as it is on the disk.
        requests: builds requests for that schema.
        pid: the process that opened it.
        changed: whether what was counted when it was closed is not so any more.
    """

    shard: Any
    lock: DirectoryLock
    schema: CollectionSchema
    requests: EdgeRequests
    pid: int
    changed: bool = False


MENDED = "-mended"
"""What follows the name of a collection that is to take the place of a damaged one."""
WHOLE = ".mended"
"""Likewise, when it is complete."""


def collections_in(root: Path, *, damaged: bool = False) -> list[str]:
    """Names of the collections of a folder, sorted; empty where there is no folder.

    Args:
        root: the folder of the store.
        damaged: those without a record as well.

    Raises:
        StoreError: the folder cannot be read.
    """
    try:
        for mended in root.glob(f"*{WHOLE}"):
            _end_replacing(root, mended.name.removesuffix(WHOLE))
        return sorted(
            home.name
            for home in (root.iterdir() if root.is_dir() else ())
            if ((home / "schema.json").is_file() or (damaged and (home / "shard").is_dir()))
            and "." not in home.name
            and not home.name.endswith(MENDED)
        )
    except OSError as error:
        raise StoreError(f"cannot read {root}: {error}; check its permissions") from error


class EdgeDirectory:
    """Where one collection is kept. Constructing it touches no file.

    Args:
        root: directory of all collections.
        collection: its checked name.
        search_threads: see :class:`~scenesearch.store.embedded.edge.EdgeStore`.
        tenant_field: likewise.
    """

    def __init__(
        self,
        root: Path,
        collection: str,
        search_threads: int | None = None,
        *,
        tenant_field: str | None = None,
    ) -> None:
        self.root = root
        self._search_threads = search_threads
        self._tenant_field = tenant_field
        self.name = check_name(collection)
        self.home = root / collection

    def read_schema(self) -> CollectionSchema | None:
        """The schema, or None where there is no collection. Takes no lock.

        Raises:
            StoreError: it is there and cannot be read.
        """
        file = self.home / "schema.json"
        try:
            _end_replacing(self.root, self.name)  # of a repair that was killed
            text = file.read_text("utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(f"cannot read {file}: {error}; check its permissions") from error
        return load_schema(text, str(file))

    def write_schema(self, schema: CollectionSchema) -> None:
        """Replace the schema, whole or not at all."""
        write_whole(self.home / "schema.json", dump_schema(schema).encode())

    def read_census(self) -> Census | None:
        """What was counted when the collection was closed well and not written since.

        Raises:
            DamagedError: it cannot be read.
        """
        file = self.home / CENSUS
        try:
            return load_census(file.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DamagedError(f"{file} cannot be read ({error}); {REPAIR}") from error

    def write_census(self, census: Census) -> None:
        """Keep what was counted."""
        write_whole(self.home / CENSUS, dump_census(census))

    def forget_census(self) -> None:
        """For who is about to write. Durable, or a power cut would bring back what is not so."""
        file = self.home / CENSUS
        if file.exists():
            file.unlink()
            sync_directory(self.home)

    def blob(self, name: str) -> Path:
        """Where a blob is kept."""
        return self.home / "blobs" / check_blob_name(name)

    def make(self, schema: CollectionSchema, blobs: Mapping[str, bytes]) -> CollectionSchema:
        """Make the collection, unless it is there; gives the schema that is there afterwards.

        Raises:
            StoreUnavailableError: another process is making it right now.
            StoreError: something else is in its place, or the disk does not let it be made.
        """
        lock = self._lock()
        try:
            # Another process may have made it just before this one got the lock.
            return self.read_schema() or self._make(schema, blobs)
        except OSError as error:
            if is_full(error):
                raise NoSpaceError(
                    f"cannot create the collection in {self.home}: the disk is full; free some "
                    "space, or choose another folder"
                ) from error
            raise StoreError(
                f"cannot create the collection in {self.home}: {error}; check the disk and "
                "the permissions of the directory"
            ) from error
        finally:
            lock.release()

    def _make(self, schema: CollectionSchema, blobs: Mapping[str, bytes]) -> CollectionSchema:
        if self.home.exists():
            raise StoreError(
                f"{self.home} exists and is no collection (it has no schema.json); restore the "
                "file from a backup, or move the directory away"
            )
        new = self.root / f"{self.name}.new"
        # Left over from a process that was killed here: never renamed, so never acknowledged.
        shutil.rmtree(new, ignore_errors=True)
        (new / "blobs").mkdir(parents=True)
        for name, data in blobs.items():
            write_whole(new / "blobs" / name, data)
        with engine_errors(f"create the index in {new}"):
            shard = create_shard(
                new / "shard", schema, self._search_threads, tenant_field=self._tenant_field
            )
            shard.flush()
            shard.close()
        write_whole(new / "schema.json", dump_schema(schema).encode())
        new.rename(self.home)
        sync_directory(self.root)
        return schema

    def adopt(self, folder: Path) -> None:
        """Make the collection of a copy of its directory.

        Raises:
            StoreUnavailableError: another process is making it right now.
            StoreError: there is something in its place, or the disk does not let it be made.
        """
        lock = self._lock()
        try:
            if self.home.exists():
                raise StoreError(
                    f"{self.home} is there already; a backup is restored in place of nothing: drop "
                    "the collection, or restore into another folder",
                    code="restore_over",
                )
            new = self.root / f"{self.name}.new"
            shutil.rmtree(new, ignore_errors=True)
            shutil.copytree(folder, new, copy_function=copy_sparse)
            for path in new.rglob("*"):
                if path.is_file():
                    sync_file(path)
            new.rename(self.home)
            sync_directory(self.root)
        except (OSError, shutil.Error) as error:
            raise StoreError(
                f"cannot restore {self.home} from {folder}: {error}; check the disk and the "
                "permissions of the directory"
            ) from error
        finally:
            lock.release()

    def open(self) -> OpenShard:
        """Lock the directory and load the engine, which replays its log.

        Raises:
            StoreError: there is no collection, or its files cannot be used.
            StoreUnavailableError: another store has it open.
        """
        self._require()
        lock = self._lock()
        try:
            schema = self._require()
            with engine_errors(f"open {self.home}"):
                shard = load_shard(self.home / "shard", schema, self._search_threads)
        except BaseException:
            lock.release()
            raise
        return OpenShard(shard, lock, schema, EdgeRequests(schema), os.getpid())

    def drop(self) -> None:
        """Remove the collection for good. It must not be open.

        Raises:
            StoreUnavailableError: a store has it open.
            StoreError: it cannot be removed.
        """
        lock = self._lock()
        try:
            # renamed first, so that a kill leaves a whole collection or none
            gone = self.root / f"{self.name}.new"
            shutil.rmtree(gone, ignore_errors=True)
            shutil.rmtree(self.root / f"{self.name}{WHOLE}", ignore_errors=True)
            self.home.rename(gone)
            sync_directory(self.root)
            shutil.rmtree(gone)
        except OSError as error:
            raise StoreError(f"cannot remove {self.home}: {error}") from error
        finally:
            lock.release()

    def quantize(
        self,
        quantization: Quantization,
        *,
        on_disk: bool | None = None,
        memory: Memory | None = None,
    ) -> None:
        """Give a collection other codes, and another place. It must not be open.

        Args:
            quantization: what is searched first.
            on_disk: see :class:`~scenesearch.core.types.CollectionSchema`.
            memory: likewise.

        Raises:
            StoreError: there is no collection, or its files cannot be used.
            StoreUnavailableError: another store has it open.
        """
        self._require()
        lock = self._lock()
        try:
            schema = check_schema(
                replace(self._require(), quantization=quantization, on_disk=on_disk, memory=memory)
            )
            # First: what is searched for is right whichever codes there are, and the next
            # ``optimize`` goes on where this one is killed.
            self.write_schema(schema)
            with engine_errors(f"quantize {self.home}"):
                shard = load_shard(self.home / "shard", schema, self._search_threads)
                shard.optimize()
                shard.flush()
                shard.close()
        finally:
            lock.release()

    def _require(self) -> CollectionSchema:
        schema = self.read_schema()
        if schema is None:
            raise StoreError(
                f"collection {self.name!r} does not exist in {self.root} yet; "
                "create it with create(schema), or check the path",
                code="no_collection",
            )
        return schema

    def _lock(self) -> DirectoryLock:
        return DirectoryLock(self.root / f"{self.name}.lock", f"the index in {self.home}")
