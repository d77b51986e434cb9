"""The command line. Importing it loads no model library."""

from __future__ import annotations


def main() -> int:
    """Run the command line; returns the exit code."""
    from scenesearch.cli.app import run

    return run()
