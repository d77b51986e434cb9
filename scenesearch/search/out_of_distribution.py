"""Whether a region is out of the catalogue's distribution: an honest "no good match".

Similarity alone cannot tell. The nearest product to an elephant is a soft toy elephant, at a
cosine many correct answers never reach. But an embedder with a class head also says what a
picture is *of*, and the catalogue's photos, taken together, say which of those things the shop
sells. A region whose classes the catalogue hardly has is out of distribution.

The measure is ``log(profile . prior)``: the chance that the region and a random photo of the
catalogue are of the same class. It is turned into a level by the catalogue's own photos, each
compared with all the others: level 0.01 means that 99 % of the catalogue is more at home in it
than the region is, with every model and every catalogue. docs/decisions/ranking.md has the
figures.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.errors import StoreError

MIN_PHOTOS = 100
"""Fewer photos than this say too little about a catalogue."""
_LEVELS = 1001
_TINY = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class OodModel:
    """What a catalogue is of.

    Attributes:
        prior: shape (classes,), mean class profile of the catalogue's photos, sums to 1.
        quantiles: shape (1001,), rising: of the measure over the catalogue's own photos.
        photos: digest of the photos it was learned from, to see when it is out of date.
    """

    prior: NDArray[np.float32]
    quantiles: NDArray[np.float32]
    photos: str

    def levels(self, profiles: NDArray[np.float32]) -> NDArray[np.float32]:
        """How at home regions are: share of the catalogue that is less so, 0 to 1.

        Args:
            profiles: shape (n, classes), rows sum to 1.
        """
        measure = np.log(profiles @ self.prior + _TINY)
        shares = np.linspace(0, 1, len(self.quantiles))
        # below the least familiar photo of the catalogue the level falls to 0 at once
        level = np.interp(measure, self.quantiles, shares, left=0.0, right=1.0)
        return np.asarray(level, np.float32)

    def to_bytes(self) -> bytes:
        """As .npz, without pickle."""
        buffer = io.BytesIO()
        np.savez(buffer, prior=self.prior, quantiles=self.quantiles, photos=np.array(self.photos))
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> OodModel:
        """Read back what :meth:`to_bytes` wrote.

        Raises:
            StoreError: the bytes are something else.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                return cls(arrays["prior"], arrays["quantiles"], str(arrays["photos"]))
        except (ValueError, KeyError, OSError, EOFError, TypeError, BadZipFile) as error:
            raise StoreError(
                f"The collection's class profile cannot be read ({error}); index it again, or "
                f"scenesearch verify STORE --repair"
            ) from error


def fit_ood(profiles: NDArray[np.float32], photos: str) -> OodModel | None:
    """Learn what a catalogue is of, or None from fewer than :data:`MIN_PHOTOS` photos.

    Args:
        profiles: shape (photos, classes), rows sum to 1.
        photos: digest of the photos.
    """
    n = len(profiles)
    if n < MIN_PHOTOS:
        return None
    rows = profiles.astype(np.float64)
    prior = rows.mean(axis=0)
    # each photo against all the others: with itself it would always be at home
    others = (rows @ prior * n - (rows * rows).sum(axis=1)) / (n - 1)
    measure = np.log(others + _TINY)
    quantiles = np.quantile(measure, np.linspace(0, 1, _LEVELS))
    return OodModel(prior.astype(np.float32), quantiles.astype(np.float32), photos)
