"""Several services behind one port: refused where they cannot be, started again, told to stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from scenesearch.config.settings import load_settings
from scenesearch.core.errors import ConfigError
from scenesearch.service.http.workers import check_workers

CHILD = """
import os, signal, sys, time
from scenesearch.service.http.workers import Workers
if Workers(2).run():
    say = lambda what: os.write(1, f"{what} {os.getpid()}\\n".encode())
    signal.signal(signal.SIGHUP, lambda *_: say("again"))
    say("up")
    if sys.argv[1] == "fails":
        sys.exit(3)
    while True:
        time.sleep(60)
print("all ended", flush=True)
"""


@pytest.mark.parametrize(
    ("server", "state", "says"),
    [
        (False, None, "expected a Qdrant server"),
        (True, None, "expected service.state"),
    ],
)
def test_workers_need_a_store_and_a_state_that_can_be_shared(server, state, says):
    with pytest.raises(ConfigError, match=says):
        check_workers(load_settings(service={"state": state}), 2, server=server)


def test_one_worker_needs_neither():
    check_workers(load_settings(), 1, server=False)
    check_workers(load_settings(service={"state": "postgresql://db/x"}), 4, server=True)


def test_a_state_that_is_no_database_is_refused_without_being_shown():
    with pytest.raises(ConfigError, match="expected postgresql://") as caught:
        load_settings(service={"state": "mysql://me:hidden-word@db/x"})

    assert "hidden-word" not in str(caught.value)


def start(how):
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, how], stdout=subprocess.PIPE, text=True, bufsize=1
    )


@pytest.mark.process
def test_who_dies_is_started_again_and_signals_are_passed_on():
    parent = start("stays")
    pids = [int(parent.stdout.readline().split()[1]) for _ in range(2)]
    os.kill(pids[0], signal.SIGKILL)
    new = int(parent.stdout.readline().split()[1])
    assert new not in pids
    time.sleep(0.2)
    parent.send_signal(signal.SIGHUP)
    again = {parent.stdout.readline() for _ in range(2)}
    parent.send_signal(signal.SIGTERM)

    assert again == {f"again {pids[1]}\n", f"again {new}\n"}
    assert parent.stdout.readline() == "all ended\n"
    assert parent.wait(10) == 0
    parent.stdout.close()


@pytest.mark.process
def test_workers_that_do_not_start_are_given_up():
    parent = start("fails")
    said = parent.stdout.read()
    parent.stdout.close()

    assert parent.wait(20) != 0
    assert 2 <= said.count("up ") <= 4
    assert "all ended" not in said
