"""Settings to stores, and to the files beside them."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from scenesearch.config.settings import Settings
from scenesearch.core.protocols import Quantizable, Store
from scenesearch.core.quantization import Memory, Quantization
from scenesearch.core.types import CollectionSchema
from scenesearch.models.embed.cache import EmbeddingCache
from scenesearch.system import disk

if TYPE_CHECKING:
    from scenesearch.store.server.connection import Tls

ITEMS = "items"
"""The collection of products, where no other is named."""
EMBEDDINGS = "embeddings.sqlite"
"""The embedding cache, in a store's folder or in the cache folder."""


def is_url(store: str | Path) -> bool:
    """Whether a store is a server's address, or several, rather than a folder."""
    return str(store).startswith(("http://", "https://"))


def server_tls(settings: Settings) -> Tls | None:
    """What a server's certificate is checked by, where settings say so."""
    from scenesearch.store.server.connection import Tls

    chosen = settings.store
    return Tls(chosen.ca, chosen.cert, chosen.key) if chosen.ca or chosen.cert else None


def build_store(
    settings: Settings, store: str | Path, collection: str, *, process: bool = False
) -> Store:
    """The embedded store of a folder, or a Qdrant server's.

    Args:
        settings: hold the key of a server.
        store: a folder, or a URL, or several of one cluster with commas between.
        collection: its name.
        process: keep the embedded store in a process of its own, which starts with its first
            call; for programs of many threads, because its engine holds the GIL.

    Raises:
        StoreError: it cannot be opened.
    """
    from scenesearch.store.priced import PricedStore

    return PricedStore(_store(settings, store, collection, process=process))


