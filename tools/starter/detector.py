"""Train the home detector: ultralytics' trainer, from a COCO detector, layers held still at will.

``python -m tools.starter.detector --data DATA.yaml --start yolo26n.pt --out DIR``. Started again
with the same ``--out`` it goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from tools.starter.transfer import CLASS_ROWS, NEW, start

RATE, NEW_FASTER = 3e-4, 7.0
"""Learning rate of what COCO has taught, and how much higher that of what is new is."""


def trainer_class() -> Any:
    """Ultralytics' segmentation trainer with our model, rates and still batch norms."""
    import torch
    from ultralytics.models.yolo.segment import SegmentationTrainer

    class HomeTrainer(SegmentationTrainer):  # type: ignore[misc]  # untyped library
        """As its base, but for the three methods."""

        def get_model(self, cfg: Any = None, weights: Any = None, **_: Any) -> Any:  # noqa: ARG002
            """The model as it was saved: building it anew would narrow its class head."""
            return weights.float()

        def _model_train(self) -> None:
            """Statistics of what was transferred stay those of photos, not of renders."""
            super()._model_train()
            for name, module in self.model.named_modules():
                if isinstance(module, torch.nn.BatchNorm2d) and not name.startswith(NEW):
                    module.eval()

        def build_optimizer(self, model: Any, **_: Any) -> Any:
            """AdamW with a rate for old and one for new weights."""
            groups: dict[tuple[bool, bool], list[Any]] = {}
            for name, weight in model.named_parameters():
                if weight.requires_grad:
                    fresh = name.startswith((*NEW, *CLASS_ROWS))
                    groups.setdefault((fresh, weight.ndim > 1), []).append(weight)
            return torch.optim.AdamW(
                [
                    {
                        "params": weights,
                        "lr": self.args.lr0 * (NEW_FASTER if fresh else 1.0),
                        "weight_decay": self.args.weight_decay if decays else 0.0,
                        "param_group": "weight" if decays else "norm",
                    }
                    for (fresh, decays), weights in sorted(groups.items())
                ],
                betas=(0.9, 0.999),
            )

    return HomeTrainer


def save_start(source: Path, out: Path) -> Path:
    """Write the transferred model as a .pt that a trainer starts from."""
    import torch

    if source.parent.name == "weights":
        return source  # of an earlier run of this trainer
    path = out / "start.pt"
    if not path.exists():
        out.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(0)
        arguments = {"task": "segment"}
        torch.save({"model": start(source), "train_args": arguments, "epoch": -1}, path)
    return path


def train(wanted: argparse.Namespace) -> None:
    """Train, or go on."""
    import torch

    torch.set_num_threads(wanted.threads)
    last = wanted.out / "run" / "weights" / "last.pt"
    first = save_start(wanted.start, wanted.out)
    settings = {
        "model": str(last if last.exists() else first),
        "resume": last.exists(),
        "data": str(wanted.data.resolve()),
        "epochs": wanted.epochs,
        "imgsz": wanted.side,
        "batch": wanted.batch,
        "nbs": wanted.batch,
        "lr0": wanted.rate,
        "lrf": 0.05,
        "cos_lr": True,
        "warmup_epochs": 0.5,
        "warmup_bias_lr": 0.0,
        "weight_decay": 0.01,
        "freeze": wanted.freeze,
        "mosaic": 0.5,
        "close_mosaic": max(1, wanted.epochs // 5),
        "scale": 0.5,
        "translate": 0.15,
        "hsv_h": 0.03,
        "hsv_s": 0.6,
        "hsv_v": 0.45,
        "seed": wanted.seed,
        "device": "cpu",
        "workers": 0,
        "amp": False,
        "plots": False,
        "project": str(wanted.out.resolve()),
        "name": "run",
        "exist_ok": True,
        "overlap_mask": True,
        "mask_ratio": 4,
    }
    trainer_class()(overrides=settings).train()


def main() -> None:
    """Read what is wanted and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="written by tools.starter.dataset")
    parser.add_argument("--start", type=Path, required=True, help="a fused COCO YOLO26n .pt")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--side", type=int, default=448)
    parser.add_argument("--freeze", type=int, default=10, help="first layers that stay as they are")
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    wanted = parser.parse_args()
    home = wanted.out / "ultralytics"
    home.mkdir(parents=True, exist_ok=True)
    os.environ["YOLO_CONFIG_DIR"] = str(home.resolve())
    os.environ["YOLO_OFFLINE"] = "true"
    os.environ["YOLO_AUTOINSTALL"] = "false"
    train(wanted)


if __name__ == "__main__":
    main()
