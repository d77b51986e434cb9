"""Giving a task up between its stages, when nobody waits for the answer any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from scenesearch.core.errors import SceneSearchError
from scenesearch.system.timing import StageTimes

GivenUp = Callable[[], bool]
"""Says whether whoever asked has left, or cannot be answered in time any more."""


class GivenUpError(SceneSearchError):
    """A task that was stopped because nobody waits for its answer."""

    code = "given_up"


def never() -> bool:
    """Somebody waits, always."""
    return False


class CheckedTimes(StageTimes):
    """Stage times that ask before every stage whether anybody still waits.

    Args:
        given_up: asked before every stage.
    """

    def __init__(self, given_up: GivenUp = never) -> None:
        super().__init__()
        self.given_up = given_up

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the body of a ``with`` statement.

        Raises:
            GivenUpError: nobody waits.
        """
        self.check(name)
        with super().stage(name):
            yield

    def check(self, stage: str) -> None:
        """Stop here where nobody waits.

        Raises:
            GivenUpError: nobody waits.
        """
        if self.given_up():
            raise GivenUpError(
                f"The task was given up before the stage {stage!r}, because nobody waits for it; "
                f"ask again with a longer deadline"
            )
