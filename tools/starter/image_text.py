"""Train the image-text model from cached maps: the last layer of the image tower, and a text tower.

``python -m tools.starter.image_text --maps A.npz B.npz --products products.json --imagenet W.pth
--out DIR``. Everything below the last layer keeps its ImageNet weights, so an epoch takes seconds.

Four things are asked of a vector: that all pictures of a product are near (supervised contrast),
that a picture and its caption are near (both ways, every caption that is true of it counts as
right), that pictures are as near to each other as ImageNet's features find them (distillation: what
keeps the model good at photos), and at the end the new last layer is averaged with the one it began
as (WiSE-FT, Wortsman et al., CVPR 2022, arXiv:2109.01903).
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tools.starter.captions import caption, every_word, fits, others
from tools.starter.maps import imagenet

DIM = 256
CONFIG: dict[str, Any] = {
    "embed_dim": DIM,
    "vision_cfg": {
        "timm_model_name": "tf_efficientnet_lite0",
        "timm_model_pretrained": False,
        "timm_pool": "avgmax",
        "timm_proj": "linear",
        "timm_proj_bias": True,
        "image_size": 224,
    },
    "text_cfg": {
        "context_length": 24,
        "vocab_size": 49408,
        "width": 192,
        "heads": 3,
        "layers": 3,
        "no_causal_mask": False,
    },
    "custom_text": True,
}
PREPROCESS = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}


@dataclass(frozen=True, slots=True)
class Recipe:
    """What decides the weights, but the pictures.

    Attributes:
        steps: of ``batch`` pictures, ``per_item`` of each product.
        rate: highest learning rate of the last layer; the text tower has ``text_rate``.
        distil: weight of the loss that keeps ImageNet's neighbourhoods.
        text: weight of the image-text loss.
        others: captions with a wrong colour, for each caption.
        keep: share of the start in the final average.
        power: how far the start whitens what ImageNet's features have in common, 0 to 1.
    """

    steps: int = 1500
    batch: int = 192
    per_item: int = 4
    rate: float = 5e-4
    text_rate: float = 1e-3
    distil: float = 4.0
    text: float = 1.0
    temperature: float = 0.07
    keep: float = 0.3
    others: int = 2
    power: float = 0.5
    seed: int = 0


def keep_blocks(trunk: Any, maps: np.ndarray) -> Any:
    """Make the last layer pass on what the last block found, instead of ImageNet's 1,280 mixtures.

    Search with ImageNet's tower is better by the last block than by the layer after it, and
    open_clip only offers what comes after. So that layer's 1,280 units become four for each of the
    block's 320 channels: the channel, and what of it is above three of its quantiles.

    Args:
        trunk: timm's model; its ``conv_head`` and ``bn2`` are replaced.
        maps: of training pictures, (n, 320, 7, 7), to take quantiles from.

    Returns:
        Scale of each channel, so that ReLU6 cuts nothing: a unit is that much of its channel.
    """
    import torch

    rows = maps[:: max(1, len(maps) // 400)].astype(np.float32)
    rows = np.maximum(rows.transpose(1, 0, 2, 3).reshape(maps.shape[1], -1), 0)
    levels = np.concatenate(
        [np.zeros((1, len(rows))), np.quantile(rows, (0.8, 0.95, 0.99), axis=1)]
    )
    scale = 5.5 / np.maximum(rows.max(axis=1), 0.5)
    with torch.no_grad():
        trunk.conv_head.weight.zero_()
        for level in range(len(levels)):
            for channel in range(len(rows)):
                unit = level * len(rows) + channel
                trunk.conv_head.weight[unit, channel, 0, 0] = float(scale[channel])
        norm = trunk.bn2
        norm.running_mean.zero_()
        norm.running_var.fill_(1.0 - norm.eps)
        norm.weight.fill_(1.0)
        norm.bias.copy_(torch.from_numpy((-levels * scale).ravel()))
    return scale.astype(np.float32)


def pooled(model: Any, maps: np.ndarray, batch: int = 512) -> tuple[np.ndarray, np.ndarray]:
    """What the last layer is given (n, 1280), and the teacher's vectors (n, 320), unit rows.

    The teacher is what the package uses of ImageNet's tower: the last block, generalised mean.
    Half mean, half maximum is the nearest to it that timm can pool.
    """
    import torch

    given, teacher = [], []
    with torch.inference_mode():
        for start in range(0, len(maps), batch):
            x = torch.from_numpy(maps[start : start + batch].astype(np.float32))
            y = model.bn2(model.conv_head(x))
            given.append((0.5 * (y.mean((2, 3)) + y.amax((2, 3)))).numpy())
            teacher.append(x.clamp(min=1e-6).pow(3).mean((2, 3)).pow(1 / 3).numpy())
    raw = np.concatenate(teacher)
    return np.concatenate(given), raw / np.linalg.norm(raw, axis=1, keepdims=True)


def whitened(teacher: np.ndarray, power: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Mean (320,) and matrix (320, DIM) that the package's own whitening would fit."""
    mean = teacher.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov((teacher - mean).T))
    order = np.argsort(-values)[:DIM]
    return mean, vectors[:, order] * np.maximum(values[order], 1e-8) ** (-power / 2)


