"""What the service and its engine process say to each other over their pipe.

Plain values between two processes of ours; see :mod:`scenesearch.system.child` for why
that pipe may carry Python objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from scenesearch.engine.tasks import Answer, Task
from scenesearch.system.failure import Failure


@dataclass(frozen=True, slots=True)
class Run:
    """Do a task.

    Attributes:
        number: names it in further messages.
        task: what to do.
        seconds: from now, after which nobody wants the answer; None for any time.
    """

    number: int
    task: Task
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Cancel:
    """Nobody wants the answer any more; the task is answered all the same, in some way."""

    number: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Finish what was asked, give everything back, and end."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The engine has loaded what it needs."""


@dataclass(frozen=True, slots=True)
class NotStarted:
    """The engine cannot be made; the process ends."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Done:
    """A task's answer."""

    number: int
    answer: Answer


@dataclass(frozen=True, slots=True)
class Failed:
    """A task that has no answer."""

    number: int
    failure: Failure


ToEngine: TypeAlias = Run | Cancel | Stop
FromEngine: TypeAlias = Ready | NotStarted | Done | Failed
