"""``scenesearch eval``: figures, ablations and comparisons against ground truth."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scenesearch.cli import options, output
from scenesearch.cli.app import app
from scenesearch.core.errors import QueryError
from scenesearch.core.json_values import json_object

if TYPE_CHECKING:
    from scenesearch.api import SceneSearch
    from scenesearch.evaluation.breakdown import Answered, Breakdown
    from scenesearch.evaluation.evaluate import Difference, Evaluation, Ranked, Truth
    from scenesearch.evaluation.sense import Accepted
    from scenesearch.look.look import Look

COMPARED = (
    "hit@10",
    "ndcg@10",
    "map@200",
    "ils@10",
    "refused",
    "precision@10",
    "sense@5",
    "judged",
)
"""Metrics of a comparison."""
ROWS = 15
"""Of a table by field or label, at most."""


@app.command("eval")
def evaluate(
    truth: Annotated[
        Path | None, typer.Argument(help='JSONL: {"image": ..., "items": [ids]} a line.')
    ] = None,
    store: options.Store = "store",
    collection: options.Collection = "items",
    config: options.Config = None,
    image_root: options.ImageRoot = None,
    where: options.Where = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--set", help="A search option, NAME=VALUE: --set diversity=0.05."),
    ] = None,
    ablate: Annotated[
        bool, typer.Option("--ablate", help="Try each ranking step changed, with intervals.")
    ] = False,
    leave_one_out: Annotated[
        str | None,
        typer.Option(help="No ground truth: is each item among others of the same FIELD?"),
    ] = None,
    compare: Annotated[
        str | None, typer.Option(help="Compare with this configuration, photo by photo.")
    ] = None,
    compare_store: Annotated[
        str | None, typer.Option(help="Store of --compare; the same by default.")
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="Report right items by this field; category by default.")
    ] = None,
    sense: Annotated[
        Path | None,
        typer.Option(
            help="Values of category that a person accepts, by label: YAML, CHAIR: REGEX."
        ),
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the result: .png or .svg.")] = None,
    rows: Annotated[bool, typer.Option("--rows", help="Figures of each photo too.")] = False,
    as_json: options.Json = False,
) -> int:
    """Measure how well photos find the products in them, against ground truth."""
    from scenesearch.evaluation.evaluate import read_truths
    from scenesearch.evaluation.sense import read_sense

    if plot is not None and (plot.suffix not in {".png", ".svg"} or not plot.parent.is_dir()):
        raise QueryError(
            f"--plot {plot}: expected a .png or .svg in a folder that exists", code="bad_suffix"
        )
    if truth is None:
        if leave_one_out is None:
            raise QueryError("Give a file of ground truth, or --leave-one-out FIELD")
        with options.open_shop(store, collection, config) as shop:
            found = _leave_one_out(shop, leave_one_out)
        _report_variants(next(iter(found.values())), found, plot, as_json=as_json)
        return 0
    truths = read_truths(truth, image_root=image_root)
    wanted = options.assignments(option or ())
    accepted = read_sense(sense) if sense is not None else None
    with options.open_shop(store, collection, config) as shop:
        shop.load()
        if ablate:
            found = _ablate(shop, truths, where, wanted, accepted)
            base = next(iter(found.values()))
            _report_variants(base, found, plot, as_json=as_json)
            return 3 if base.failures else 0
        result, answers = _evaluate(shop, truths, where, wanted, accepted)
        parts = _breakdown(shop, answers, by)
    if compare:
        # the first store is closed by now: one process may hold an embedded store once
        with options.open_shop(compare_store or store, collection, compare) as other:
            other.load()
            base, _ = _evaluate(other, truths, where, wanted, accepted)
        _report_variants(base, {compare: base, config or "this": result}, plot, as_json=as_json)
    elif as_json:
        output.data({**result.to_dict(rows=rows), "by": parts.to_dict()})
    else:
        _print(result)
        _print_breakdown(parts)
    for image, why in result.failures:
        output.note(f"{image}: {why}")
    return 3 if result.failures else 0


def _ranked(shop: SceneSearch, look: Look, accepted: Accepted | None) -> Ranked:
    from scenesearch.evaluation.evaluate import Ranked, RankedRegion
    from scenesearch.evaluation.sense import sense

    top = [match.evidence[0].point_id for match in look.matches[:10]]
    figures = {"ils@10": shop.likeness(top)} if len(top) > 1 else {}
    if accepted is not None:
        values = [
            (found.region.label, [str(one.attributes.get("category")) for one in found.matches])
            for found in look.regions
        ]
        figures |= sense(values, accepted)
    return Ranked(
        tuple(match.item_id for match in look.matches),
        look.timings_ms,
        figures,
        tuple(
            RankedRegion(
                found.region.kind,
                found.region.label,
                tuple(match.item_id for match in found.matches),
            )
            for found in look.regions
        ),
        tuple(match.evidence[0].region for match in look.matches),
    )


def _evaluate(
    shop: SceneSearch,
    truths: list[Truth],
    where: str | None,
    wanted: Mapping[str, Any],
    accepted: Accepted | None,
) -> tuple[Evaluation, list[Answered]]:
    from scenesearch.evaluation.breakdown import TOP, Answered
    from scenesearch.evaluation.evaluate import DEPTH
    from scenesearch.evaluation.evaluate import evaluate as run

    answers: list[Answered] = []
    with output.progress() as progress:

        def search(truth: Truth) -> Ranked:
            look = shop.shop_the_look(
                truth.image,
                boxes=truth.boxes,
                where=where,
                **{"limit": DEPTH, "per_region": TOP, **wanted},
            )
            answers.append(Answered(truth, _ranked(shop, look, accepted)))
            return answers[-1].ranked

        found = run(truths, search, each=output.counter(progress, "eval", len(truths)))
    return found, answers


def _breakdown(shop: SceneSearch, answers: list[Answered], by: str | None) -> Breakdown:
    from scenesearch.evaluation.breakdown import Breakdown

    schema = shop.store.schema
    if by is None and schema is not None and "category" in schema.fields:
        by = "category"
    return Breakdown.of(answers, by, shop.values(by) if by is not None else {})


def _ablate(
    shop: SceneSearch,
    truths: list[Truth],
    where: str | None,
    wanted: Mapping[str, Any],
    accepted: Accepted | None,
) -> dict[str, Evaluation]:
    from scenesearch.evaluation.ablation import ablate
    from scenesearch.evaluation.breakdown import TOP
    from scenesearch.evaluation.evaluate import DEPTH

    with output.progress() as progress:
        return ablate(
            truths,
            lambda truth, regions: shop.prepare(truth.image, boxes=truth.boxes, regions=regions),
            lambda prepared, changed: _ranked(
                shop,
                shop.answer(
                    prepared,
                    where=where,
                    **{"limit": DEPTH, "per_region": TOP if accepted else 0, **wanted, **changed},
                ),
                accepted,
            ),
            each=output.counter(progress, "eval", len(truths)),
        )


def _leave_one_out(shop: SceneSearch, field: str) -> dict[str, Evaluation]:
    from scenesearch.evaluation.ablation import NEIGHBOURS, leave_one_out

    items = shop.values(field)

    def search(item: str, changed: Mapping[str, Any]) -> list[str]:
        look = shop.search(items=item, limit=NEIGHBOURS, **changed)
        return [str(match.attributes.get(field)) for match in look.matches]

    with output.progress() as progress:
        each = output.counter(progress, "eval", len(items))
        return leave_one_out(sorted(items.items()), search, each=each)


def _print(result: Evaluation) -> None:
    for name, value in result.metrics.items():
        low, high = result.intervals[name]
        output.line(f"{name:<10} {value:.3f}  [{low:.3f}, {high:.3f}]")
    stages = ", ".join(f"{stage} {ms:.1f}" for stage, ms in result.latency_ms.items())
    output.line(f"p50 {result.total_ms['p50']:.0f} ms, p95 {result.total_ms['p95']:.0f} ms")
    output.line(f"mean by stage, ms: {stages}")
    for group, means in result.groups.items():
        shown = {name: means[name] for name in COMPARED if name in means}
        output.line(
            f"  {group:<24} " + "  ".join(f"{name} {value:.3f}" for name, value in shown.items())
        )


def _print_breakdown(parts: Breakdown) -> None:
    from scenesearch.evaluation.breakdown import DEPTHS, TOP

    tables = [
        (
            [parts.field or "", "right items", *(f"in the first {depth}" for depth in DEPTHS)],
            [
                [
                    one.value,
                    str(one.items),
                    *(f"{one.recall(depth):.3f} ({one.found[depth]})" for depth in DEPTHS),
                ]
                for one in parts.values
            ],
        ),
        *(
            (
                [name, "regions", f"right of the first {TOP}", "share", f"own precision@{TOP}"],
                [
                    [
                        *(one.name, str(one.regions), str(one.earned)),
                        *(f"{one.share:.3f}", f"{one.precision:.3f}"),
                    ]
                    for one in figures
                ],
            )
            for name, figures in (("region", parts.kinds), ("label", parts.labels))
        ),
    ]
    for header, lines in tables:
        if not lines:
            continue
        output.line()
        for cells in [header, ["---"] * len(header), *lines[:ROWS]]:
            output.line("| " + " | ".join(cells) + " |")
        if len(lines) > ROWS:
            output.line(f"and {len(lines) - ROWS} more; --json has them all")


def _report_variants(
    base: Evaluation, found: Mapping[str, Evaluation], plot: Path | None, *, as_json: bool
) -> None:
    from scenesearch.evaluation.evaluate import compare

    changes = {name: compare(base, one, COMPARED) for name, one in found.items()}
    if plot is not None:
        from scenesearch.evaluation.ablation import draw_changes

        draw_changes(changes, plot)
        output.note(f"saved {plot}")
    if as_json:
        output.data(
            {
                name: {
                    **one.to_dict(),
                    "against_first": {
                        d.metric: {k: v for k, v in json_object(d).items() if k != "metric"}
                        for d in changes[name]
                    },
                }
                for name, one in found.items()
            }
        )
        return
    for text in markdown(changes):
        output.line(text)
    for name, one in found.items():
        if one.failures and not one.rows:
            output.note(f"{name}: {one.failures[0][1]}")


def markdown(changes: Mapping[str, list[Difference]]) -> list[str]:
    """The comparison as a Markdown table; a change whose interval leaves 0 out is bold."""
    names = list(dict.fromkeys(d.metric for row in changes.values() for d in row))
    lines = ["| variant | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for index, (name, row) in enumerate(changes.items()):
        if not row:
            continue
        cells = []
        for metric in names:
            d = next((d for d in row if d.metric == metric), None)
            if d is None:
                cells.append("")
            elif index == 0:
                cells.append(f"{d.new:.3f}")
            else:
                gain = f"{d.gain:+.3f} [{d.interval[0]:+.3f}, {d.interval[1]:+.3f}]"
                cells.append(f"{d.new:.3f} ({f'**{gain}**' if d.certain else gain})")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines
