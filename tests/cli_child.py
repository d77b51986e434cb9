"""The command line on fakes, as a process of its own: ``python cli_child.py index ...``.

SCENESEARCH_TEST_DELAY_S is how long each batch of the fake model takes.
"""

from __future__ import annotations

import os
import signal
import sys

import scenesearch.wiring
from scenesearch.cli.main import main

if __name__ == "__main__":
    # a shell starts background jobs with interrupts ignored, and children inherit that
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from shop import FakeParts as parts

    parts.delay_s = float(os.environ.pop("SCENESEARCH_TEST_DELAY_S", "0"))
    scenesearch.wiring.Parts = parts
    sys.exit(main())
