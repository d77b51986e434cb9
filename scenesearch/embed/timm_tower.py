"""timm backbones as image embedders: pooled features of the head, or of the last block."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

from scenesearch.embed.tower import Tower
from scenesearch.errors import ConfigError, ModelLoadError
from scenesearch.weights import Weights

Layer = Literal["head", "blocks"]
Pooling = Literal["avg", "gem"]


class TimmTower:
    """A timm architecture with a checkpoint from this machine.

    Args:
        model: timm architecture name.
        weights: its checkpoint; tensors are matched by name, or by position where a port of the
            same architecture has other names and the same shapes.
        layer: ``head``: the features the classifier sees; ``blocks``: the output of the last
            block before the final 1 x 1 convolution, fewer dimensions and less class-bound.
        pooling: ``avg``, or ``gem``: generalised mean with p = 3, which keeps small distinctive
            parts from being averaged away (Radenovic et al., TPAMI 2019, arXiv:1711.02512).
        side: pixels of the square input.
    """

    has_text = False

    def __init__(
        self,
        model: str,
        weights: Weights,
        *,
        layer: Layer = "head",
        pooling: Pooling = "avg",
        side: int = 224,
    ) -> None:
        self._model = model
        self._weights = weights
        self._layer: Layer = layer
        self._pooling: Pooling = pooling
        self.side = side

    @property
    def fingerprint(self) -> str:
        """Architecture, weights, layer, pooling and input size."""
        return (
            f"timm:{self._model}:{self._weights.fingerprint}"
            f":{self._layer}:{self._pooling}:{self.side}px"
        )

    @cached_property
    def dim(self) -> int:
        """Known from the manifest, otherwise from the architecture (imports timm)."""
        record = self._weights.record
        if record is not None and self._layer in record.dims:
            return record.dims[self._layer]
        backbone = self._architecture()
        if self._layer == "head":
            return int(backbone.num_features)
        return int(backbone.feature_info[-1]["num_chs"])

    def _architecture(self) -> Any:
        import timm

        try:
            return timm.create_model(self._model, pretrained=False)
        except RuntimeError as error:
            near = ", ".join(timm.list_models(f"*{self._model.split('_')[0]}*")[:5])
            raise ConfigError(
                f"timm has no architecture {self._model!r} (some it has: {near})"
            ) from error

    def load(self) -> Tower:
        """Build the architecture and put the checkpoint into it."""
        backbone = self._architecture()
        _put_weights(backbone, self._weights)
        backbone.reset_classifier(0)
        backbone.eval()
        mean, std = backbone.pretrained_cfg["mean"], backbone.pretrained_cfg["std"]
        return Tower(_module(backbone, self._layer, self._pooling, mean, std))


def _put_weights(backbone: Any, weights: Weights) -> None:
    import torch

    path = weights.path
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            found = load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise ModelLoadError(f"{path}: not a readable checkpoint: {error}") from error
    wanted = backbone.state_dict()
    if found.keys() != wanted.keys():
        shapes = [tuple(t.shape) for t in found.values()]
        if shapes != [tuple(t.shape) for t in wanted.values()]:
            raise ModelLoadError(
                f"{path}: its {len(found)} tensors do not fit the {len(wanted)} of this "
                f"architecture; give the checkpoint that belongs to it"
            )
        found = dict(zip(wanted, found.values(), strict=True))
    backbone.load_state_dict(found)


def _module(
    backbone: Any, layer: Layer, pooling: Pooling, mean: tuple[float, ...], std: tuple[float, ...]
) -> Any:
    import torch

    class PixelsToVectors(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = backbone
            self.register_buffer("mean", torch.tensor(mean).mul(255).view(1, 3, 1, 1))
            self.register_buffer("std", torch.tensor(std).mul(255).view(1, 3, 1, 1))

        def forward(self, pixels: Any) -> Any:  # (n, side, side, 3) uint8
            x = (pixels.permute(0, 3, 1, 2).float() - self.mean) / self.std
            if layer == "head" and pooling == "avg":
                return self.backbone(x)  # (n, dim)
            if layer == "head":
                maps = self.backbone.forward_features(x)  # (n, dim, h, w)
            else:
                maps = self.backbone.forward_intermediates(x, indices=1, intermediates_only=True)[0]
            if pooling == "avg":
                return maps.mean((2, 3))
            # the clamp is also a ReLU: linear bottlenecks end in negative values
            return maps.clamp(min=1e-6).pow(3).mean((2, 3)).pow(1 / 3)

    return PixelsToVectors().eval()
