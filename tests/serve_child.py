"""The shell of the service over a slow engine of the test's own, also as a process of its own.

``python serve_child.py SETTINGS`` where SETTINGS is the service's section as JSON; it prints its
URL. SCENESEARCH_TEST_DELAY_S is how long the engine takes for each task,
SCENESEARCH_TEST_LINGER_S how long an answered request may still send.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from starlette.requests import Request

from scenesearch.config.service import ServiceSettings
from scenesearch.config.settings import load_settings
from scenesearch.engine.tasks import Answer, ModelsTask
from scenesearch.service.http import protocol
from scenesearch.service.http.app import create_app
from scenesearch.service.http.depends import run_task
from scenesearch.service.http.serve import bind, run


def say(text):
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class SlowBackend:
    """Answers after a while, and says what became of each task."""

    def __init__(self, delay_s: float, say=say) -> None:
        self.delay_s = delay_s
        self.say = say

    async def run(self, task, *, deadline_s=None, client=None):
        try:
            await asyncio.sleep(self.delay_s if isinstance(task, ModelsTask) else 0)
        except asyncio.CancelledError:
            self.say("given up")
            raise
        return Answer({"ready": True}, {"engine": self.delay_s})

    async def close(self):
        self.say("closed")


async def slow(request: Request):
    body = await request.body()
    answer = await run_task(request, ModelsTask())
    return {"bytes": len(body), **answer.value}


def app_over(backend: SlowBackend, service: ServiceSettings):
    app = create_app(load_settings(service=service.model_dump()), backend)
    app.post("/v1/slow", name="slow")(slow)
    return app


async def open_app():
    delay_s = float(os.environ.get("SCENESEARCH_TEST_DELAY_S", "0"))
    return app_over(SlowBackend(delay_s), service)


if __name__ == "__main__":
    # a shell starts background jobs with interrupts ignored, and children inherit that
    signal.signal(signal.SIGINT, signal.default_int_handler)
    protocol.LINGER_S = float(os.environ.get("SCENESEARCH_TEST_LINGER_S", protocol.LINGER_S))
    service = ServiceSettings.model_validate_json(sys.argv[1])
    run(service, bind(service), open_app, say)
    say("done")
