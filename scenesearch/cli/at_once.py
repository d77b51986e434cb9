"""The end of an interrupted command. Imports next to nothing, so that it is there at once."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from types import FrameType

INTERRUPTED = 130
"""Exit code after Ctrl-C; typer itself returns it too."""
LINE = "scenesearch: interrupted; what was finished is kept, run again to go on"


def end_at_once(_number: int, _frame: FrameType | None) -> None:
    """For while nothing is done yet, or nothing is left to do."""
    os.write(2, f"{LINE}\n".encode())
    os._exit(INTERRUPTED)


def end_here() -> None:
    """End an interrupted process, of which all that was open is closed.

    Python would end itself by the signal, where the interrupt fell into a text that it ran (the
    making of a dataclass), whoever caught it since.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue
    os._exit(INTERRUPTED)


def end_at_once_from_here() -> None:
    """Ctrl-C ends the process from here on, but where it is ignored."""
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        # for the process of the standard library that removes the semaphores of who ended at once,
        # and would tell about it
        sys.warnoptions.append("ignore:resource_tracker:UserWarning")
        signal.signal(signal.SIGINT, end_at_once)
        # first, so that it is done last: then the interpreter takes itself apart, gives the signal
        # back its default, and would die of it without a word although all is done
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)
