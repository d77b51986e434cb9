"""What two processes of ours say to each other: requests one way, outcomes the other.

They are pickled, values of ours or of Python only; :mod:`scenesearch.system.child` says why that is
safe. Errors are values here too.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from scenesearch.core.errors import SceneSearchError

OPENED = 0
"""The number under which a process says that it is up, or why it is not."""
CLOSE = "close"
"""The last request; the process ends after its reply."""
_PLAIN = (
    *(TimeoutError, OSError, NotImplementedError, RuntimeError, KeyError, IndexError),
    *(LookupError, ValueError, TypeError, AttributeError, ArithmeticError, MemoryError),
)
"""Errors of Python that one text makes; others arrive as what they are a kind of."""


class Asked(NamedTuple):
    """A request on its way; of several, the smallest is the oldest.

    Attributes:
        since: when the task that asks began, by :mod:`scenesearch.system.turn`.
        number: of the request; no two have the same.
        request: what is asked; None where nobody wants an answer under this number any more.
    """

    since: int
    number: int
    request: Any


class Ok(NamedTuple):
    """What a request gave."""

    value: Any


@dataclass(frozen=True, slots=True)
class Failure:
    """What another process raised.

    Attributes:
        kind: a class of our tree of errors, or one of Python's own.
        message: its text.
        state: what else it carried, such as its code.
        trace: where it came from; empty for errors that are raised on purpose.
    """

    kind: type[Exception]
    message: str
    state: Mapping[str, Any] = field(default_factory=dict)
    trace: str = ""

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """What can be sent of an error: never an object of a library that raised it."""
        if isinstance(error, SceneSearchError):
            plain = (str, int, float, bool, type(None))
            state = {k: v for k, v in error.__dict__.items() if isinstance(v, plain)}
            return cls(type(error), str(error), state)
        trace = "".join(traceback.format_exception(error))
        for kind in type(error).__mro__:
            if kind in _PLAIN:
                own = error.args[0] if len(error.args) == 1 else None
                return cls(kind, own if isinstance(own, str) else str(error), trace=trace)
        return cls(RuntimeError, f"{type(error).__name__}: {error}", trace=trace)

    def error(self) -> Exception:
        """A new error of the same class, text and code; each caller gets one of its own."""
        # not through __init__: classes of our tree may ask for more than a text
        made = self.kind.__new__(self.kind, self.message)
        made.args = (self.message,)
        made.__dict__.update(self.state)
        if self.trace:
            made.add_note(f"In another process:\n{self.trace}")
        return made


Reply = Ok | Failure
"""To one request; it is sent with the number of that."""
