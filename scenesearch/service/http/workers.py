"""Several services behind one port: processes that accept from the same sockets.

Each is a whole service with an engine of its own; the store is a server's and the state a database,
so whichever is asked answers the same. The parent answers nothing: it starts again who dies, and
passes signals on.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from types import FrameType

from scenesearch.config.settings import Settings
from scenesearch.core.errors import ConfigError

log = logging.getLogger("scenesearch.service")
EARLY_S = 5.0
"""Who dies sooner after its start than this is not started at once again."""
PAUSE_S = 2.0


def check_workers(settings: Settings, workers: int, *, server: bool) -> None:
    """Refuse several services over what only one can have open.

    Args:
        settings: name the state.
        workers: how many.
        server: whether the store is a server's.

    Raises:
        ConfigError: names what is missing.
    """
    if workers == 1:
        return
    if not hasattr(os, "fork"):
        raise ConfigError("--workers needs a system with fork; start services of their own")
    if not server:
        raise ConfigError(
            f"--workers {workers} over an embedded store, which one process has open; expected a "
            "Qdrant server: --store http://..."
        )
    if settings.service.state is None:
        raise ConfigError(
            f"--workers {workers} without a state that they share; expected service.state "
            "(SCENESEARCH_SERVICE__STATE=postgresql://user:password@host/database)"
        )


class Workers:
    """The parent of services.

    Args:
        count: how many there are to be.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._started: dict[int, float] = {}
        self._stopping = False

    def run(self) -> bool:
        """Become a worker (True, once in each), or watch over them until all have ended (False).

        To be called before there are threads.

        Raises:
            ConfigError: none of them started.
        """
        for _ in range(self._count):
            if self._start():
                return True
        kept = {one: signal.signal(one, self._pass_on) for one in _PASSED}
        try:
            return self._watch()
        finally:
            for one, handler in kept.items():
                signal.signal(one, handler)

    def _start(self) -> bool:
        pid = os.fork()
        if pid == 0:
            self._started.clear()
            for one in _PASSED:
                signal.signal(one, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            return True
        self._started[pid] = time.monotonic()
        return False

    def _watch(self) -> bool:
        failed = 0
        while self._started:
            try:
                pid, status = os.waitpid(-1, 0)
            except ChildProcessError:
                break
            since = self._started.pop(pid, None)
            if since is None or self._stopping:
                continue
            code = os.waitstatus_to_exitcode(status)
            early = time.monotonic() - since < EARLY_S
            failed = failed + 1 if early else 0
            if failed >= self._count:
                # none comes up: what is wrong was said by each of them
                self._stopping = True
                self._pass_on(signal.SIGTERM, None)
                continue
            log.warning("a worker ended with %d; another one is started", code)
            if early:
                time.sleep(PAUSE_S)
            if not self._stopping and self._start():
                return True
        if failed >= self._count:
            raise ConfigError("no worker starts; what they said before says why")
        return False

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        if number != _AGAIN:
            self._stopping = True
        for pid in list(self._started):
            os.kill(pid, number)


_AGAIN = getattr(signal, "SIGHUP", None)
_PASSED = tuple(one for one in (signal.SIGTERM, signal.SIGINT, _AGAIN) if one is not None)
