"""Tuned home detectors averaged with what they began as (WiSE-FT, arXiv:2109.01903).

``python -m tools.starter.average --start start.pt --tuned last.pt --out DIR/weights/w.pt``

Tuning on renders teaches renders and costs photos; between the two lies most of both. What began
from nothing (masks) stays as tuned. Several tunings of one line count equally (model soups,
arXiv:2203.05482).
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tools.starter.transfer import NEW


def mean(models: Sequence[Any]) -> Any:
    """A model whose weights are the mean of those of several; what is counted is the first's."""
    model = copy.deepcopy(models[0])
    states = [one.state_dict() for one in models]
    model.load_state_dict(
        {
            key: sum(state[key] for state in states) / len(states)
            if value.is_floating_point()
            else value
            for key, value in states[0].items()
        }
    )
    return model


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
    """Average checkpoints."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--start", type=Path, required=True)
    parser.add_argument("--tuned", type=Path, nargs="+", required=True)
    parser.add_argument("--share", type=float, default=0.7)
    parser.add_argument("--out", type=Path, required=True)
    wanted = parser.parse_args()
    tuned = mean([read(path) for path in wanted.tuned])
    model = averaged(read(wanted.start), tuned, wanted.share)
    wanted.out.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"model": model, "train_args": {"task": "segment"}, "epoch": -1}, wanted.out)


if __name__ == "__main__":
    main()
