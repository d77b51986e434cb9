"""The state of a service: one file, opened by one process."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from scenesearch.service.state.database import Database
from scenesearch.service.state.feedback import FeedbackLog
from scenesearch.service.state.jobs import JobLimits, Jobs
from scenesearch.service.state.usage import Usage
from scenesearch.system.disk import MIN_FREE_BYTES


class State:
    """Jobs and feedback.

    Args:
        folder: where ``service.sqlite`` is; made where it is missing.
        min_free_bytes: writes are refused when less disk than this would be left.
        limits: how many jobs are kept.
        clock: seconds since the epoch.

    Raises:
        StoreUnavailableError: another service has it open, or the folder cannot be written.
        StoreError: the file is damaged, of another program, or of another version.
        NoSpaceError: the disk is full.

    Attributes:
        jobs: what is to be done, and what was.
        feedback: what people did with answers.
        usage: what keys cost today.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        min_free_bytes: int = MIN_FREE_BYTES,
        limits: JobLimits | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.folder = Path(folder)
        self._database = Database(self.folder, min_free_bytes=min_free_bytes)
        self.jobs = Jobs(self._database, limits, clock)
        self.feedback = FeedbackLog(self._database, clock=clock)
        self.usage = Usage(self._database, clock)
        self._listener: Callable[[], None] | None = None
        self.damaged: str | None = None
        """What of the store needs repair, as the last batch of a job found it."""

    def listen(self, listener: Callable[[], None] | None) -> None:
        """Have a function called when a job was added or cancelled; None for no longer."""
        self._listener = listener

    def announce(self) -> None:
        """Tell the listener, in whatever thread this is called."""
        if self._listener is not None:
            self._listener()

    def close(self) -> None:
        """Give the file back."""
        self._database.close()
