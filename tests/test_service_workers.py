"""Several services behind one port: refused where they cannot be, started again, told to stop."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import time

import httpx
import postgres_server
import pytest
import qdrant_proxy
import service_app

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


@pytest.mark.store
@postgres_server.needs_postgres
@pytest.mark.skipif("QDRANT_URL" not in os.environ, reason="needs a server: QDRANT_URL")
def test_two_workers_behind_one_port_answer_as_one(tmp_path):
    url, collection = os.environ["QDRANT_URL"], f"workers-{os.getpid()}"
    photo = base64.b64encode(service_app.room_photo()).decode()
    with postgres_server.running() as database:
        environment = {
            **os.environ,
            "SCENESEARCH_QDRANT_API_KEY": os.environ.get("QDRANT_API_KEY", ""),
            "SCENESEARCH_SERVICE__STATE": database.address,
            "SCENESEARCH_SERVICE__STATE_DIR": str(tmp_path / "state"),
            "SCENESEARCH_CACHE_DIR": str(tmp_path / "cache"),
        }
        command = [sys.executable, "-m", "scenesearch", "serve", "--workers", "2", "--port", "0"]
        command += ["--store", url, "--collection", collection, "--config", "offline"]
        parent = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        try:
            told = _until(parent.stderr, "listening on", 2)
            port = int(told[0].split("127.0.0.1:")[1].split("/")[0])
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                item = {"id": "one", "photos": [{"base64": photo}], "attributes": {}}
                assert client.post("/v1/items", json=item).status_code == 201
                looked = client.post("/v1/look", json={"photo": {"base64": photo}}).json()
            asked = {"query_id": looked["query_id"]}
            answers = [
                # a connection each, which either may accept
                httpx.post(f"http://127.0.0.1:{port}/v1/look", json=asked, timeout=60)
                for _ in range(20)
            ]
        finally:
            parent.terminate()
            code = parent.wait(60)
            parent.stderr.close()
    with qdrant_proxy.client_of() as client:
        for name in (collection, f"{collection}--meta"):
            client.delete_collection(name)

    assert code == 0
    assert {one.status_code for one in answers} == {200}
    assert {one.json()["query_id"] for one in answers} == {looked["query_id"]}
    assert {one["item_id"] for one in answers[0].json()["matches"]} == {"one"}


def _until(stream, text, times):
    found = []
    while len(found) < times:
        line = stream.readline()
        assert line, f"it ended before it said {text!r}"
        found += [line] if text in line else []
    return found
