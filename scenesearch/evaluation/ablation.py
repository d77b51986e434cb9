"""Every ranking step on trial: each changed in turn against the configuration as it is.

Models run once for each photo and choice of regions; the variants of the ranking share that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from scenesearch.core.errors import ImageError, QueryError
from scenesearch.core.extras import extra
from scenesearch.evaluation.evaluate import Difference, Evaluation, Ranked, Truth, row_of, summarise

Prepared = TypeVar("Prepared")


@dataclass(frozen=True, slots=True)
class Variant:
    """One change.

    Attributes:
        options: of :class:`~scenesearch.config.search.SearchOptions`, over the configuration's.
        regions: of :class:`~scenesearch.models.encode.RegionRules`, over the configuration's.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    regions: Mapping[str, Any] = field(default_factory=dict)


BASE = Variant("as configured")

_WHOLE = {"limit": 0, "whole": "on", "tiles": "off"}
VARIANTS: tuple[Variant, ...] = (
    BASE,
    # which parts of the photo
    Variant("regions: whole photo only", regions=_WHOLE),
    Variant("regions: and the whole photo", regions={"whole": "on"}),
    Variant("regions: and tiles", regions={"tiles": "on"}),
    Variant("regions: at most 6", regions={"limit": 6}),
    Variant("regions: at most 12", regions={"limit": 12}),
    Variant("regions: at most 24", regions={"limit": 24}),
    # which vectors
    Variant("spaces: cutout alone", {"weights": {"cutout": 1.0}}),
    Variant("spaces: context alone", {"weights": {"context": 1.0}}),
    Variant("spaces: colour alone", {"weights": {"colour": 1.0}}),
    Variant("spaces: without context", {"weights": {"cutout": 0.75, "colour": 0.25}}),
    Variant("spaces: without colour", {"weights": {"cutout": 0.7, "context": 0.3}}),
    Variant(
        "spaces: half the colour",
        {"weights": {"cutout": 0.63, "context": 0.27, "colour": 0.1}},
    ),
    Variant(
        "spaces: twice the colour",
        {"weights": {"cutout": 0.4, "context": 0.2, "colour": 0.4}},
    ),
    # how the lists become one
    Variant("fusion: share", {"fusion": "share"}),
    Variant("fusion: reciprocal rank", {"fusion": "reciprocal_rank"}),
    Variant("fusion: best score", {"fusion": "best_score"}),
    # steps
    Variant("expansion: 3 neighbours, floor 0.5", {"expansion": 3}),
    Variant("expansion: 3 neighbours, no floor", {"expansion": 3, "expansion_floor": -1.0}),
    Variant("category agreement 0.02", {"agreement": 0.02}),
    Variant("category agreement 0.05", {"agreement": 0.05}),
    Variant("category agreement 0.1", {"agreement": 0.1}),
    Variant("refusal of strangers: off", {"familiarity_min": 0.0}),
    Variant("refusal of strangers: 0.05", {"familiarity_min": 0.05}),
    Variant("diversity 0", {"diversity": 0.0}),
    Variant("diversity 0.05", {"diversity": 0.05}),
    Variant("diversity 0.2", {"diversity": 0.2}),
    Variant("diversity by category 0.05", {"diversity": 0.05, "diversity_field": "category"}),
    Variant("collapse by title", {"collapse": "title"}),
    Variant("candidates: 50", {"candidates": 50}),
    Variant("rerank 20", {"rerank": 20}),
    Variant("rerank 50, weight 0.75", {"rerank": 50, "rerank_weight": 0.75}),
    # each alone, from nothing
    Variant(
        "alone: whole photo, one vector",
        {"weights": {"context": 1.0}, "familiarity_min": 0.0, "diversity": 0.0},
        _WHOLE,
    ),
    Variant(
        "alone: objects, one vector",
        {"weights": {"context": 1.0}, "familiarity_min": 0.0, "diversity": 0.0},
    ),
    Variant(
        "alone: objects, one vector, best score",
        {
            "weights": {"context": 1.0},
            "familiarity_min": 0.0,
            "diversity": 0.0,
            "fusion": "best_score",
        },
    ),
)
"""What ``scenesearch eval --ablate`` tries."""


