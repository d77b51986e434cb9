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

import math
from functools import cache
from itertools import combinations

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
_RIM = 2  # pixels at the edge of a mask that mix with the background

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
    height, width = image.shape[:2]
    if mask is None or mask.all():
        # no need to look for what is everywhere
        rows, columns = max(height - 2 * _RIM, 0), max(width - 2 * _RIM, 0)
        rim = _RIM if rows * columns >= 0.4 * height * width else 0
        rows, columns = height - 2 * rim, width - 2 * rim
        row, column = np.divmod(_spread(rows * columns, seed), columns)
        return np.asarray(image[row + rim, column + rim])
    inner = _eroded(mask, _RIM)
    # Thin structures would vanish: they keep their rim.
    if np.count_nonzero(inner) >= 0.4 * np.count_nonzero(mask):
        mask = inner
    indices = np.flatnonzero(mask)
    return image[np.divmod(indices[_spread(len(indices), seed)], width)]


def _spread(count: int, seed: int) -> NDArray[np.intp]:
    """Which of so many pixels are looked at: all of a few, else 2,500 of them.

    Equal steps along the scan, started at a random phase, spread over the whole mask. The step is
    not a whole number, so the grid does not beat with a woven pattern.
    """
    if count <= _MAX_PIXELS:
        return np.arange(count)
    step = count / _MAX_PIXELS
    return ((np.arange(_MAX_PIXELS) + _phase(seed)) * step).astype(np.intp)


@cache
def _phase(seed: int) -> float:
    return float(np.random.default_rng(seed).random())


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
    scaled = lab.T * np.array([[_LIGHTNESS], [1], [1]], np.float32)  # (3, n)
    cells = np.floor(scaled / _BIN).astype(np.intp)
    # L is 0 to 100, a and b are above -160 and below 155, so that each has its own 6 bits
    codes = (cells[0] << 12) + ((cells[1] + 32) << 6) + (cells[2] + 32)
    filled = np.zeros(1 << 16, np.bool_)
    filled[codes] = True
    bins = np.flatnonzero(filled)
    number = np.empty(1 << 16, np.intp)
    number[bins] = np.arange(len(bins))
    members = number[codes]
    counts = np.bincount(members)
    means = np.array([np.bincount(members, axis) for axis in scaled]) / counts
    points = means.T.astype(np.float32, order="C")
    weights = (counts * _importance(points)).astype(np.float32)
    return points, weights, members


def _cluster(points: _Array, weights: _Array) -> NDArray[np.intp]:
    """Which of at most 8 clusters each weighted point is in: deterministic k-means.

    Starts from the heaviest point and then, again and again, from the one with the greatest
    weight x squared distance to the nearest start (k-means++ without its chance).
    """
    axes = np.ascontiguousarray(points.T)  # (3, n): each axis by itself, several times faster
    weighted = weights * axes
    nearest = np.full(len(points), np.inf, np.float32)
    starts = [int(weights.argmax())]
    while len(starts) < min(_CLUSTERS, len(points)):
        np.minimum(nearest, _squared(axes, axes[:, starts[-1:]])[:, 0], out=nearest)
        if nearest.max() < _BIN**2:
            break
        starts.append(int((weights * nearest).argmax()))
    centres = axes[:, starts]  # (3, k)
    assigned = np.full(len(points), -1)
    for _ in range(10):
        before, assigned = assigned, _squared(axes, centres).argmin(axis=1)
        if (assigned == before).all():
            break
        sums = np.array([np.bincount(assigned, axis, len(starts)) for axis in weighted])
        totals = np.bincount(assigned, weights, len(starts))
        moved = np.where(totals > 0, sums / np.maximum(totals, 1e-6), centres).astype(np.float32)
        if np.abs(moved - centres).max() < 0.25:
            break
        centres = moved
    return assigned


