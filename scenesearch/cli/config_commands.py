"""``scenesearch config show``."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from scenesearch.cli import options, output
from scenesearch.cli.app import app

config_ = typer.Typer(help="The settings as they are.", no_args_is_help=True)
app.add_typer(config_, name="config")


@config_.callback()
def _group() -> None:
    """The settings as they are."""


@config_.command()
def show(
    config: options.Config = None,
    changed: Annotated[
        bool, typer.Option("--changed", help="Only what is not as the code has it.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Every setting with its value and where that is from; keys are hidden."""
    from scenesearch.config.sources import settings_with_sources

    found = [one for one in settings_with_sources(config) if not changed or one.source != "default"]
    if as_json:
        output.data({one.name: {"value": one.value, "source": one.source} for one in found})
        return
    for one in found:
        value = json.dumps(one.value, ensure_ascii=False)
        output.line(f"{one.name}: {value}  ({one.source})")
