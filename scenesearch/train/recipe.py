"""What a training run does, as one frozen value that is written down beside its weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from scenesearch.core.errors import ConfigError

LOSSES = (
    "contrastive",
    "triplet",
    "n_pairs",
    "multi_similarity",
    "proxy_anchor",
    "classification",
)
"""By name; see :mod:`scenesearch.train.losses`."""

DEFAULT_LOSSES: Mapping[str, float] = MappingProxyType({"multi_similarity": 1.0})


@dataclass(frozen=True, slots=True)
class AugmentRules:
    """How photos are changed so that the embedder learns what does not matter.

    Shares are 0 to 1. The colour changes are mild: colour is part of a product.

    Attributes:
        background: share of the cutouts that get another background.
        keep: of each side of a product, the smallest share a crop keeps.
        flip: share that is mirrored left to right.
        brightness: largest change either way, as a share; ``contrast`` and ``saturation`` too.
        hue: largest turn of the hue either way, as a share of the circle.
        detail: share that loses detail, as small objects of a room have little.
    """

    background: float = 0.6
    keep: float = 0.7
    flip: float = 0.5
    brightness: float = 0.25
    contrast: float = 0.2
    saturation: float = 0.15
    hue: float = 0.015
    detail: float = 0.3

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0 <= value <= 1:
                raise ConfigError(f"augmentation: {name} is a share of 0 to 1, got {value}")
        if self.keep <= 0:
            raise ConfigError("augmentation: keep must be above 0, or nothing of a product is left")


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the weights, but the photos and the tower.

    Attributes:
        losses: weight of each, by name of :data:`LOSSES`.
        epochs: passes over as many pictures as there are training photos.
        batch: pictures of one step; a multiple of ``per_product``.
        per_product: pictures of each product in a step.
        learning_rate: of AdamW on the tower, at its highest; a cosine from there to 0.
        proxy_learning_rate: of what losses learn themselves (proxies, a linear head).
        weight_decay: of AdamW.
        warmup: share of the steps in which the rate rises to its highest.
        freeze: stages from the input that stay as they are, or prefixes of parameter names.
        train_batch_norm: let batch norms learn their statistics; only for large batches.
        holdout: share of the groups that are never trained on.
        keep: ``best``: the weights of the epoch that found most among the held-out photos, the
            starting weights where none found more; ``last``: of the last epoch.
        patience: stop after this many epochs without a better one; 0 to go on.
        seed: of everything random.
        unsupervised: learn from two views of each photo instead of from groups (SimCLR).
        temperature: of the unsupervised loss.
    """

    losses: Mapping[str, float] = field(default_factory=lambda: dict(DEFAULT_LOSSES))
    epochs: int = 10
    batch: int = 32
    per_product: int = 4
    learning_rate: float = 1e-4
    proxy_learning_rate: float = 1e-2
    weight_decay: float = 1e-4
    warmup: float = 0.1
    freeze: int | tuple[str, ...] = 0
    train_batch_norm: bool = False
    holdout: float = 0.2
    keep: Literal["best", "last"] = "best"
    patience: int = 0
    seed: int = 0
    unsupervised: bool = False
    temperature: float = 0.1
    augment: AugmentRules = AugmentRules()

    def __post_init__(self) -> None:
        unknown = sorted(set(self.losses) - set(LOSSES))
        if unknown or not self.losses:
            raise ConfigError(f"loss {', '.join(unknown) or 'none'}: expected {', '.join(LOSSES)}")
        for name, weight in self.losses.items():
            if not (math.isfinite(weight) and weight > 0):
                raise ConfigError(f"loss {name}: its weight must be above 0, got {weight}")
        if not self.unsupervised and (self.per_product < 2 or self.batch % self.per_product):
            raise ConfigError(
                f"a batch of {self.batch} with {self.per_product} pictures a product: expected at "
                f"least 2 of each, and a batch that is a multiple of them"
            )
        checks = (
            ("epochs", self.epochs >= 1, "at least 1"),
            ("batch", self.batch >= 2, "at least 2"),
            ("learning_rate", 0 < self.learning_rate < 1, "between 0 and 1"),
            ("proxy_learning_rate", 0 < self.proxy_learning_rate <= 10, "above 0, at most 10"),
            ("weight_decay", 0 <= self.weight_decay < 1, "0 or more, below 1"),
            ("warmup", 0 <= self.warmup < 1, "a share of 0 to 1"),
            ("holdout", 0 <= self.holdout < 1, "a share of 0 to 1"),
            ("keep", self.keep in ("best", "last"), "best or last"),
            ("patience", self.patience >= 0, "0 or more"),
            ("seed", self.seed >= 0, "0 or more"),
            ("temperature", self.temperature > 0, "above 0"),
        )
        for name, good, expected in checks:
            if not good:
                raise ConfigError(f"{name} is {getattr(self, name)!r}, expected {expected}")

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        values = asdict(self)
        if isinstance(self.freeze, tuple):
            values["freeze"] = list(self.freeze)
        return values


def parse_losses(texts: Sequence[str]) -> dict[str, float]:
    """``NAME`` or ``NAME=WEIGHT`` options; none gives the default.

    Raises:
        ConfigError: a weight is no number, or a loss is named twice.

    >>> parse_losses(["proxy_anchor", "triplet=0.5"])
    {'proxy_anchor': 1.0, 'triplet': 0.5}
    """
    found: dict[str, float] = {}
    for text in texts:
        name, given, weight = text.partition("=")
        name = name.strip().replace("-", "_")
        if name in found:
            raise ConfigError(f"loss {name} is named twice; give one weight")
        try:
            found[name] = float(weight) if given else 1.0
        except ValueError as error:
            raise ConfigError(
                f"loss {text!r}: expected NAME or NAME=WEIGHT, triplet=0.5"
            ) from error
    return found or dict(DEFAULT_LOSSES)


def parse_freeze(texts: Sequence[str]) -> int | tuple[str, ...]:
    """``--freeze`` options: one number of stages, or prefixes of parameter names.

    Raises:
        ConfigError: a number beside something else.

    >>> parse_freeze(["6"]), parse_freeze(["conv_stem", "blocks.0"])
    (6, ('conv_stem', 'blocks.0'))
    """
    numbers = [text for text in texts if text.strip().isdigit()]
    if not numbers:
        return tuple(texts) if texts else 0
    if len(texts) > 1:
        raise ConfigError(
            f"freeze {' '.join(texts)!r}: expected one number of stages, or prefixes of names"
        )
    return int(numbers[0])


def rate_at(step: int, steps: int, recipe: Recipe) -> float:
    """The learning rate of a step as a share of the highest: a rise, then a cosine to 0.

    Args:
        step: from 0.
        steps: of the whole run.
        recipe: says how long the rise is.

    >>> rate_at(50, 100, Recipe(warmup=0.0))
    0.5
    """
    rise = max(1, round(steps * recipe.warmup)) if recipe.warmup else 0
    if step < rise:
        return (step + 1) / rise
    along = (step - rise) / max(steps - rise, 1)
    return round((1 + math.cos(math.pi * along)) / 2, 12)
