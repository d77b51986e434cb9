"""A disk that holds only what was synced opens at every cut, with all that was acknowledged.

A preloaded shim (``sync_shim.c``) journals the range of every msync, fsync and fdatasync. The
directory is rebuilt from a store as it was made and the journal up to the cut, nothing else.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from scenesearch.core.conditions import Equals
from scenesearch.core.types import CollectionSchema, Point
from scenesearch.store.embedded import edge
from scenesearch.store.embedded.edge import EdgeStore
from scenesearch.store.embedded.edge_log import OPERATION_BYTES

pytestmark = pytest.mark.process

CUTS = 200
WRITES = 240
DATA, RENAME, REMOVAL, ACKNOWLEDGED = 1, 2, 3, 4
COPY = ["cp", "-r", "--sparse=always"]
HEAD = struct.Struct("=5Q")
SCHEMA = CollectionSchema({"cutout": 16}, {"n": "integer", "seen": "bool"})


def _id(n: int) -> str:
    return f"00000000-0000-4000-8000-{n:012d}"


def write(path: str, journal: str) -> None:
    """Run by the child; write ``i`` is an upsert, a patch by filter or a deletion."""
    edge.REPLAYED_BYTES = 20 * OPERATION_BYTES  # flushes in between are cut as well
    store = EdgeStore(path, "items")
    handle = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for i in range(WRITES):
        if i % 5 == 3:
            store.set_payload({"seen": True}, where=Equals("n", i - 1))
        elif i % 5 == 4:
            store.delete(ids=[_id(i - 4)])
        else:
            vector = np.random.default_rng(i).normal(size=16).astype(np.float32)
            store.upsert([Point(_id(i), {"cutout": vector}, {"n": i, "seen": False})])
        os.write(handle, HEAD.pack(ACKNOWLEDGED, 0, i + 1, 0, 0))
    os._exit(0)  # no closing flush: what is not in the journal by now is lost


def _after(writes: int) -> dict[str, tuple[int, bool]]:
    """What is stored after so many writes: id to (n, seen)."""
    points: dict[str, tuple[int, bool]] = {}
    for i in range(writes):
        if i % 5 == 3:
            points[_id(i - 1)] = (i - 1, True)
        elif i % 5 == 4:
            del points[_id(i - 4)]
        else:
            points[_id(i)] = (i, False)
    return points


def _records(journal: Path) -> Iterator[tuple[int, bytes, int, bytes, int]]:
    with journal.open("rb") as file:
        while head := file.read(HEAD.size):
            kind, name, offset, length, size = HEAD.unpack(head)
            yield kind, file.read(name), offset, file.read(length), size


def _apply(root: Path, shadow: Path, record: tuple[int, bytes, int, bytes, int]) -> None:
    kind, name, offset, data, size = record
    paths = [shadow / Path(os.fsdecode(part)).relative_to(root) for part in name.split(b"\0")]
    if kind == RENAME:
        if paths[0].exists():
            paths[0].replace(paths[1])
    elif kind == REMOVAL:
        paths[0].unlink(missing_ok=True)
    else:
        paths[0].parent.mkdir(parents=True, exist_ok=True)
        with paths[0].open("r+b" if paths[0].exists() else "wb") as file:
            file.truncate(size)
            file.seek(offset)
            file.write(data)


def _check(shadow: Path, cut: Path, acknowledged: int, where: str) -> None:
    """Open a copy of what was synced; the write under way is there or not."""
    shutil.rmtree(cut, ignore_errors=True)
    subprocess.run([*COPY, shadow, cut], check=True)
    store = EdgeStore(cut, "items")
    stored = {
        found.id: (found.payload["n"], found.payload["seen"])
        for found in store.scroll(limit=10_000)
    }
    store.close()
    assert stored in (_after(acknowledged), _after(min(acknowledged + 1, WRITES))), where


@pytest.mark.skipif(sys.platform != "linux", reason="preloads a library by LD_PRELOAD")
def test_what_was_synced_holds_all_that_was_acknowledged(disk_path: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler (cc or gcc) for the shim")
    disk_path.mkdir(exist_ok=True)
    root, shadow, cut = (disk_path / name for name in ("root", "shadow", "cut"))
    shim, journal = disk_path / "shim.so", disk_path / "journal"
    source = Path(__file__).with_name("sync_shim.c")
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", shim, source, "-ldl", "-lpthread"], check=True
    )
    made = EdgeStore(root, "items")
    made.create(SCHEMA)
    made.close()
    subprocess.run([*COPY, root, shadow], check=True)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import test_store_power_cut as t; t.write(sys.argv[2], sys.argv[3])"
    )
    arguments = [sys.executable, "-c", code, str(Path(__file__).parent), str(root), str(journal)]
    environment = {"LD_PRELOAD": str(shim), "SYNC_ROOT": str(root), "SYNC_JOURNAL": str(journal)}
    subprocess.run(arguments, env=os.environ | environment, check=True)

    # A sync is a record of the file's size and one for each extent: cuts are between syncs.
    starts = [
        number
        for number, (kind, _, _, data, _) in enumerate(_records(journal))
        if kind != DATA or not data
    ]
    total = len(starts)
    assert total > CUTS
    moments = {starts[total * k // CUTS] for k in range(CUTS)}
    assert len(moments) == CUTS
    acknowledged = 0
    for number, record in enumerate(_records(journal)):
        if number in moments:
            _check(shadow, cut, acknowledged, f"cut {number}, {acknowledged} acknowledged")
        if record[0] == ACKNOWLEDGED:
            acknowledged = record[2]
        else:
            _apply(root, shadow, record)
    _check(shadow, cut, acknowledged, "the end")
    assert acknowledged == WRITES