def train(
    features: np.ndarray,
    teacher: np.ndarray,
    items: Sequence[str],
    products: Mapping[str, Mapping[str, Any]],
    colours: Mapping[str, str],
    recipe: Recipe,
    first: np.ndarray,
) -> tuple[Any, Any, dict[str, Any]]:
    """Train the last layer and the text tower.

    Args:
        features: before the last layer, (n, 1280).
        teacher: what the start and the distillation aim at, (n, DIM), unit rows.
        items: product of each row.
        products: fields by id.
        colours: colour word by id; empty where none is known.
        recipe: how.
        first: the last layer's weight to begin with, (DIM, 1280).

    Returns:
        The last layer as it began (weight, bias), the open_clip model, and figures by step.
    """
    import open_clip
    import torch
    from torch.nn import functional

    torch.manual_seed(recipe.seed)
    draw = random.Random(recipe.seed)
    tokenise = open_clip.get_tokenizer("ViT-B-32", context_length=24)
    model = open_clip.model.CustomTextCLIP(
        **{k: v for k, v in CONFIG.items() if k != "custom_text"}
    )
    layer = model.visual.head.proj
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(first))
        layer.bias.zero_()
        # words that no caption uses say nothing, instead of something random
        used = torch.zeros(49408, dtype=torch.bool)
        used[tokenise(sorted(every_word([products[item] for item in set(items)], colours)))] = True
        model.text.token_embedding.weight[~used] = 0.0
    start = (layer.weight.detach().clone(), layer.bias.detach().clone())
    text_weights = [p for p in model.text.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(
        [
            {"params": layer.parameters(), "lr": recipe.rate, "weight_decay": 0.0},
            {"params": text_weights, "lr": recipe.text_rate, "weight_decay": 0.0},
            {"params": [model.logit_scale], "lr": recipe.text_rate, "weight_decay": 0.0},
        ]
    )
    rise = recipe.steps // 20 + 1
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser,
        lambda s: min(1.0, (s + 1) / rise) * 0.5 * (1 + np.cos(np.pi * s / recipe.steps)),
    )
    by_item: dict[str, list[int]] = {}
    for row, item in enumerate(items):
        by_item.setdefault(item, []).append(row)
    by_model: dict[str, list[str]] = {}
    for item in sorted(by_item):
        by_model.setdefault(str(products[item]["model"]), []).append(item)
    models = sorted(by_model)
    shades = sorted({*colours.values()} - {""})
    x_all, t_all = torch.from_numpy(features), torch.from_numpy(teacher)
    log: list[dict[str, float]] = []
    model.text.train()
    for step in range(recipe.steps):
        # all colours of a model together: what tells them apart is what is hard to learn
        drawn = draw.sample(models, min(len(models), recipe.batch // recipe.per_item // 3))
        chosen = [name for model_ in drawn for name in by_model[model_]]
        rows = [r for name in chosen for r in draw.choices(by_item[name], k=recipe.per_item)]
        owner = torch.arange(len(chosen)).repeat_interleave(recipe.per_item)
        said = [caption(products[name], colours.get(name, ""), draw) for name in chosen]
        said += others(said, shades, recipe.others, draw)
        image = functional.normalize(layer(x_all[rows]), dim=1)
        words = functional.normalize(model.encode_text(tokenise([one.text for one in said])), dim=1)
        same = owner[:, None] == owner[None, :]
        contrast = _contrast(image, same, recipe.temperature)
        right = torch.from_numpy(
            fits([products[name] for name in chosen], [colours.get(n, "") for n in chosen], said)
        )[owner]
        spoken = _both_ways(image @ words.T * model.logit_scale.exp().clamp(max=60), right)
        aims = t_all[rows]
        distilled = (image @ image.T - aims @ aims.T).pow(2).mean() * 10 + (
            1 - (image * aims).sum(1)
        ).mean()
        loss = contrast + recipe.text * spoken + recipe.distil * distilled
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 0 or step == recipe.steps - 1:
            log.append(
                {
                    "step": step,
                    "contrast": round(contrast.item(), 4),
                    "text": round(spoken.item(), 4),
                    "distil": round(distilled.item(), 4),
                }
            )
            print(log[-1], flush=True)
    return start, model.eval(), {"log": log}


def _contrast(image: Any, same: Any, temperature: float) -> Any:
    """Supervised contrastive loss (Khosla et al., NeurIPS 2020, arXiv:2004.11362)."""
    import torch

    own = torch.eye(len(image), dtype=torch.bool)
    logits = (image @ image.T / temperature).masked_fill(own, -1e4)
    chance = logits.log_softmax(1)
    right = same & ~own
    return -(chance * right).sum(1).div(right.sum(1).clamp(min=1)).mean()


def _both_ways(logits: Any, right: Any) -> Any:
    """Cross entropy of pictures over captions and back, with several right answers.

    Captions that are right for no picture are only wrong answers.
    """
    shares = right.float()
    to_text = -(logits.log_softmax(1) * shares / shares.sum(1, keepdim=True)).sum(1).mean()
    asked = right.any(0)
    true = shares[:, asked]
    to_image = -(logits[:, asked].log_softmax(0) * true / true.sum(0, keepdim=True)).sum(0).mean()
    return (to_text + to_image) / 2


def assemble(model: Any, trunk: Any, start: tuple[Any, Any], keep: float) -> dict[str, Any]:
    """The state dict of the finished model, half precision, the last layer averaged."""
    import torch

    with torch.no_grad():
        layer = model.visual.head.proj
        layer.weight.copy_(keep * start[0] + (1 - keep) * layer.weight)
        layer.bias.copy_(keep * start[1] + (1 - keep) * layer.bias)
    own = model.visual.trunk.state_dict()
    model.visual.trunk.load_state_dict(
        {key: value for key, value in trunk.state_dict().items() if key in own}
    )
    return {
        key: (value.half() if value.is_floating_point() else value).contiguous()
        for key, value in model.state_dict().items()
    }


def write(out: Path, tensors: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """Weights, model config and facts."""
    from safetensors.torch import save_file

    out.mkdir(parents=True, exist_ok=True)
    save_file(dict(tensors), out / "home-lite0-clip.safetensors")
    config = {"model_cfg": CONFIG, "preprocess_cfg": PREPROCESS}
    (out / "home-lite0-clip.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    (out / "facts.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Read maps, train, write."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--maps", type=Path, nargs="+", required=True)
    parser.add_argument("--products", type=Path, required=True, help="of tools.render.cutouts")
    parser.add_argument("--colours", type=Path, required=True, help="colour word by product, JSON")
    parser.add_argument("--imagenet", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    for name, value in asdict(Recipe()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    wanted = parser.parse_args()
    recipe = Recipe(**{name: getattr(wanted, name) for name in asdict(Recipe())})
    torch.set_num_threads(1)
    products = {p["id"]: p for p in json.loads(wanted.products.read_text(encoding="utf-8"))}
    colours = json.loads(wanted.colours.read_text(encoding="utf-8"))
    trunk = imagenet(wanted.imagenet)
    parts, items = [], []
    for path in wanted.maps:
        with np.load(path) as held:
            keep = np.array([not products[i]["test"] for i in held["items"]])
            parts.append(held["maps"][keep])
            items += held["items"][keep].tolist()
    maps = np.concatenate(parts)
    scale = keep_blocks(trunk, maps)
    features, teacher = pooled(trunk, maps)
    # without the mean, which is that of renders: photos have another
    _, basis = whitened(teacher, recipe.power)
    basis /= np.linalg.norm(basis, axis=0).mean()  # as long as directions are: so rates fit it
    first = np.zeros((DIM, features.shape[1]), np.float32)
    first[:, : len(scale)] = (basis / scale[:, None]).T
    aims = teacher @ basis
    aims /= np.linalg.norm(aims, axis=1, keepdims=True)
    start, model, facts = train(
        features, aims.astype(np.float32), items, products, colours, recipe, first
    )
    tensors = assemble(model, trunk, start, recipe.keep)
    write(wanted.out, tensors, {"recipe": asdict(recipe), "pictures": len(items), **facts})


if __name__ == "__main__":
    main()
