"""Asking the process that has an embedded collection open to do something about it.

An embedded collection is one process's. Where a service has it, a command leaves what it wants in a
file beside the collection, and reads there what becomes of it; the service looks several times a
second. Who may write into the folder of a store may do everything with it anyway.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from scenesearch.core.errors import SceneSearchError, StoreError, StoreUnavailableError
from scenesearch.index.run import Progress
from scenesearch.system.whole_file import write_whole

log = logging.getLogger(__name__)

TAKEN_S = 15.0
"""A service that says nothing for so long is none."""
POLL_S = 0.1
TOLD_S = 0.3
"""Between two reports of progress."""

Do = Callable[[str, Mapping[str, Any], Progress], Any]
"""Does what is asked by name; gives JSON values."""


class Handover:
    """The two files.

    Args:
        folder: of the store.
        collection: which one.
    """

    def __init__(self, folder: Path, collection: str) -> None:
        self._asked = folder / f"{collection}.generations.ask"
        self._said = folder / f"{collection}.generations.said"

    def ask(self, what: str, values: Mapping[str, Any], progress: Progress | None) -> Any:
        """Have something done, and wait for it.

        Args:
            what: its name.
            values: JSON values.
            progress: called with (stage, done, total).

        Raises:
            StoreUnavailableError: nobody takes it, or who took it is gone.
            StoreError: it failed.
        """
        number = secrets.token_hex(8)
        _write(self._asked, {"id": number, "do": what, "values": dict(values)})
        since, told = time.monotonic(), None
        try:
            while True:
                said = _read(self._said)
                if said.get("id") != number:
                    if time.monotonic() - since > TAKEN_S:
                        raise StoreUnavailableError(
                            "the collection is open in another process, which is no service of "
                            "this version: wait for it to end, or close it, and try again"
                        )
                elif said["state"] == "done":
                    return said["value"]
                elif said["state"] == "failed":
                    raise StoreError(said["error"], code=said["code"])
                else:
                    now = (said["stage"], said["done"], said["total"])
                    if progress is not None and now != told and said["stage"]:
                        progress(*now)
                    told = now
                    if not _alive(said["pid"]):
                        raise StoreUnavailableError(
                            "the service that had the collection open ended before this was done; "
                            "do it again, which goes on where it was"
                        )
                time.sleep(POLL_S)
        finally:
            if _read(self._asked).get("id") == number:
                self._asked.unlink(missing_ok=True)

    def waiting(self) -> Mapping[str, Any] | None:
        """What is asked and was not done yet."""
        asked = _read(self._asked)
        if not asked:
            return None
        said = _read(self._said)
        over = said.get("id") == asked.get("id") and said.get("state") in ("done", "failed")
        return None if over else asked

    def do(self, asked: Mapping[str, Any], do: Do) -> None:
        """Do what is asked, and say what became of it."""
        base = {"id": asked["id"], "pid": os.getpid()}
        told = [0.0]

        def progress(stage: str, done: int, total: int) -> None:
            if time.monotonic() - told[0] > TOLD_S or done == total:
                told[0] = time.monotonic()
                working = {"state": "working", "stage": stage, "done": done, "total": total}
                _write(self._said, {**base, **working})

        progress("", 0, 0)
        try:
            value = do(str(asked["do"]), dict(asked["values"]), progress)
        except SceneSearchError as error:
            _write(self._said, {**base, "state": "failed", "error": str(error), "code": error.code})
        except Exception as error:
            log.exception("what was asked about the generations failed")
            _write(
                self._said,
                {**base, "state": "failed", "error": f"it failed: {error!r}", "code": "internal"},
            )
        else:
            _write(self._said, {**base, "state": "done", "value": value})


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(file: Path, value: Mapping[str, Any]) -> None:
    try:
        write_whole(file, json.dumps(value).encode())
    except OSError as error:
        raise StoreError(f"cannot write {file}: {error}") from error


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
