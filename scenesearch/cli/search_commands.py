"""``scenesearch look`` and ``scenesearch search``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from scenesearch.cli import options, output
from scenesearch.cli.app import app
from scenesearch.cli.flags import taking
from scenesearch.cli.search_flags import OF_ANSWERS, OF_PHOTOS
from scenesearch.core.boxes import BoxFormat, box_tuple, pixel_boxes, pixel_point
from scenesearch.core.errors import QueryError
from scenesearch.core.turns import Turn

if TYPE_CHECKING:
    from scenesearch.look.look import Look
    from scenesearch.look.values import Match


@app.command()
@taking({**OF_ANSWERS, **OF_PHOTOS})
def look(
    *,
    photo: Annotated[Path, typer.Argument(help="A room, an outfit, a shelf.")],
    store: options.Store = "store",
    collection: options.Collection = "items",
    config: options.Config = None,
    where: options.Where = None,
    refine: options.Refine = None,
    box: Annotated[
        list[str] | None,
        typer.Option("--box", help="x1,y1,x2,y2: search this region; repeatable."),
    ] = None,
    box_format: Annotated[
        str, typer.Option(help="Of --box and --point: xyxy_px, or xyxy_norm for 0 to 1.")
    ] = "xyxy_px",
    point: Annotated[str | None, typer.Option(help="x,y: search the object there.")] = None,
    text: Annotated[
        list[str] | None, typer.Option("--text", "-t", help="Words to move towards; repeatable.")
    ] = None,
    not_text: Annotated[
        list[str] | None, typer.Option("--not-text", help="Words to move away from.")
    ] = None,
    words: Annotated[
        str | None,
        typer.Option("--words", help="Plain words: 'red, under $50'; they move every answer."),
    ] = None,
    chosen: Mapping[str, Any],
    save: options.Save = None,
    as_json: options.Json = False,
) -> None:
    """Search every object of a photo: one list for each, and one fused list."""
    from scenesearch.images import load_scene

    _check_suffixes(save or ())
    with options.open_shop(store, collection, config) as shop:
        scene = load_scene(photo, limits=shop.settings.images)
        if box_format not in get_args(BoxFormat):
            raise QueryError(
                f"--box-format is {box_format!r}, expected xyxy_px or xyxy_norm", code="bad_box"
            )
        boxes = [box_tuple(_numbers(one, 4, "--box")) for one in box or ()]
        answer = shop.shop_the_look(
            scene,
            boxes=pixel_boxes(boxes, box_format, scene.size),
            point=pixel_point(_point(point) if point else None, box_format, scene.size),
            text={**dict.fromkeys(text or (), 0.5), **dict.fromkeys(not_text or (), -0.5)},
            words=words,
            where=where,
            refine=_turns(refine or ()),
            **chosen,
        )
    _show(answer, save or (), as_json=as_json)


@app.command()
@taking(OF_ANSWERS)
def search(
    *,
    words: Annotated[
        str | None,
        typer.Argument(help="Plain words: 'red shoes under $50'. See docs/words.md."),
    ] = None,
    store: options.Store = "store",
    collection: options.Collection = "items",
    config: options.Config = None,
    text: Annotated[
        list[str] | None, typer.Option("--text", "-t", help="Words for a model that reads text.")
    ] = None,
    not_text: Annotated[
        list[str] | None, typer.Option("--not-text", help="Words to move away from.")
    ] = None,
    photo: Annotated[
        list[Path] | None, typer.Option("--photo", "-p", help="Photo of the thing; repeatable.")
    ] = None,
    item: Annotated[
        list[str] | None, typer.Option("--item", "-i", help="Like this item; repeatable.")
    ] = None,
    not_item: Annotated[
        list[str] | None, typer.Option("--not-item", help="Unlike this item.")
    ] = None,
    vector: Annotated[
        list[str] | None,
        typer.Option(
            "--vector",
            metavar="[SPACE=]FILE",
            help="An embedding, .npy or JSON; of a space that came with the catalogue: "
            "clip=query.json; repeatable.",
        ),
    ] = None,
    where: options.Where = None,
    refine: options.Refine = None,
    chosen: Mapping[str, Any],
    save: options.Save = None,
    as_json: options.Json = False,
) -> None:
    """Search for one thing, by words, photos of it and items, mixed as you like."""
    from scenesearch.cli.vector_file import vector_part

    _check_suffixes(save or ())
    vectors = [vector_part(one) for one in vector or ()]
    with options.open_shop(store, collection, config) as shop:
        answer = shop.search(
            words,
            text={**dict.fromkeys(text or (), 1.0), **dict.fromkeys(not_text or (), -0.5)},
            photos=list(photo or ()),
            items={**dict.fromkeys(item or (), 1.0), **dict.fromkeys(not_item or (), -0.5)},
            vectors=vectors,
            where=where,
            refine=_turns(refine or ()),
            **chosen,
        )
    _show(answer, save or (), as_json=as_json)


def _turns(texts: Sequence[str]) -> list[Turn]:
    """Turns as they are written: words, with the number of an object before them or not."""
    found = [re.fullmatch(r"\s*(\d{1,3})\s*:(.*)", text, re.DOTALL) for text in texts]
    return [
        Turn(text) if match is None else Turn(match[2].strip(), None, int(match[1]))
        for text, match in zip(texts, found, strict=True)
    ]


def _numbers(text: str, count: int, option: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count:
        raise QueryError(
            f"{option} is {text!r}, expected {count} numbers with commas between", code="bad_box"
        )
    return numbers


def _point(text: str) -> tuple[float, float]:
    x, y = _numbers(text, 2, "--point")
    return x, y


def _check_suffixes(paths: Sequence[Path]) -> None:
    """Before the work, not after it."""
    from scenesearch.look.look import SUFFIXES

    for path in paths:
        if path.suffix.lower() not in SUFFIXES:
            raise QueryError(
                f"--save {path}: expected a name that ends in {', '.join(SUFFIXES)}",
                code="bad_suffix",
            )
        if not path.absolute().parent.is_dir():
            raise QueryError(
                f"--save {path}: there is no folder {path.parent}; create it first",
                code="no_folder",
            )


def _show(answer: Look, save: Sequence[Path], *, as_json: bool) -> None:
    if answer.parsed is not None:
        output.note(f"understood: {'; '.join(answer.parsed.understood) or 'nothing'}")
        output.remarks(answer.parsed.notes)
    for turn in answer.refined:
        output.note(f"{turn.said}: {'; '.join(turn.understood) or 'nothing'}")
    output.remarks(answer.notes)
    for path in save:
        try:
            answer.save(path)
        except OSError as error:
            raise QueryError(
                f"--save {path}: it cannot be written: {error}", code="cannot_save"
            ) from error
        output.note(f"saved {path}")
    if as_json:
        output.data(answer.to_dict())
        return
    for number, found in enumerate(answer.regions, 1):
        region = found.region
        sure = f" {region.confidence:.0%}" if region.label else ""
        colours = ", ".join(colour.name for colour in found.colours[:3])
        output.line(f"{number}. {region.label or region.kind}{sure}  {colours}".rstrip())
        for match in found.matches[:3]:
            output.line(f"     {_words(match)}  {match.score:.3f}  {match.verdict}")
        for text in found.notes:
            output.line(f"     {text}")
    if answer.matches:
        output.line("fused:" if answer.regions else "matches:")
    for rank, match in enumerate(answer.matches, 1):
        boosted = f" ({match.parts['boost']:+.3f})" if match.parts.get("boost") else ""
        output.line(f"{rank:>4} {_words(match)}  {match.score:.3f}{boosted}  {match.verdict}")
    for field, counts in answer.facets.items():
        output.line(f"{field}: " + ", ".join(f"{value} {n}" for value, n in counts[:10]))
    times = ", ".join(f"{stage} {ms:.0f}" for stage, ms in answer.timings_ms.items())
    output.note(f"{sum(answer.timings_ms.values()):.0f} ms ({times})")


def _words(match: Match) -> str:
    attributes = match.attributes
    parts = [match.item_id, attributes.get("title"), attributes.get("category")]
    price = attributes.get("price")
    if price is not None:
        parts.append(f"{price:g} {attributes.get('currency', '')}".strip())
    return "  ".join(str(part) for part in parts if part)
