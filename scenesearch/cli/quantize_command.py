"""``scenesearch quantize``."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from scenesearch.cli import options, output
from scenesearch.cli.app import app
from scenesearch.core.quantization import Memory, Quantization


@app.command()
def quantize(
    quantization: Annotated[Quantization, typer.Argument(help="What to search by.")],
    store: options.Store = "store",
    collection: options.Collection = "items",
    config: options.Config = None,
    on_disk: Annotated[
        bool | None,
        typer.Option("--on-disk/--in-memory", help="Vectors are read as needed, or held."),
    ] = None,
    memory: Annotated[
        Memory | None,
        typer.Option("--memory", help="Where codes, or graphs, are held."),
    ] = None,
) -> None:
    """Change what an existing collection is searched by, and where it is held."""
    from scenesearch import wiring
    from scenesearch.config.settings import load_settings

    start = time.perf_counter()
    settings = load_settings(config)
    name = wiring.stored_name(settings, store, collection)
    wiring.quantize(settings, store, name, quantization, on_disk=on_disk, memory=memory)
    output.line(f"{collection} in {store}: {quantization}, {time.perf_counter() - start:.1f} s")
