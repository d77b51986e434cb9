"""Runs a command: every command is registered here, and every error becomes an exit code."""

from __future__ import annotations

import os
import sys

import typer

from scenesearch.cli import (  # noqa: F401 - importing them registers the commands
    backup_command,
    basket_command,
    bench_commands,
    catalog_command,
    collections_commands,
    complete_command,
    config_commands,
    demo_command,
    doctor_command,
    dupes_command,
    eval_command,
    generation_commands,
    index_command,
    items_commands,
    match_command,
    mcp_command,
    models_commands,
    output,
    quantize_command,
    reproject_command,
    scenes_command,
    search_commands,
    serve_command,
    shoppable_command,
    sync_command,
    tag_command,
    tenants_command,
    train_command,
    verify_command,
)
from scenesearch.cli.app import app, exit_code
from scenesearch.cli.at_once import INTERRUPTED, LINE
from scenesearch.cli.interrupts import Interrupts
from scenesearch.core.errors import SceneSearchError


def main() -> int:
    """Run a command; one line for each error we know, a traceback only for faults of ours."""
    # read when numpy is loaded: threads that wait for the next product of matrices by spinning cost
    # a look 14 % of its CPU time, and these matrices are too small to be shared out
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # likewise: its threads cost an eighth more CPU time on pictures that take a millisecond
    os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")
    interrupts = Interrupts()
    try:
        with interrupts.raised():
            result = app(standalone_mode=False)
    except SceneSearchError as error:
        if interrupts.asked:
            return _interrupted()  # which something on the way made another error of
        output.note(f"scenesearch: {error}")
        return exit_code(error)
    except typer.Exit as stop:
        return int(stop.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted()
    except SystemExit as stop:
        # what typer makes of a pipe whose reader went away (head)
        if not isinstance(stop.__context__, BrokenPipeError):
            raise
        return _no_reader()
    except BrokenPipeError:
        return _no_reader()
    except Exception as error:  # click's own usage errors show themselves
        show = getattr(error, "show", None)
        if interrupts.asked:
            return _interrupted()
        if show is None:
            raise
        show()
        return int(getattr(error, "exit_code", 2))
    if interrupts.asked or result == INTERRUPTED:
        return _interrupted()
    return int(result or 0)


def _interrupted() -> int:
    output.note(LINE)
    return INTERRUPTED


def _no_reader() -> int:
    # not our fault, and nothing left to say
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)
    return 0
