"""Stored photos made small and encoded again; the latest stay in memory."""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Callable
from contextlib import suppress

from cachetools import LRUCache
from PIL import Image as PillowImage

from scenesearch.core.errors import ImageError, QueryError
from scenesearch.core.types import Image, Scene
from scenesearch.engine.media import read_photo
from scenesearch.engine.tasks import Photo

log = logging.getLogger(__name__)

Decode = Callable[[Photo], Scene]
"""Decodes a photo where a bad one can be killed; raises ImageError."""

WIDTHS = range(32, 2049)
MEGABYTES = 64
"""Memory for encoded pictures: about 3,000 of 320 pixels."""
QUALITY = 85


class Thumbnails:
    """Small JPEGs of photo files, upright and without metadata.

    Args:
        decode: bytes to pixels.
        read: path to bytes; None where there is no photo.
        megabytes: memory for the latest ones.
    """

    def __init__(
        self,
        decode: Decode,
        read: Callable[[str], bytes | None] = read_photo,
        *,
        megabytes: int = MEGABYTES,
    ) -> None:
        self._decode = decode
        self._read = read
        self._held: LRUCache[tuple[str, int], bytes] = LRUCache(megabytes * 2**20, getsizeof=len)
        self._lock = threading.Lock()

    def jpeg(self, path: str, sha256: str, width: int) -> bytes | None:
        """A photo with a longer side of at most ``width`` pixels; None where it cannot be shown.

        Args:
            path: the file.
            sha256: of its content when it was stored; part of what is remembered.
            width: 32 to 2048; photos are never made larger.

        Raises:
            QueryError: ``width`` is outside its range.
        """
        check_width(width)
        key = (f"{sha256} {path}", width)
        with self._lock:
            held = self._held.get(key)
        if held is not None:
            return held
        data = self._read(path)
        if data is None:
            return None
        try:
            scene = self._decode(Photo(data, "a stored photo"))
        except ImageError as error:
            log.warning("a stored photo cannot be shown: %s", error)
            return None
        encoded = encode_jpeg(scene.image, width)
        # a file that was replaced since is shown, but not remembered as what it was
        if scene.sha256 == sha256:
            with self._lock, suppress(ValueError):  # it alone is too much
                self._held[key] = encoded
        return encoded


def check_width(width: int) -> None:
    """Refuse a width that no picture is made in.

    Raises:
        QueryError: it is outside its range.
    """
    if width not in WIDTHS:
        raise QueryError(
            f"width must be {WIDTHS[0]} to {WIDTHS[-1]} pixels, got {width}", code="bad_option"
        )


def encode_jpeg(image: Image, width: int) -> bytes:
    """Pixels as JPEG, the longer side at most ``width``; from pixels, so without metadata."""
    picture = PillowImage.fromarray(image)
    # twice the wanted size first, by means: a twelfth of the time on a large photo
    picture.thumbnail((width, width), PillowImage.Resampling.LANCZOS, reducing_gap=2.0)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()
