"""A program that opens stores or engines in processes, for tests that kill it.

Says the ids of its processes in one line, then waits for ever.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from process_child import Plan, StuckStore

from scenesearch.core.types import CollectionSchema, Point
from scenesearch.engine.remote.remote import RemoteEngine
from scenesearch.engine.tasks import GetItem
from scenesearch.store.embedded.edge import EdgeStore
from scenesearch.store.process.store import ProcessStore


def say(*values: object) -> None:
    sys.stdout.write(" ".join(map(str, values)) + "\n")
    sys.stdout.flush()


def points(count: int, dim: int) -> list[Point]:
    """Seeded."""
    rng = np.random.default_rng(0)
    return [
        Point(f"00000000-0000-4000-8000-{i:012x}", {"cutout": rng.random(dim, np.float32)}, {})
        for i in range(count)
    ]


def main() -> None:
    what, folder = sys.argv[1:3]
    if what == "store":
        store = ProcessStore(partial(StuckStore, folder, "items"))
        store.create(CollectionSchema({"cutout": 8}))
        store.upsert(points(100, 8))
        threading.Thread(target=store.optimize, daemon=True).start()
        time.sleep(0.2)
        say(store.pid)
    elif what == "exit":
        store = ProcessStore(partial(EdgeStore, folder, "items"))
        say(store.schema)
        say(store.pid)
        return  # without closing
    else:
        engine = RemoteEngine(Plan(store=folder), threads=2, light_threads=1)
        engine.start()
        held = engine.submit(GetItem("store")).future.result(10).value
        if what == "bar, killed":
            engine.submit(GetItem("bar")).future.result(10)
            os.kill(engine.state().pid, signal.SIGKILL)
            return
        engine.submit(GetItem("sleep 60"))
        say(engine.state().pid, held)
        if what == "engine and exit":
            return
    time.sleep(60)


if __name__ == "__main__":
    main()
