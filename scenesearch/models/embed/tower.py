"""What an embedding model is before anyone chooses a runtime for it.

A :class:`TowerSource` names a model without loading it; ``load`` gives the torch module. The
torch and the ONNX embedder both start from it, so "which model" stays apart from "which runtime";
:class:`TowerEmbedder` is what they share.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.batches import batches
from scenesearch.core.errors import QueryError
from scenesearch.core.types import Image
from scenesearch.images.letterbox import letterbox, stretch
from scenesearch.models.lazy import LazyModel

Encoder = Callable[[Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class TextExport:
    """A text tower that can run without torch.

    Attributes:
        ids_to_vectors: torch module, int64 (n, context) to float32 (n, dim).
        tokenizer: JSON of the library ``tokenizers``, padding and cutting to the context.
    """

    ids_to_vectors: Any
    tokenizer: str


@dataclass(frozen=True, slots=True)
class Tower:
    """A loaded model.

    Attributes:
        pixels_to_vectors: torch module, uint8 (n, side, side, 3) to float32 (n, dim), and, where
            the source has classes, (n, classes) class probabilities; the normalisation of pixels
            is inside, so that every runtime does the same.
        encode_text: texts to (n, dim), not normalised; None where there is no text tower.
        text: what a text tower is exported from; None where its tokenizer has no other form.
        checkpoint: gives the tensors by the names that ``load`` of the same source reads; None
            where what was loaded is not what was in the file.
    """

    pixels_to_vectors: Any
    encode_text: Encoder | None = None
    text: TextExport | None = None
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
    def stretched(self) -> bool:
        """Whether pictures are stretched to the square, as it was trained; else aspect is kept."""

    @property
    def has_text(self) -> bool:
        """Whether the loaded tower encodes text."""

    @property
    def classes(self) -> int:
        """Classes of its head; 0 without one."""

    @property
    def exported(self) -> Path | None:
        """The .onnx of the image tower, where it came as one, with its text tower beside it."""

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


Run = Callable[[NDArray[np.uint8]], Sequence[NDArray[np.float32]]]
"""uint8 (n, side, side, 3) to [vectors] or [vectors, profiles]."""


class TowerEmbedder(LazyModel):
    """Satisfies ``Embedder`` and ``Profiler`` with a tower, whatever runs it.

    Args:
        source: which model.
        batch: pictures at a time.
    """

    def __init__(self, source: TowerSource, batch: int) -> None:
        super().__init__()
        self._source = source
        self._batch = batch

    @property
    def fingerprint(self) -> str:
        """That of the source."""
        return self._source.fingerprint

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return self._source.dim

    @property
    def has_text(self) -> bool:
        """Whether ``embed_texts`` works."""
        return self._source.has_text

    @property
    def profile_dim(self) -> int:
        """Number of classes of the model's head; 0 without one."""
        return self._source.classes

    @abstractmethod
    def _run(self, pictures: int) -> tuple[Run, int]:
        """The loaded model as it is called with a batch, and how many threads call it at a time."""

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Shape (len(images), dim), rows L2-normalised."""
        return self.embed_and_profile(images)[0]

    def embed_and_profile(
        self, images: Sequence[Image]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Vectors (n, dim) and class probabilities (n, profile_dim), in one pass.

        Args:
            images: any sizes.
        """
        (run, lanes), source = self._run(len(images)), self._source
        if not images:
            return np.zeros((0, source.dim), np.float32), np.zeros((0, source.classes), np.float32)

        fit = stretch if source.stretched else letterbox

        def found(part: Sequence[Image]) -> Sequence[NDArray[np.float32]]:
            return run(np.stack([fit(image, source.side) for image in part]))

        # no lane without work
        parts = list(batches(images, min(self._batch, -(-len(images) // lanes))))
        if lanes == 1:
            outputs = [found(part) for part in parts]
        else:
            with ThreadPoolExecutor(lanes, "scenesearch-embed") as pool:
                outputs = list(pool.map(found, parts))
        vectors, *profiles = (np.concatenate(rows) for rows in zip(*outputs, strict=True))
        none = np.zeros((len(images), 0), np.float32)
        return normalise_rows(vectors), profiles[0] if source.classes else none

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Shape (len(texts), dim), rows L2-normalised.

        Raises:
            QueryError: the model has no text tower.
        """
        encode = self._text_encoder() if self.has_text else None
        if encode is None:
            raise QueryError(
                f"The model {self.fingerprint} has no text tower, so it cannot search by text; "
                f"use an open_clip model, or search by photo, item or filter",
                code="no_text_tower",
            )
        return normalise_rows(encode(texts))

    @abstractmethod
    def _text_encoder(self) -> Encoder | None:
        """Texts to vectors, loaded."""
