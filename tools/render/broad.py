"""Every model of the libraries that a rule of ``rules.toml`` names, for training data.

The sample's picks are looked at one by one; these are not: a front may face the wall, and a title
is the library's own. That is good enough to learn from, and not to be shown.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.render.models import PICKS, Model, read_library
from tools.render.variants import COLOURS, Product

RULES = Path(__file__).with_name("rules.toml")
LIBRARIES = ("BlendSwap-CC-0", "BlendSwap-CC-BY", "KatorLegaz", "Scopia")
HELD_OUT = 0.18
"""Share of the models of a kind that no training picture shows."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A line of ``rules.toml``; see there."""

    name: re.Pattern[str]
    kind: str
    role: str = ""
    sections: tuple[str, ...] = ()
    tall: tuple[float, float] = (0.0, 1e9)
    wide: tuple[float, float] = (0.0, 1e9)
    above: float = 0.0

    def fits(self, entry: Mapping[str, str]) -> bool:
        """Whether it names a model, by the properties that its library gives it."""
        return (
            self.name.fullmatch(entry.get("name", "").lower()) is not None
            and (not self.sections or entry.get("category") in self.sections)
            and self.tall[0] <= float(entry["height"]) <= self.tall[1]
            and self.wide[0] <= float(entry["width"]) <= self.wide[1]
            and float(entry.get("elevation") or 0) >= self.above
        )


def read_rules(path: Path = RULES) -> list[Rule]:
    """The rules, in their order."""
    return [_rule(raw) for raw in tomllib.loads(path.read_text(encoding="utf-8"))["rule"]]


def _rule(raw: dict[str, Any]) -> Rule:
    pairs = {key: tuple(raw[key]) for key in ("sections", "tall", "wide") if key in raw}
    return Rule(
        name=re.compile(raw["name"]),
        kind=raw["kind"],
        role=raw.get("role", ""),
        above=float(raw.get("above", 0)),
        **pairs,
    )


def all_models(libraries: Path, rules: Sequence[Rule] | None = None) -> list[Model]:
    """The models that rules name; ``category`` is the rule's kind. Sorted by library and slug.

    A model that the sample picks keeps the pick's turn and recoloured materials.
    """
    rules = read_rules() if rules is None else rules
    picks = {
        (pick["library"], pick["slug"]): pick
        for pick in tomllib.loads(PICKS.read_text(encoding="utf-8"))["model"]
    }
    return [
        _model(library, slug, entry, rule, picks.get((library, slug), {}))
        for library in LIBRARIES
        for slug, entry in sorted(read_library(libraries / f"{library}.sh3f").items())
        for rule in _first(rules, entry)
    ]


def held_out(models: Sequence[Model]) -> set[str]:
    """``library/slug`` of the models kept for tests: of each kind a share, drawn by their names.

    A kind of one or two models keeps none: its test pictures show the models of the training.
    """
    kinds: dict[str, list[str]] = {}
    for model in models:
        kinds.setdefault(model.category, []).append(f"{model.library}/{model.slug}")
    return {
        name
        for names in kinds.values()
        if len(names) > 2
        for name in sorted(names, key=_mixed)[: max(1, round(HELD_OUT * len(names)))]
    }


def _mixed(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def coloured(models: Sequence[Model], variants: int = 2, seed: int = 0) -> list[Product]:
    """Each model as it is, and in ``variants`` colours drawn for it."""
    return [product for model in models for product in _variants(model, variants, seed)]


def _variants(model: Model, variants: int, seed: int) -> Iterator[Product]:
    base = re.sub(r"[^a-z0-9]+", "-", f"{model.library}-{model.slug}".lower())
    yield Product(f"{base}-natural", model, "natural", None, 1.0, in_stock=True)
    names = sorted(COLOURS, key=lambda name: _mixed(f"{seed}/{base}/{name}"))
    for name in names[:variants]:
        yield Product(f"{base}-{name}", model, name, COLOURS[name], 1.0, in_stock=True)


def _first(rules: Sequence[Rule], entry: Mapping[str, str]) -> Iterator[Rule]:
    rule = next((rule for rule in rules if rule.fits(entry)), None)
    if rule is not None and rule.kind:
        yield rule


def _model(
    library: str, slug: str, entry: Mapping[str, str], rule: Rule, pick: Mapping[str, Any]
) -> Model:
    numbers = tuple(float(n) for n in entry.get("modelRotation", "").split())
    return Model(
        slug=slug,
        library=library,
        member=entry["model"].lstrip("/"),
        size_cm=(float(entry["width"]), float(entry["depth"]), float(entry["height"])),
        rotation=numbers if len(numbers) == 9 else None,  # type: ignore[arg-type]  # nine
        author=entry.get("creator", library),
        title=entry["name"],
        category=rule.kind,
        role=rule.role,
        colours=(),
        recolour=tuple(pick.get("recolour", ())),
        turn=float(pick.get("turn", 0.0)),
    )