SPACES: tuple[Variant, ...] = (
    Variant("photo as it is (context)", {"weights": {"context": 1.0}}),
    Variant("cut out (cutout)", {"weights": {"cutout": 1.0}}),
    Variant("both, 0.7 and 0.3", {"weights": {"cutout": 0.7, "context": 0.3}}),
    Variant("and colour (exact)", {"preset": "exact"}),
)
"""What :func:`leave_one_out` compares."""

NEIGHBOURS = 10


def leave_one_out(
    items: Sequence[tuple[str, str]],
    search: Callable[[str, Mapping[str, Any]], Sequence[str]],
    variants: Sequence[Variant] = SPACES,
    *,
    each: Callable[[], None] = lambda: None,
) -> dict[str, Evaluation]:
    """Every item as a query over the others: share of its nearest ones that are of its kind.

    Needs no ground truth but a field of the catalogue.

    Args:
        items: ids and the value of the field.
        search: id and overrides of the search options, to the field's values of the nearest
            :data:`NEIGHBOURS` other items.
        variants: what to try.
        each: called after each item, for progress.
    """
    rows: dict[str, list[dict[str, Any]]] = {v.name: [] for v in variants}
    for number, (item, value) in enumerate(items):
        for variant in variants:
            found = search(item, variant.options)
            share = sum(one == value for one in found[:NEIGHBOURS]) / NEIGHBOURS
            rows[variant.name].append(
                {"query": number, "image": item, "group": value, f"precision@{NEIGHBOURS}": share}
            )
        each()
    return {v.name: summarise(rows[v.name], [], []) for v in variants}


def ablate(
    truths: Sequence[Truth],
    prepare: Callable[[Truth, Mapping[str, Any]], Prepared],
    answer: Callable[[Prepared, Mapping[str, Any]], Ranked],
    variants: Sequence[Variant] = VARIANTS,
    *,
    each: Callable[[], None] = lambda: None,
) -> dict[str, Evaluation]:
    """Evaluate every variant.

    Args:
        truths: photos with the items in them.
        prepare: runs the models over a photo, with overrides of the region rules.
        answer: ranks, with overrides of the search options.
        variants: what to try.
        each: called after each photo, for progress.

    Returns:
        By name, in the order of ``variants``. A variant the collection cannot do (no such
        field, no such space) has failures and no rows.
    """
    rows: dict[str, list[dict[str, Any]]] = {v.name: [] for v in variants}
    times: dict[str, list[Mapping[str, float]]] = {v.name: [] for v in variants}
    failures: dict[str, list[tuple[str, str]]] = {v.name: [] for v in variants}
    for number, truth in enumerate(truths):
        prepared: dict[str, Prepared] = {}
        for variant in variants:
            key = repr(sorted(variant.regions.items()))
            try:
                if key not in prepared:
                    prepared[key] = prepare(truth, variant.regions)
                ranked = answer(prepared[key], variant.options)
            except (ImageError, QueryError) as error:
                failures[variant.name].append((str(truth.image), str(error)))
                continue
            rows[variant.name].append(row_of(number, truth, ranked))
            times[variant.name].append(ranked.timings_ms)
        each()
    return {v.name: summarise(rows[v.name], times[v.name], failures[v.name]) for v in variants}


def draw_changes(changes: Mapping[str, Sequence[Difference]], path: Path) -> None:
    """One panel a metric, one line a variant: gain and 95 % interval against the first.

    Raises:
        ValueError: matplotlib cannot write the suffix.
    """
    with extra("figures", "A figure"):
        from matplotlib.figure import Figure

    names = [name for name, row in changes.items() if row][1:]
    metrics = list(dict.fromkeys(d.metric for row in changes.values() for d in row))
    figure = Figure(figsize=(3.2 * len(metrics) + 3, 0.28 * len(names) + 1.2), layout="constrained")
    axes = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
    for axis, metric in zip(axes, metrics, strict=True):
        axis.axvline(0, color="0.7", linewidth=1)
        for position, name in enumerate(names):
            found = next((d for d in changes[name] if d.metric == metric), None)
            if found is None:
                continue
            colour = "0.5" if not found.certain else "#0072b2" if found.gain > 0 else "#d55e00"
            axis.plot(found.interval, [position, position], color=colour, linewidth=1.5)
            axis.plot([found.gain], [position], "o", color=colour, markersize=4)
        axis.set_title(metric, fontsize=10)
        axis.tick_params(labelsize=8)
    axes[0].set_yticks(range(len(names)), names)
    axes[0].invert_yaxis()
    figure.savefig(path, dpi=150)
