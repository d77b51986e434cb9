"""Indexes a folder of photos into an embedded store, again and again, for who kills it.

A server: everything is imported once, then each line of standard input (JSON: store, photos,
whiten, counter, wait, die) is one run in a fork of its own, whose process id is printed first.
The run says ``event NAME`` whenever it is about to change something; at its event number ``wait``
it waits for one more byte of input, so that who kills it knows where it is; right after the change
that ``die`` names it kills itself. The server says ``ended STATUS`` after it. The engine is opened
after the fork only.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import shop
from fakes.models import FakeEmbedder

from scenesearch.models.embed.cache import EmbeddingCache
from scenesearch.store.embedded.edge import EdgeStore

BATCH = 30
DIM = 16


class Plan:
    """What is to happen to this run."""

    die = ""
    wait = 0
    events = 0


def say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


@contextmanager
def change(name: str) -> Iterator[None]:
    say(f"event {name}")
    Plan.events += 1
    if Plan.events == Plan.wait:
        os.read(0, 1)
    yield
    if name == Plan.die:
        os.kill(os.getpid(), signal.SIGKILL)


class TellingStore(EdgeStore):
    """Says what it is about to do."""

    def create(self, schema: Any, blobs: Any = None) -> bool:
        with change("create"):
            return super().create(schema, blobs)

    def upsert(self, points: Any) -> None:
        with change("upsert"):
            super().upsert(points)

    def write_blob(self, name: str, data: bytes) -> None:
        with change("blob"):
            super().write_blob(name, data)

    def optimize(self) -> None:
        with change("optimize"):
            super().optimize()


class TellingEmbedder(FakeEmbedder):
    """Takes its time, and counts in a file what outlives it."""

    def __init__(self, counter: str) -> None:
        super().__init__(DIM, delay_s=0.01)
        self._counter = counter

    def embed_images(self, images: Any) -> Any:
        with change("embed"):
            found = super().embed_images(images)
            with Path(self._counter).open("a", encoding="utf-8") as file:
                file.write(f"{len(images) // 2}\n")  # each photo is a cutout and a context
        return found


class TellingCache(EmbeddingCache):
    """Says when a batch is about to be kept."""

    def put(self, photos: Any, fingerprint: str) -> None:
        with change("cache"):
            super().put(photos, fingerprint)


def index(store: str, photos: str, whiten: int, counter: str, wait: int = 0, die: str = "") -> None:
    Plan.wait, Plan.die = wait, die
    items = [
        shop.Item(path.stem, (str(path),), {"title": path.stem, "price": float(n)})
        for n, path in enumerate(sorted(Path(photos).glob("*.png")))
    ]
    run = shop.Shop(
        TellingStore(store, "items", min_free_bytes=0),
        embedder=TellingEmbedder(counter),
        cache=TellingCache(Path(store) / "embeddings.sqlite"),
        batch=BATCH,
        whiten=whiten,
    )
    report = run.index(items)
    say(f"report {report.added} {report.embedded} {report.from_cache} {len(report.failures)}")
    run.store.close()
    run.cache.close()


def serve() -> None:
    import sklearn.decomposition  # noqa: F401 - once, before the forks

    say("ready")
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                index(**json.loads(line))
                status = 0
            except Exception:  # noqa: BLE001 - the status says that, this says what
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(status)
        say(f"pid {pid}")
        say(f"ended {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}")


if __name__ == "__main__":
    serve()
