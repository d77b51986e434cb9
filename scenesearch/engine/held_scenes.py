"""Photos decoded to be checked, kept until they are indexed, as far as memory allows."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from pathlib import Path
from threading import Lock

from scenesearch.core.errors import ImageError
from scenesearch.core.types import Scene
from scenesearch.engine.media import read_photo
from scenesearch.engine.tasks import Photo
from scenesearch.engine.thumbnails import Decode
from scenesearch.images.media_folder import MediaFolder

MEGABYTES = 256
"""Pixels held at a time; what is more is decoded twice."""


class HeldScenes:
    """The decoded photos of requests that are worked on; for any thread.

    Args:
        decode: bytes to pixels; raises ImageError.
    """

    def __init__(self, decode: Decode) -> None:
        self._decode = decode
        self._scenes: dict[str, Scene] = {}
        self._room = MEGABYTES * 2**20
        self._lock = Lock()

    def check(self, photo: Photo, media: MediaFolder, known: Collection[str] = ()) -> str:
        """Whether a photo can be decoded; one that was kept or embedded before could be.

        Args:
            photo: as it came.
            media: where photos are kept.
            known: sha256 of photos that were embedded.

        Returns:
            Its sha256.

        Raises:
            ImageError: it cannot.
        """
        sha256 = hashlib.sha256(photo.data).hexdigest()
        if sha256 not in known and sha256 not in self._scenes and media.find(sha256) is None:
            scene = self._decode(photo)
            with self._lock:
                if scene.image.nbytes <= self._room and sha256 not in self._scenes:
                    self._room -= scene.image.nbytes
                    self._scenes[sha256] = scene
        return sha256

    def forget(self, photos: Iterable[str]) -> None:
        """Hold these photos, by sha256, no longer."""
        for sha256 in photos:
            self._taken(sha256)

    def _taken(self, sha256: str) -> Scene | None:
        with self._lock:
            scene = self._scenes.pop(sha256, None)
            if scene is not None:
                self._room += scene.image.nbytes
        return scene

    def load(self, path: str) -> Scene:
        """A kept photo as pixels, forgotten here once it was asked for.

        Raises:
            ImageError: it is gone, or cannot be decoded.
        """
        held = self._taken(Path(path).stem)
        if held is not None:
            return held
        data = read_photo(path)
        if data is None:
            raise ImageError(f"{Path(path).name}: the kept photo is gone; send it again")
        return self._decode(Photo(data, Path(path).name))
