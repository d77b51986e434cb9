"""Figures of an image-text model from cached maps: products in rendered rooms, and words.

``python -m tools.starter.measure_image_text --model DIR --imagenet W.pth --shots SHOTS.npz
--rooms ROOMS.npz --products products.json --colours colours.json``
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scenesearch.models.embed.pca import fit_projection
from scenesearch.models.embed.projection import Projection
from scenesearch.models.embed.tower import normalise_rows
from tools.starter.image_text import CONFIG, DIM
from tools.starter.maps import imagenet
from tools.starter.precision import FIRST, word_precision
from tools.starter.tower import generalised_mean, last_stage

CUT, CONTEXT = 0.7, 0.3
"""Weights of a thing cut out and of it with its surroundings, as the package has them."""
ToVectors = Callable[[np.ndarray], np.ndarray]


def of_imagenet(trunk: Any, white: Projection | None = None) -> ToVectors:
    """What the package has of ImageNet's tower: generalised mean of the last stage."""

    def vectors(maps: np.ndarray) -> np.ndarray:
        pooled = generalised_mean(trunk, maps)
        return pooled if white is None else white.apply(pooled)

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
        return normalise_rows(np.concatenate(found))

    def words(texts: Sequence[str]) -> np.ndarray:
        with torch.inference_mode():
            return normalise_rows(model.encode_text(tokenise(list(texts))).numpy())

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


def word_search(
    images: ToVectors,
    words: Callable[[Sequence[str]], np.ndarray],
    shots: Mapping[str, np.ndarray],
) -> Callable[[str, int], list[str]]:
    """Products for a text, best first, so many."""
    gallery, items = images(shots["maps"]), shots["items"].tolist()

    def search(text: str, limit: int) -> list[str]:
        best, names = best_by_item(words([text]) @ gallery.T, items)
        return [names[j] for j in np.argsort(-best[0])[:limit]]

    return search


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
    white = of_imagenet(trunk, fit_projection(plain(shots["maps"]), DIM))
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
        gallery = only(shots, part)
        kinds = {i: (colours.get(i, ""), products[i]["kind"]) for i in gallery["items"].tolist()}
        figures[f"words, {name} products"] = {
            "products": len(kinds),
            **word_precision(word_search(images, words, gallery), kinds, least),
        }
    print(json.dumps({"dim": DIM, **figures}, indent=1))


if __name__ == "__main__":
    main()
