"""Embedding with torch: any device, float32 or bfloat16."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.errors import ModelLoadError, QueryError
from scenesearch.core.types import Image
from scenesearch.images.letterbox import letterbox
from scenesearch.models.embed.tower import Tower, TowerSource, normalise_rows


class TorchEmbedder:
    """Runs a tower in torch.

    Args:
        source: which model.
        device: ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        precision: ``bf16`` runs the image tower under autocast.
        batch: pictures at a time.
    """

    def __init__(
        self,
        source: TowerSource,
        *,
        device: str = "cpu",
        precision: Literal["float32", "bf16"] = "float32",
        batch: int = 32,
    ) -> None:
        self._source = source
        self._device = device
        self._precision = precision
        self._batch = batch
        self._tower: Tower | None = None
        self._loading = Lock()

    @property
    def fingerprint(self) -> str:
        """That of the source; bfloat16 gives other numbers, so it is named."""
        suffix = "" if self._precision == "float32" else f":{self._precision}"
        return self._source.fingerprint + suffix

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return self._source.dim

    @property
    def has_text(self) -> bool:
        """Whether ``embed_texts`` works."""
        return self._source.has_text

    def load(self) -> None:
        """Read the weights and move them to the device."""
        self._ready()

    def _ready(self) -> Tower:
        with self._loading:
            return self._load()

    def _load(self) -> Tower:
        if self._tower is None:
            tower = self._source.load()
            try:
                tower.pixels_to_vectors.to(self._device)
            except (RuntimeError, AssertionError) as error:
                raise ModelLoadError(
                    f"The device {self._device!r} cannot be used: {error}; use device: cpu"
                ) from error
            self._tower = tower
        return self._tower

    def close(self) -> None:
        """Forget the weights."""
        self._tower = None

    @property
    def profile_dim(self) -> int:
        """Number of classes of the model's head; 0 without one."""
        return self._source.classes

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Shape (len(images), dim), rows L2-normalised."""
        return self.embed_and_profile(images)[0]

    def embed_and_profile(
        self, images: Sequence[Image]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Vectors (n, dim) and class probabilities (n, profile_dim), in one pass."""
        import torch

        tower = self._ready()
        low = self._precision == "bf16"

        def run(pixels: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
            with (
                torch.inference_mode(),
                torch.autocast(torch.device(self._device).type, torch.bfloat16, enabled=low),
            ):
                found = tower.pixels_to_vectors(torch.from_numpy(pixels).to(self._device))
            parts = found if isinstance(found, tuple) else (found,)
            return [part.float().cpu().numpy() for part in parts]

        return in_batches(images, run, self._source, self._batch)

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Shape (len(texts), dim), rows L2-normalised."""
        return encode_texts(self._ready() if self.has_text else None, texts, self.fingerprint)


def encode_texts(tower: Tower | None, texts: Sequence[str], name: str) -> NDArray[np.float32]:
    """Texts through a tower's text encoder.

    Raises:
        QueryError: there is none.
    """
    if tower is None or tower.encode_text is None:
        raise QueryError(
            f"The model {name} has no text tower, so it cannot search by text; use an open_clip "
            f"model, or search by photo, item or filter",
            code="no_text_tower",
        )
    return normalise_rows(tower.encode_text(texts))


def in_batches(
    images: Sequence[Image],
    run: Callable[[NDArray[np.uint8]], list[NDArray[np.float32]]],
    source: TowerSource,
    batch: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Pictures through a runtime, batch by batch.

    Args:
        images: any sizes.
        run: uint8 (n, side, side, 3) to [vectors] or [vectors, profiles].
        source: for the sizes.
        batch: pictures at a time.

    Returns:
        Normalised vectors (n, dim) and profiles (n, classes).
    """
    vectors = np.zeros((len(images), source.dim), np.float32)
    profiles = np.zeros((len(images), source.classes), np.float32)
    for start in range(0, len(images), batch):
        part = images[start : start + batch]
        found = run(np.stack([letterbox(image, source.side) for image in part]))
        vectors[start : start + len(part)] = found[0]
        if source.classes:
            profiles[start : start + len(part)] = found[1]
    return normalise_rows(vectors), profiles
