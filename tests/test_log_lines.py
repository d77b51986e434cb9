"""Lines of the log as JSON."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import service_fakes as fakes

from scenesearch.service.http.observe import access
from scenesearch.system.log_lines import JsonLines

SCRIPT = """
import logging
from scenesearch.system.log_lines import log_to_stderr

log_to_stderr("json", request_id=lambda: "abc")
log = logging.getLogger("scenesearch.part")
log.info("two\\nlines of %s", "caf\u00e9", extra={"fields": {"status": 503}})
logging.getLogger("another").warning("from a library")
log.debug("not asked for")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("went wrong")
"""


def test_every_line_of_the_log_is_one_object():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=60
    )
    ours, theirs, fault = map(json.loads, done.stderr.splitlines())

    assert ours.pop("time").endswith("Z")
    assert ours == {
        "level": "info",
        "logger": "scenesearch.part",
        "message": "two\nlines of café",
        "request_id": "abc",
        "status": 503,
    }
    assert (theirs["logger"], theirs["level"]) == ("another", "warning")
    assert fault["message"] == "went wrong"
    assert "ZeroDivisionError" in fault["exception"]


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_probes_have_no_line_and_requests_have_one(caplog, path):
    app = fakes.app_with(fakes.ScriptedBackend())
    caplog.set_level("INFO", access.name)
    fakes.asked(app, "GET", path)
    fakes.asked(app, "GET", "/v1/models")
    (record,) = (one for one in caplog.records if one.name == access.name)
    line = json.loads(JsonLines().format(record))

    assert (line["method"], line["path"], line["status"]) == ("GET", "/v1/models", 200)
    assert line["milliseconds"] >= 0


def test_a_probe_that_is_refused_has_a_line(caplog):
    app = fakes.app_with(fakes.ScriptedBackend(), read_keys=["a-read-key-of-20-letters"])
    caplog.set_level("INFO", access.name)
    assert fakes.asked(app, "GET", "/metrics").status_code == 401

    assert [one.name for one in caplog.records].count(access.name) == 1
