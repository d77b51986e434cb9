"""One process at a time in a directory: an advisory lock that names its holder.

The embedded engine has a lock of its own, on its log; this one is taken before the engine is
touched, so that the message can say which process holds the directory. The system drops it
when the process ends, however it ends.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from scenesearch.core.errors import NoSpaceError, StoreUnavailableError
from scenesearch.system.disk import is_full


class DirectoryLock:
    """Holds ``file`` locked from construction until :meth:`release`.

    Args:
        file: created where it is missing; holds the pid of the owner. Never deleted, because
            deleting a locked file lets a second owner in.
        what: names the locked thing in messages.

    Raises:
        StoreUnavailableError: another store holds it, or the file cannot be written.
        NoSpaceError: the disk is full, and the file is not there yet.
    """

    def __init__(self, file: Path, what: str) -> None:
        self._handle: int | None = None
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(file, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
        except OSError as error:
            if is_full(error):
                raise NoSpaceError(
                    f"cannot open {what}: the disk is full ({error}); free some space"
                ) from error
            raise StoreUnavailableError(
                f"cannot open {what}: {error}; the directory must be writable for this user"
            ) from error
        try:
            locked = _try_lock(handle)
        except OSError as error:
            os.close(handle)
            raise StoreUnavailableError(
                f"cannot lock {what}: {error}; its file system must have locks of files"
            ) from error
        if not locked:
            pid = os.read(handle, 32).decode("ascii", "replace").strip()
            os.close(handle)
            holder = "this process" if pid == str(os.getpid()) else f"process {pid or 'unknown'}"
            raise StoreUnavailableError(
                f"{what} is open in {holder}; only one store at a time can use it. Close the "
                "other one, or run a Qdrant server for several processes"
            )
        # who it is serves messages alone: on a full disk the lock holds without
        with suppress(OSError):
            os.ftruncate(handle, 0)
            os.write(handle, f"{os.getpid()}\n".encode("ascii"))
        self._handle = handle
        self._pid = os.getpid()

    def release(self) -> None:
        """Let the next owner in; does nothing the second time."""
        handle, self._handle = self._handle, None
        if handle is None:
            return
        if os.getpid() == self._pid:
            # Explicit, because a forked child still holds a copy of the handle; the child
            # itself must not unlock what belongs to its parent.
            _unlock(handle)
        os.close(handle)

    def __del__(self) -> None:
        self.release()


if sys.platform == "win32":  # pragma: no cover

    def _try_lock(handle: int) -> bool:
        # The engine's own lock still refuses a second owner there.
        return handle >= 0

    def _unlock(handle: int) -> None:
        assert handle >= 0

else:
    import fcntl

    def _try_lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_UN)
