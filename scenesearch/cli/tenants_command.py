"""``scenesearch tenants list|export|remove|index``."""

from __future__ import annotations

from typing import Annotated

import typer

from scenesearch.cli import options, output
from scenesearch.cli.app import app

tenants = typer.Typer(
    help="Whose items there are, where several share a collection.", no_args_is_help=True
)
app.add_typer(tenants, name="tenants")

Name = Annotated[str, typer.Argument(help="Of the tenant.")]


@tenants.command("list")
def list_(
    store: options.Store = "store",
    collection: options.Collection = "items",
    config: options.Config = None,
    as_json: options.Json = False,
) -> None:
    """Tenants, and how many items and points each has."""
    from scenesearch.tenants import counted

    with options.open_shop(store, collection, config) as shop:
        found = counted(shop.store, shop.settings)
    if as_json:
        output.data([one._asdict() for one in found])
        return
    for one in found:
        output.line(f"{one.tenant}: {one.items} items, {one.points} points")
    if not found:
        output.note("no item is a tenant's")


@tenants.command()
def export(
    name: Name,
    store: options.Store = "store",
    collection: options.Collection = "items",
    config: options.Config = None,
) -> None:
    """A tenant's items as JSON, one a line: id, attributes and where the photos are."""
    import json

    from scenesearch.tenants import exported

    with options.open_shop(store, collection, config) as shop:
        for one in exported(shop.store, shop.settings, name):
            output.line(json.dumps(one, ensure_ascii=False))


@tenants.command()
def remove(
    name: Name,
    store: options.Store = "store",
    collection: options.Collection = "items",
    config: options.Config = None,
    as_json: options.Json = False,
) -> None:
    """Remove all items of a tenant; its jobs and feedback a running service removes."""
    from scenesearch.tenants import counted, of_tenant

    items = points = 0
    with options.open_shop(store, collection, config) as shop:
        for held in counted(shop.store, shop.settings, name):
            # of all generations, as every deletion
            items, points = held.items, shop.delete(where=of_tenant(shop.settings, name))
    gone = {"items": items, "points": points}
    output.answer(gone, f"removed {items} items ({points} points)", as_json=as_json)


@tenants.command()
def index(
    store: options.Store = "store",
    collection: options.Collection = "items",
    config: options.Config = None,
) -> None:
    """Give a collection of before store.tenant_field the field, or its field the index for it."""
    from scenesearch.tenants import index_field

    with options.open_shop(store, collection, config) as shop:
        field = index_field(shop.store, shop.settings)
    output.line(f"{collection} in {store}: {field} is indexed as what says whose an item is")
