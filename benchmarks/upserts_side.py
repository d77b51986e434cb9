"""One side of ``upserts.py``: a store in a process of its own, in whose interpreter it is.

Does what each line of its input says, and answers with a line of JSON: the seconds it took. Imports
nothing of the other side.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

SPACE = "cutout"
BATCH = 1000
NAMED = ("item_id", "category", "price")

Rows = NDArray[np.float32]
Payload = dict[str, Any]


class Side(Protocol):
    """What is asked of a store."""

    def load(self, rows: Rows, ids: Sequence[str], payloads: Sequence[Payload]) -> None:
        """Write points into a new collection, make it ready to be asked, and durable."""

    def upserts(
        self, rows: Rows, ids: Sequence[str], payloads: Sequence[Payload], survives: str
    ) -> list[float]:
        """Seconds of each of some points, written one by one.

        Args:
            rows: of the points.
            ids: of the points.
            payloads: of the points.
            survives: what a point that was written has to: ``kill`` or ``cut`` (of the power);
                ``own`` is a cut, by the store's own call for it.
        """


class Ours:
    """The embedded store, as ``scenesearch`` opens it; every write survives a cut."""

    def __init__(self, folder: Path, *_: int) -> None:
        from scenesearch.config.settings import load_settings
        from scenesearch.wiring import build_store

        self._store = build_store(load_settings(), folder, "items")

    def load(self, rows: Rows, ids: Sequence[str], payloads: Sequence[Payload]) -> None:
        """As :meth:`Side.load`."""
        from synthetic import schema

        from scenesearch.core.types import Point
        from scenesearch.index.indexer import CHUNK

        self._store.create(schema({SPACE: rows.shape[1]}))
        for start in range(0, len(rows), BATCH):
            these = range(start, min(start + BATCH, len(rows)))
            self._store.upsert([Point(ids[i], {SPACE: rows[i]}, payloads[i]) for i in these])
            if these.stop % CHUNK == 0 or these.stop == len(rows):
                self._store.optimize()  # as index does

    def upserts(
        self, rows: Rows, ids: Sequence[str], payloads: Sequence[Payload], survives: str
    ) -> list[float]:
        """As :meth:`Side.upserts`."""
        from scenesearch.core.types import Point

        def write(point_id: str, row: Rows, payload: Payload) -> None:
            self._store.upsert([Point(point_id, {SPACE: row}, payload)])

        # inside of batch_writes nothing is synced
        with self._store.batch_writes() if survives == "kill" else nullcontext():
            return _each(write, rows, ids, payloads)


class Zvec:
    """zvec: HNSW, cosine, inverted indexes on the fields of filters, the rest as one text.

    Its own call for durability begins a new segment each time. So that a point that survives a
    cut costs it as little as it could, its log is synced from here.
    """

    def __init__(self, folder: Path, m: int, ef_construction: int) -> None:
        self._path = folder / "zvec"
        self._graph = {"m": m, "ef_construction": ef_construction}
        self._collection: Any = None

    def load(self, rows: Rows, ids: Sequence[str], payloads: Sequence[Payload]) -> None:
        """As :meth:`Side.load`."""
        import zvec

        text, number = zvec.DataType.STRING, zvec.DataType.DOUBLE
        graph = zvec.HnswIndexParam(metric_type=zvec.MetricType.COSINE, **self._graph)
        schema = zvec.CollectionSchema(
            "items",
            fields=[
                zvec.FieldSchema("item_id", text, index_param=zvec.InvertIndexParam()),
                zvec.FieldSchema("category", text, index_param=zvec.InvertIndexParam()),
                zvec.FieldSchema("price", number, index_param=zvec.InvertIndexParam()),
                zvec.FieldSchema("rest", text),
            ],
            vectors=[
                zvec.VectorSchema(
                    SPACE, zvec.DataType.VECTOR_FP32, rows.shape[1], index_param=graph
                )
            ],
        )
        self._collection = zvec.create_and_open(str(self._path), schema)
        for start in range(0, len(rows), BATCH):
            these = range(start, min(start + BATCH, len(rows)))
            docs = [_doc(ids[i], rows[i], payloads[i]) for i in these]
            _refuse_failed(self._collection.insert(docs))
        self._collection.optimize()
        self._collection.flush()

    def upserts(
        self, rows: Rows, ids: Sequence[str], payloads: Sequence[Payload], survives: str
    ) -> list[float]:
        """As :meth:`Side.upserts`."""
        # the segment that is written has its log once it has a point
        _refuse_failed([self._collection.upsert(_doc(ids[0], rows[0], payloads[0]))])
        logs = [os.open(log, os.O_RDWR) for log in self._path.glob("*/*.wal")]
        if not logs:
            raise SystemExit("zvec keeps its log elsewhere: equal durability cannot be shown")
        after = {
            "kill": lambda: None,
            "cut": lambda: [os.fdatasync(log) for log in logs],
            "own": self._collection.flush,
        }[survives]

        def write(point_id: str, row: Rows, payload: Payload) -> None:
            _refuse_failed([self._collection.upsert(_doc(point_id, row, payload))])
            after()

        try:
            return _each(write, rows, ids, payloads)
        finally:
            for log in logs:
                os.close(log)


def _doc(point_id: str, row: Rows, payload: Payload) -> Any:
    import zvec

    return zvec.Doc(point_id, vectors={SPACE: row}, fields=_columns(payload))


def _columns(payload: Payload) -> Payload:
    rest = {key: value for key, value in payload.items() if key not in NAMED}
    return {**{key: payload[key] for key in NAMED}, "rest": json.dumps(rest)}


def _refuse_failed(statuses: Iterable[Any]) -> None:
    for status in statuses:
        if not status.ok():
            raise SystemExit(f"zvec refused a point: {status}")


def _each(
    write: Callable[[str, Rows, Payload], None],
    rows: Rows,
    ids: Sequence[str],
    payloads: Sequence[Payload],
) -> list[float]:
    times = []
    for point_id, row, payload in zip(ids, rows, payloads, strict=True):
        start = time.perf_counter()
        write(point_id, row, payload)
        times.append(time.perf_counter() - start)
    return times


def main() -> None:
    """``SIDE FOLDER DATA M EF``; then lines: ``load FROM TO``, ``upserts FROM TO SURVIVES``."""
    name, folder, data = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    kind = {"ours": Ours, "zvec": Zvec}[name]
    side: Side = kind(folder, int(sys.argv[4]), int(sys.argv[5]))
    rows = np.load(data / "rows.npy")
    points = [json.loads(line) for line in (data / "points.jsonl").read_text("utf-8").splitlines()]
    ids, payloads = [point.pop("id") for point in points], points
    for line in sys.stdin:
        what, first, end, *survives = line.split()
        part = slice(int(first), int(end))
        if what == "load":
            start = time.perf_counter()
            side.load(rows[part], ids[part], payloads[part])
            times = [time.perf_counter() - start]
        else:
            times = side.upserts(rows[part], ids[part], payloads[part], *survives)
        sys.stdout.write(json.dumps(times) + "\n")
        sys.stdout.flush()
    os._exit(0)  # nothing is measured any more


if __name__ == "__main__":
    main()
