"""``scenesearch items get|delete|count``."""

from __future__ import annotations

from typing import Annotated

import typer

from scenesearch.cli import options, output
from scenesearch.cli.app import app
from scenesearch.core.errors import QueryError

items = typer.Typer(help="Look at, count or delete what is indexed.", no_args_is_help=True)
app.add_typer(items, name="items")

Ids = Annotated[list[str], typer.Argument(help="Item ids.")]


@items.command()
def get(
    ids: Ids,
    store: options.Store = "store",
    collection: options.Collection = "items",
    config: options.Config = None,
    as_json: options.Json = False,
) -> int:
    """Show items as they are stored; exit code 3 when one is not there."""
    with options.open_shop(store, collection, config) as shop:
        found = [(item_id, shop.get(item_id)) for item_id in ids]
    if as_json:
        output.data(
            [
                {"id": item.id, "photos": list(item.photos), **item.attributes}
                for _, item in found
                if item
            ]
        )
    for item_id, item in found:
        if item is None:
            output.note(f"{item_id}: not in the collection")
        elif not as_json:
            output.line(item.id)
            for photo in item.photos:
                output.line(f"  photo: {photo}")
            for name, value in item.attributes.items():
                output.line(f"  {name}: {value}")
    return 0 if all(item for _, item in found) else 3


@items.command()
def delete(
    ids: Annotated[list[str] | None, typer.Argument(help="Item ids.")] = None,
    store: options.Store = "store",
    collection: options.Collection = "items",
    config: options.Config = None,
    where: options.Where = None,
    as_json: options.Json = False,
) -> None:
    """Delete items by id or by filter; an item goes whole, whichever photo the filter meant."""
    if not ids and not where:
        raise QueryError("Give item ids, or a filter with --where", code="empty_query")
    with options.open_shop(store, collection, config) as shop:
        points = shop.delete(ids=tuple(ids or ()), where=where)
    output.answer({"points_deleted": points}, f"deleted {points} points", as_json=as_json)


@items.command()
def count(
    store: options.Store = "store",
    collection: options.Collection = "items",
    config: options.Config = None,
    where: options.Where = None,
    as_json: options.Json = False,
) -> None:
    """Count stored points (regions of photos)."""
    with options.open_shop(store, collection, config) as shop:
        points = shop.count(where)
    output.answer({"points": points}, str(points), as_json=as_json)
