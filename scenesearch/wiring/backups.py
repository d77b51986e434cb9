"""Settings to what a backup copies and puts back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scenesearch.config.settings import Settings
from scenesearch.core.addresses import addresses
from scenesearch.core.errors import StoreError
from scenesearch.core.protocols import Copyable
from scenesearch.store.priced import unwrapped
from scenesearch.wiring.stores import build_store, is_url, server_tls

if TYPE_CHECKING:
    from scenesearch.store.server.snapshots import Snapshots


def copyable(
    settings: Settings, store: str | Path, collection: str, nodes: Sequence[str] = ()
) -> Copyable | None:
    """What copies a collection; None where there is no such collection.

    Args:
        settings: hold the key of a server.
        store: a folder, or a URL.
        collection: its name.
        nodes: addresses of the server's other nodes.

    Raises:
        StoreError: it cannot be read.
    """
    if is_url(store):
        found = _snapshots(settings, str(store), collection, nodes)
        return found if found.exists() else None
    opened = unwrapped(build_store(settings, store, collection))
    return opened if opened.schema is not None and isinstance(opened, Copyable) else None


def put_back(
    settings: Settings,
    store: str | Path,
    collection: str,
    folder: Path,
    *,
    embedded: bool,
    nodes: Sequence[str] = (),
) -> None:
    """Make a collection from its folder in a backup.

    Args:
        settings: hold the key of a server.
        store: a folder, or a URL.
        collection: its name.
        folder: that :meth:`~scenesearch.core.protocols.Copyable.copy_to` filled.
        embedded: whether an embedded store did.
        nodes: addresses of the server's other nodes.

    Raises:
        StoreError: there is such a collection, or the backup is of another kind of store.
    """
    if embedded == is_url(store):
        kinds = ("a Qdrant server", "an embedded store")
        raise StoreError(
            f"the backup is of {kinds[embedded]}, and {store} is {kinds[not embedded]}; restore it "
            "into its own kind",
            code="other_kind",
        )
    if is_url(store):
        _snapshots(settings, str(store), collection, nodes).put_back(folder)
        return
    from scenesearch.store.embedded.edge_directory import EdgeDirectory

    EdgeDirectory(Path(store), collection).adopt(folder)


def _snapshots(settings: Settings, store: str, collection: str, nodes: Sequence[str]) -> Snapshots:
    """Those of every node: the ones that the store names, and others."""
    from scenesearch.store.server.snapshots import Snapshots

    every = tuple(dict.fromkeys((*addresses(store), *nodes)))
    return Snapshots(every, collection, settings.qdrant_api_key, server_tls(settings))
