"""Commands, options and exit codes.

Exit codes: 0 done; 1 a fault of scenesearch; 2 bad arguments, configuration, catalogue or query;
3 finished, some inputs failed; 4 models missing or unusable; 5 the store cannot be used; 6 no
space left; 7 verify found damage; 130 interrupted.
"""

from __future__ import annotations

import os
from typing import Annotated

import typer

from scenesearch.cli import output
from scenesearch.core.errors import ModelError, NoSpaceError, SceneSearchError, StoreError

DAMAGED = 7
"""Exit code of ``verify`` where something is damaged and not repaired."""

app = typer.Typer(
    name="scenesearch",
    help="Find every object of a photo in your catalogue.",
    epilog="Exit codes: 0 done; 2 bad input; 3 finished with failures; 4 models; 5 store; "
    "6 no space; 7 damage found by verify; 130 interrupted.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        from scenesearch import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[  # noqa: ARG001 - handled by its callback
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show and exit.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="More about what goes on.")] = (
        False
    ),
    allow_unknown_env: Annotated[
        bool,
        typer.Option(
            "--allow-unknown-env", help="Variables SCENESEARCH_* that are no setting may be set."
        ),
    ] = False,
) -> None:
    if allow_unknown_env:
        os.environ["SCENESEARCH_ALLOW_UNKNOWN_ENV"] = "true"
    output.set_up_logging(verbose=verbose)


def exit_code(error: SceneSearchError) -> int:
    """The documented exit code of an error."""
    if isinstance(error, NoSpaceError):
        return 6
    if isinstance(error, StoreError):
        return 5
    return 4 if isinstance(error, ModelError) else 2
