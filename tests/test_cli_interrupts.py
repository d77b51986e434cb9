"""Ctrl-C at any moment: exit code 130, one line, and nothing of Python's own."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest
import shop

from scenesearch.cli.at_once import LINE
from scenesearch.cli.interrupts import Interrupts
from scenesearch.system.child import interrupts_held_back


@pytest.fixture(autouse=True)
def listening():
    """A run in the background is started deaf to interrupts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupted_import():
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        raise ImportError("numpy is not installed") from None


def interrupted_callback():
    class Held:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    held = Held()
    del held
    time.sleep(5)


@pytest.mark.parametrize(
    ("work", "raised"),
    [(interrupted_import, ImportError), (interrupted_callback, KeyboardInterrupt)],
)
def test_an_interrupt_is_remembered_and_not_lost_whatever_is_made_of_it(work, raised):
    interrupts = Interrupts()
    with interrupts.raised(), pytest.raises(raised):
        work()

    assert interrupts.asked


def test_who_starts_processes_is_interrupted_afterwards_whichever_thread_is():
    """A mask is of one thread; a library's threads have none, and any may take the signal."""
    still = threading.Event()
    other = threading.Thread(target=still.wait)
    other.start()
    started = []

    def start():
        with interrupts_held_back():
            signal.pthread_kill(other.ident, signal.SIGINT)
            time.sleep(0.05)
            started.append("to its end")

    try:
        with pytest.raises(KeyboardInterrupt):
            start()
    finally:
        still.set()
        other.join()

    assert started == ["to its end"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


BEGUN = """
import sys
from scenesearch.__main__ import run
from scenesearch.cli.at_once import end_at_once_from_here
end_at_once_from_here()
# before that it is Python that starts, for as long as the machine takes
print("begun", flush=True)
sys.exit(run())
"""
LOCKED = """
import os, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from scenesearch.cli.at_once import end_at_once_from_here
end_at_once_from_here()
from multiprocessing import get_context
lock = get_context("spawn").Lock()
signal.raise_signal(signal.SIGINT)
"""


@pytest.mark.process
def test_what_removes_the_locks_of_who_ended_at_once_says_nothing():
    done = subprocess.run([sys.executable, "-c", LOCKED], capture_output=True, text=True)

    assert (done.returncode, done.stderr.splitlines()) == (130, [LINE])


LATE = """
import os, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from scenesearch.cli.at_once import end_at_once_from_here
end_at_once_from_here()

class Late:
    def __del__(self, kill=os.kill, pid=os.getpid(), number=signal.SIGINT):
        kill(pid, number)

late = Late()
"""


def test_a_command_that_has_ended_does_not_die_of_it_while_the_interpreter_ends():
    done = subprocess.run([sys.executable, "-c", LATE], check=False, capture_output=True)

    assert (done.returncode, done.stderr) == (0, b"")


def test_who_is_started_deaf_stays_deaf():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        interrupts = Interrupts()
        with interrupts.raised():
            signal.raise_signal(signal.SIGINT)
        assert not interrupts.asked
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.process
@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_a_command_that_is_interrupted_at_any_moment_says_one_line(tmp_path):
    items = shop.colour_shop(tmp_path / "photos")
    command = [sys.executable, "-c", BEGUN, "tag", str(tmp_path / "photos"), "--out"]
    environment = {**os.environ, "SCENESEARCH_CONFIG": "offline"}
    drawn, outcomes = random.Random(4), []
    for n in range(8):
        child = subprocess.Popen(
            [*command, str(tmp_path / f"{n}.jsonl")],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert child.stdout.readline() == "begun\n"
        time.sleep(drawn.random() * 1.5)
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGINT)
            said = child.communicate(timeout=60)[1].splitlines()
            outcomes.append((child.returncode, [line for line in said if line != LINE]))
        child.communicate()

    assert len(items) == 24
    assert {code for code, _ in outcomes} <= {130}
    assert [lines for _, lines in outcomes if any("Traceback" in line for line in lines)] == []
