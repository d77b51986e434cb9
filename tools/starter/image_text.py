"""Train the image-text model from cached maps: the image tower's upper end, and a text tower.

``python -m tools.starter.image_text --maps A.npz B.npz --products products.json --imagenet W.pth
--out DIR``. Everything below the last stage keeps its ImageNet weights, so a step takes a second.

Four things are asked of a vector: that all pictures of a product are near (supervised contrast),
that a picture and its caption are near (both ways, every caption that is true of it counts as
right), that pictures are as near to each other as ImageNet's features find them (distillation: what
keeps the model good at photos), and at the end what was trained is averaged with what it began as
(WiSE-FT, Wortsman et al., CVPR 2022, arXiv:2109.01903).
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

from scenesearch.models.embed.pca import fit_projection
from scenesearch.models.embed.tower import normalise_rows
from tools.starter.captions import caption, every_word, fits, others
from tools.starter.maps import imagenet
from tools.starter.tower import generalised_mean, keep_blocks, last_stage, units

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
COLOURS = 3
"""Products that are made of a model."""
PREPROCESS = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}


@dataclass(frozen=True, slots=True)
class Recipe:
    """What decides the weights, but the pictures.

    Attributes:
        steps: of ``batch`` pictures, ``per_item`` of each product.
        rate: highest learning rate of the last layer; the text tower has ``text_rate``, the last
            stage ``stage_rate`` (0: stays as ImageNet left it).
        distil: weight of the loss that keeps ImageNet's neighbourhoods.
        text: weight of the image-text loss.
        others: captions with a wrong colour, for each caption.
        keep: share of the start in the final average.
        power: how far the start whitens what ImageNet's features have in common, 0 to 1.
    """

    steps: int = 2200
    batch: int = 192
    per_item: int = 4
    rate: float = 5e-4
    text_rate: float = 1e-3
    stage_rate: float = 1e-3
    distil: float = 2.0
    text: float = 2.0
    temperature: float = 0.07
    keep: float = 0.2
    others: int = 4
    power: float = 0.5
    seed: int = 0


def train(
    trunk: Any,
    maps: np.ndarray,
    items: Sequence[str],
    products: Mapping[str, Mapping[str, Any]],
    colours: Mapping[str, str],
    recipe: Recipe,
) -> tuple[dict[str, Any], Any, dict[str, Any]]:
    """Train the last stage, the last layer and the text tower.

    Args:
        trunk: timm's model with ImageNet's weights; the layer after its last stage is replaced.
        maps: of pictures, before the last stage, (n, 192, 7, 7).
        items: product of each row.
        products: fields by id.
        colours: colour word by id; empty where none is known.
        recipe: how.

    Returns:
        What was trained as it began, by name; the open_clip model; and figures by step.
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
    scale, levels = keep_blocks(trunk, maps)
    first, aims = beginning(generalised_mean(trunk, maps), scale, recipe.power)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(first))
        layer.bias.zero_()
        # words that no caption uses say nothing, instead of something random
        used = torch.zeros(49408, dtype=torch.bool)
        used[tokenise(sorted(every_word([products[item] for item in set(items)], colours)))] = True
        model.text.token_embedding.weight[~used] = 0.0
    own = model.visual.trunk
    known = own.state_dict()  # no class head
    own.load_state_dict({name: v for name, v in trunk.state_dict().items() if name in known})
    stage = own.blocks[-1]
    start = {name: value.clone() for name, value in model.visual.state_dict().items()}
    text_weights = [p for p in model.text.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(
        [
            {"params": layer.parameters(), "lr": recipe.rate, "weight_decay": 0.0},
            {"params": stage.parameters(), "lr": recipe.stage_rate, "weight_decay": 0.0},
            {"params": text_weights, "lr": recipe.text_rate, "weight_decay": 0.0},
            {"params": [model.logit_scale], "lr": recipe.text_rate, "weight_decay": 0.0},
        ]
    )
    rise = recipe.steps // 20 + 1
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser,
        lambda s: min(1.0, (s + 1) / rise) * 0.5 * (1 + np.cos(np.pi * s / recipe.steps)),
    )
    batches = Batches(items, products, recipe, draw)
    shades = sorted({*colours.values()} - {""})
    stage.requires_grad_(recipe.stage_rate > 0)
    grid = torch.from_numpy(scale), torch.from_numpy(levels)
    log: list[dict[str, float]] = []
    model.eval()  # statistics of batch norm stay ImageNet's
    model.text.train()
    for step in range(recipe.steps):
        chosen, rows = batches.draw()
        owner = torch.arange(len(chosen)).repeat_interleave(recipe.per_item)
        said = [caption(products[name], colours.get(name, ""), draw) for name in chosen]
        said += others(said, shades, recipe.others, draw)
        image = functional.normalize(layer(units(last_stage(own, maps[rows]), *grid)), dim=1)
        words = functional.normalize(model.encode_text(tokenise([one.text for one in said])), dim=1)
        same = owner[:, None] == owner[None, :]
        contrast = _contrast(image, same, recipe.temperature)
        right = torch.from_numpy(
            fits([products[name] for name in chosen], [colours.get(n, "") for n in chosen], said)
        )[owner]
        spoken = _both_ways(image @ words.T * model.logit_scale.exp().clamp(max=60), right)
        distilled = _distilled(image, torch.from_numpy(aims[rows]))
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


