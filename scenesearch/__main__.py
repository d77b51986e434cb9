"""``scenesearch``, and ``python -m scenesearch``."""

import sys

from scenesearch.cli.at_once import INTERRUPTED, end_at_once_from_here, end_here


def run() -> int:
    """Run a command; also while it is imported, Ctrl-C is one line."""
    end_at_once_from_here()
    from scenesearch.cli.main import main

    code = main()
    if code == INTERRUPTED:
        end_here()
    return code


if __name__ == "__main__":
    sys.exit(run())
