"""A process that is killed while it writes loses nothing it acknowledged, and no half batch."""

from __future__ import annotations

import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from store_contract.contract_data import point_id, unit

from scenesearch.core.conditions import Between, Equals
from scenesearch.core.types import CollectionSchema, Point
from scenesearch.store.embedded.edge import EdgeStore

pytestmark = pytest.mark.process

KILLS = 6
BATCH = 40
DIM = 16
SCHEMA = CollectionSchema({"cutout": DIM}, {"batch": "integer", "version": "integer"})


def batch_points(batch: int) -> list[Point]:
    """The points of one write; every third writes the batch before it again, as version 1."""
    rewritten = batch % 3 == 2
    target = batch - 1 if rewritten else batch
    rng = np.random.default_rng(batch)
    return [
        Point(
            point_id(target * BATCH + n),
            {"cutout": unit(rng, DIM)},
            {"batch": target, "version": int(rewritten), "text": "x" * 200},
        )
        for n in range(BATCH)
    ]


def write_forever(path: str, first: int) -> None:
    """Run by the child: says ``sent N`` before a batch, ``acked N`` once it is durable."""
    store = EdgeStore(path, "items")
    store.create(SCHEMA)
    batch = first
    while True:
        sys.stdout.write(f"sent {batch}\n")
        sys.stdout.flush()
        store.upsert(batch_points(batch))
        sys.stdout.write(f"acked {batch}\n")
        sys.stdout.flush()
        if batch % 7 == 6:
            store.optimize()
        batch += 1


def _run_and_kill(path: Path, first: int, after_s: float, since: str) -> tuple[int, int]:
    """The last batch that was sent and the last that was acknowledged.

    The moment counts from the first batch that was ``since`` (``sent`` or ``acked``): a machine
    with other work takes its time for one.
    """
    code = (
        "import importlib.util, pathlib, sys\n"
        "sys.path.insert(0, str(pathlib.Path(sys.argv[1]).parent))\n"
        "spec = importlib.util.spec_from_file_location('crash', sys.argv[1])\n"
        "crash = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(crash)\n"
        "crash.write_forever(sys.argv[2], int(sys.argv[3]))\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, __file__, str(path), str(first)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    with child:
        said = ""
        while since not in said:
            said += child.stdout.readline()
        time.sleep(after_s)
        child.send_signal(signal.SIGKILL)
        said += child.stdout.read()
    assert child.returncode == -signal.SIGKILL
    sent = [int(n) for n in re.findall(r"sent (\d+)\n", said)]
    acked = [int(n) for n in re.findall(r"acked (\d+)\n", said)]
    return sent[-1], acked[-1] if acked else first - 1


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_killed_writer_loses_no_acknowledged_batch_and_leaves_no_half(disk_path: Path) -> None:
    moments = random.Random(11)
    expected: dict[str, Point] = {}
    first = 0
    acknowledged = 0
    for number in range(KILLS):
        since = "acked" if number % 3 else "sent"
        sent, acked = _run_and_kill(disk_path, first, moments.uniform(0.0, 0.5), since)
        for batch in range(first, acked + 1):
            expected |= {point.id: point for point in batch_points(batch)}
        acknowledged += acked + 1 - first
        in_flight = {
            point.id: point for b in range(acked + 1, sent + 1) for point in batch_points(b)
        }

        store = EdgeStore(disk_path, "items")
        found = {record.id: record for record in store.scroll(limit=1_000_000, spaces=["cutout"])}
        # The write that was under way is there whole or not at all; all else is as acknowledged.
        landed = sum(
            i in found and found[i].payload == dict(point.payload) for i, point in in_flight.items()
        )
        assert landed in (0, len(in_flight))
        if landed:
            expected |= in_flight
        assert found.keys() == expected.keys()
        for i, point in expected.items():
            assert found[i].payload == dict(point.payload)
            np.testing.assert_allclose(
                found[i].vectors["cutout"], point.vectors["cutout"], atol=1e-6
            )
        # The payload indexes tell the same story as the points.
        assert store.count() == len(expected)
        rewritten = sum(point.payload["version"] for point in expected.values())
        assert store.count(Equals("version", 1)) == rewritten
        assert store.count(Between("batch", gte=0)) == len(expected)
        store.close()
        first = sent + 1

    assert acknowledged >= KILLS // 3 * 2  # or the test has tested nothing
