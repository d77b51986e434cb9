"""What the routes ask: an engine, wherever it runs."""

from __future__ import annotations

from typing import Protocol

from scenesearch.core.errors import SceneSearchError
from scenesearch.engine.tasks import Answer, Task


class BusyError(SceneSearchError):
    """The queue is full, or the wait would outlast the deadline.

    Attributes:
        retry_after_s: when it is worth trying again.
    """

    code = "busy"

    def __init__(self, message: str, *, retry_after_s: int, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after_s = retry_after_s


class DeadlineError(BusyError):
    """The deadline passed before there was an answer."""

    code = "deadline_exceeded"


class Backend(Protocol):
    """An engine as the routes see it."""

    async def run(
        self, task: Task, *, deadline_s: float | None = None, client: str | None = None
    ) -> Answer:
        """Do a task; cancelling the call gives the work up.

        Args:
            task: what to do.
            deadline_s: seconds from now; None for the service's own.
            client: who asks, so that nobody takes everything; None for nobody in particular. An
                engine whose ``run`` has no such parameter is not told.

        Raises:
            BusyError: too much is waiting.
            DeadlineError: it took too long.
            SceneSearchError: as the engine raised it, same class and code.
        """

    async def close(self) -> None:
        """Finish what was accepted, then give everything back."""
