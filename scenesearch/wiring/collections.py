"""The collections of a store as whole things: listed, described, dropped, compacted, named anew."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from scenesearch.config.settings import Settings
from scenesearch.core.errors import StoreError
from scenesearch.wiring.generations import GenerationsRecord, drop_generation, stored_name
from scenesearch.wiring.stores import build_store, is_url, server_tls


def list_collections(settings: Settings, store: str | Path, *, damaged: bool = False) -> list[str]:
    """Names of the collections of a store, sorted.

    Args:
        settings: hold the key of a server.
        store: a folder, or a URL.
        damaged: of a folder, those without a record as well.

    Raises:
        StoreError: it cannot be read.
    """
    if is_url(store):
        from scenesearch.store.server import collections as server

        with server.connected(str(store), settings.qdrant_api_key, server_tls(settings)) as there:
            return server.names(there)
    from scenesearch.store.embedded.edge_directory import collections_in

    return collections_in(Path(store), damaged=damaged)


def describe_collection(settings: Settings, store: str | Path, name: str) -> dict[str, Any]:
    """What a collection is made of and holds.

    Raises:
        StoreError: there is no such collection, or it cannot be opened.
    """
    with closing(build_store(settings, store, stored_name(settings, store, name))) as opened:
        schema = opened.schema
        if schema is None:
            raise _none(settings, store, name)
        return {
            "name": name,
            "points": opened.count(),
            "quantization": schema.quantization,
            "on_disk": schema.on_disk,
            "memory": schema.memory,
            "vectors": dict(schema.vectors),
            "words": schema.mean_words is not None,
            "fields": dict(schema.fields),
            "made_with": dict(schema.metadata),
        }


def compact_collection(settings: Settings, store: str | Path, name: str) -> None:
    """Merge what many small writes left; a server does so by itself, and is only asked whether.

    Raises:
        StoreError: there is no such collection, or it cannot be opened.
    """
    with closing(build_store(settings, store, stored_name(settings, store, name))) as opened:
        if opened.schema is None:
            raise _none(settings, store, name)
        opened.optimize()


def drop_collection(settings: Settings, store: str | Path, name: str) -> None:
    """Remove a collection and its record for good, with all of its generations.

    Raises:
        StoreError: there is no such collection.
        StoreUnavailableError: somebody has it open.
    """
    with closing(GenerationsRecord(settings, store, name)) as record:
        found = record.read()
        if found is None and name not in list_collections(settings, store):
            raise _none(settings, store, name)
        for number in found.numbers if found is not None else ():
            drop_generation(settings, store, name, number)
        if found is not None:
            record.forget()
    if is_url(store):
        from scenesearch.store.server import collections as server

        with server.connected(str(store), settings.qdrant_api_key, server_tls(settings)) as there:
            server.drop(there, name)
        return
    from scenesearch.store.embedded.edge_directory import EdgeDirectory

    if (Path(store) / name).exists():
        EdgeDirectory(Path(store), name).drop()


def name_collection(settings: Settings, store: str | Path, alias: str, name: str) -> None:
    """Let another name mean a collection, from one moment to the next.

    Raises:
        StoreError: there is no such collection, the other name is taken by one, or the store is
            embedded, which knows no other names.
    """
    if not is_url(store):
        raise StoreError(
            f"{store} is an embedded store, which has no aliases; rename the folder of the "
            "collection while nothing has it open, or use a Qdrant server",
            code="no_alias",
        )
    from scenesearch.store.server import collections as server

    there_are = list_collections(settings, store)
    if name not in there_are:
        raise _none(settings, store, name)
    if alias in there_are:
        raise StoreError(f"{alias!r} is a collection itself; drop it first, or take another name")
    with server.connected(str(store), settings.qdrant_api_key, server_tls(settings)) as there:
        server.name(there, alias, name)


def _none(settings: Settings, store: str | Path, name: str) -> StoreError:
    known: Sequence[str] = list_collections(settings, store)
    said = f"there are: {', '.join(known)}" if known else "there are none"
    return StoreError(f"{store} has no collection {name!r}; {said}", code="no_collection")
