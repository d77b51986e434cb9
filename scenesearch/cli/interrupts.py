"""Ctrl-C at any moment: exit code 130 and one line.

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
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from scenesearch.cli.at_once import end_at_once

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

AGAIN_S = 0.05
"""After an interrupt that a callback lost."""


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
