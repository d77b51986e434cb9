"""Whether a picture is a copy of another: re-encoded, scaled, cropped a little, or mirrored.

Hashes propose: that of the picture, those of its insides (what is left when 2.5 % are cut off at
each edge, or 5 % at two that meet, which are near the hashes of such crops), and that of its mirror
image. A small grey picture of each decides: one is laid over the other at every crop of up to a
tenth, mirrored where the hashes say so, and the two must agree as a whole (normalised correlation)
and everywhere, in grey and in colour: docs/scenes.md has the figures.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PILImage

from scenesearch.attributes.phash import phash
from scenesearch.core.types import Image

Sample = NDArray[np.uint8]
"""A small picture, shape (72, 64): 64 rows of grey, then 16 x 16 of each of two colour axes."""

CORRELATION = 0.975
"""Least correlation of two copies."""
GREY, COLOUR = 16.0, 8.0
"""Most that two copies differ anywhere, of 255: means over an eighth of each side in grey, over a
quarter on each colour axis. Two cupboards that differ in a drawer differ more, two colours as well.
"""
_WORK, _SIDE, _COARSE, _EDGE = 320, 64, 16, 8
_MIDDLE, _ENDS = slice(_EDGE, -_EDGE), (slice(2 * _EDGE, None), slice(None, -2 * _EDGE))
_INSIDES = ((_MIDDLE, _MIDDLE), *((rows, columns) for rows in _ENDS for columns in _ENDS))
_CROPS = (0.0, 0.025, 0.05, 0.075, 0.1)
"""Shares of a side that may be missing in all; at both edges alike, or at one of them."""
_ALONG = 0.9
"""Least correlation along either axis; below it the rest need not be worked out."""
_BEST = 3
"""Places along each axis that are tried together with those along the other."""

Grid = NDArray[np.floating[Any]]


class CopyHashes(NamedTuple):
    """Perceptual hashes by which copies of a picture are found, 16 hexadecimal digits each.

    Attributes:
        plain: of the picture.
        insides: of what is left when its edges are cut off: all four, then two at each corner.
        mirrored: of its mirror image.
    """

    plain: str
    insides: tuple[str, ...]
    mirrored: str


def hashes_and_sample(image: Image) -> tuple[CopyHashes, Sample]:
    """What copies of a picture are found by.

    Args:
        image: shape (height, width, 3).
    """
    # small first: what follows looks at it eight times
    work = np.asarray(
        PILImage.fromarray(image).resize((_WORK, _WORK), PILImage.Resampling.BOX, reducing_gap=None)
    )
    insides = tuple(phash(np.ascontiguousarray(work[rows, columns])) for rows, columns in _INSIDES)
    hashes = CopyHashes(phash(image), insides, phash(np.ascontiguousarray(work[:, ::-1])))
    picture = PILImage.fromarray(work).convert("YCbCr")
    grey = picture.getchannel("Y").resize((_SIDE, _SIDE), PILImage.Resampling.BOX)
    colours = [
        picture.getchannel(axis).resize((_COARSE, _COARSE), PILImage.Resampling.BOX)
        for axis in ("Cb", "Cr")
    ]
    flat = np.concatenate([np.asarray(one, np.uint8).ravel() for one in (grey, *colours)])
    return hashes, flat.reshape(-1, _SIDE)


def is_copy(one: Sample, other: Sample, *, mirrored: bool = False) -> bool:
    """Whether two pictures show the same, one of them perhaps without its edges.

    Args:
        one: a picture.
        other: another.
        mirrored: compare with the mirror image of the other.
    """
    ours, theirs = _parts(one), _parts(other)
    if mirrored:
        theirs = _Parts(theirs.grey[:, ::-1], theirs.colours[:, :, ::-1])
    return _within(ours, theirs) or _within(theirs, ours)


class _Parts(NamedTuple):
    grey: Grid
    colours: Grid


def _parts(sample: Sample) -> _Parts:
    grey = sample[:_SIDE].astype(np.float32)
    return _Parts(grey, sample[_SIDE:].astype(np.float32).reshape(2, _COARSE, _COARSE))


def _within(whole: _Parts, part: _Parts) -> bool:
    """Whether one shows what another does, or the inside of it."""
    views, soft = _views(_SIDE), _soft(_SIDE)
    seen = soft @ part.grey @ soft.T
    # along each axis by itself first, by the means across it
    columns = _correlations(views @ whole.grey.mean(0), soft @ part.grey.mean(0))
    rows = _correlations(views @ whole.grey.mean(1), soft @ part.grey.mean(1))
    if min(columns.max(), rows.max()) < _ALONG:
        return False
    best: tuple[float, int, int] = (-1.0, 0, 0)
    for y in np.argsort(-rows)[:_BEST].tolist():
        laid = views[y] @ whole.grey
        for x in np.argsort(-columns)[:_BEST].tolist():
            both = (laid @ views[x].T).ravel()[None]
            best = max(best, (float(_correlations(both, seen.ravel())[0]), y, x))
    correlation, y, x = best
    if correlation < CORRELATION or _most(views[y] @ whole.grey @ views[x].T - seen, 8) > GREY:
        return False
    views, soft = _views(_COARSE), _soft(_COARSE)
    apart = views[y] @ whole.colours @ views[x].T - soft @ part.colours @ soft.T
    return max(_most(axis, 4) for axis in apart) <= COLOUR


def _most(apart: Grid, parts: int) -> float:
    """The largest mean difference in one of so many parts along each side."""
    size = len(apart) // parts
    return float(np.abs(apart).reshape(parts, size, parts, size).mean((1, 3)).max())


def _correlations(rows: Grid, one: Grid) -> Grid:
    """Of each row with one of its length, -1 to 1; 1 where there is nothing but one colour."""
    rows = rows - rows.mean(1, keepdims=True)
    one = one - one.mean()
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(one)
    return np.where(lengths > 1, rows @ one / np.maximum(lengths, 1), 1)


@cache
def _soft(side: int) -> Grid:
    """A little blur (1 2 1), without which pixels that do not fall together count too much."""
    near = np.eye(side, dtype=np.float32)
    kernel = near / 2
    for step in (-1, 1):
        kernel += near[np.clip(np.arange(side) + step, 0, side - 1)] / 4
    return kernel


@cache
def _views(side: int) -> Grid:
    """What is seen along one axis without some of its edges, shape (crops, side, side)."""
    soft = _soft(side)
    found = []
    for share in _CROPS:
        for start in dict.fromkeys((0.0, share / 2, share)):
            place = ((np.arange(side) + 0.5) * (1 - share) + start * side) - 0.5
            low = np.clip(np.floor(place).astype(int), 0, side - 1)
            high = np.minimum(low + 1, side - 1)
            upper = np.clip(place - low, 0, 1).astype(np.float32)
            weights = np.zeros((side, side), np.float32)
            np.add.at(weights, (np.arange(side), low), 1 - upper)
            np.add.at(weights, (np.arange(side), high), upper)
            found.append(soft @ weights)
    return np.stack(found)
