"""Settings to what a backup copies and puts back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scenesearch.config.settings import Settings
from scenesearch.core.errors import StoreError
from scenesearch.core.protocols import Copyable
from scenesearch.wiring.stores import build_store, is_url


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
        from scenesearch.store.server.snapshots import Snapshots

        found = Snapshots((str(store), *nodes), collection, settings.qdrant_api_key)
        return found if found.exists() else None
    opened = build_store(settings, store, collection)
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
        from scenesearch.store.server.snapshots import Snapshots

        Snapshots((str(store), *nodes), collection, settings.qdrant_api_key).put_back(folder)
        return
    from scenesearch.store.embedded.edge_directory import EdgeDirectory

    EdgeDirectory(Path(store), collection).adopt(folder)
