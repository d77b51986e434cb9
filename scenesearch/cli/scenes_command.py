"""``scenesearch scenes index|find|facets|forget|count``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scenesearch.cli import options, output
from scenesearch.cli.app import app
from scenesearch.core.errors import QueryError

if TYPE_CHECKING:
    from scenesearch.scenes import SceneAnswer, SceneMatch

scenes = typer.Typer(help="Photos as a collection: found by what is in them.", no_args_is_help=True)
app.add_typer(scenes, name="scenes")

Collection = Annotated[str, typer.Option("--collection", help="Name of the collection of photos.")]
Items = Annotated[str, typer.Option("--items-collection", help="The collection of products.")]
Vocabulary = Annotated[
    Path | None, typer.Option("--vocabulary", help="YAML of names and synonyms: docs/tagging.md.")
]


@scenes.command()
def index(
    sources: Annotated[
        list[str], typer.Argument(help="Folders, photos, globs, manifests, addresses or '-'.")
    ],
    store: options.Store = "store",
    collection: Collection = "scenes",
    config: options.Config = None,
    items: Annotated[
        Path | None,
        typer.Option("--items", help="JSON lines of image and items: products in each photo."),
    ] = None,
    items_collection: Items = "items",
    vocabulary: Vocabulary = None,
    kinds: Annotated[
        Path | None, typer.Option("--kinds", help="YAML of kinds of scenes: docs/tagging.md.")
    ] = None,
    ocr: Annotated[bool, typer.Option("--ocr", help="Read what is written in the photos.")] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Tag photos anew that are there unchanged.")
    ] = False,
    as_json: options.Json = False,
) -> int:
    """Add photos to the collection, or bring it up to date; exit code 3 when some failed."""
    from scenesearch.cli.photo_sources import PhotoSources
    from scenesearch.scenes.known_items import KnownItems, read_known_items
    from scenesearch.tagging.tagger import TagOptions

    start = time.perf_counter()
    with (
        options.open_shop(store, items_collection, config, scenes=collection) as shop,
        output.progress() as progress,
    ):
        known = read_known_items(items) if items is not None else KnownItems()
        photos = PhotoSources(sources, shop.settings.images)
        report = shop.add_scenes(
            photos,
            load=photos.load,
            known=known,
            options=TagOptions(vocabulary=vocabulary, kinds=kinds, ocr=ocr),
            again=again,
            settle=True,
            progress=lambda done: progress("tag", done, done),
        )
        total = shop.count_scenes()
    summary = {
        "added": report.added,
        "replaced": report.replaced,
        "unchanged": report.unchanged,
        "failures": [{"photo": photo, "reason": reason} for photo, reason in report.failed],
        "bad_rows": list(known.errors),
        "photos": total,
        "seconds": round(time.perf_counter() - start, 2),
    }
    if as_json:
        output.data(summary)
    else:
        output.notes([*known.errors, *(f"{one}: {why}" for one, why in report.failed)])
        output.line(
            f"added {report.added}, replaced {report.replaced}, unchanged {report.unchanged}, "
            f"failed {len(report.failed)} photos; {total} in the collection; "
            f"{summary['seconds']:.1f} s"
        )
    return 3 if report.failed or known.errors else 0


@scenes.command()
def find(
    query: Annotated[
        str, typer.Argument(help='"couch and 2+ lamps and not person". See docs/scenes.md.')
    ] = "",
    store: options.Store = "store",
    collection: Collection = "scenes",
    config: options.Config = None,
    photo: Annotated[
        Path | None, typer.Option("--photo", "-p", help="Photos that look like this one.")
    ] = None,
    item: Annotated[
        str | None, typer.Option("--item", "-i", help="Photos with this product.")
    ] = None,
    items_collection: Items = "items",
    where: options.Where = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Photos to show.")] = 20,
    preset: Annotated[
        str, typer.Option("--preset", help="With --item: exact, similar, category, style, colour.")
    ] = "similar",
    vocabulary: Vocabulary = None,
    as_json: options.Json = False,
) -> None:
    """Find photos by what is in them, by a photo like them, or by a product in them."""
    if photo is not None and item is not None:
        raise QueryError("Give --photo or --item, not both", code="bad_option")
    if not (query.strip() or where or photo or item):
        raise QueryError(
            "Give a query, --where, --photo or --item; see docs/scenes.md", code="empty_query"
        )
    with options.open_shop(store, items_collection, config, scenes=collection) as shop:
        finder = shop.scenes(vocabulary=vocabulary)
        condition = finder.parse(where)
        if photo is not None:
            encoded = shop.encode_scene(photo)
            answer = finder.like(encoded, text=query, where=condition, limit=limit)
        elif item is not None:
            answer = finder.with_item(
                item, shop.store, text=query, where=condition, limit=limit, preset=preset
            )
        else:
            answer = finder.find(query, where=condition, limit=limit)
    _show(answer, as_json=as_json)


@scenes.command()
def facets(
    query: Annotated[str, typer.Argument(help="As for find; every photo without one.")] = "",
    store: options.Store = "store",
    collection: Collection = "scenes",
    config: options.Config = None,
    field: Annotated[
        list[str] | None,
        typer.Option("--field", "-f", help="kind, labels, photo_tags, ...; repeatable."),
    ] = None,
    folder: Annotated[
        str | None, typer.Option("--folder", help="Only photos below this folder, as indexed.")
    ] = None,
    where: options.Where = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Values of a field.")] = 20,
    vocabulary: Vocabulary = None,
    as_json: options.Json = False,
) -> None:
    """Count what is in the photos: kinds, labels, tags, colours, folders."""
    from scenesearch.core.conditions import Equals, all_of
    from scenesearch.scenes.find import FACETS

    with options.open_shop(store, "items", config, scenes=collection) as shop:
        finder = shop.scenes(vocabulary=vocabulary)
        condition = finder.parse(where)
        if folder is not None:
            condition = all_of(condition, Equals("folders", folder.rstrip("/")))
        counts = finder.facets(field or FACETS, text=query, where=condition, limit=limit)
    if as_json:
        output.data(
            {
                name: [{"value": value, "photos": count} for value, count in found]
                for name, found in counts.items()
            }
        )
        return
    for name, found in counts.items():
        output.line(f"{name}: " + (", ".join(f"{value} {n}" for value, n in found) or "-"))


@scenes.command()
def forget(
    photos: Annotated[list[str], typer.Argument(help="Photos, named as they were indexed.")],
    store: options.Store = "store",
    collection: Collection = "scenes",
    config: options.Config = None,
    as_json: options.Json = False,
) -> int:
    """Remove photos from the collection; exit code 3 when one was not there."""
    wanted = list(dict.fromkeys(photos))
    with options.open_shop(store, "items", config, scenes=collection) as shop:
        gone = shop.forget_scenes(photos=wanted)
    output.answer(
        {"forgotten": gone, "not_there": len(wanted) - gone},
        f"forgot {gone} photos; {len(wanted) - gone} were not there",
        as_json=as_json,
    )
    return 0 if gone == len(wanted) else 3


@scenes.command()
def count(
    store: options.Store = "store",
    collection: Collection = "scenes",
    config: options.Config = None,
    as_json: options.Json = False,
) -> None:
    """Count the photos of the collection."""
    with options.open_shop(store, "items", config, scenes=collection) as shop:
        photos = shop.count_scenes()
    output.answer({"photos": photos}, str(photos), as_json=as_json)


def _show(answer: SceneAnswer, *, as_json: bool) -> None:
    if answer.query is not None:
        output.note(f"understood: {answer.query.understood}")
    output.remarks(answer.notes)
    if as_json:
        output.data(answer.to_dict())
        return
    for rank, match in enumerate(answer.matches, 1):
        score = "known" if match.known else f"{match.score or 0.0:.3f}"
        output.line(f"{rank:>4} {match.photo}  {score}  {_seen(match)}".rstrip())
    if answer.total is not None:
        output.note(f"{answer.total} photos, {len(answer.matches)} shown")


def _seen(match: SceneMatch) -> str:
    things: list[Any] = [f"[{match.kind}]"] if match.kind else []
    things += [f"{n} {label}" if n > 1 else label for label, n in match.labels.items()]
    return " ".join(things[:1]) + (" " if len(things) > 1 else "") + ", ".join(things[1:])
