"""``scenesearch collections list|info|alias|drop|compact``."""

from __future__ import annotations

from typing import Annotated

import typer

from scenesearch.cli import options, output
from scenesearch.cli.app import app

collections = typer.Typer(help="The collections of a store as a whole.", no_args_is_help=True)
app.add_typer(collections, name="collections")

Name = Annotated[str, typer.Argument(help="Name of the collection.")]


@collections.command("list")
def list_(
    store: options.Store = "store", config: options.Config = None, as_json: options.Json = False
) -> None:
    """Names of the collections of a store."""
    from scenesearch import wiring
    from scenesearch.config.settings import load_settings

    found = wiring.list_collections(load_settings(config), store)
    if as_json:
        output.data(found)
        return
    for name in found:
        output.line(name)
    if not found:
        output.note(f"{store} has no collections yet")


@collections.command()
def info(
    name: Name = "items",
    store: options.Store = "store",
    config: options.Config = None,
    as_json: options.Json = False,
) -> None:
    """What a collection is made of and holds."""
    from scenesearch import wiring
    from scenesearch.config.settings import load_settings

    found = wiring.describe_collection(load_settings(config), store, name)
    if as_json:
        output.data(found)
        return
    for key, value in found.items():
        if isinstance(value, dict):
            output.line(f"{key}:")
            for one, what in value.items():
                output.line(f"  {one}: {what}")
        else:
            output.line(f"{key}: {value}")


@collections.command()
def alias(
    alias: Annotated[str, typer.Argument(help="The other name.")],
    name: Annotated[str, typer.Argument(help="Of the collection that it is to mean.")],
    store: options.Store = "store",
    config: options.Config = None,
) -> None:
    """Let another name mean a collection of a server; one that meant another is moved at once."""
    from scenesearch import wiring
    from scenesearch.config.settings import load_settings

    wiring.name_collection(load_settings(config), store, alias, name)
    output.line(f"{alias} is {name} now")


@collections.command()
def drop(
    name: Name,
    store: options.Store = "store",
    config: options.Config = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove a collection for good. Photos and the embedding cache stay."""
    from scenesearch import wiring
    from scenesearch.config.settings import load_settings

    settings = load_settings(config)
    if not yes:
        points = wiring.describe_collection(settings, store, name)["points"]
        typer.confirm(f"Remove {name!r} of {store} with {points:,} points?", abort=True, err=True)
    wiring.drop_collection(settings, store, name)
    output.line(f"dropped {name}")


@collections.command()
def compact(
    name: Name = "items", store: options.Store = "store", config: options.Config = None
) -> None:
    """Merge what many small writes left, which makes an embedded collection smaller and quicker."""
    from scenesearch import wiring
    from scenesearch.config.settings import load_settings

    wiring.compact_collection(load_settings(config), store, name)
    output.line(f"compacted {name}")
