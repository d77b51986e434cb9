"""When the next round of a repeated sync is due: on time, or when its manifest changed.

The manifest is looked at from outside every few seconds (size, time of change, for a folder those
of every photo): polling works on every file system, network drives and mounts of containers
included, where notifications are lost. A file is only read when it looked the same twice, so one
that is still being written waits.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

from scenesearch.core.errors import ConfigError

SLICE_S = 0.2
"""How soon a wait sees that it is to stop."""
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h)")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(text: str) -> float:
    """``30s``, ``15m``, ``1.5h`` as seconds.

    >>> parse_duration("15m")
    900.0

    Raises:
        ConfigError: it is none of these, or is 0.
    """
    found = _DURATION.fullmatch(text.strip().lower())
    seconds = float(found[1]) * _SECONDS[found[2]] if found else 0.0
    if not seconds:
        raise ConfigError(
            f"{text!r} is not a length of time: expected a number above 0 with s, m or h, such "
            f"as 30s, 15m or 1h"
        )
    return seconds


def stamp(path: Path) -> str | None:
    """What changes when a manifest, or a file in a folder, does; None where there is nothing.

    Hidden files do not count.
    """
    try:
        if not path.is_dir():
            found = path.stat()
            return f"{found.st_size}:{found.st_mtime_ns}:{found.st_ino}"
    except OSError:
        return None
    digest = hashlib.sha256()
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.startswith("."):
                continue
            try:
                found = (Path(folder) / name).stat()
            except OSError:
                continue  # it went away meanwhile
            line = f"{folder}\0{name}\0{found.st_size}\0{found.st_mtime_ns}\n"
            digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


class Rounds:
    """Waits for one round after the other.

    Args:
        path: the manifest or folder.
        every_s: seconds from the start of a round to that of the next; None for no such rhythm.
        watch: a change of the manifest starts a round.
        poll_s: how often to look, in seconds; a manifest has to look the same twice.
        retry_s: seconds after which a round that failed for a passing reason is repeated.
        stopped: asked several times a second; once it is true, no further round comes.
    """

    def __init__(
        self,
        path: Path,
        *,
        every_s: float | None,
        watch: bool,
        poll_s: float = 2.0,
        retry_s: float = 60.0,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._path = path
        self._every_s = every_s
        self._watch = watch
        self._poll_s = poll_s
        self._retry_s = retry_s
        self._stopped = stopped
        self._done: str | None = None
        self._due = time.monotonic()

    def wait(self, *, retry: bool = False) -> bool:
        """Wait until a round is due and its manifest is not being written.

        Args:
            retry: the last round failed for a reason that may pass.

        Returns:
            False when it is to stop instead.
        """
        due = self._due
        if retry:
            due = min(due, time.monotonic() + self._retry_s)
        # without watching there is nothing to look at before the time
        if not self._watch and not self._pause(due - time.monotonic()):
            return False
        before = stamp(self._path)
        while self._pause(self._poll_s):
            now = stamp(self._path)
            on_time = time.monotonic() >= due
            changed = self._watch and now is not None and now != self._done
            if now == before and (on_time or changed):
                self._done = now
                every_s = float("inf") if self._every_s is None else self._every_s
                self._due = time.monotonic() + every_s
                return True
            before = now
        return False

    def _pause(self, seconds: float) -> bool:
        """Sleep; False when it is to stop."""
        end = time.monotonic() + seconds
        while not self._stopped():
            left = end - time.monotonic()
            if left <= 0:
                return True
            # Python goes on sleeping after a signal, so only briefly at a time
            time.sleep(min(SLICE_S, left))
        return False
