"""Where right answers come from: figures of an evaluation by category, kind of region and label.

Takes the answers that :func:`scenesearch.evaluation.evaluate.evaluate` got; knows no model and no
store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from scenesearch.evaluation.evaluate import Ranked, RankedRegion, Truth

DEPTHS = (10, 50)
"""How far down the fused list a right item is looked for."""
TOP = 10
"""How much of the fused list, and of a region's own, is looked at for what regions earn."""
UNKNOWN = "(none)"
"""Stands for items without the field, or that are not in the collection."""


class Answered(NamedTuple):
    """One photo with its answer."""

    truth: Truth
    ranked: Ranked


@dataclass(frozen=True, slots=True)
class ValueFigures:
    """How well the right items of one value of a field are found.

    Attributes:
        value: of the field.
        items: right items of that value, over all photos; one that is in two photos counts twice.
        found: by depth: how many of them are among the first so many of the fused list.
    """

    value: str
    items: int
    found: Mapping[int, int]

    def recall(self, depth: int) -> float:
        """Share of the right items among the first ``depth``, 0 to 1."""
        return self.found[depth] / self.items

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        counts = {f"found@{depth}": count for depth, count in self.found.items()}
        shares = {f"recall@{depth}": round(self.recall(depth), 4) for depth in self.found}
        return {"value": self.value, "items": self.items, **counts, **shares}


@dataclass(frozen=True, slots=True)
class RegionFigures:
    """What the regions of one kind, or of one detector label, are worth.

    Attributes:
        name: the kind or the label.
        regions: how many there are, over all photos.
        earned: right items among the first :data:`TOP` of the fused lists that these earned.
        share: of all right items there, 0 to 1.
        precision: mean share of right items among the first :data:`TOP` of their own lists.
    """

    name: str
    regions: int
    earned: int
    share: float
    precision: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "name": self.name,
            "regions": self.regions,
            f"earned@{TOP}": self.earned,
            "share": round(self.share, 4),
            f"precision@{TOP}": round(self.precision, 4),
        }


def by_value(answers: Iterable[Answered], values: Mapping[str, str]) -> list[ValueFigures]:
    """Right items by the value of a field, the most frequent value first, ties by value.

    Args:
        answers: photos that nothing matches count nowhere.
        values: of the field, by item; others are :data:`UNKNOWN`.
    """
    items: dict[str, int] = {}
    found: dict[str, dict[int, int]] = {}
    for truth, ranked in answers:
        place = {item: rank for rank, item in enumerate(ranked.items)}
        for item in truth.items:
            value = values.get(item, UNKNOWN)
            items[value] = items.get(value, 0) + 1
            counts = found.setdefault(value, dict.fromkeys(DEPTHS, 0))
            for depth in DEPTHS:
                counts[depth] += place.get(item, depth) < depth
    ordered = sorted(items, key=lambda value: (-items[value], value))
    return [ValueFigures(value, items[value], found[value]) for value in ordered]


def by_kind(answers: Iterable[Answered]) -> list[RegionFigures]:
    """What objects, tiles and whole photos are worth, the most frequent first."""
    return _by(answers, lambda region: region.kind)


def by_label(answers: Iterable[Answered]) -> list[RegionFigures]:
    """What the regions of each detector label are worth; those without one have their kind's name.

    The most frequent comes first.
    """
    return _by(answers, lambda region: region.label or f"({region.kind})")


def _by(answers: Iterable[Answered], name_of: Callable[[RankedRegion], str]) -> list[RegionFigures]:
    regions: dict[str, int] = {}
    earned: dict[str, int] = {}
    right: dict[str, float] = {}
    for truth, ranked in answers:
        if not truth.items:
            continue
        names = [name_of(region) for region in ranked.regions]
        for name, region in zip(names, ranked.regions, strict=True):
            regions[name] = regions.get(name, 0) + 1
            share = len(truth.items.intersection(region.items[:TOP])) / TOP
            right[name] = right.get(name, 0.0) + share
        for item, region_number in list(zip(ranked.items, ranked.earned, strict=False))[:TOP]:
            if item in truth.items and region_number is not None:
                name = names[region_number]
                earned[name] = earned.get(name, 0) + 1
    total = sum(earned.values())
    return [
        RegionFigures(
            name,
            regions[name],
            earned.get(name, 0),
            earned.get(name, 0) / total if total else 0.0,
            right[name] / regions[name],
        )
        for name in sorted(regions, key=lambda name: (-regions[name], name))
    ]


@dataclass(frozen=True, slots=True)
class Breakdown:
    """All of it.

    Attributes:
        field: of ``values``; None where the collection has no such field.
        values: right items by value of the field.
        kinds: regions by kind.
        labels: regions by detector label.
    """

    field: str | None
    values: tuple[ValueFigures, ...]
    kinds: tuple[RegionFigures, ...]
    labels: tuple[RegionFigures, ...]

    @classmethod
    def of(
        cls, answers: Sequence[Answered], field: str | None, values: Mapping[str, str]
    ) -> Breakdown:
        """From answers, and the values of a field by item."""
        return cls(
            field,
            tuple(by_value(answers, values)) if field is not None else (),
            tuple(by_kind(answers)),
            tuple(by_label(answers)),
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "field": self.field,
            "values": [one.to_dict() for one in self.values],
            "region_kinds": [one.to_dict() for one in self.kinds],
            "labels": [one.to_dict() for one in self.labels],
        }
