"""Style: what is left of a picture's vector when what kind of thing it shows is taken away.

A vector says first of all *sofa* or *lamp*. Less the mean of its own category it says how this
lamp differs from other lamps, and that can be compared with how a sofa differs from other sofas.
Means of small categories are pulled towards the mean of everything, as if a few average items
were in each (empirical Bayes shrinkage; James and Stein, 1961).
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.errors import StoreError
from scenesearch.models.embed.tower import normalise_rows

Floats = NDArray[np.float32]

SHRINK = 2.0
"""Average items that are added to each category."""
MIN_POINTS = 20
"""Fewer points than this have no category means to speak of: style is then the vector itself."""


@dataclass(frozen=True, slots=True, eq=False)
class StyleCentres:
    """The mean vector of each category.

    Attributes:
        categories: names, sorted.
        means: shape (categories, dim), shrunk towards the mean of everything.
        mean: shape (dim,): of everything; for what has no category, or a new one.
        digest: of the collection they were learned on, to see when they are out of date.
    """

    categories: tuple[str, ...]
    means: Floats
    mean: Floats
    digest: str

    def styles(self, vectors: Floats, categories: Sequence[str | None]) -> Floats:
        """Vectors less the mean of their category, L2-normalised.

        Args:
            vectors: shape (n, dim).
            categories: of each row.

        Returns:
            Shape (n, dim); a row that is its category's mean is 0.
        """
        number = {name: i for i, name in enumerate(self.categories)}
        table = np.vstack([self.means, self.mean[None]])
        # -1 is the last row: everything's mean
        rows = table[[number.get(name, -1) if name is not None else -1 for name in categories]]
        return normalise_rows(vectors - rows)

    def to_bytes(self) -> bytes:
        """As .npz, without pickle."""
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            categories=np.array(self.categories, np.str_),
            means=self.means.astype(np.float16),
            mean=self.mean,
            digest=np.array(self.digest),
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> StyleCentres:
        """Read back what :meth:`to_bytes` wrote, to half precision.

        Raises:
            StoreError: the bytes are something else.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                return cls(
                    tuple(str(name) for name in arrays["categories"]),
                    arrays["means"].astype(np.float32),
                    arrays["mean"],
                    str(arrays["digest"]),
                )
        except (ValueError, KeyError, OSError, EOFError, TypeError, BadZipFile) as error:
            raise StoreError(
                f"The collection's category means cannot be read ({error}); expected what "
                f"StyleCentres.to_bytes wrote; delete the blob, and they are learned again"
            ) from error


def learn_centres(
    batches: Iterable[tuple[Sequence[str | None], Floats]],
    dim: int,
    digest: str,
    *,
    shrink: float = SHRINK,
) -> StyleCentres:
    """Category means of a collection, read batch by batch.

    Args:
        batches: categories and vectors, shape (n, dim); None is no category.
        dim: length of the vectors.
        digest: kept beside them.
        shrink: average items that are added to each category.
    """
    sums: dict[str, NDArray[np.float64]] = {}
    counts: dict[str, int] = {}
    total, seen = np.zeros(dim), 0
    for categories, vectors in batches:
        total += vectors.sum(axis=0)
        seen += len(vectors)
        for name in {c for c in categories if c is not None}:
            rows = vectors[[c == name for c in categories]]
            sums[name] = sums.get(name, np.zeros(dim)) + rows.sum(axis=0)
            counts[name] = counts.get(name, 0) + len(rows)
    names = tuple(sorted(sums))
    if seen < MIN_POINTS:
        nothing = np.zeros((0, dim), np.float32)
        return StyleCentres((), nothing, np.zeros(dim, np.float32), digest)
    mean = total / seen
    means = [(sums[name] + shrink * mean) / (counts[name] + shrink) for name in names]
    stacked = np.stack(means) if means else np.zeros((0, dim))
    return StyleCentres(names, stacked.astype(np.float32), mean.astype(np.float32), digest)
