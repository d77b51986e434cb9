"""ultralytics' own checkpoints: exported to ONNX, or run in torch. Needs the extra ``models``."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.extras import extra
from scenesearch.models.ultralytics_home import keep_home


@dataclass(frozen=True, slots=True)
class TorchModel:
    """A checkpoint in torch.

    Attributes:
        task: what it was trained for.
        names: of its classes, by number.
        extras: numbers of a box beside box and scores.
        stride: its input's sides are multiples of.
        run: float32 (1, 3, height, width) to rows, and prototypes of masks where it has them.
    """

    task: str
    names: Mapping[int, str]
    extras: int
    stride: int
    run: Callable[[NDArray[np.float32]], Sequence[NDArray[np.float32]]]


def export(weights: Path, target: Path, home: Path) -> None:
    """Write a checkpoint as ONNX, for photos of any size.

    Args:
        weights: .pt, whose hash is trusted: it is code.
        target: the .onnx; its folder is made.
        home: where ultralytics keeps its settings.

    Raises:
        MissingDependencyError: ultralytics is not installed.
    """
    yolo = _yolo(weights, home)
    target.parent.mkdir(parents=True, exist_ok=True)
    # ultralytics writes beside its input, which may be read-only
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        copy = Path(folder) / "model.pt"
        shutil.copyfile(weights, copy)
        with warnings.catch_warnings():
            # the exporter's own deprecations are no business of ours or our users
            warnings.simplefilter("ignore")
            draft = yolo(str(copy)).export(
                format="onnx", dynamic=True, simplify=False, verbose=False
            )
        Path(draft).replace(target)


def load(weights: Path, device: str, home: Path) -> TorchModel:
    """A checkpoint in torch, on a device.

    Raises:
        MissingDependencyError: ultralytics is not installed.
    """
    import torch

    found = _yolo(weights, home)(str(weights))
    model = found.model.float().fuse(verbose=False).eval().to(device)
    head = model.model[-1]
    extras = int(getattr(head, "nm", 0) or getattr(head, "nk", 0))

    def run(pixels: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        with torch.inference_mode():
            out = model(torch.from_numpy(pixels).to(device))
        # (rows, training's own) of a detector, ((rows, prototypes), training's own) of a segmenter
        first = out[0] if isinstance(out, tuple | list) else out
        parts: Sequence[Any] = first if isinstance(first, tuple | list) else (first,)
        return [part.float().cpu().numpy() for part in parts]

    return TorchModel(str(found.task), dict(model.names), extras, int(model.stride.max()), run)


def _yolo(weights: Path, home: Path) -> Any:
    keep_home(home)
    with extra("models", f"{weights}: a checkpoint that is not exported"):
        from ultralytics import YOLO
    return YOLO
