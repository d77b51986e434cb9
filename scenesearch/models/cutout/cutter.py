"""Regions and product photos to cutouts: which mask is used, and when none is.

Knows the :class:`~scenesearch.core.protocols.Remover` protocol, no model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from scenesearch.core.protocols import Remover
from scenesearch.core.types import BoxTuple, Cutout, Image, Mask, OwnMask, Region, Scene
from scenesearch.images.geometry import pad_box, pixel_box
from scenesearch.models.cutout.background import separate
from scenesearch.models.cutout.composite import composite, tight_box, usable_mask


@dataclass(frozen=True, slots=True)
class CutRules:
    """How cutouts are made; part of what an index must agree on.

    Attributes:
        background: RGB that replaces the background.
        min_share: share of a region a mask must cover to be used.
        max_share: share of a region above which a mask says nothing.
        context_padding: the context crop is the box grown by this share of its sides.
    """

    background: tuple[int, int, int] = (255, 255, 255)
    min_share: float = 0.05
    max_share: float = 0.98
    context_padding: float = 0.15

    @property
    def fingerprint(self) -> str:
        """All of it in one text."""
        colour = "-".join(str(part) for part in self.background)
        return f"{colour}:{self.min_share:g}:{self.max_share:g}:{self.context_padding:g}"


def cut_region(scene: Scene, region: Region, rules: CutRules) -> Cutout:
    """A query region on the stated background, by the detector's own mask (milliseconds).

    Matting a query would take seconds on a CPU, so a region without a usable mask is a plain
    crop that says why.
    """
    x1, y1, x2, y2 = pixel_box(region.box, scene.size)
    crop: Image = scene.image[y1:y2, x1:x2]
    if region.mask is None:
        return _plain(crop, rules, "the detector gave no mask")
    reason = usable_mask(region.mask, min_share=rules.min_share, max_share=rules.max_share)
    if reason:
        return _plain(crop, rules, reason)
    image = composite(crop, region.mask, rules.background)
    return Cutout(image, region.mask, rules.background, "detector")


def context_crop(scene: Scene, box: BoxTuple, rules: CutRules) -> Image:
    """The box with some of what surrounds it, background kept: a tight crop misleads models."""
    x1, y1, x2, y2 = pixel_box(pad_box(box, rules.context_padding, scene.size), scene.size)
    return scene.image[y1:y2, x1:x2]


def cut_product(
    image: Image, rules: CutRules, remover: Remover | None, own: OwnMask | None = None
) -> tuple[Cutout, tuple[int, int, int, int]]:
    """The product of a catalogue photo, cropped to what it covers.

    A transparent photo says itself what its product is, and stays on the backdrop it was put
    over, which is chosen so that the product stands out. A photo whose border is plain is only
    masked; any other goes to the remover, when there is one; what cannot be separated stays as it
    is, and says why.

    Returns:
        The cutout, and its box in the photo: (x1, y1, x2, y2) in whole pixels.
    """
    if own is not None and (box := tight_box(own.mask)) is not None:
        x1, y1, x2, y2 = box
        part = own.mask[y1:y2, x1:x2]
        return Cutout(image[y1:y2, x1:x2], part, own.backdrop, "alpha"), box
    found = separate(image, max_share=rules.max_share)
    if found.box is not None:
        return _cropped(image, found.mask, found.box, rules, "plain_background")
    height, width = image.shape[:2]
    everything = (0, 0, width, height)
    if found.background is not None or remover is None:
        # a plain photo with nothing on it has nothing for a matting model either
        return _plain(image, rules, found.reason), everything
    mask = remover.matte(image) >= 128
    reason = usable_mask(mask, min_share=rules.min_share, max_share=rules.max_share)
    box = tight_box(mask)
    if reason or box is None:
        return _plain(image, rules, reason or "the mask is empty"), everything
    return _cropped(image, mask, box, rules, "matting")


def _cropped(
    image: Image,
    mask: Mask,
    box: tuple[int, int, int, int],
    rules: CutRules,
    method: Literal["plain_background", "matting"],
) -> tuple[Cutout, tuple[int, int, int, int]]:
    x1, y1, x2, y2 = box
    part = mask[y1:y2, x1:x2]
    picture = composite(image[y1:y2, x1:x2], part, rules.background)
    return Cutout(picture, part, rules.background, method), box


def _plain(crop: Image, rules: CutRules, reason: str) -> Cutout:
    return Cutout(crop, np.ones(crop.shape[:2], np.bool_), rules.background, "plain", reason)
