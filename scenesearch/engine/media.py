"""Which stored photos are in use, and where the service shows them."""

from __future__ import annotations

from pathlib import Path

from scenesearch.api.opened import Opened
from scenesearch.core.batches import batches, scroll_all
from scenesearch.core.conditions import OneOf
from scenesearch.core.protocols import Store
from scenesearch.images.media_folder import YOUNG_S, MediaFolder


def read_photo(path: str) -> bytes | None:
    """The bytes of a stored photo; None where it is gone, or no file."""
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError):
        return None


def photo_url(point_id: str) -> str:
    """Where the service shows the photo of a point of an item."""
    return f"/v1/photos/{point_id}?width=320"


def scene_photo_url(scene_id: str) -> str:
    """Where the service shows the photo of a scene."""
    return f"/v1/scenes/{scene_id}/photo?width=320"


ASKED = 500
"""Photos that a store is asked about at a time."""


def sweep_media(opened: Opened, media: MediaFolder, *, young_s: float = YOUNG_S) -> int:
    """Remove unused photos; returns how many.

    No photo is kept meanwhile, so none can come into use between the look and the removal.

    Args:
        opened: whose items and scenes use photos.
        media: their folder.
        young_s: younger files stay.

    Raises:
        StoreError: a collection cannot be read, and then nothing is removed; or a file cannot be.
    """
    with media.lock:
        kept = sorted(media.photos())
        used = _used(opened.store, kept) | _used(opened.photos, kept)
        return media.sweep(used, young_s=young_s)


def _used(store: Store, photos: list[str]) -> set[str]:
    """Which of these photos have points; a catalogue of a million photos is not read for ten."""
    found: set[str] = set()
    if store.schema is None:
        return found
    for some in batches(photos, ASKED):
        where = OneOf("photo_sha256", tuple(some))
        records = scroll_all(store, where=where, fields=("photo_sha256",))
        found |= {str(record.payload["photo_sha256"]) for record in records}
    return found
