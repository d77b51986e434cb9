"""Figures of an image-text model from cached maps: products in rendered rooms, and words.

``python -m tools.starter.measure_image_text --model DIR --imagenet W.pth --shots SHOTS.npz
--rooms ROOMS.npz --products products.json --colours colours.json``
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tools.starter.image_text import CONFIG, DIM
from tools.starter.maps import imagenet
from tools.starter.tower import generalised_mean, last_stage, whitening

CUT, CONTEXT = 0.7, 0.3
"""Weights of a thing cut out and of it with its surroundings, as the package has them."""
FIRST = 5
"""Recall and precision are measured on the first so many."""

ToVectors = Callable[[np.ndarray], np.ndarray]


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows of length one."""
    result: np.ndarray = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return result


def of_imagenet(trunk: Any, white: tuple[np.ndarray, np.ndarray] | None = None) -> ToVectors:
    """What the package has of ImageNet's tower: generalised mean of the last stage."""

    def vectors(maps: np.ndarray) -> np.ndarray:
        pooled = generalised_mean(trunk, maps)
        return pooled if white is None else unit((pooled - white[0]) @ white[1])

    return vectors


def of_model(folder: Path) -> tuple[ToVectors, Callable[[Sequence[str]], np.ndarray]]:
    """Image and text vectors of a model that ``image_text`` wrote."""
    import open_clip
    import torch
    from safetensors.torch import load_file

    model = open_clip.model.CustomTextCLIP(
        **{k: v for k, v in CONFIG.items() if k != "custom_text"}
    ).eval()
    model.load_state_dict(load_file(folder / "home-lite0-clip.safetensors"))
    tokenise = open_clip.get_tokenizer("ViT-B-32", context_length=24)
    trunk, layer = model.visual.trunk, model.visual.head.proj

    def images(maps: np.ndarray, batch: int = 256) -> np.ndarray:
        found = []
        with torch.inference_mode():
            for start in range(0, len(maps), batch):
                y = trunk.bn2(trunk.conv_head(last_stage(trunk, maps[start : start + batch])))
                found.append(layer(0.5 * (y.mean((2, 3)) + y.amax((2, 3)))).numpy())
        return unit(np.concatenate(found))

    def words(texts: Sequence[str]) -> np.ndarray:
        with torch.inference_mode():
            return unit(model.encode_text(tokenise(list(texts))).numpy())

    return images, words


def best_by_item(scores: np.ndarray, items: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Columns of pictures to columns of products: the best of each."""
    names = sorted(set(items))
    column = {name: i for i, name in enumerate(names)}
    best = np.full((len(scores), len(names)), -np.inf, np.float32)
    for i, item in enumerate(items):
        j = column[item]
        best[:, j] = np.maximum(best[:, j], scores[:, i])
    return best, names


def room_recall(
    vectors: ToVectors, rooms: Mapping[str, np.ndarray], shots: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Share of things of rooms whose own product is first, and among the first five."""
    gallery = vectors(shots["maps"])
    cut, context = (rooms["forms"] == form for form in ("cut", "context"))
    asked = vectors(rooms["maps"][cut]) * CUT @ gallery.T
    asked += vectors(rooms["maps"][context]) * CONTEXT @ gallery.T
    best, names = best_by_item(asked, shots["items"].tolist())
    right = np.array([names.index(item) if item in names else -1 for item in rooms["items"][cut]])
    known = right >= 0
    rank = (best[known] > best[known, right[known]][:, None]).sum(axis=1)
    found = {
        f"recall@{k}": round(float((rank < k).mean()), 3) if len(rank) else None for k in (1, FIRST)
    }
    return {"things": int(known.sum()), "products": len(names), **found}


def word_precision(
    images: ToVectors,
    words: Callable[[Sequence[str]], np.ndarray],
    shots: Mapping[str, np.ndarray],
    products: Mapping[str, Mapping[str, Any]],
    colours: Mapping[str, str],
    least: int,
) -> dict[str, Any]:
    """Precision of the first answers for each kind and colour that ``least`` products have.

    The first five, or as many as there are right ones.
    """
    gallery = images(shots["maps"])
    asked = Counter((products[i]["kind"], colours.get(i, "")) for i in set(shots["items"].tolist()))
    wanted = sorted(pair for pair, count in asked.items() if count >= least and pair[1])
    scores = words([f"{colour} {kind}" for kind, colour in wanted]) @ gallery.T
    best, names = best_by_item(scores, shots["items"].tolist())
    right, kinds = [], []
    for (kind, colour), row in zip(wanted, best, strict=True):
        found = [products[names[j]] for j in np.argsort(-row)[: min(FIRST, asked[kind, colour])]]
        of_kind = [product["kind"] == kind for product in found]
        kinds.append(np.mean(of_kind))
        right.append(
            np.mean(
                [
                    ok and colours.get(p["id"], "") == colour
                    for ok, p in zip(of_kind, found, strict=True)
                ]
            )
        )
    return {
        "queries": len(wanted),
        "products": len(names),
        "precision": round(float(np.mean(right)), 3) if right else None,
        "of the kind": round(float(np.mean(kinds)), 3) if right else None,
    }


def only(held: Mapping[str, np.ndarray], keep: np.ndarray) -> dict[str, np.ndarray]:
    """Some rows of cached maps."""
    return {key: held[key][keep] for key in ("maps", "items", "forms")}


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="folder of image_text")
    parser.add_argument("--imagenet", type=Path, required=True)
    parser.add_argument("--shots", type=Path, required=True)
    parser.add_argument("--rooms", type=Path, nargs="+", required=True)
    parser.add_argument("--products", type=Path, required=True)
    parser.add_argument("--colours", type=Path, required=True)
    wanted = parser.parse_args()
    products = {p["id"]: p for p in json.loads(wanted.products.read_text(encoding="utf-8"))}
    colours = json.loads(wanted.colours.read_text(encoding="utf-8"))
    with np.load(wanted.shots) as held:
        shots = only(held, held["forms"] == "shot")
    test = np.array([products[i]["test"] for i in shots["items"]])
    trunk = imagenet(wanted.imagenet)
    plain = of_imagenet(trunk)
    white = of_imagenet(trunk, whitening(plain(shots["maps"]), DIM))
    images, words = of_model(wanted.model)
    figures: dict[str, Any] = {}
    for path in wanted.rooms:
        with np.load(path) as held:
            rooms = {key: held[key] for key in ("maps", "items", "forms")}
        for name, part in (("all", np.ones_like(test)), ("test", test), ("seen", ~test)):
            gallery = only(shots, part)
            for which, vectors in (("imagenet", plain), ("whitened", white), ("ours", images)):
                key = f"{path.stem} against {name} products, {which}"
                figures[key] = room_recall(vectors, rooms, gallery)
    for name, part, least in (("all", np.ones_like(test), FIRST), ("test", test, 1)):
        figures[f"words, {name} products"] = word_precision(
            images, words, only(shots, part), products, colours, least
        )
    print(json.dumps({"dim": DIM, **figures}, indent=1))


if __name__ == "__main__":
    main()
