"""Which stored photos are in use, and where the service shows them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from scenesearch.api.opened import Opened
from scenesearch.config.settings import Settings
from scenesearch.core.addresses import in_buckets
from scenesearch.core.errors import SceneSearchError
from scenesearch.fetch.object_storage import read_remote
from scenesearch.images.media_folder import YOUNG_S, MediaFolder
from scenesearch.index.stored import photos_in_use

log = logging.getLogger(__name__)


def read_photo(path: str) -> bytes | None:
    """The bytes of a stored photo; None where it is gone, or no file."""
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError):
        return None


def photo_reader(settings: Settings) -> Callable[[str], bytes | None]:
    """As :func:`read_photo`, also out of the buckets that the settings name."""
    limits, fetch = settings.images, settings.fetch

    def read(path: str) -> bytes | None:
        if not in_buckets(path, fetch.buckets):
            return read_photo(path)
        try:
            data, _ = read_remote(path, max_bytes=limits.max_bytes, timeout_s=fetch.timeout_s)
        except SceneSearchError as error:
            log.warning("a stored photo cannot be shown: %s", error)
            return None
        return data

    return read


def photo_url(point_id: str) -> str:
    """Where the service shows the photo of a point of an item."""
    return f"/v1/photos/{point_id}?width=320"


def scene_photo_url(scene_id: str) -> str:
    """Where the service shows the photo of a scene."""
    return f"/v1/scenes/{scene_id}/photo?width=320"


def sweep_media(opened: Opened, media: MediaFolder, *, young_s: float = YOUNG_S) -> int:
    """Remove unused photos; returns how many.

    Photos that are kept meanwhile are young, and none becomes so between the look and the removal.

    Args:
        opened: whose items and scenes use photos.
        media: their folder.
        young_s: younger files stay.

    Raises:
        StoreError: a collection cannot be read, and then nothing is removed; or a file cannot be.
    """
    with media.lock:
        return media.sweep(
            lambda photos: (
                photos_in_use(opened.store, photos) | photos_in_use(opened.photos, photos)
            ),
            young_s=young_s,
        )
