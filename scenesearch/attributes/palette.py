"""The dominant colours of a region: weighted k-means in CIELAB over a coarse histogram.

The plain answer to "what colour is it" is grey, because shadows, reflections and mixed edge
pixels are. Three things prevent that: lightness counts less than hue when pixels are grouped, so
that the shadow of a red sofa is red; the colour of a group is read off its lit part; and
the share of a group counts its chroma a little. What is really grey has no other group, and
stays grey.

The clusters are Lloyd's algorithm in numpy, not scikit-learn's: on the few hundred bins that are
left here it is 1 ms, while the OpenMP start of ``KMeans`` was measured at 4 ms on an idle machine
and above 100 ms on a busy one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scenesearch.attributes.lab import rgb_to_lab
from scenesearch.attributes.names import names_of
from scenesearch.core.types import Colour, Image, Mask

_MAX_PIXELS = 2500
_BIN = 5.0  # side of a histogram bin in the grouping space below, about two just noticeable steps
_LIGHTNESS = 0.6  # weight of L against a and b when pixels are grouped
_CLUSTERS = 8
_MERGE = 11.0  # groups nearer than this, in the grouping space, are one
_SHADE = 0.12  # relative difference of tint below which a darker group is a shade of a lighter one
_LIT = (0.5, 0.65)  # quantile of lightness at which a group's colour is read: dark, light ones
_VIVID = 60.0  # chroma from which a pixel counts half as much again as a neutral one
_MIN_SHARE = 0.03

_Array = NDArray[np.float32]


def dominant_colours(
    image: Image, mask: Mask | None = None, *, limit: int = 5, seed: int = 0
) -> tuple[Colour, ...]:
    """The colours that a person would name, most important first.

    Args:
        image: shape (height, width, 3).
        mask: shape (height, width), True on the object; None for the whole image. The rim of a
            large mask is left out, because it mixes with the background.
        limit: how many at most, at least 1.
        seed: shifts which pixels are looked at; the same seed gives the same answer.

    Returns:
        At most ``limit`` colours by falling share; the shares sum to 1 and weigh saturated pixels
        up to a few times. Empty where the mask is.

    Raises:
        ValueError: the mask is not of the image's height and width, or ``limit`` is below 1.
    """
    if limit < 1:
        raise ValueError(f"limit must be at least 1, got {limit}")
    if mask is not None and mask.shape != image.shape[:2]:
        raise ValueError(
            f"the mask must have the image's height and width {image.shape[:2]}, got {mask.shape}"
        )
    pixels = _sample(image, mask, seed)
    if len(pixels) == 0:
        return ()
    lab = rgb_to_lab(pixels)
    points, weights, members = _histogram(lab)
    groups = _merge_shades(points, weights, _cluster(points, weights))
    return _describe(lab, groups[members], limit)


def _sample(image: Image, mask: Mask | None, seed: int) -> Image:
    """Up to 2,500 pixels of a regular grid, inside the mask and not at its rim; shape (n, 3)."""
    if mask is None:
        mask = np.ones(image.shape[:2], np.bool_)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return np.zeros((0, 3), np.uint8)
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    image, mask = image[box], mask[box]
    inner = _eroded(mask, 2)
    # Thin structures would vanish: they keep their rim.
    if np.count_nonzero(inner) >= 0.4 * np.count_nonzero(mask):
        mask = inner
    indices = np.flatnonzero(mask)
    if len(indices) > _MAX_PIXELS:
        # Equal steps along the scan, started at a random phase, spread over the whole mask.
        # The step is not a whole number, so the grid does not beat with a woven pattern.
        step = len(indices) / _MAX_PIXELS
        phase = np.random.default_rng(seed).random()
        indices = indices[((np.arange(_MAX_PIXELS) + phase) * step).astype(np.intp)]
    return image[np.divmod(indices, mask.shape[1])]


def _eroded(mask: Mask, by: int) -> Mask:
    """The mask less a rim of ``by`` pixels, straight up, down, left and right."""
    inner = mask.copy()
    inner[:by] = inner[-by:] = inner[:, :by] = inner[:, -by:] = False
    inner[by:] &= mask[:-by]
    inner[:-by] &= mask[by:]
    inner[:, by:] &= mask[:, :-by]
    inner[:, :-by] &= mask[:, by:]
    return inner


def _histogram(lab: _Array) -> tuple[_Array, _Array, NDArray[np.intp]]:
    """Mean and weight of each filled bin of the grouping space, and the bin of each pixel."""
    scaled = lab * np.array([_LIGHTNESS, 1, 1], np.float32)  # (n, 3)
    cells = np.floor(scaled / _BIN).astype(np.int64) + 64
    _, members = np.unique(cells @ np.array([1 << 16, 1 << 8, 1]), return_inverse=True)
    counts = np.bincount(members)
    means = np.stack([np.bincount(members, scaled[:, i]) for i in range(3)], axis=1)
    points = (means / counts[:, None]).astype(np.float32)
    weights = (counts * _importance(points)).astype(np.float32)
    return points, weights, members


def _cluster(points: _Array, weights: _Array) -> NDArray[np.intp]:
    """Which of at most 8 clusters each weighted point is in: deterministic k-means.

    Starts from the heaviest point and then, again and again, from the one with the greatest
    weight x squared distance to the nearest start (k-means++ without its chance).
    """
    nearest = np.full(len(points), np.inf, np.float32)
    centres = points[[weights.argmax()]]
    while len(centres) < min(_CLUSTERS, len(points)):
        apart = ((points - centres[-1]) ** 2).sum(axis=1)
        nearest = np.minimum(nearest, apart)
        if nearest.max() < _BIN**2:
            break
        centres = np.concatenate([centres, points[[(weights * nearest).argmax()]]])
    assigned = np.zeros(len(points), np.intp)
    for _ in range(10):
        assigned = ((points[:, None] - centres[None]) ** 2).sum(axis=2).argmin(axis=1)
        sums = np.stack(
            [np.bincount(assigned, weights * points[:, i], len(centres)) for i in range(3)], axis=1
        )
        totals = np.bincount(assigned, weights, len(centres))
        filled = totals > 0
        moved = np.where(filled[:, None], sums / np.maximum(totals, 1e-6)[:, None], centres).astype(
            np.float32
        )
        if np.abs(moved - centres).max() < 0.25:
            break
        centres = moved
    return assigned


def _importance(lab: _Array) -> _Array:
    """How much a pixel counts: 1 for a neutral one to 1.5 for a vivid one."""
    chroma = np.hypot(lab[:, 1], lab[:, 2])
    return np.asarray(1 + 0.5 * np.minimum(chroma / _VIVID, 1), np.float32)


def _merge_shades(points: _Array, weights: _Array, assigned: NDArray[np.intp]) -> NDArray[np.intp]:
    """Join clusters that are one surface in other light, nearest pair first.

    Less light scales a surface's X, Y and Z alike. By the definition of CIELAB, a, b and L + 16
    then all scale with its cube root, so the tint (a, b) / (L + 16) stays what it was.
    """
    groups = assigned.copy()
    while True:
        labels = np.unique(groups)
        totals = np.bincount(groups, weights)[labels]
        sums = [np.bincount(groups, weights * points[:, axis])[labels] for axis in range(3)]
        means = np.stack(sums, axis=1) / totals[:, None]  # (groups, 3)
        tints = means[:, 1:] / (means[:, :1] / _LIGHTNESS + 16)
        strength = np.hypot(tints[:, 0], tints[:, 1])
        shades = _apart(tints) / (_SHADE * np.maximum(strength[:, None], strength[None]) + 1e-9)
        # Neutral groups have no tint to compare, only noise.
        shades[(strength[:, None] < 0.2) | (strength[None] < 0.2)] = np.inf
        cost = np.minimum(_apart(means) / _MERGE, shades)
        np.fill_diagonal(cost, np.inf)
        first, second = np.unravel_index(cost.argmin(), cost.shape)
        if len(labels) < 2 or cost[first, second] >= 1:
            return groups
        groups[groups == labels[second]] = labels[first]


def _apart(rows: NDArray[np.floating]) -> NDArray[np.floating]:
    """Euclidean distances of all pairs of rows, shape (n, n)."""
    return np.asarray(np.sqrt(((rows[:, None] - rows[None]) ** 2).sum(axis=2)))


def _describe(lab: _Array, groups: NDArray[np.intp], limit: int) -> tuple[Colour, ...]:
    totals = np.bincount(groups, _importance(lab))
    shares = totals / totals.sum()
    order = np.argsort(-shares, kind="stable")[:limit]
    kept = [int(group) for group in order if shares[group] >= _MIN_SHARE]
    # Noise without any colour of weight still has a first colour.
    kept = kept or [int(order[0])]
    centres = np.stack([_lit_colour(lab[groups == group]) for group in kept])
    total = float(shares[kept].sum())
    return tuple(
        Colour(name, (float(centre[0]), float(centre[1]), float(centre[2])), float(share) / total)
        for name, centre, share in zip(names_of(centres), centres, shares[kept], strict=True)
    )


def _lit_colour(lab: _Array) -> _Array:
    """The mean of a group's pixels around a quantile of their lightness.

    Light surfaces are dimmed by shading, so their true colour is above the median; dark ones are
    brightened by reflections just as much, so theirs is not.
    """
    lit = float(np.interp(np.median(lab[:, 0]), (25, 60), _LIT))
    low, high = np.quantile(lab[:, 0], [lit - 0.2, lit + 0.2])
    kept = lab[(lab[:, 0] >= low) & (lab[:, 0] <= high)]
    return np.asarray((kept if len(kept) else lab).mean(axis=0))
