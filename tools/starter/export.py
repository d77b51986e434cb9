"""The trained models as the .onnx that ship: ``python -m tools.starter.export``.

A .pt is a program; an .onnx is not. Class names, stride and input size are in its metadata. Weights
are stored in half precision and computed with in single: half the file, and the same speed.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import Any

from scenesearch.models.embed.onnx_export import export as write_towers
from scenesearch.models.embed.onnx_text import text_files
from scenesearch.models.embed.open_clip_tower import OpenClipTower
from scenesearch.models.weights import Weights, sha256_of

LARGE = 256
"""Numbers of a tensor from which it is worth halving."""


def export(weights: Path, out: Path, *, side: int) -> Path:
    """Write ``weights`` (a .pt of our own trainer) as ONNX, for pictures of any size."""
    from ultralytics import YOLO

    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        # ultralytics writes beside what it reads
        copy = Path(folder) / "model.pt"
        shutil.copyfile(weights, copy)
        made = YOLO(str(copy)).export(
            format="onnx", dynamic=True, simplify=False, imgsz=side, verbose=False
        )
        halve(Path(made), out)
    return out


def export_image_text(config: Path, weights: Path, out: Path) -> list[Path]:
    """Write an open_clip model's towers and tokenizer: ``OUT.onnx`` and what lies beside it.

    The checkpoint is in half precision, and so is what is kept of the text tower, without a loss.
    The picture tower's weights are multiplied with those of its normalisation, so they stay single.
    """
    tower = OpenClipTower(str(config), Weights(weights, sha256_of(weights)))
    write_towers(tower, tower.load(), out)
    text, words = text_files(out)
    halve(text, text)
    return [out, text, words]


def halve(source: Path, out: Path) -> None:
    """Store large weights in half precision; the runtime casts them once, when it loads."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model: Any = onnx.load(str(source))
    casts = []
    for weights in model.graph.initializer:
        if weights.data_type != TensorProto.FLOAT or np.prod(weights.dims) < LARGE:
            continue
        name, stored = weights.name, f"{weights.name}/half"
        values = numpy_helper.to_array(weights).astype(np.float16)
        weights.CopyFrom(numpy_helper.from_array(values, stored))
        casts.append(helper.make_node("Cast", [stored], [name], to=TensorProto.FLOAT))
    for number, node in enumerate(casts):
        model.graph.node.insert(number, node)
    onnx.checker.check_model(model)
    onnx.save(model, str(out))


def main() -> None:
    """Export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--config", type=Path, help="of an open_clip model; without, a detector")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--side", type=int, default=512)
    wanted = parser.parse_args()
    if wanted.config is None:
        made = [export(wanted.weights, wanted.out, side=wanted.side)]
    else:
        made = export_image_text(wanted.config, wanted.weights, wanted.out)
    for path in made:
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
