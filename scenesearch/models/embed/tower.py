"""What an embedding model is before anyone chooses a runtime for it.

A :class:`TowerSource` names a model without loading it; ``load`` gives the torch module. The
torch and the ONNX embedder both start from it, so "which model" stays apart from "which runtime".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Encoder = Callable[[Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Tower:
    """A loaded model.

    Attributes:
        pixels_to_vectors: torch module, uint8 (n, side, side, 3) to float32 (n, dim), and, where
            the source has classes, (n, classes) class probabilities; the normalisation of pixels
            is inside, so that every runtime does the same.
        encode_text: texts to (n, dim), not normalised; None where there is no text tower.
        checkpoint: gives the tensors by the names that ``load`` of the same source reads; None
            where what was loaded is not what was in the file.
    """

    pixels_to_vectors: Any
    encode_text: Encoder | None = None
    checkpoint: Callable[[], Mapping[str, Any]] | None = None


class TowerSource(Protocol):
    """A model by name and weights."""

    @property
    def fingerprint(self) -> str:
        """Weights and everything that changes the numbers, known without loading."""

    @property
    def dim(self) -> int:
        """Length of the vectors, known without loading the weights."""

    @property
    def side(self) -> int:
        """Pixels of the square input."""

    @property
    def has_text(self) -> bool:
        """Whether the loaded tower encodes text."""

    @property
    def classes(self) -> int:
        """Classes of its head; 0 without one."""

    def load(self) -> Tower:
        """Read the weights.

        Raises:
            ModelError: they are missing or cannot be used.
        """


def normalise_rows(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Rows divided by their length; a zero row stays zero, and the store refuses it.

    >>> normalise_rows(np.array([[3.0, 4.0]])).round(3).tolist()
    [[0.6000000238418579, 0.800000011920929]]
    """
    rows = np.asarray(vectors, np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, np.float32(1e-12)))
