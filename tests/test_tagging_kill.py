"""Killed at any moment and run again, a run gives what an undisturbed one gives."""

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

import psutil
import pytest
import tag_child as child

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL"),
]

SCRIPT = Path(__file__).with_name("tag_child.py")
PHOTOS, BATCH, KILLS = 60, 6, 3


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for n in range(PHOTOS):
        child.photo(folder / f"{n:02}.jpg", n)
    (folder / "07.jpg").write_bytes(b"broken")
    (folder / "31.jpg").write_bytes((folder / "30.jpg").read_bytes())
    return folder


class Run:
    """A run in a process of its own, and the processes it started."""

    def __init__(self, photos, out, delay_s=0.005):
        self.counter = out.with_suffix(".count")
        asked = {
            "sources": [str(photos)],
            "out": str(out),
            "batch": BATCH,
            "workers": 2,
            "delay_s": delay_s,
            "counter": str(self.counter),
        }
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT), json.dumps(asked)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.family = []

    def wait_for_batches(self, number):
        for _ in range(number):
            assert self.process.stdout.readline().startswith("batch")
        self.family = psutil.Process(self.process.pid).children(recursive=True)

    def end(self, how=None):
        """Exit status, and the summary of a run that finished."""
        if how is not None:
            self.process.send_signal(how)
        out, err = self.process.communicate(timeout=60)
        lines = out.splitlines()
        summary = json.loads(lines[-1]) if self.process.returncode == 0 else None
        return SimpleNamespace(status=self.process.returncode, summary=summary, errors=err)

    def tagged(self):
        return self.counter.read_text().splitlines() if self.counter.exists() else []

    def assert_no_process_left(self):
        _, alive = psutil.wait_procs(self.family, timeout=10)
        assert alive == []


def files(folder):
    return {path.name for path in folder.iterdir()} - {"tags.count"}


@pytest.fixture(scope="module")
def calm(photos, tmp_path_factory):
    """The rows and the files of a run that nothing disturbs."""
    folder = tmp_path_factory.mktemp("calm")
    run = Run(photos, folder / "tags.jsonl")
    done = run.end()
    assert (done.status, done.errors) == (0, "")
    assert (done.summary["done"], done.summary["failed"]) == (PHOTOS - 1, 1)
    return (folder / "tags.jsonl").read_bytes(), files(folder)


def test_a_run_killed_again_and_again_gives_the_same_and_redoes_a_batch_at_most(
    photos, calm, disk_path
):
    out = disk_path / "tags.jsonl"
    moments = random.Random(5)
    for _ in range(KILLS):
        run = Run(photos, out)
        run.wait_for_batches(moments.randint(1, 2))
        time.sleep(moments.uniform(0, 0.05))
        assert run.end(signal.SIGKILL).status == -signal.SIGKILL
        run.assert_no_process_left()
    last = Run(photos, out)
    done = last.end()

    assert done.status == 0
    assert (out.read_bytes(), files(disk_path)) == calm
    assert done.summary["skipped"] >= KILLS * BATCH
    # one photo is broken, one is another's content
    again = len(last.tagged()) - (PHOTOS - 2)
    assert 0 <= again <= KILLS * BATCH


def test_ctrl_c_ends_a_run_at_once_with_all_its_processes_and_it_can_go_on(photos, calm, tmp_path):
    out = tmp_path / "tags.jsonl"
    run = Run(photos, out, delay_s=0.05)
    run.wait_for_batches(2)
    start = time.monotonic()

    # as a terminal does it: to the whole group
    os.killpg(run.process.pid, signal.SIGINT)
    stopped = run.end()

    assert time.monotonic() - start < 5
    assert stopped.status != 0
    assert "KeyboardInterrupt" in stopped.errors
    run.assert_no_process_left()
    assert not out.exists()
    assert Run(photos, out).end().summary["skipped"] >= 2 * BATCH - 2
    assert (out.read_bytes(), files(tmp_path)) == calm
