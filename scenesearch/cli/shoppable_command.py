"""``scenesearch shoppable``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from scenesearch.cli import options, output
from scenesearch.cli.app import app
from scenesearch.core.errors import QueryError


@app.command()
def shoppable(
    picture: Annotated[Path, typer.Argument(help="A photo, or a .json of before, to be redone.")],
    save: Annotated[
        list[Path], typer.Option("--save", "-o", help=".json, .jsonld or .html; repeatable.")
    ],
    store: options.Store = "store",
    collection: options.Collection = "items",
    config: options.Config = None,
    pick: Annotated[
        list[str] | None,
        typer.Option(metavar="NUMBER=ITEM", help="Product of an object; NUMBER= for none."),
    ] = None,
    products: Annotated[int, typer.Option(min=1, help="Products of the other objects.")] = 1,
    photo_url: Annotated[
        str | None, typer.Option(help="Address of the picture, where it will be shown.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="What the page is called.")] = None,
    where: options.Where = None,
) -> int:
    """A picture with products on it, as data to be edited, JSON-LD or a page."""
    from scenesearch.look.shoppable import SUFFIXES, Shoppable

    for path in save:
        if path.suffix.lower() not in SUFFIXES or not path.absolute().parent.is_dir():
            raise QueryError(
                f"--save {path}: expected a name that ends in {', '.join(SUFFIXES)}, in a folder "
                f"that is there",
                code="bad_suffix",
            )
    picks = _picks(pick or ())
    gone: tuple[str, ...] = ()
    with options.open_shop(store, collection, config) as shop:
        if picture.suffix.lower() == ".json":
            if picks or where or products != 1:
                raise QueryError(
                    f"{picture} has its products; change them in the file, or start from a photo",
                    code="bad_option",
                )
            found, gone = Shoppable.read(picture).refreshed(
                lambda item_id: None if (item := shop.get(item_id)) is None else item.attributes
            )
            changes = {"title": title, "photo": photo_url}
            found = found.model_copy(update={k: v for k, v in changes.items() if v})
        else:
            look = shop.shop_the_look(picture, where=where, per_region=max(20, products))
            found = Shoppable.of(look, picks=picks, products=products, photo=photo_url, title=title)
    for item_id in gone:
        output.note(f"{item_id}: not in the catalogue any more, left out")
    root = picture.parent if picture.suffix.lower() == ".json" else Path()
    for path in save:
        try:
            output.note(f"saved {found.save(path, root=root)}")
        except OSError as error:
            raise QueryError(f"--save {path}: {error}", code="cannot_save") from error
    return 3 if gone else 0


def _picks(texts: Sequence[str]) -> dict[int, list[str]]:
    picks: dict[int, list[str]] = {}
    for text in texts:
        number, found, item_id = text.partition("=")
        if not (number.isascii() and number.isdigit() and found):
            raise QueryError(
                f"--pick {text!r}: expected NUMBER=ITEM, the number of an object and a product of "
                f"its list",
                code="bad_option",
            )
        picks.setdefault(int(number), []).extend([item_id] if item_id else [])
    return picks
