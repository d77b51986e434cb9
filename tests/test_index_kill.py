"""Killed at any moment and run again, an index becomes what an undisturbed run makes of it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import index_child as child
import pytest
import shop

from scenesearch.core.points import PROJECTION_BLOB
from scenesearch.store.embedded.edge import EdgeStore

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL"),
]

HERE = Path(__file__).parent

PHOTOS = 150
KILLS = 6


class Server:
    """One process that forks a run for each request."""

    def __init__(self):
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "index_child.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._line() == "ready"

    def _line(self):
        line = self._process.stdout.readline()
        assert line, "the server died"
        return line.strip()

    def _write(self, text):
        self._process.stdin.write(text)
        self._process.stdin.flush()

    def run(self, *, kill_at=None, after_s=0.0, **request):
        """Events and report of a run; with ``kill_at`` it is killed soon after its nth event."""
        self._write(json.dumps({**request, "wait": kill_at or 0}) + "\n")
        pid, events, report, status = None, [], None, None
        while status is None:
            word, _, rest = self._line().partition(" ")
            if word == "pid":
                pid = int(rest)
            elif word == "event":
                events.append(rest)
            elif word == "report":
                report = tuple(map(int, rest.split()))
            elif word == "ended":
                status = int(rest)
            if pid is not None and kill_at is not None and len(events) >= kill_at:
                self._write("g")
                time.sleep(after_s)
                os.kill(pid, signal.SIGKILL)
                kill_at = None
        return SimpleNamespace(events=events, report=report, status=status)

    def close(self):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(timeout=30)


@pytest.fixture(scope="module")
def server():
    server = Server()
    yield server
    server.close()


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    shop.pattern_items(folder, PHOTOS)
    return folder


def stored(path):
    store = EdgeStore(path, "items")
    blob = store.read_blob(PROJECTION_BLOB)
    found = shop.contents(store)
    store.close()
    return found, blob


def counted(path):
    return sum(map(int, path.read_text().split())) if path.exists() else 0


# with as many dimensions as the model has, a projection cannot be told by the size of the vectors
@pytest.fixture(scope="module", params=[0, child.DIM], ids=["raw", "whitened"])
def undisturbed(request, server, photos, tmp_path_factory):
    """What to ask for, and what one run without a kill makes of it."""
    folder = tmp_path_factory.mktemp("calm")
    asked = {"photos": str(photos), "whiten": request.param}

    done = server.run(store=str(folder / "store"), counter=str(folder / "count"), **asked)

    assert done.report == (PHOTOS, PHOTOS, 0, 0)
    assert counted(folder / "count") == PHOTOS
    return asked, stored(folder / "store")


def test_an_index_killed_again_and_again_is_the_same_as_one_that_was_not(
    server, undisturbed, disk_path
):
    asked, wanted = undisturbed
    asked = {**asked, "store": str(disk_path / "store"), "counter": str(disk_path / "count")}
    moments = random.Random(17 + asked["whiten"])

    reached, killed = [], 0
    for _ in range(KILLS):
        # an undisturbed run has 17 events; what is left of them shrinks from kill to kill
        done = server.run(kill_at=moments.randint(1, 4), after_s=moments.uniform(0, 0.02), **asked)
        reached.append(done.events[-1:])
        killed += done.status == -signal.SIGKILL
    last = server.run(**asked)

    # on a busy machine a run may be over before its kill; the next test kills at each moment
    assert killed >= 1, reached
    assert last.status == 0
    assert stored(disk_path / "store") == wanted
    again = counted(disk_path / "count") - PHOTOS
    assert 0 <= again <= killed * child.BATCH


def test_an_index_killed_at_each_of_its_weak_moments_in_turn_is_the_same_too(
    server, undisturbed, disk_path
):
    asked, wanted = undisturbed
    asked = {**asked, "store": str(disk_path / "store"), "counter": str(disk_path / "count")}

    for moment in ("embed", "cache", "create", "upsert", "optimize"):
        done = server.run(die=moment, **asked)
        assert (done.status, done.events[-1]) == (-signal.SIGKILL, moment)
    last = server.run(**asked)

    assert (last.status, last.report) == (0, (0, 0, 0, 0))
    assert stored(disk_path / "store") == wanted
    # only what was embedded and not yet kept was embedded again
    assert counted(disk_path / "count") == PHOTOS + child.BATCH
