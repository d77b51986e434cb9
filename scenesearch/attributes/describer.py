"""Cutouts to colours and hashes; satisfies :class:`scenesearch.core.protocols.Describer`."""

from __future__ import annotations

from scenesearch.attributes.colour_vector import COLOUR_DIM, colour_vector
from scenesearch.attributes.palette import dominant_colours
from scenesearch.attributes.phash import phash
from scenesearch.core.types import Cutout, Description


class PixelDescriber:
    """Describes pixels, without any model.

    Args:
        colours: whether dominant colours are worked out, a millisecond a region.
        vectors: whether their vectors are, which only a collection keeps.
    """

    def __init__(self, *, colours: bool = True, vectors: bool = True) -> None:
        self._colours = colours
        self._vectors = vectors

    @property
    def colour_dim(self) -> int:
        """Length of the colour vectors; 0 when none are made."""
        return COLOUR_DIM if self._colours else 0

    def describe(self, cutout: Cutout) -> Description:
        """Colours from the mask only, and a hash of the picture."""
        found = dominant_colours(cutout.image, cutout.mask) if self._colours else ()
        vector = colour_vector(found) if found and self._vectors else None
        return Description(found, vector, phash(cutout.image))
