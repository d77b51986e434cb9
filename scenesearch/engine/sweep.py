"""Removing the photos that no item and no scene uses any more."""

from __future__ import annotations

from collections.abc import Collection

from scenesearch.api import SceneSearch
from scenesearch.engine.media import YOUNG_S, MediaFolder
from scenesearch.protocols import Store


def sweep_media(
    front: SceneSearch,
    media: MediaFolder,
    *,
    also: Collection[str] = (),
    young_s: float = YOUNG_S,
) -> int:
    """Remove unused photos; returns how many.

    No photo is kept meanwhile, so none can come into use between the look and the removal.

    Args:
        front: whose items and scenes use photos.
        media: their folder.
        also: sha256 of further photos that are in use.
        young_s: younger files stay.

    Raises:
        StoreError: a collection cannot be read, and then nothing is removed; or a file cannot be.
    """
    with media.lock:
        used = set(also) | _photos(front.store) | _photos(front.scene_store)
        return media.sweep(used, young_s=young_s)


def _photos(store: Store) -> set[str]:
    if store.schema is None:
        return set()
    found: set[str] = set()
    cursor: str | None = None
    while True:
        page = store.scroll(limit=5000, cursor=cursor, fields=("photo_sha256",))
        found |= {str(record.payload["photo_sha256"]) for record in page}
        cursor = page.cursor
        if cursor is None:
            return found
