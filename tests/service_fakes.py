"""Engines of the tests' own, and a client for the application over them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import httpx

from scenesearch.config.settings import load_settings
from scenesearch.engine.remote.gated import Figure
from scenesearch.engine.tasks import Answer
from scenesearch.service.http.app import create_app


class ScriptedBackend:
    """Gives an answer, or raises an error, after a while; remembers what happened."""

    def __init__(self, value=None, *, error=None, delay_s=0.0, seconds=None):
        self.value = {"ready": True, "reasons": []} if value is None else value
        self.error = error
        self.delay_s = delay_s
        self.seconds = seconds or {}
        self.tasks = []
        self.clients = []
        self.cancelled = 0
        self.closed = 0

    async def run(self, task, *, deadline_s=None, client=None):
        self.tasks.append(task)
        self.clients.append(client)
        try:
            await asyncio.sleep(self.delay_s)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error is not None:
            raise self.error
        return Answer(self.value, self.seconds)

    async def close(self):
        self.closed += 1

    def gauges(self):
        return {
            Figure("queue_waiting", "heavy"): 3,
            Figure("queue_refused_total", "heavy", "busy"): 7,
        }


@asynccontextmanager
async def client_of(app, **headers):
    """A client for an application, as a browser on this machine would ask."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://localhost", headers=headers
    ) as client:
        yield client


def app_with(backend=None, **service):
    """The application over a scripted engine, with settings of the service."""
    return create_app(load_settings(service=service), backend or ScriptedBackend())


def asked(app, method="GET", path="/livez", *, route=None, **how):
    """One answer; ``route`` is served at /v1/test by every method there is."""
    if route is not None:
        app.api_route("/v1/test", methods=["GET", "POST", "DELETE"], name="test")(route)

    async def ask():
        async with client_of(app) as client:
            return await client.request(method, path, **how)

    return asyncio.run(ask())