def _store(settings: Settings, store: str | Path, collection: str, *, process: bool) -> Store:
    on_disk, memory = _placed(settings)
    if is_url(store):
        from scenesearch.store.server.client import ClientStore
        from scenesearch.store.server.layout import Layout

        chosen = settings.store
        return ClientStore(
            str(store),
            collection,
            api_key=settings.qdrant_api_key,
            quantization=_quantization(settings, embedded=False),
            on_disk=on_disk,
            memory=memory,
            layout=Layout(chosen.shards, chosen.replicas, chosen.write_consistency),
            tls=server_tls(settings),
            tenant_field=chosen.tenant_field,
        )
    from scenesearch.store.embedded.edge import EdgeStore

    free = settings.min_free_megabytes * 1_000_000
    quantization = _quantization(settings, embedded=True)
    tenant_field = settings.store.tenant_field
    if process:
        # the other half of the cores is for whoever asks
        threads = max(1, (os.cpu_count() or 1) // 2)
        made = partial(
            EdgeStore,
            Path(store),
            collection,
            min_free_bytes=free,
            search_threads=threads,
            quantization=quantization,
            on_disk=on_disk,
            memory=memory,
            tenant_field=tenant_field,
        )
        return _in_process(made, store, collection)
    return EdgeStore(
        Path(store),
        collection,
        min_free_bytes=free,
        quantization=quantization,
        on_disk=on_disk,
        memory=memory,
        tenant_field=tenant_field,
    )


def build_inspected(settings: Settings, store: str | Path, collection: str) -> Store:
    """The store of a collection for who checks it: one that is damaged opens too.

    An embedded one is in a process of its own, which damage may cost its life.
    """
    if is_url(store):
        return _store(settings, store, collection, process=False)
    from scenesearch.store.embedded.edge import EdgeStore

    free = settings.min_free_megabytes * 1_000_000
    made = partial(
        EdgeStore,
        Path(store),
        collection,
        min_free_bytes=free,
        counted=False,
        tenant_field=settings.store.tenant_field,
    )
    return _in_process(made, store, collection)


def _in_process(made: Callable[[], Store], store: str | Path, collection: str) -> Store:
    from scenesearch.store.process.store import ProcessStore

    home = Path(store) / collection
    return ProcessStore(made, name=f"the index in {home}", folder=home)


def is_cramped(settings: Settings, store: str | Path) -> bool:
    """Whether the disk of an embedded store may fill up under the files that its engine maps.

    That ends the process that has them; so it must be another one than a command's own.
    """
    return not is_url(store) and disk.is_cramped(
        Path(store), settings.min_free_megabytes * 1_000_000
    )


def forget_indexes(store: Path, collection: str) -> None:
    """See :func:`scenesearch.store.embedded.edge_directory.forget_indexes`."""
    from scenesearch.store.embedded import edge_directory

    edge_directory.forget_indexes(store, collection)


@contextmanager
def rebuilding(
    settings: Settings, store: Path, collection: str, schema: CollectionSchema
) -> Iterator[Store]:
    """An empty collection of the same schema, which takes the place of the old one in the end.

    The old one is set aside as ``COLLECTION.damaged-1``, and not deleted. Both must be closed.

    Args:
        settings: of stores.
        store: the folder.
        collection: which one.
        schema: of it.
    """
    from scenesearch.store.embedded.edge import EdgeStore
    from scenesearch.store.embedded.edge_directory import MENDED, replace_collection

    name = collection[: 64 - len(MENDED)] + MENDED
    shutil.rmtree(store / name, ignore_errors=True)  # of a repair that was killed
    free = settings.min_free_megabytes * 1_000_000
    made = partial(
        EdgeStore,
        store,
        name,
        min_free_bytes=free,
        quantization=schema.quantization,
        on_disk=schema.on_disk,
        memory=schema.memory,
        tenant_field=settings.store.tenant_field,
    )
    cramped = is_cramped(settings, store)
    with closing(_in_process(made, store, name) if cramped else made()) as new:
        yield new
    replace_collection(store, collection, name)


def _quantization(settings: Settings, *, embedded: bool) -> Quantization:
    asked = settings.store.quantization
    if asked == "auto":
        return "int8" if embedded else "none"
    return asked


def _placed(settings: Settings) -> tuple[bool | None, Memory | None]:
    chosen = settings.store
    return (
        None if chosen.on_disk == "auto" else chosen.on_disk,
        None if chosen.memory == "auto" else chosen.memory,
    )


def quantize(
    settings: Settings,
    store: str | Path,
    collection: str,
    quantization: Quantization,
    *,
    on_disk: bool | None = None,
    memory: Memory | None = None,
) -> None:
    """Change what a collection is searched by; no other store may have an embedded one open.

    Args:
        settings: of the store, and of what is not said here.
        store: a folder, or a URL.
        collection: its name.
        quantization: what is searched first.
        on_disk: whether vectors are read as they are needed.
        memory: where what is searched first is held.

    Raises:
        StoreError: there is no collection, or its files cannot be used.
        StoreUnavailableError: another store has it open, or no server answers.
    """
    cramped = is_cramped(settings, store)
    opened = _store(settings, store, collection, process=cramped)
    try:
        if isinstance(opened, Quantizable):
            usual = _placed(settings)
            opened.quantize(
                quantization,
                on_disk=usual[0] if on_disk is None else on_disk,
                memory=usual[1] if memory is None else memory,
            )
    finally:
        opened.close()


def store_memory(settings: Settings, address: str | Path, store: Store) -> int | None:
    """Bytes that the engine of an open store has in memory; None where nobody says.

    Of an embedded store that is in a process of its own, that process, files that it maps included;
    of a server, what its metrics say of all its collections.

    Args:
        settings: hold the key of a server.
        address: of the store.
        store: from :func:`build_store`.
    """
    if is_url(address):
        from scenesearch.store.server.collections import connected, resident_bytes

        with connected(str(address), settings.qdrant_api_key, server_tls(settings)) as server:
            return resident_bytes(server)
    from scenesearch.store.priced import unwrapped
    from scenesearch.store.process.store import ProcessStore

    inner = unwrapped(store)
    pid = inner.pid if isinstance(inner, ProcessStore) else None
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    sizes = [line.split()[1] for line in lines if line.startswith("VmRSS:")]
    return int(sizes[0]) * 1024 if sizes else None


def build_cache(settings: Settings, store: str | Path) -> EmbeddingCache:
    """The embedding cache of a store: beside an embedded one, to rebuild it without the models.

    Raises:
        StoreError: the file cannot be opened.
    """
    folder = settings.cache_dir if is_url(store) else Path(store)
    return EmbeddingCache(folder / EMBEDDINGS, max_megabytes=settings.cache_max_megabytes)


def state_dir(settings: Settings, store: str | Path) -> Path:
    """Where a service keeps what belongs to a store but not into it: the store's own folder."""
    if settings.service.state_dir is not None:
        return settings.service.state_dir
    return settings.cache_dir if is_url(store) else Path(store)


def sync_lock_file(settings: Settings, store: str | Path, collection: str) -> Path:
    """What two syncs of one collection lock: beside an embedded store; else of this machine."""
    return _lock_file(settings, store, collection, "sync")


def first_lock_file(settings: Settings, store: str | Path, collection: str) -> Path:
    """What is locked by who makes a collection with a projection; likewise."""
    return _lock_file(settings, store, collection, "first")


def generations_lock_file(settings: Settings, store: str | Path, collection: str) -> Path:
    """What is locked by who changes which generations there are; likewise."""
    return _lock_file(settings, store, collection, "generations")


def _lock_file(settings: Settings, store: str | Path, collection: str, what: str) -> Path:
    if not is_url(store):
        return Path(store) / f"{collection}.{what}.lock"
    name = hashlib.sha256(f"{store}\0{collection}".encode()).hexdigest()[:16]
    return settings.cache_dir / f"{what}-{name}.lock"
