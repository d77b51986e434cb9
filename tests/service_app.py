"""The whole service in one process: a real engine and store, models that fake, a client."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

import shop
from fakes.models import FakeReader
from fastapi import FastAPI
from starlette.testclient import TestClient

from scenesearch.api import SceneSearch
from scenesearch.config.settings import Settings
from scenesearch.engine.engine import Engine
from scenesearch.engine.tasks import Answer, Task
from scenesearch.service.http.app import create_app
from scenesearch.service.state import State
from scenesearch.wiring import state_dir

png = shop.png
LOCAL = "http://127.0.0.1"
"""The service answers to names of this machine only."""


class Parts(shop.FakeParts):
    """The fakes, and one that reads."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.reader = FakeReader()


class ThreadBackend:
    """Runs the engine in threads of this process; keeps what it was asked."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.tasks: list[Task] = []

    async def run(
        self, task: Task, *, deadline_s: float | None = None, client: str | None = None
    ) -> Answer:
        self.tasks.append(task)
        left = Event()
        try:
            return await asyncio.to_thread(self.engine.run, task, left.is_set)
        finally:
            left.set()

    async def close(self) -> None:
        pass


class Service(NamedTuple):
    """A service to be asked.

    Attributes:
        client: speaks HTTP to it, without a network.
        models: count what they were asked for.
    """

    app: FastAPI
    client: TestClient
    engine: Engine
    backend: ThreadBackend
    models: Parts
    folder: Path


@contextmanager
def serving(
    folder: Path,
    *,
    section: Mapping[str, Any] | None = None,
    indexed: bool = True,
    tenant_field: str | None = None,
    address: str | None = None,
) -> Iterator[Service]:
    """A service over 24 coloured things.

    Args:
        folder: for the store and the catalogue.
        section: settings of the service.
        indexed: whether there is a catalogue at all.
        tenant_field: that says whose an item is.
        address: of a PostgreSQL database for the state.
    """
    service = {"decoders": 1, "query_megabytes": 64, **(section or {})}
    settings = Settings(
        service=service, cache_dir=folder / "cache", store={"tenant_field": tenant_field}
    )
    front = SceneSearch(folder / "store", config=settings)
    models = Parts(settings)
    front._opened.use_parts(models)  # type: ignore[arg-type]
    if indexed:
        front.index(shop.write_catalog(folder, shop.colour_shop(folder)))
    engine = Engine(front._opened)
    try:
        engine.load()
        backend = ThreadBackend(engine)
        free = settings.min_free_megabytes * 1_000_000
        state = State(state_dir(settings, folder / "store"), address=address, min_free_bytes=free)
        app = create_app(settings, backend, state=state)
        with TestClient(app, base_url=LOCAL) as client:
            yield Service(app, client, engine, backend, models, folder)
    finally:
        engine.close()


def room_photo() -> bytes:
    """A red square and a blue wide thing on a grey wall."""
    return shop.png(shop.room(("red", "square"), ("blue", "wide")))


def product_photo(colour: str = "red", shape: str = "square") -> bytes:
    """One thing on white."""
    return shop.png(shop.product(colour, shape))
