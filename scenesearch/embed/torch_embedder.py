"""Embedding with torch: any device, float32 or bfloat16."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scenesearch.embed.tower import Tower, TowerSource, normalise_rows
from scenesearch.errors import ModelLoadError, QueryError
from scenesearch.pixels import letterbox
from scenesearch.types import Image


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

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Shape (len(images), dim), rows L2-normalised."""
        import torch

        tower = self._ready()
        rows = [np.zeros((0, self.dim), np.float32)]
        low = self._precision == "bf16"
        for start in range(0, len(images), self._batch):
            batch = images[start : start + self._batch]
            pixels = np.stack([letterbox(image, self._source.side) for image in batch])
            with (
                torch.inference_mode(),
                torch.autocast(torch.device(self._device).type, torch.bfloat16, enabled=low),
            ):
                vectors = tower.pixels_to_vectors(torch.from_numpy(pixels).to(self._device))
            rows.append(vectors.float().cpu().numpy())
        return normalise_rows(np.concatenate(rows))

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
