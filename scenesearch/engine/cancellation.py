"""Giving a task up between its stages, when nobody waits for the answer any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from scenesearch.core.errors import SceneSearchError
from scenesearch.system.timing import StageTimes

Cancelled = Callable[[], bool]
"""Says whether whoever asked has left, or cannot be answered in time any more."""


PATIENCE_S = 5.0
"""Of who waits for a request, well within any deadline: what takes longer is gone on with when it
is asked for again."""


class TaskCancelledError(SceneSearchError):
    """A task that was stopped because nobody waits for its answer."""

    code = "cancelled"


def never() -> bool:
    """Somebody waits, always."""
    return False


class CheckedTimes(StageTimes):
    """Stage times that ask before every stage whether anybody still waits.

    Args:
        cancelled: asked before every stage.
    """

    patience_s = PATIENCE_S

    def __init__(self, cancelled: Cancelled = never) -> None:
        super().__init__()
        self.cancelled = cancelled

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the body of a ``with`` statement.

        Raises:
            TaskCancelledError: nobody waits.
        """
        self.check(name)
        with super().stage(name):
            yield

    def check(self, stage: str) -> None:
        """Stop here where nobody waits.

        Raises:
            TaskCancelledError: nobody waits.
        """
        if self.cancelled():
            raise TaskCancelledError(
                f"The task was given up before the stage {stage!r}, because nobody waits for it; "
                f"ask again with a longer deadline"
            )
