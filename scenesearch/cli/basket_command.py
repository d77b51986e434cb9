"""``scenesearch basket``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scenesearch.cli import options, output
from scenesearch.cli.app import app
from scenesearch.core.errors import QueryError

if TYPE_CHECKING:
    from scenesearch.basket import Baskets


@app.command()
def basket(
    photo: Annotated[Path, typer.Argument(help="A room, an outfit, a shelf.")],
    budget: Annotated[float, typer.Option("--budget", "-b", help="The most that it costs.")],
    store: options.Store = "store",
    collection: options.Collection = "items",
    config: options.Config = None,
    currency: Annotated[
        str | None, typer.Option(help="Of the budget; else the one of most products.")
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(metavar="NUMBER=ITEM", help="Keep a product of an object; repeatable."),
    ] = None,
    leave_out: Annotated[
        list[int] | None,
        typer.Option(metavar="NUMBER", help="Buy nothing for an object; repeatable."),
    ] = None,
    same_category: Annotated[
        bool, typer.Option("--same-category", help="No chair in place of a sofa that is too dear.")
    ] = False,
    where: options.Where = None,
    as_json: options.Json = False,
) -> None:
    """The whole look under a budget: one product an object, and alternatives."""
    kept = {**_kept(keep or ()), **dict.fromkeys(leave_out or ())}
    with options.open_shop(store, collection, config) as shop:
        found = shop.basket(
            photo,
            budget,
            currency=currency,
            keep=kept,
            same_category=same_category,
            where=where,
        )
    if as_json:
        output.data(found.to_dict())
    else:
        _show(found)


def _kept(texts: list[str] | tuple[()]) -> dict[int, str | None]:
    kept: dict[int, str | None] = {}
    for text in texts:
        number, _, item_id = text.partition("=")
        if not (number.isascii() and number.isdigit() and item_id):
            raise QueryError(
                f"--keep {text!r}: expected NUMBER=ITEM, the number of an object and the id of a "
                f"product of its list",
                code="bad_option",
            )
        kept[int(number)] = item_id
    return kept


def _show(found: Baskets) -> None:
    output.remarks(found.notes)
    money = f" {found.currency}" if found.currency else ""
    for basket in found.baskets:
        output.line(f"{basket.name}: {basket.total:g}{money} of {found.budget:g}")
        for one in basket.choices:
            title = one.match.attributes.get("title")
            words = [f"{one.number}. {one.label or 'object'}", one.match.item_id, title]
            output.line(f"     {'  '.join(str(w) for w in words if w)}  {one.price:g}")
        for gone in basket.missing:
            output.line(f"     {gone.number}. {gone.label or 'object'}  nothing: {gone.why}")
    output.notes([f"object {o.number}: {o.item_id}: {o.why}" for o in found.unpriced])
