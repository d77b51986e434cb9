"""``scenesearch complete``, ``scenes-of`` and ``known-scenes``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scenesearch.cli import options, output
from scenesearch.cli.app import app
from scenesearch.core.errors import QueryError

if TYPE_CHECKING:
    from scenesearch.complete import Completion, Suggestion

known_scenes = typer.Typer(
    help="Scenes whose items are known: what 'complete' learns from.", no_args_is_help=True
)
app.add_typer(known_scenes, name="known-scenes")


@app.command()
def complete(
    items: Annotated[
        list[str] | None, typer.Argument(metavar="[ITEM_ID]...", help="What is there already.")
    ] = None,
    photo: Annotated[
        Path | None, typer.Option("--photo", "-p", help="A scene: what is found in it counts.")
    ] = None,
    store: options.Store = "store",
    collection: options.Collection = "items",
    config: options.Config = None,
    limit: Annotated[int, typer.Option("--limit", "-n", help="Suggestions to show.")] = 12,
    per_category: Annotated[int, typer.Option(help="Suggestions of one category.")] = 3,
    where: options.Where = None,
    category: Annotated[
        str, typer.Option(help="The field that tells kinds of items apart.")
    ] = "category",
    diversity: Annotated[
        float | None, typer.Option("--diversity", help="0 to 1: how unlike each other matches are.")
    ] = None,
    same: Annotated[
        bool, typer.Option("--same", help="Suggest categories that are there already, too.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """What goes with items, or with the scene of a photo, from other categories."""
    if bool(items) == (photo is not None):
        raise QueryError(
            "Give item ids, or a scene with --photo ROOM.jpg, and not both", code="empty_query"
        )
    from scenesearch.complete import CompleteOptions

    wanted = CompleteOptions(
        category_field=category, diversity=diversity or 0.0, include_present=same
    )
    with options.open_shop(store, collection, config) as shop:
        answer = shop.complete(
            items, photo=photo, limit=limit, per_category=per_category, where=where, options=wanted
        )
    if as_json:
        output.data(answer.to_dict())
    else:
        _show(answer)


@known_scenes.command("add")
def add(
    file: Annotated[Path, typer.Argument(help='JSONL: {"image": ..., "items": [ids]} a line.')],
    store: options.Store = "store",
    collection: options.Collection = "items",
    config: options.Config = None,
    image_root: options.ImageRoot = None,
    as_json: options.Json = False,
) -> None:
    """Learn which items are seen together; adding a file again changes nothing."""
    with options.open_shop(store, collection, config) as shop:
        done = shop.learn_scenes(file, image_root=image_root)
    output.answer(
        asdict(done),
        f"{done.added} scenes added, {done.replaced} replaced, {done.unchanged} unchanged; "
        f"{done.total} known",
        as_json=as_json,
    )


@known_scenes.command("clear")
def clear(
    store: options.Store = "store",
    collection: options.Collection = "items",
    config: options.Config = None,
    as_json: options.Json = False,
) -> None:
    """Forget every known scene."""
    from scenesearch.complete import KnownScenes

    with options.open_shop(store, collection, config) as shop:
        gone = KnownScenes(shop.store).clear()
    output.answer({"removed": gone}, f"{gone} scenes removed", as_json=as_json)


@app.command("scenes-of")
def scenes_of(
    item: Annotated[str, typer.Argument(metavar="ITEM_ID")],
    store: options.Store = "store",
    collection: options.Collection = "items",
    config: options.Config = None,
    limit: Annotated[int, typer.Option("--limit", "-n", help="Scenes to show.")] = 20,
    as_json: options.Json = False,
) -> None:
    """The scenes an item appears in: known ones, then photos with something that looks like it."""
    with options.open_shop(store, collection, config) as shop:
        found = shop.scenes_of(item, limit)
    if as_json:
        output.data([scene.to_dict() for scene in found])
        return
    for scene in found:
        others = [other for other in scene.items if other != item]
        shown = ", ".join(others[:5]) + (", ..." if len(others) > 5 else "")
        parts = [scene.image or scene.id, scene.group, f"with {shown}" if shown else ""]
        sure = "" if scene.score == 1 else f"  {scene.score:.3f}"
        output.line("  ".join(part for part in parts if part) + sure)
    if not found:
        output.note(
            "no scene is known that it appears in; scenesearch known-scenes add FILE, or "
            "scenesearch scenes index PHOTOS to look for it in photos"
        )


def _show(answer: Completion) -> None:
    output.remarks(answer.notes)
    if len(answer.anchors) > 1:
        output.note(f"goes with: {', '.join(answer.anchors)}")
    for group in answer.groups:
        output.line(group.category or "no category")
        for one in group.suggestions:
            output.line(f"     {_words(one)}  {one.score:.3f}  ({one.reason})")
    if not answer.suggestions:
        output.note("nothing of another category was found")


def _words(one: Suggestion) -> str:
    parts = [one.item_id, one.attributes.get("title")]
    price = one.attributes.get("price")
    if price is not None:
        parts.append(f"{price:g} {one.attributes.get('currency', '')}".strip())
    return "  ".join(str(part) for part in parts if part)
