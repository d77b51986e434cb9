"""The state of a service: one file, opened by one process, or a database that several share."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from scenesearch.service.state.database import Database
from scenesearch.service.state.feedback import FeedbackLog
from scenesearch.service.state.jobs import JobLimits, Jobs
from scenesearch.service.state.postgres import Postgres
from scenesearch.service.state.shared_queries import SharedQueries
from scenesearch.service.state.shared_rates import SharedRates
from scenesearch.service.state.tables import Tables
from scenesearch.service.state.usage import Usage
from scenesearch.system.disk import MIN_FREE_BYTES


class State:
    """Jobs and feedback, and what keys cost.

    Args:
        folder: where ``service.sqlite`` is; made where it is missing.
        address: of a PostgreSQL database to keep them in instead.
        min_free_bytes: writes are refused when less disk than this would be left.
        limits: how many jobs are kept.
        clock: seconds since the epoch.
        query_ttl_s: how long a look is kept in a shared state after its last use.
        query_megabytes: of all looks there; 0 keeps none.

    Raises:
        StoreUnavailableError: another service has the file open, its folder cannot be written, or
            the database does not answer.
        StoreError: the file is damaged, of another program, or of another version.
        NoSpaceError: the disk is full.

    Attributes:
        jobs: what is to be done, and what was.
        feedback: what people did with answers.
        usage: what keys cost today.
        queries: looks that any service can go on with; None where nobody shares the state.
        rates: how often keys ask, of all services; likewise.
        poll_s: after which others may have added jobs; None where there are no others.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        address: str | None = None,
        min_free_bytes: int = MIN_FREE_BYTES,
        limits: JobLimits | None = None,
        clock: Callable[[], float] = time.time,
        query_ttl_s: float = 900.0,
        query_megabytes: int = 256,
    ) -> None:
        self.folder = Path(folder)
        self._database: Tables
        self.queries: SharedQueries | None = None
        self.rates: SharedRates | None = None
        if address is None:
            self._database = Database(self.folder, min_free_bytes=min_free_bytes)
        else:
            # manifests are kept there while they are read
            self.folder.mkdir(parents=True, exist_ok=True)
            self._database = shared = Postgres(address)
            self.rates = SharedRates(shared)
            if query_megabytes and query_ttl_s:
                self.queries = SharedQueries(
                    shared, ttl_s=query_ttl_s, max_megabytes=query_megabytes
                )
        self.poll_s = self._database.poll_s
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
        """Give the file or the connections back."""
        self._database.close()
