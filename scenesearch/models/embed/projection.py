"""A linear map fitted on a collection and applied to everything that is compared with it.

PCA with partial whitening: directions in which all products agree (white background, soft
shadow) say little, and are turned down by ``variance ** -power / 2``. Full whitening (power 1)
amplifies noise when the photos are few; half is the better default here, see
docs/decisions/models.md.
Source: Jegou and Chum, "Negative evidences and co-occurrences in image retrieval", ECCV 2012.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.errors import StoreError
from scenesearch.core.points import CUTOUT, PROJECTION_BLOB
from scenesearch.core.protocols import Store
from scenesearch.models.embed.tower import normalise_rows


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Centre, rotate and scale, then L2-normalise.

    Attributes:
        mean: shape (dim,).
        matrix: shape (dim, output dim).
        kept: leading numbers that are a trained space, kept as they are; the rest are features.
            Cosines are then ``share`` of those of the one and the rest of those of the other.
        share: of the kept, 0 to 1.
    """

    mean: NDArray[np.float32]
    matrix: NDArray[np.float32]
    kept: int = 0
    share: float = 0.0

    @property
    def dim(self) -> int:
        """Length of the projected vectors."""
        return int(self.matrix.shape[1])

    def apply(self, vectors: NDArray[np.float32], *, centre: bool = True) -> NDArray[np.float32]:
        """Shape (n, dim) to (n, output dim), rows L2-normalised.

        Args:
            vectors: raw embeddings.
            centre: subtract the mean the projection was fitted with; not for text, whose vectors
                lie around another centre than those of pictures.
        """
        rows = (vectors - self.mean if centre else vectors) @ self.matrix
        if self.kept:
            heads = (rows[:, : self.kept], self.share), (rows[:, self.kept :], 1 - self.share)
            rows = np.hstack([normalise_rows(part) * np.sqrt(share) for part, share in heads])
        return normalise_rows(rows)

    def to_bytes(self) -> bytes:
        """As .npz, without pickle."""
        buffer = io.BytesIO()
        arrays = {"mean": self.mean, "matrix": self.matrix}
        if self.kept:
            arrays |= {"kept": np.array(self.kept), "share": np.array(self.share)}
        np.savez(buffer, **arrays)  # type: ignore[arg-type]  # its stub takes one for allow_pickle
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Projection:
        """Read back what :meth:`to_bytes` wrote.

        Raises:
            StoreError: the bytes are not a projection.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                heads = (int(arrays["kept"]), float(arrays["share"])) if "kept" in arrays else ()
                return cls(arrays["mean"], arrays["matrix"], *heads)
        except (ValueError, KeyError, OSError, EOFError, TypeError, zipfile.BadZipFile) as error:
            raise StoreError(
                f"The collection's fitted projection cannot be read ({error}); scenesearch verify "
                f"STORE --repair works it out again where it can",
                code="projection_lost",
            ) from error


def projection_of(store: Store, raw_dim: int | None = None) -> Projection | None:
    """What the vectors of a collection were projected with; None for raw ones, and for none.

    Args:
        store: the collection.
        raw_dim: length of the vectors of its embedder. Where those of the collection have another,
            it has a projection, whatever its record says, which older versions did not write.

    Raises:
        StoreError: the collection has one and it is missing, is damaged, or is another's.
    """
    schema = store.schema
    if schema is None:
        return None
    data = store.read_blob(PROJECTION_BLOB)
    if data is None:
        if (
            PROJECTION_BLOB in schema.blobs
            or (raw_dim or schema.vectors[CUTOUT]) != (schema.vectors[CUTOUT])
        ):
            raise _lost("is missing")
        return None
    wanted = schema.blobs.get(PROJECTION_BLOB)
    if wanted is not None and sha256(data).hexdigest() != wanted:
        raise _lost("is not the one that the collection was made with")
    return Projection.from_bytes(data)


def _lost(what: str) -> StoreError:
    return StoreError(
        f"The collection's fitted projection ({PROJECTION_BLOB}) {what}, and its vectors cannot be "
        f"compared without; scenesearch verify STORE --repair works it out again where it can, "
        f"else restore it from a backup, or index into a new --collection (photos that were "
        f"embedded before are not embedded again)",
        code="projection_lost",
    )
