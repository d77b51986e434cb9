"""Who goes first where several processes of ours want the same core.

The embedded store answers one request at a time, so whatever it waits for, everybody waits for.
Without priorities it is one of three that share the cores, and stands in line a sixth of the time;
with them, two cores answer a tenth to a third more.
"""

from __future__ import annotations

import os
import sys

RANKING = 8
"""Steps behind the store: threads of the engine."""
HTTP = 12
"""Steps behind the store: whose work is the shortest, and which feeds all others."""


def step_back(steps: int) -> None:
    """Let others go before the calling thread; it keeps what a core has left.

    It cannot be taken back, and what the thread starts from now on inherits it. Does nothing but
    on Linux, where threads have priorities of their own: elsewhere the process would step back,
    the store that it starts included.

    Args:
        steps: of ``nice``, from where the thread is; a step is a fifth less of a contested core.
    """
    if sys.platform == "linux":
        os.nice(steps)
