"""The shell of the service over a slow engine of the test's own, as a process of its own.

``python serve_child.py SETTINGS`` where SETTINGS is the service's section as JSON; it prints its
URL. SCENESEARCH_TEST_DELAY_S is how long the engine takes for each task.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from starlette.requests import Request

from scenesearch.config import load_settings
from scenesearch.engine.tasks import Answer, ModelsTask
from scenesearch.service.app import create_app
from scenesearch.service.depends import run_task
from scenesearch.service.serve import bind, run
from scenesearch.service.settings import ServiceSettings


def say(text):
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class SlowBackend:
    """Answers after a while, and says on stdout what became of each task."""

    def __init__(self, delay_s: float) -> None:
        self.delay_s = delay_s

    async def run(self, task, *, deadline_s=None, client=None):
        try:
            await asyncio.sleep(self.delay_s if isinstance(task, ModelsTask) else 0)
        except asyncio.CancelledError:
            say("given up")
            raise
        return Answer({"ready": True}, {"engine": self.delay_s})

    async def close(self):
        say("closed")


async def slow(request: Request):
    body = await request.body()
    answer = await run_task(request, ModelsTask())
    return {"bytes": len(body), **answer.value}


async def open_app():
    app = create_app(
        load_settings(service=service.model_dump()),
        SlowBackend(float(os.environ.get("SCENESEARCH_TEST_DELAY_S", "0"))),
    )
    app.post("/v1/slow", name="slow")(slow)
    return app


if __name__ == "__main__":
    # a shell starts background jobs with interrupts ignored, and children inherit that
    signal.signal(signal.SIGINT, signal.default_int_handler)
    service = ServiceSettings.model_validate_json(sys.argv[1])
    run(service, bind(service), open_app, say)
    say("done")
