"""Palettes as vectors: cosine similarity says how alike two palettes are, shares included.

A colour is spread over 64 fixed reference colours by a Gaussian of its CIEDE2000 distance, so
neighbouring shades share most of their weight. The weighted sum over a palette is a histogram;
its square root is a unit vector, and the cosine of two of them is the Bhattacharyya coefficient
of the histograms (A. Bhattacharyya, 1943; one minus the squared Hellinger distance). It is 1 for
equal palettes, 0 for palettes without anything in common, and 0.7/0.3 is nearer to 0.6/0.4 than
to 0.3/0.7.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from scenesearch.attributes.lab import ciede2000
from scenesearch.attributes.names import labs_of
from scenesearch.core.errors import QueryError
from scenesearch.core.types import Colour, Vector

COLOUR_DIM = 64
"""Length of the vectors."""

# CIEDE2000 at which a reference colour gets 0.6 of the weight of an exact one. At this width
# shades 10 apart are about 0.87 alike, 20 apart 0.55, 40 apart 0.07 (means over random colours).
_SIGMA = 8.0
_NEUTRAL_L = (4, 18, 32, 46, 60, 74, 87, 98)
# (L, chroma) of each ring of eight hues: pale, mid and dark muted colours, then vivid ones.
_RINGS = ((30, 18), (55, 18), (80, 18), (30, 45), (50, 62), (70, 62), (86, 42))


@cache
def _references() -> NDArray[np.float64]:
    """The 64 reference colours in CIELAB: 8 neutrals and 7 rings of 8 hues, shape (64, 3)."""
    hues = np.radians(np.arange(8) * 45 + 20)
    rings = [
        np.stack([np.full(8, lightness), chroma * np.cos(hues), chroma * np.sin(hues)], axis=1)
        for lightness, chroma in _RINGS
    ]
    neutrals = np.array([[lightness, 0.0, 0.0] for lightness in _NEUTRAL_L])
    return np.concatenate([neutrals, *rings])


def colour_vector(colours: Sequence[Colour]) -> Vector:
    """The vector of a palette.

    Args:
        colours: at least one; the shares need not sum to 1.

    Returns:
        Shape (64,), float32, L2-normalised, no negative entries.

    Raises:
        ValueError: there is no colour, or a share is not a positive finite number.
    """
    if not colours:
        raise ValueError("a palette needs at least one colour, got none; store no colour vector")
    labs = np.array([colour.lab for colour in colours], np.float64)
    shares = np.array([colour.share for colour in colours], np.float64)
    if not np.isfinite(shares).all() or (shares <= 0).any():
        raise ValueError(f"the shares of a palette must be above 0, got {shares.tolist()}")
    return _histogram(labs, shares)


def palette_vector(parts: Mapping[str, float] | Iterable[tuple[str, float]]) -> Vector:
    """The vector of a palette that someone wrote, such as ``{"red": 0.7, "#ffffff": 0.3}``.

    A name stands for all its shades, a hex colour for exactly itself.

    Args:
        parts: colour (a name of the vocabulary, a synonym, ``#rrggbb``) and its share; the
            shares need not sum to 1.

    Returns:
        Shape (64,), float32, L2-normalised; comparable with :func:`colour_vector`.

    Raises:
        QueryError: a colour is unknown (the message offers near names), a share is not a positive
            finite number, or there is no colour.
    """
    pairs = list(parts.items()) if isinstance(parts, Mapping) else list(parts)
    if not pairs:
        raise QueryError(
            "a palette needs at least one colour, got none; give pairs such as red: 0.7",
            code="empty_palette",
        )
    labs, shares = [], []
    for text, share in pairs:
        if not math.isfinite(share) or share <= 0:
            raise QueryError(
                f"the share of colour {text!r} must be a number above 0, got {share}; "
                f"leave the colour out instead",
                code="bad_share",
            )
        shades = labs_of(text)
        labs.append(shades)
        shares.append(np.full(len(shades), share / len(shades)))
    return _histogram(np.concatenate(labs), np.concatenate(shares))


def _histogram(labs: NDArray[np.floating], shares: NDArray[np.float64]) -> Vector:
    distances = ciede2000(labs[:, None, :], _references()[None, :, :])  # (n, 64)
    exponents = -((distances / _SIGMA) ** 2) / 2
    # Relative to the nearest reference, so a colour far from all of them still has weight.
    weights = np.exp(exponents - exponents.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    roots = np.sqrt(shares / shares.sum() @ weights)
    return np.asarray(roots / np.linalg.norm(roots), np.float32)
