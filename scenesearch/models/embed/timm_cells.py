"""The feature map of a timm backbone as one vector for each cell of a picture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.errors import ConfigError
from scenesearch.core.extras import extra
from scenesearch.core.protocols import Embedder
from scenesearch.core.types import Image
from scenesearch.models.embed.forwarding import Standing
from scenesearch.models.embed.timm_tower import TimmTower
from scenesearch.models.embed.tower import Tower, normalise_rows
from scenesearch.models.load_errors import one_line

STRIDE = 16
"""Pixels along the side of a cell: an earlier layer than the one a whole picture is judged by."""


class TimmCells:
    """A ``TowerSource`` whose vector is the whole map, cell by cell.

    So that it runs, exports and is checked in every runtime as any other tower.

    Args:
        model: timm architecture name.
        tower: its weights, and the side of the input.
        stride: of the layer, in pixels of the input.
    """

    has_text = False
    stretched = False
    exported = None
    classes = 0

    def __init__(self, model: str, tower: TimmTower, *, stride: int = STRIDE) -> None:
        self._model = model
        self._tower = tower
        self.stride = stride

    @property
    def fingerprint(self) -> str:
        """That of the tower, and the layer."""
        return f"{self._tower.fingerprint}:cells{self.stride}"

    @property
    def side(self) -> int:
        """Pixels of the square input."""
        return self._tower.side

    @property
    def grid(self) -> int:
        """Cells along a side."""
        return self.side // self.stride

    @cached_property
    def _level(self) -> tuple[int, int]:
        """Index and channels of the last layer of this stride (imports timm)."""
        with extra("models", "search.rerank of a model that is not exported"):
            import timm

        try:
            layers = list(timm.create_model(self._model, pretrained=False).feature_info)
        except (RuntimeError, AttributeError) as error:
            raise self._unfit(one_line(error)) from error
        found = [(i, one) for i, one in enumerate(layers) if one.get("reduction") == self.stride]
        if not found or self.side % self.stride:
            strides = ", ".join(str(one.get("reduction")) for one in layers)
            raise self._unfit(f"its layers have cells of {strides} pixels")
        level, layer = found[-1]
        return level, int(layer["num_chs"])

    def _unfit(self, why: str) -> ConfigError:
        return ConfigError(
            f"search.rerank: timm's {self._model} at {self.side} pixels gives no map with cells of "
            f"{self.stride} pixels: {why}; expected a convolutional architecture and an "
            f"embedder.image_size that is a multiple of {self.stride}, or set search.rerank: 0"
        )

    @property
    def dim(self) -> int:
        """Length of the map: cells times channels."""
        return self.grid * self.grid * self._level[1]

    def load(self) -> Tower:
        """Read the weights.

        Raises:
            ModelError: they are missing or cannot be used.
            ConfigError: the architecture has no such layer.
        """
        import torch

        level, _ = self._level
        module = _module(self._tower.load().pixels_to_vectors, level)
        try:
            with torch.inference_mode():
                found = module(torch.zeros((1, self.side, self.side, 3), dtype=torch.uint8))
        except (RuntimeError, AssertionError, IndexError, ValueError, AttributeError) as error:
            raise self._unfit(one_line(error)) from error
        if tuple(found.shape) != (1, self.dim):
            raise self._unfit(f"{found.shape[1]} numbers a picture, expected {self.dim}")
        return Tower(module)


def _module(pooled: Any, level: int) -> Any:
    import torch

    class PixelsToCells(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = pooled.backbone
            self.register_buffer("mean", pooled.mean)
            self.register_buffer("std", pooled.std)

        def forward(self, pixels: Any) -> Any:  # (n, side, side, 3) uint8
            x = (pixels.permute(0, 3, 1, 2).float() - self.mean) / self.std
            (maps,) = self.backbone.forward_intermediates(
                x, indices=[level], intermediates_only=True
            )  # (n, channels, grid, grid)
            return maps.permute(0, 2, 3, 1).flatten(1)  # (n, grid * grid * channels)

    return PixelsToCells().eval()


class CellMaps(Standing[Embedder]):
    """Cells of pictures, from whatever runs the source.

    Args:
        source: which layer of which model.
        runtime: runs it.
    """

    def __init__(self, source: TimmCells, runtime: Embedder) -> None:
        super().__init__(runtime)
        self._source = source

    @property
    def grid(self) -> int:
        """Cells along a side."""
        return self._source.grid

    def embed_cells(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Shape (len(images), grid * grid, dim), each cell L2-normalised."""
        cells = self.grid * self.grid
        if not images:
            return np.zeros((0, cells, self._source.dim // cells), np.float32)
        maps = self._behind.embed_images(images)
        channels = maps.shape[1] // cells
        return normalise_rows(maps.reshape(-1, channels)).reshape(len(images), cells, channels)
