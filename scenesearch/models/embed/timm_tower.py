"""timm backbones as image embedders: pooled features of the head, or of the last block."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from scenesearch.core.errors import ConfigError, ModelLoadError
from scenesearch.core.extras import extra
from scenesearch.models.embed.tower import Tower
from scenesearch.models.load_errors import checkpoint_errors, one_line
from scenesearch.models.weights import Weights

Layer = Literal["head", "blocks"]
Pooling = Literal["avg", "gem"]


class TimmTower:
    """A timm architecture with a checkpoint from this machine.

    Args:
        model: timm architecture name.
        weights: its checkpoint; tensors are matched by name, or (not in .safetensors, which does
            not keep their order) by position where a port of the same architecture has other
            names and the same shapes. A classifier of any number of classes, or none, is fine.
        layer: ``head``: the features the classifier sees; ``blocks``: the output of the last
            block before the final 1 x 1 convolution, fewer dimensions and less class-bound.
        pooling: ``avg``, or ``gem``: generalised mean with p = 3, which keeps small distinctive
            parts from being averaged away (Radenovic et al., TPAMI 2019, arXiv:1711.02512).
        side: pixels of the square input.
    """

    has_text = False
    stretched = False
    exported = None

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

    @cached_property
    def classes(self) -> int:
        """Known from the manifest; 0 for a model that is not in it."""
        return self._weights.record.classes if self._weights.record is not None else 0

    def _architecture(self) -> Any:
        with extra("models", f"{self._weights.name}: a timm model that is not exported"):
            import timm

        try:
            return timm.create_model(self._model, pretrained=False)
        except RuntimeError as error:
            near = ", ".join(timm.list_models(f"*{self._model.split('_')[0]}*")[:5])
            raise ConfigError(
                f"timm has no architecture {self._model!r} (some it has: {near})"
            ) from error

    def load(self) -> Tower:
        """Build the architecture and put the checkpoint into it.

        Raises:
            ModelLoadError: the checkpoint cannot be read, or is of another architecture.
            ConfigError: the architecture does not work with this layer, pooling or side.
        """
        found = _read(self._weights.path)
        backbone = self._architecture()
        _fit_classifier(backbone, found)
        _put(backbone, found, self._weights.path)
        backbone.eval()
        module = _module(backbone, self._layer, self._pooling, profiled=self.classes > 0)
        self._try(module)
        return Tower(module, checkpoint=backbone.state_dict)

    def _try(self, module: Any) -> None:
        """One black picture, so that what does not fit is said before thousands are embedded."""
        import torch

        setting = f"layer {self._layer}, pooling {self._pooling} and {self.side} pixels"
        try:
            with torch.inference_mode():
                found = module(torch.zeros((1, self.side, self.side, 3), dtype=torch.uint8))
        except (RuntimeError, AssertionError, IndexError, ValueError, AttributeError) as error:
            raise ConfigError(
                f"timm's {self._model} does not work with {setting}: {one_line(error)}; expected "
                f"layer: head with pooling: avg, at the image_size the architecture was made for"
            ) from error
        shape = tuple((found[0] if isinstance(found, tuple) else found).shape)
        if shape != (1, self.dim):
            raise ConfigError(
                f"timm's {self._model} with {setting} gives vectors of shape {shape[1:]}, expected "
                f"({self.dim},); use another layer or pooling"
            )


def _read(path: Path) -> dict[str, Any]:
    """The tensors of a checkpoint by name."""
    import torch

    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            found = load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except checkpoint_errors() as error:
        raise ModelLoadError(
            f"{path}: not a readable checkpoint: {one_line(error)}; expected a state dict as "
            f".safetensors or .pth"
        ) from error
    if isinstance(found, dict) and isinstance(found.get("state_dict"), dict):
        found = found["state_dict"]  # as training scripts save it, beside the optimiser
    if not isinstance(found, dict) or not all(isinstance(t, torch.Tensor) for t in found.values()):
        raise ModelLoadError(f"{path}: not a checkpoint; expected tensors by name (a state dict)")
    return found


def _fit_classifier(backbone: Any, found: Mapping[str, Any]) -> None:
    """Give the architecture as many classes as the checkpoint was trained for, or no classifier."""
    name = str(backbone.pretrained_cfg.get("classifier"))
    head = found.get(f"{name}.weight")
    if head is not None and len(head) != backbone.num_classes:
        backbone.reset_classifier(len(head))
    elif found.keys() == {k for k in backbone.state_dict() if not k.startswith(f"{name}.")}:
        backbone.reset_classifier(0)


def _put(backbone: Any, found: Mapping[str, Any], path: Path) -> None:
    """By name, or by position where all shapes agree."""
    wanted = backbone.state_dict()
    same_names = found.keys() == wanted.keys()
    if same_names:
        found = {name: found[name] for name in wanted}
    shapes = [tuple(t.shape) for t in wanted.values()]
    # safetensors sorts by name, so that positions say nothing there: the weight and the bias of a
    # normalisation layer have one shape
    ordered = same_names or path.suffix != ".safetensors"
    if not ordered or [tuple(t.shape) for t in found.values()] != shapes:
        raise ModelLoadError(
            f"{path}: its {len(found)} tensors do not fit the {len(wanted)} of this "
            f"architecture; give the checkpoint that belongs to it"
        )
    backbone.load_state_dict(dict(zip(wanted, found.values(), strict=True)))


def _module(backbone: Any, layer: Layer, pooling: Pooling, *, profiled: bool) -> Any:
    import torch

    mean, std = backbone.pretrained_cfg["mean"], backbone.pretrained_cfg["std"]

    class PixelsToVectors(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = backbone
            self.register_buffer("mean", torch.tensor(mean).mul(255).view(1, 3, 1, 1))
            self.register_buffer("std", torch.tensor(std).mul(255).view(1, 3, 1, 1))

        def forward(self, pixels: Any) -> Any:  # (n, side, side, 3) uint8
            x = (pixels.permute(0, 3, 1, 2).float() - self.mean) / self.std
            blocks = None
            if layer == "blocks":
                final, (blocks,) = self.backbone.forward_intermediates(x, indices=1)
            else:
                final = self.backbone.forward_features(x)
            vectors = self.pooled(final if blocks is None else blocks)  # (n, dim)
            if not profiled:
                return vectors
            return vectors, self.backbone.forward_head(final).softmax(dim=1)  # (n, classes)

        def pooled(self, maps: Any) -> Any:
            if pooling == "avg" and layer == "head":
                return self.backbone.forward_head(maps, pre_logits=True)
            if pooling == "avg":
                return maps.mean((2, 3))
            # the clamp is also a ReLU: linear bottlenecks end in negative values
            return maps.clamp(min=1e-6).pow(3).mean((2, 3)).pow(1 / 3)

    return PixelsToVectors().eval()
