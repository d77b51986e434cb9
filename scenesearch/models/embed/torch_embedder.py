"""Embedding with torch: any device, float32 or bfloat16."""

from __future__ import annotations

from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.errors import ModelLoadError
from scenesearch.core.extras import extra
from scenesearch.models.embed.tower import Encoder, Run, Tower, TowerEmbedder, TowerSource


class TorchEmbedder(TowerEmbedder):
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
        super().__init__(source, batch)
        self._device = device
        self._precision = precision

    @property
    def fingerprint(self) -> str:
        """That of the source; bfloat16 gives other numbers, so it is named."""
        suffix = "" if self._precision == "float32" else f":{self._precision}"
        return super().fingerprint + suffix

    def _open(self) -> Tower:
        with extra("models", "embedder.runtime: torch"):
            import torch  # noqa: F401
        tower = self._source.load()
        try:
            tower.pixels_to_vectors.to(self._device)
        except (RuntimeError, AssertionError) as error:
            raise ModelLoadError(
                f"The device {self._device!r} cannot be used: {error}; use device: cpu"
            ) from error
        return tower

    def _run(self, pictures: int) -> tuple[Run, int]:  # noqa: ARG002 - all alike
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

        return run, 1

    def _text_encoder(self) -> Encoder | None:
        return cast(Tower, self._ready()).encode_text
