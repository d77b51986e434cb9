"""The trained home detector as the .onnx that ships: ``python -m tools.starter.export``.

A .pt is a program; an .onnx is not. Class names, stride and input size are in its metadata.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path


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
        Path(made).replace(out)
    return out


def main() -> None:
    """Export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--side", type=int, default=512)
    wanted = parser.parse_args()
    path = export(wanted.weights, wanted.out, side=wanted.side)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
