"""Killed at any moment, the engine loses nothing that it acknowledged, and leaves no half item."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
from pathlib import Path

import engine_child as child
import pytest

from scenesearch.core.conditions import Equals
from scenesearch.engine.media import sweep_media

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL"),
]

CHILD = Path(__file__).with_name("engine_child.py")
ROUNDS = 3


def run_and_kill(folder, seed, die_at):
    """The steps that were acknowledged, and the one that was under way."""
    command = [sys.executable, str(CHILD), str(folder), str(seed), str(die_at)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    lines = ended.stdout.splitlines()
    assert ended.returncode == -9 or lines[-1] == "end", ended.stderr
    steps = [json.loads(line.removeprefix("begin ")) for line in lines if line[:5] == "begin"]
    done = lines.count("done")
    return steps[:done], steps[done] if len(steps) > done else None


def model_of(steps, items):
    """What must be stored after some steps: prices and photos by id."""
    items = dict(items)
    for step in steps:
        match step["kind"]:
            case "put":
                items[step["id"]] = step["price"], step["photos"]
            case "patch" if step["id"] in items:
                items[step["id"]] = step["price"], items[step["id"]][1]
            case "delete":
                items.pop(step["id"], None)
    return items


def stored(tasks, item_id):
    """What the store has of an item: its prices and its photos, or None."""
    opened = tasks._opened
    if opened.store.schema is None:
        return None
    points = list(opened.store.scroll(where=Equals("item_id", item_id)))
    names = {hashlib.sha256(child.photo(n).data).hexdigest(): n for n in range(5)}
    photos = sorted((p.payload["photo_index"], names[p.payload["photo_sha256"]]) for p in points)
    prices = {p.payload["price"] for p in points}
    for point in points:
        assert Path(point.payload["photo"]).is_file()
    return (prices, [number for _, number in photos]) if points else None


def test_a_killed_engine_has_what_it_acknowledged_and_the_rest_can_be_done_again(
    disk_path, monkeypatch, clean_surroundings
):
    drawn = random.Random(7)
    items = {}
    for seed in range(ROUNDS):
        done, open_step = run_and_kill(disk_path, seed, drawn.randint(1, 14))
        items = model_of(done, items)
        tasks = child.tasks_of(disk_path)
        in_doubt = open_step["id"] if open_step else None
        for item_id in ("i0", "i1"):
            if item_id == in_doubt:
                continue
            wanted = items.get(item_id)
            assert stored(tasks, item_id) == (wanted and ({wanted[0]}, wanted[1])), (seed, item_id)
        if open_step is not None:
            child.do(tasks, open_step)
            items = model_of([open_step], items)
            wanted = items.get(in_doubt)
            assert stored(tasks, in_doubt) == (wanted and ({wanted[0]}, wanted[1])), (seed, "again")
        sweep_media(tasks._opened, tasks._media, young_s=-1)
        kept = {path.stem for path in tasks._media.root.rglob("*.png")}
        used = {n for _, photos in items.values() for n in photos}
        assert kept == {hashlib.sha256(child.photo(n).data).hexdigest() for n in used}
        tasks._opened.close()


@pytest.mark.parametrize("die_at", [5, 22, 41])
def test_of_threads_that_put_together_nothing_acknowledged_is_lost(
    disk_path, die_at, monkeypatch, clean_surroundings
):
    command = [sys.executable, str(CHILD), str(disk_path), str(die_at), str(die_at), "8"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == -9, ended.stderr
    told = [line.split() for line in ended.stdout.splitlines() if line.count(" ") == 2]
    assert all(said in ("added", "changed") for said, _, _ in told)
    acknowledged = {item_id: float(price) for _, item_id, price in told}
    tasks = child.tasks_of(disk_path)

    assert acknowledged
    for item_id, price in acknowledged.items():
        prices, photos = stored(tasks, item_id)
        # what was under way may be there too, or half of it: its photo, and not yet its price
        assert max(prices) in (price, price + 1), item_id
        assert {int(price) % 5, int(price + 1) % 5} >= set(photos), item_id
        child.do(tasks, {"kind": "put", "id": item_id, "price": price, "photos": [1]})
        assert stored(tasks, item_id) == ({price}, [1]), item_id
    tasks._opened.close()