class Batches:
    """Draws pictures for one step after the other.

    All colours of a model are drawn together: what tells them apart is what is hard to learn.
    """

    def __init__(
        self,
        items: Sequence[str],
        products: Mapping[str, Mapping[str, Any]],
        recipe: Recipe,
        draw: random.Random,
    ) -> None:
        self._draw, self._each = draw, recipe.per_item
        self._rows: dict[str, list[int]] = {}
        for row, item in enumerate(items):
            self._rows.setdefault(item, []).append(row)
        self._models: dict[str, list[str]] = {}
        for item in sorted(self._rows):
            self._models.setdefault(str(products[item]["model"]), []).append(item)
        self._size = min(len(self._models), recipe.batch // recipe.per_item // COLOURS)

    def draw(self) -> tuple[list[str], list[int]]:
        """Products, and ``per_item`` rows of each in their order."""
        models = self._draw.sample(sorted(self._models), self._size)
        chosen = [item for model in models for item in self._models[model]]
        rows = [r for item in chosen for r in self._draw.choices(self._rows[item], k=self._each)]
        return chosen, rows


def beginning(
    teacher: np.ndarray, scale: np.ndarray, power: float
) -> tuple[np.ndarray, np.ndarray]:
    """The last layer's first weight (DIM, 1280), and the vectors it gives (n, DIM), unit rows.

    Args:
        teacher: what the package uses of ImageNet's tower, (n, 320).
        scale: of ``keep_blocks``.
        power: of whitening.
    """
    # without the mean, which is that of renders: photos have another
    basis = fit_projection(teacher, DIM, power=power).matrix
    basis /= np.linalg.norm(basis, axis=0).mean()  # as long as directions are: so rates fit it
    first = np.zeros((DIM, 4 * len(scale)), np.float32)
    first[:, : len(scale)] = (basis / scale[:, None]).T
    return first, normalise_rows(teacher @ basis)


def _distilled(image: Any, aims: Any) -> Any:
    """How far vectors, and what is near to what, are from the teacher's."""
    near = (image @ image.T - aims @ aims.T).pow(2).mean()
    return 10 * near + (1 - (image * aims).sum(1)).mean()


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


def assemble(model: Any, start: Mapping[str, Any], keep: float) -> dict[str, Any]:
    """The state dict of the finished model, half precision, what was trained averaged."""
    import torch

    with torch.no_grad():
        for name, value in model.visual.state_dict().items():
            if value.is_floating_point():
                value.copy_(keep * start[name] + (1 - keep) * value)
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
    start, model, facts = train(trunk, maps, items, products, colours, recipe)
    tensors = assemble(model, start, recipe.keep)
    write(wanted.out, tensors, {"recipe": asdict(recipe), "pictures": len(items), **facts})


if __name__ == "__main__":
    main()
