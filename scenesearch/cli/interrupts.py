"""Ctrl-C at any moment: exit code 130 and one line. Imports next to nothing.

Python raises KeyboardInterrupt wherever its main thread is: inside an import, of which a library
makes an ImportError of its own; inside a callback or a ``__del__``, which print it and go on; while
the interpreter ends, which prints a traceback. So it is remembered that somebody asked.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

INTERRUPTED = 130
"""Exit code after Ctrl-C; typer itself returns it too."""
AGAIN_S = 0.05
"""After an interrupt that a callback lost."""
LINE = "scenesearch: interrupted; what was finished is kept, run again to go on"


class Interrupts:
    """Whether Ctrl-C was pressed since :meth:`raised` began.

    Attributes:
        asked: whether it was.
    """

    def __init__(self) -> None:
        self.asked = False

    @contextmanager
    def raised(self) -> Iterator[None]:
        """KeyboardInterrupt in here, and not lost where nothing can be raised; twice, the end."""
        before = signal.getsignal(signal.SIGINT)
        # who is started with the signal ignored, in the background, does not hear it
        if before == signal.SIG_IGN or threading.current_thread() is not threading.main_thread():
            yield
            return
        hook = sys.unraisablehook
        sys.unraisablehook = self._again
        signal.signal(signal.SIGINT, self._handle)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
            sys.unraisablehook = hook

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            end_at_once(number, frame)
        self.asked = True
        raise KeyboardInterrupt

    def _again(self, unraisable: UnraisableHookArgs) -> Any:
        if isinstance(unraisable.exc_value, KeyboardInterrupt):
            self.asked = False
            # by another thread, and later: in here it would be lost again
            later = threading.Timer(AGAIN_S, os.kill, (os.getpid(), signal.SIGINT))
            later.daemon = True
            later.start()
        else:
            sys.__unraisablehook__(unraisable)


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
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(INTERRUPTED)


def end_at_once_from_here() -> None:
    """Ctrl-C ends the process from here on, but where it is ignored."""
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, end_at_once)
