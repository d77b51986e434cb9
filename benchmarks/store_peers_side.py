"""One side of ``store_peers.py``: a store in a process of its own, in whose interpreter it is.

Reads the rows that the parent wrote, then does what each line of its input says, and answers
with a line of JSON. Imports nothing of the other sides.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

SPACE = "cutout"
BATCH = 1000
TOP = 200
EF = 400
CATEGORY = "category 7"
PRICE = 675.0
"""One in fifty has the category; two in three cost at most this."""
FIELDS = ("item_id", "category")

Rows = NDArray[np.float32]
Found = list[list[str]]


class Side(Protocol):
    """What is asked of a store."""

    def load(self, rows: Rows, ids: Sequence[str], payloads: Sequence[dict[str, Any]]) -> None:
        """Write the points into a new collection, make it ready to be asked, and durable."""

    def ask(self, queries: Rows, chosen: str) -> Found:
        """Item ids of the best :data:`TOP` of each query, whose fields have arrived as well."""


class Ours:
    """The embedded store, as ``scenesearch`` opens it."""

    def __init__(self, folder: Path, *_: int) -> None:
        from scenesearch.config.settings import load_settings
        from scenesearch.wiring import build_store

        self._store = build_store(load_settings(), folder, "items")

    def load(self, rows: Rows, ids: Sequence[str], payloads: Sequence[dict[str, Any]]) -> None:
        """Write, optimize as ``index`` does, flush."""
        from synthetic import schema

        from scenesearch.core.types import Point
        from scenesearch.index.indexer import CHUNK

        self._store.create(schema({SPACE: rows.shape[1]}))
        for chunk in _parts(len(rows), CHUNK):
            for part in _parts(chunk.stop - chunk.start, BATCH):
                self._store.upsert(
                    [
                        Point(ids[i], {SPACE: rows[i]}, payloads[i])
                        for i in range(chunk.start + part.start, chunk.start + part.stop)
                    ]
                )
            self._store.optimize()

    def ask(self, queries: Rows, chosen: str) -> Found:
        """One batch."""
        from scenesearch.core.conditions import Between, Equals
        from scenesearch.core.protocols import VectorQuery

        where = {
            "plain": None,
            "few": Equals("category", CATEGORY),
            "most": Between("price", lte=PRICE),
        }[chosen]
        found = self._store.query(
            [VectorQuery(SPACE, query, TOP, where, FIELDS) for query in queries]
        )
        return [[hit.payload["item_id"] for hit in hits] for hits in found]


class Zvec:
    """zvec: HNSW, cosine, inverted indexes on the fields of the filters."""

    def __init__(self, folder: Path, m: int, ef_construct: int) -> None:
        self._path, self._m, self._ef_construct = str(folder / "zvec"), m, ef_construct
        self._collection: Any = None

    def load(self, rows: Rows, ids: Sequence[str], payloads: Sequence[dict[str, Any]]) -> None:
        """Write, build the index, flush."""
        import zvec

        text, number = zvec.DataType.STRING, zvec.DataType.DOUBLE
        schema = zvec.CollectionSchema(
            "items",
            fields=[
                zvec.FieldSchema("item_id", text),
                zvec.FieldSchema("category", text, index_param=zvec.InvertIndexParam()),
                zvec.FieldSchema("price", number, index_param=zvec.InvertIndexParam()),
                zvec.FieldSchema("rest", text),
            ],
            vectors=[
                zvec.VectorSchema(
                    SPACE,
                    zvec.DataType.VECTOR_FP32,
                    rows.shape[1],
                    index_param=zvec.HnswIndexParam(
                        metric_type=zvec.MetricType.COSINE,
                        m=self._m,
                        ef_construction=self._ef_construct,
                    ),
                )
            ],
        )
        self._collection = zvec.create_and_open(self._path, schema)
        for part in _parts(len(rows), BATCH):
            written = self._collection.insert(
                [
                    zvec.Doc(ids[i], vectors={SPACE: rows[i]}, fields=_columns(payloads[i]))
                    for i in part
                ]
            )
            if not all(status.ok() for status in written):
                raise RuntimeError(f"zvec refused {next(s for s in written if not s.ok())}")
        self._collection.optimize()
        self._collection.flush()

    def ask(self, queries: Rows, chosen: str) -> Found:
        """One query after the other: there is no batch of them."""
        import zvec

        where = {
            "plain": None,
            "few": f"category = '{CATEGORY}'",
            "most": f"price <= {PRICE}",
        }[chosen]
        return [
            [
                doc.field("item_id")
                for doc in self._collection.query(
                    zvec.Query(SPACE, vector=query, param=zvec.HnswQueryParam(ef=EF)),
                    topk=TOP,
                    filter=where,
                    output_fields=list(FIELDS),
                )
            ]
            for query in queries
        ]


class Milvus:
    """milvus-lite: HNSW, cosine."""

    def __init__(self, folder: Path, m: int, ef_construct: int) -> None:
        from pymilvus import MilvusClient

        self._graph = {"M": m, "efConstruction": ef_construct}
        self._client = MilvusClient(str(folder / "milvus.db"))

    def load(self, rows: Rows, ids: Sequence[str], payloads: Sequence[dict[str, Any]]) -> None:
        """Write, flush, build the index, load."""
        from pymilvus import DataType

        schema = self._client.create_schema(auto_id=False)
        schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=36)
        schema.add_field(SPACE, DataType.FLOAT_VECTOR, dim=rows.shape[1])
        schema.add_field("item_id", DataType.VARCHAR, max_length=64)
        schema.add_field("category", DataType.VARCHAR, max_length=64)
        schema.add_field("price", DataType.DOUBLE)
        schema.add_field("rest", DataType.VARCHAR, max_length=8192)
        index = self._client.prepare_index_params()
        index.add_index(
            SPACE,
            index_type="HNSW",
            metric_type="COSINE",
            params=self._graph,
        )
        self._client.create_collection("items", schema=schema, index_params=index)
        for part in _parts(len(rows), BATCH):
            self._client.insert(
                "items",
                [{"id": ids[i], SPACE: rows[i], **_columns(payloads[i])} for i in part],
            )
        self._client.flush("items")
        self._client.load_collection("items")

    def ask(self, queries: Rows, chosen: str) -> Found:
        """One batch."""
        where = {
            "plain": "",
            "few": f"category == '{CATEGORY}'",
            "most": f"price <= {PRICE}",
        }[chosen]
        found = self._client.search(
            "items",
            data=list(queries),
            anns_field=SPACE,
            limit=TOP,
            filter=where,
            output_fields=list(FIELDS),
            search_params={"params": {"ef": EF}},
        )
        return [[hit["entity"]["item_id"] for hit in hits] for hits in found]


def _columns(payload: dict[str, Any]) -> dict[str, Any]:
    """The fields as columns; what no filter or answer needs is one text, as cheap as it gets."""
    named = ("item_id", "category", "price")
    rest = {key: value for key, value in payload.items() if key not in named}
    return {**{key: payload[key] for key in named}, "rest": json.dumps(rest)}


def _parts(count: int, size: int) -> Iterator[range]:
    for start in range(0, count, size):
        yield range(start, min(start + size, count))


def _cpu_s() -> float:
    """Of this process and of those it started and that have ended."""
    used = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def main() -> None:
    """``SIDE FOLDER DATA M EF_CONSTRUCT``; then lines of ``load N`` and ``ask CHOSEN ROUND``."""
    name, folder, data = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    kind = {"ours": Ours, "zvec": Zvec, "milvus": Milvus}[name]
    side: Side = kind(folder, int(sys.argv[4]), int(sys.argv[5]))
    rows, queries = np.load(data / "rows.npy", mmap_mode="r"), np.load(data / "queries.npy")
    lines = (data / "points.jsonl").read_text("utf-8").splitlines()
    points = [json.loads(line) for line in lines]
    ids, payloads = [point.pop("id") for point in points], points
    for line in sys.stdin:
        what, argument, *turn = line.split()
        answer: dict[str, Any] = {}
        if what == "load":
            count = int(argument)
            mine = np.array(rows[:count])
            start, cpu = time.perf_counter(), _cpu_s()
            side.load(mine, ids[:count], payloads[:count])
            answer |= {"s": time.perf_counter() - start, "cpu_s": _cpu_s() - cpu}
            # so that the collector does not walk over them while the store is asked
            del mine, ids, payloads, points
            gc.collect()
        else:
            start, cpu = time.perf_counter(), _cpu_s()
            answer["found"] = side.ask(queries[int(turn[0])], argument)
            answer |= {"s": time.perf_counter() - start, "cpu_s": _cpu_s() - cpu}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    os._exit(0)  # nothing is measured any more; what peers do at the end may take a while


if __name__ == "__main__":
    main()
