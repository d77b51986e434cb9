"""Photos decoded to be checked, kept until they are indexed, as far as memory allows."""

from __future__ import annotations

import hashlib
from pathlib import Path

from scenesearch.core.errors import ImageError
from scenesearch.core.types import Scene
from scenesearch.engine.media import read_photo
from scenesearch.engine.tasks import Photo
from scenesearch.engine.thumbnails import Decode
from scenesearch.images.media_folder import MediaFolder

MEGABYTES = 256
"""Pixels held for one batch; what is more is decoded twice."""


class HeldScenes:
    """The decoded photos of one batch.

    Args:
        decode: bytes to pixels; raises ImageError.
    """

    def __init__(self, decode: Decode) -> None:
        self._decode = decode
        self._scenes: dict[str, Scene] = {}
        self._room = MEGABYTES * 2**20

    def check(self, photo: Photo, media: MediaFolder) -> str:
        """Whether a photo can be decoded; one that was kept before could be.

        Returns:
            Its sha256.

        Raises:
            ImageError: it cannot.
        """
        sha256 = hashlib.sha256(photo.data).hexdigest()
        if sha256 not in self._scenes and media.find(sha256) is None:
            scene = self._decode(photo)
            if scene.image.nbytes <= self._room:
                self._room -= scene.image.nbytes
                self._scenes[scene.sha256] = scene
        return sha256

    def load(self, path: str) -> Scene:
        """A kept photo as pixels, forgotten here once it was asked for.

        Raises:
            ImageError: it is gone, or cannot be decoded.
        """
        held = self._scenes.pop(Path(path).stem, None)
        if held is not None:
            return held
        data = read_photo(path)
        if data is None:
            raise ImageError(f"{Path(path).name}: the kept photo is gone; send it again")
        return self._decode(Photo(data, Path(path).name))
