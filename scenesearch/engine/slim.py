"""What is kept of a photo that was searched: enough to ask again, a tenth of the memory.

The pixels of a photo, its masks and its cutouts take 100 MB where the file has 4. So the file is
kept, to be decoded again when a new region is asked for; masks take a bit a pixel, and cutouts
are shrunk.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from scenesearch.core.types import Cutout, Detections, Mask, Scene
from scenesearch.engine.tasks import Photo
from scenesearch.models.encode import EncodedRegion
from scenesearch.search.seen import Seen

CUTOUT_SIDE = 512
"""Longest side of kept cutouts in pixels: the second look shrinks them further, to what its model
takes; nothing else looks at them again."""


@dataclass(frozen=True, slots=True, eq=False)
class KeptPhoto:
    """A photo as it came, and everything of its scene but the pixels.

    Attributes:
        size: (width, height), oriented.
    """

    photo: Photo
    size: tuple[int, int]
    sha256: str
    source: str
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, photo: Photo, scene: Scene) -> KeptPhoto:
        """What is kept of a scene."""
        return cls(photo, scene.size, scene.sha256, scene.source, scene.warnings)

    def blank(self) -> Scene:
        """The scene with all its pixels black, which take no memory."""
        width, height = self.size
        # one zero, seen at every place
        pixels = np.broadcast_to(np.zeros((1, 1, 1), np.uint8), (height, width, 3))
        return Scene(pixels, self.sha256, self.source, self.warnings)


_Packed = tuple[tuple[int, ...], NDArray[np.uint8]]
"""The shape of a mask, and its bits."""


def _packed(mask: Mask | None) -> _Packed | None:
    return None if mask is None else (mask.shape, np.packbits(mask))


def _unpacked(packed: _Packed | None) -> Mask | None:
    if packed is None:
        return None
    (height, width), bits = packed
    return np.unpackbits(bits, count=height * width).reshape(height, width).astype(np.bool_)


class SlimSeen(Seen):
    """What the models said of one photo, in little memory.

    Args:
        models: which ones; what others would say is another matter.
    """

    def __init__(self, models: object = None) -> None:
        super().__init__()
        self.models = models
        self._masks: tuple[_Packed | None, ...] = ()

    @property
    def nbytes(self) -> int:
        """Memory of all that is kept."""
        masks = sum(mask[1].nbytes for mask in self._masks if mask is not None)
        return masks + sum(_bytes(one) for one in self.encoded)

    @property
    def detections(self) -> Detections | None:
        """The detector's, before any rule; None where it was not asked."""
        found = self._detections
        return None if found is None else replace(found, masks=tuple(map(_unpacked, self._masks)))

    def _keep_detections(self, found: Detections) -> None:
        # the masks first: who sees detections must find their masks
        self._masks = tuple(map(_packed, found.masks))
        self._detections = replace(found, masks=(None,) * len(found))

    def _kept(self, one: EncodedRegion) -> EncodedRegion:
        # whoever asks again brings the region with its mask
        region = replace(one.region, mask=None)
        return replace(one, region=region, cutout=shrunk(one.cutout))


def shrunk(cutout: Cutout, side: int = CUTOUT_SIDE) -> Cutout:
    """A cutout whose longest side is at most ``side``; it never refers to its photo's pixels."""
    height, width = cutout.image.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return replace(cutout, image=cutout.image.copy(), mask=cutout.mask.copy())
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    image = PillowImage.fromarray(cutout.image).resize(
        size, PillowImage.Resampling.BICUBIC, reducing_gap=2.0
    )
    mask = PillowImage.fromarray(cutout.mask).resize(size, PillowImage.Resampling.NEAREST)
    return replace(cutout, image=np.asarray(image), mask=np.asarray(mask, np.bool_))


def _bytes(encoded: EncodedRegion) -> int:
    pictures = encoded.cutout.image.nbytes + encoded.cutout.mask.nbytes
    return pictures + sum(vector.nbytes for vector in encoded.vectors.values())
