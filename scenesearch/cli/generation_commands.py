"""``scenesearch generation list|build|compare|switch|back|drop``."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer

from scenesearch.cli import options, output
from scenesearch.cli.app import app

generation = typer.Typer(
    help="Another model for a collection, without a stop: built beside it, then switched to.",
    no_args_is_help=True,
)
app.add_typer(generation, name="generation")

Number = Annotated[int, typer.Argument(min=1, help="Of the generation, as list says it.")]
New = Annotated[
    str,
    typer.Option("--config", "-c", metavar="FILE|NAME", help="What the next one is made with."),
]
Current = Annotated[
    str | None,
    typer.Option(
        "--current",
        metavar="FILE|NAME",
        envvar="SCENESEARCH_CONFIG",
        help="What the collection is made with, where it has one generation.",
    ),
]


@generation.command("list")
def list_(
    store: options.Store = "store",
    collection: options.Collection = "items",
    config: options.Config = None,
    as_json: options.Json = False,
) -> None:
    """Which generations a collection has, and which of them answers."""
    found = _do("list", {}, store, collection, config)
    if as_json:
        output.data(found)
        return
    for one in found:
        said = "answers" if one["answers"] else "built" if one["built"] else "not built to its end"
        how = "projected" if one["projection"] else "raw"
        output.line(
            f"{one['generation']}: {said}; {one['points']:,} points, {how} vectors of "
            f"{one['vectors'].get('cutout', 0)} dimensions, {one['made_with'].get('embedder', '?')}"
        )


@generation.command()
def build(
    config: New,
    current: Current = None,
    store: options.Store = "store",
    collection: options.Collection = "items",
    as_json: options.Json = False,
) -> None:
    """Make the next generation from the photos, while the present one answers and is written to.

    Stopped at any moment, the same command goes on. It does not answer before switch.
    """
    from scenesearch import wiring
    from scenesearch.config.settings import load_settings

    values = {"config": wiring.config_of(load_settings(config))}
    done = _do("build", values, store, collection, current)
    text = (
        f"generation {done['number']} has {done['points']:,} points; {done['embedded']} photos "
        f"were embedded, {len(done['failures'])} could not be read; {done['seconds']:.1f} s. "
        f"scenesearch generation switch {done['number']} lets it answer"
    )
    if not as_json:
        output.notes(done["failures"])
        output.remarks(done["notes"])
    output.answer(done, text, as_json=as_json)


@generation.command()
def switch(
    number: Number,
    store: options.Store = "store",
    collection: options.Collection = "items",
    config: options.Config = None,
    as_json: options.Json = False,
) -> None:
    """Let another generation answer, from one moment to the next; services follow in a second."""
    done = _do("switch", {"generation": number}, store, collection, config)
    output.answer(done, f"generation {number} answers now", as_json=as_json)


@generation.command()
def back(
    store: options.Store = "store",
    collection: options.Collection = "items",
    config: options.Config = None,
    as_json: options.Json = False,
) -> None:
    """Let the generation answer that did before."""
    done = _do("back", {}, store, collection, config)
    output.answer(done, f"generation {done['generation']} answers again", as_json=as_json)


@generation.command()
def drop(
    number: Number,
    store: options.Store = "store",
    collection: options.Collection = "items",
    config: options.Config = None,
    as_json: options.Json = False,
) -> None:
    """Remove a generation that does not answer, for good."""
    done = _do("drop", {"generation": number}, store, collection, config)
    output.answer(done, f"dropped generation {number}", as_json=as_json)


@generation.command()
def compare(
    number: Annotated[
        int | None, typer.Argument(min=1, help="Of the other generation; the only other one.")
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option("--truth", help="JSONL of photos and the items in them, as for eval."),
    ] = None,
    sample: Annotated[
        int, typer.Option("--sample", min=1, help="Items whose neighbours are compared, at most.")
    ] = 500,
    save: Annotated[
        Path | None, typer.Option("--save", "-o", help="The lists that differ most, as HTML.")
    ] = None,
    store: options.Store = "store",
    collection: options.Collection = "items",
    config: options.Config = None,
    as_json: options.Json = False,
) -> None:
    """What would change if another generation answered: by truth, and by how lists overlap."""
    values = {
        "generation": number,
        "truth": None if truth is None else str(truth.absolute()),
        "sample": sample,
    }
    found = _do("compare", values, store, collection, config)
    old, new = found["generations"]
    if save is not None:
        from scenesearch.look.render.lists import render_lists
        from scenesearch.system.whole_file import write_whole

        names = (f"generation {old}, which answers", f"generation {new}")
        title = "What is like an item: where two generations differ most"
        write_whole(save, render_lists(title, names, found["most_different"]).encode())
        output.note(f"saved {save}")
    if as_json:
        output.data(found)
        return
    if found["truth"] is not None:
        output.line(f"{found['truth']['queries']} photos: generation {old}, {new}, gain, 95 %")
        for one in found["truth"]["metrics"]:
            low, high = one["interval"]
            output.line(
                f"{one['metric']:<10} {one['old']:.3f}  {one['new']:.3f}  {one['gain']:+.3f} "
                f"[{low:+.3f}, {high:+.3f}]"
            )
    if found["items"]:
        output.line(
            f"what is like {found['items']} items: {found['overlap@10']:.0%} of the first ten are "
            f"the same, {found['same_first']:.0%} of the very first"
        )
    if found["only_in_one"]:
        output.line(f"{found['only_in_one']} items are in one of them only")


def _do(
    what: str, values: Mapping[str, Any], store: str, collection: str, config: str | None
) -> Any:
    from scenesearch.api import generations
    from scenesearch.api.opened import Opened
    from scenesearch.config.settings import load_settings

    opened = Opened(store, load_settings(config), collection=collection)
    with closing(opened), output.progress() as progress:
        return generations.do(opened, what, values, progress)
