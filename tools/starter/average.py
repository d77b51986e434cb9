"""A tuned home detector averaged with what it began as (WiSE-FT, arXiv:2109.01903).

``python -m tools.starter.average --start start.pt --tuned last.pt --out DIR/weights/w.pt``

Tuning on renders teaches renders and costs photos; between the two lies most of both. What began
from nothing (masks) stays as tuned.
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path
from typing import Any

from tools.starter.transfer import NEW


def averaged(start: Any, tuned: Any, share: float) -> Any:
    """The model whose transferred weights are ``share`` tuned, the rest as they began."""
    if not 0 <= share <= 1:
        raise ValueError(f"share: expected 0 to 1, got {share}")
    model = copy.deepcopy(tuned)
    first = start.state_dict()
    model.load_state_dict(
        {
            key: value
            if key.startswith(NEW) or not value.is_floating_point()
            else share * value + (1 - share) * first[key]
            for key, value in tuned.state_dict().items()
        }
    )
    return model


def read(path: Path) -> Any:
    """The model of a checkpoint of our own trainer; a .pt is read as the program it is."""
    import torch

    found = torch.load(path, map_location="cpu", weights_only=False)
    return (found.get("ema") or found["model"]).float()


def main() -> None:
    """Average two checkpoints."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--start", type=Path, required=True)
    parser.add_argument("--tuned", type=Path, required=True)
    parser.add_argument("--share", type=float, default=0.7)
    parser.add_argument("--out", type=Path, required=True)
    wanted = parser.parse_args()
    model = averaged(read(wanted.start), read(wanted.tuned), wanted.share)
    wanted.out.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"model": model, "train_args": {"task": "segment"}, "epoch": -1}, wanted.out)


if __name__ == "__main__":
    main()
