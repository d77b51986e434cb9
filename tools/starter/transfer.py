"""A YOLO26n-seg that finds what a COCO YOLO26n finds, before it has seen a photo.

The source is a fused detector: its batch norms are folded into its convolutions. Each is unfolded
again as a norm that changes nothing; the rows of the class head are copied by
:data:`tools.starter.classes.ORIGINS`; only masks and new classes start from nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tools.starter.classes import NAMES, ORIGINS

HEAD = "model.23."
NEW = (f"{HEAD}proto", f"{HEAD}cv4")
"""Modules that have no weights in a detector: mask prototypes and coefficients."""
CLASS_ROWS = tuple(f"{HEAD}cv3.{level}.2" for level in range(3))


def start(source: Path) -> Any:
    """The segmentation model with the detector's weights.

    Args:
        source: a fused YOLO26n .pt with COCO's 80 classes. It is read as the program it is.

    Raises:
        ValueError: the detector is not of the same architecture.
    """
    import torch
    from ultralytics import YOLO
    from ultralytics.nn.tasks import SegmentationModel, yaml_model_load

    detector = YOLO(str(source)).model.float()
    coco = {name: number for number, name in detector.names.items()}
    described = yaml_model_load("yolo26n-seg.yaml")
    # one head with suppression trains in half the time of two
    described["end2end"] = False
    # built with COCO's count, because the width of the class head follows from it
    model = SegmentationModel(described, nc=len(coco), verbose=False)
    target, given = model.state_dict(), detector.state_dict()
    used = set()
    with torch.no_grad():
        for name, module in model.named_modules():
            if name.startswith(NEW) or not name:
                continue
            if isinstance(module, torch.nn.Conv2d) and f"{name}.weight" in given:
                _same_shape(name, module.weight, given[f"{name}.weight"])
                target[f"{name}.weight"].copy_(given[f"{name}.weight"])
                bias = given.get(f"{name}.bias")
                used |= {f"{name}.weight", f"{name}.bias"}
                if module.bias is not None:
                    target[f"{name}.bias"].copy_(bias)
                elif bias is not None:
                    _unfold(target, name.removesuffix(".conv") + ".bn", bias, model)
    missed = {key for key in given if key not in used and not key.endswith("anchors")}
    if missed:
        raise ValueError(f"{source}: {len(missed)} weights have no place, as {sorted(missed)[:3]}")
    _rename(model, coco)
    return model


def _same_shape(name: str, mine: Any, theirs: Any) -> None:
    if mine.shape != theirs.shape:
        raise ValueError(
            f"{name}: expected {tuple(mine.shape)}, got {tuple(theirs.shape)}: not a YOLO26n"
        )


def _unfold(target: dict[str, Any], norm: str, bias: Any, model: Any) -> None:
    # (y - 0) / sqrt(1 - eps + eps) * 1 + bias: what the folded convolution did
    eps = model.get_submodule(norm).eps
    target[f"{norm}.weight"].fill_(1.0)
    target[f"{norm}.bias"].copy_(bias)
    target[f"{norm}.running_mean"].fill_(0.0)
    target[f"{norm}.running_var"].fill_(1.0 - eps)


def _rename(model: Any, coco: dict[str, int]) -> None:
    """Our classes for COCO's in the head; the width before the last layer stays COCO's."""
    import torch

    head = model.model[-1]
    with torch.no_grad():
        for level in head.cv3:
            old = level[-1]
            new = torch.nn.Conv2d(old.in_channels, len(NAMES), 1)
            new.weight.mul_(0.1)
            # a new class starts as rare as COCO's rarest
            new.bias.fill_(float(old.bias.min()))
            for row, origin in enumerate(ORIGINS.values()):
                if origin is not None:
                    new.weight[row].copy_(old.weight[coco[origin]])
                    new.bias[row].copy_(old.bias[coco[origin]])
            level[-1] = new
        semantic = head.proto.semseg[-1]
        head.proto.semseg[-1] = torch.nn.Conv2d(semantic.in_channels, len(NAMES), 1)
    head.nc = len(NAMES)
    head.no = head.nc + head.reg_max * 4
    model.nc = len(NAMES)
    model.yaml["nc"] = len(NAMES)
    model.names = dict(enumerate(NAMES))
    model.task = "segment"