def _squared(axes: _Array, centres: _Array) -> _Array:
    """Squared distances of points (3, n) from centres (3, k), shape (n, k)."""
    total: _Array = axes[0][:, None] - centres[0]
    total *= total
    for axis, centre in zip(axes[1:], centres[1:], strict=True):
        apart = axis[:, None] - centre
        apart *= apart
        total += apart
    return total


def _importance(lab: _Array) -> _Array:
    """How much a pixel counts: 1 for a neutral one to 1.5 for a vivid one."""
    chroma = np.hypot(lab[:, 1], lab[:, 2])
    return np.asarray(1 + 0.5 * np.minimum(chroma / _VIVID, 1), np.float32)


def _merge_shades(points: _Array, weights: _Array, assigned: NDArray[np.intp]) -> NDArray[np.intp]:
    """Join clusters that are one surface in other light, nearest pair first."""
    count = int(assigned.max()) + 1
    totals = np.bincount(assigned, weights, count)
    sums = [np.bincount(assigned, weights * axis, count).tolist() for axis in points.T]
    parts = zip(totals.tolist(), *sums, strict=True)
    groups = {label: _Group(*part) for label, part in enumerate(parts) if part[0] > 0}
    joined = np.arange(count)
    costs = {pair: groups[pair[0]].unlike(groups[pair[1]]) for pair in combinations(groups, 2)}
    while costs:
        # of equal ones the first
        first, second = min(costs, key=lambda pair: (costs[pair], pair))
        if costs[first, second] >= 1:
            break
        joined[joined == second] = first
        groups[first] = groups[first].with_(groups.pop(second))
        costs = {
            pair: groups[pair[0]].unlike(groups[pair[1]]) if first in pair else cost
            for pair, cost in costs.items()
            if second not in pair
        }
    return joined[assigned]


class _Group:
    """Some clusters: their weight, and the weighted sums of their points.

    Less light scales a surface's X, Y and Z alike. By the definition of CIELAB, a, b and L + 16
    then all scale with its cube root, so the tint (a, b) / (L + 16) stays what it was.
    """

    def __init__(self, total: float, *sums: float) -> None:
        self.total, self.sums = total, sums
        self.mean = tuple(one / total for one in sums)
        light = self.mean[0] / _LIGHTNESS + 16
        self.tint = (self.mean[1] / light, self.mean[2] / light)
        self.strength = math.hypot(*self.tint)

    def with_(self, other: _Group) -> _Group:
        """Both together."""
        sums = (one + two for one, two in zip(self.sums, other.sums, strict=True))
        return _Group(self.total + other.total, *sums)

    def unlike(self, other: _Group) -> float:
        """Below 1 where they are one surface."""
        cost = math.dist(self.mean, other.mean) / _MERGE
        # Neutral groups have no tint to compare, only noise.
        if min(self.strength, other.strength) < 0.2:
            return cost
        strength = max(self.strength, other.strength)
        return min(cost, math.dist(self.tint, other.tint) / (_SHADE * strength + 1e-9))


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
    lightness = np.sort(lab[:, 0])
    middle = (lightness[(len(lab) - 1) // 2] + lightness[len(lab) // 2]) / 2
    lit = _LIT[0] + (_LIT[1] - _LIT[0]) * min(max((float(middle) - 25) / 35, 0.0), 1.0)
    low, high = _quantile(lightness, lit - 0.2), _quantile(lightness, lit + 0.2)
    kept = lab[(lab[:, 0] >= low) & (lab[:, 0] <= high)]
    kept = kept if len(kept) else lab
    return np.asarray(np.add.reduce(kept, axis=0) / np.float32(len(kept)))


def _quantile(ordered: _Array, share: float) -> np.float64:
    """As ``numpy.quantile``, which takes ten times as long, most of it to choose a method."""
    place = share * (len(ordered) - 1)
    below = int(place)
    low, high = ordered[below], ordered[min(below + 1, len(ordered) - 1)]
    part = place - below
    if part < 0.5:
        return np.float64(low + np.float64(high - low) * part)
    return np.float64(high - np.float64(high - low) * (1 - part))
