"""Puts, patches and deletes items in an embedded store, until it kills itself on the way.

Arguments: folder, seed, and the number of the event to die at. Each step is said before it begins
(``begin`` and the step as JSON) and after it was acknowledged (``done``). Every write of the store
and of the media folder is an event; soon after the one that was named the process is killed,
between two writes or inside the next.

With a number of threads as another argument, each of them puts an item of its own again and again,
and says its id and price once that was acknowledged.
"""

from __future__ import annotations

import io
import json
import os
import random
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import shop
from PIL import Image

from scenesearch.api.opened import Opened
from scenesearch.config.settings import Settings
from scenesearch.engine.catalogue import CatalogueTasks
from scenesearch.engine.tasks import DeleteItems, ItemRecord, PatchItem, Photo, PutItems
from scenesearch.images import load_scene
from scenesearch.images.media_folder import MediaFolder
from scenesearch.store.embedded.edge import EdgeStore

STEPS = 12
PUTS = 40


def say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


def photo(number: int) -> Photo:
    out = io.BytesIO()
    Image.fromarray(shop.noise(number)).save(out, "PNG")
    return Photo(out.getvalue())


def draw(seed: int) -> list[dict[str, Any]]:
    """What is to be done; the first step is a put."""
    drawn = random.Random(seed)
    steps = []
    for number in range(STEPS):
        kind = "put" if number == 0 else drawn.choice(["put", "put", "put", "patch", "delete"])
        step = {"kind": kind, "id": f"i{drawn.randrange(2)}", "price": float(drawn.randrange(99))}
        if kind == "put":
            step["photos"] = drawn.sample(range(5), drawn.randint(1, 3))
        steps.append(step)
    return steps


def tasks_of(folder: Path, store: Any = None) -> CatalogueTasks:
    """The tasks over fakes; tests open the same folder with it."""
    opened = Opened(folder / "store", Settings(min_free_megabytes=0))
    opened.use_parts(shop.FakeParts(opened.settings))
    opened.store = store or EdgeStore(folder / "store", "items", min_free_bytes=0)
    media = MediaFolder(folder / "media", min_free_bytes=0)
    return CatalogueTasks(opened, media, lambda one: load_scene(one.data, name=one.name))


def do(tasks: CatalogueTasks, step: dict[str, Any]) -> Any:
    if step["kind"] == "put":
        photos = tuple(photo(n) for n in step["photos"])
        return tasks.put_items(
            PutItems((ItemRecord(step["id"], photos, {"price": step["price"]}),))
        )
    if step["kind"] == "patch":
        return tasks.patch_item(PatchItem(step["id"], {"price": step["price"]}))
    return tasks.delete_items(DeleteItems((step["id"],)))


class Doom:
    """Counts events, and ends the process soon after one of them."""

    def __init__(self, at: int, after_s: float) -> None:
        self._left = at
        self._after_s = after_s

    def event(self) -> None:
        self._left -= 1
        if self._left == 0 and self._after_s == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        if self._left == 0:
            threading.Thread(target=self._end, daemon=True).start()

    def _end(self) -> None:
        time.sleep(self._after_s)
        os.kill(os.getpid(), signal.SIGKILL)


def main(folder: Path, seed: int, die_at: int, threads: int = 0) -> None:
    doom = Doom(die_at, random.Random(seed).choice([0.0, 0.0, 0.01, 0.05]))

    class Doomed(EdgeStore):
        def upsert(self, points: Any) -> None:
            doom.event()
            super().upsert(points)
            doom.event()

        def set_payload(self, payload: Any, **selection: Any) -> None:
            doom.event()
            super().set_payload(payload, **selection)

        def delete(self, **selection: Any) -> None:
            doom.event()
            super().delete(**selection)
            doom.event()

    tasks = tasks_of(folder, Doomed(folder / "store", "items", min_free_bytes=0))
    if threads:
        together(tasks, threads)
        return
    for step in draw(seed):
        say(f"begin {json.dumps(step)}")
        do(tasks, step)
        say("done")
    say("end")


def together(tasks: CatalogueTasks, threads: int) -> None:
    def work(number: int) -> None:
        for turn in range(PUTS):
            step = {"kind": "put", "id": f"t{number}", "price": float(turn), "photos": [turn % 5]}
            (answer,) = do(tasks, step)
            say(f"{answer['status']} {step['id']} {step['price']}")

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    say("end")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
