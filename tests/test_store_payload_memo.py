"""What is kept of payloads never outlives a write."""

from __future__ import annotations

import uuid
from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes.store import MemoryStore
from store_contract.contract_data import SCHEMA, make_points, point_id

from scenesearch.core.conditions import Equals
from scenesearch.core.protocols import VectorQuery
from scenesearch.store.embedded.edge import EdgeStore
from scenesearch.store.embedded.payload_memo import PayloadMemo, cosines

pytestmark = pytest.mark.store
Scored = namedtuple("Scored", "id version score")
IDS = [uuid.UUID(int=i) for i in range(10)]
"""Points as an engine gives them."""


class Reader:
    """Payloads by id, and how often they were asked for."""

    def __init__(self, payloads: Mapping[uuid.UUID, dict[str, Any]]) -> None:
        self.payloads = dict(payloads)
        self.asked: list[uuid.UUID] = []

    def __call__(self, ids: list[uuid.UUID]) -> dict[int, dict[str, Any]]:
        self.asked += ids
        return {i.int: self.payloads[i] for i in ids if i in self.payloads}


@pytest.fixture
def reader() -> Reader:
    return Reader({i: {"n": i.int} for i in IDS})


def points(*numbers: int, version: int = 1) -> list[Scored]:
    return [Scored(IDS[n], version, 0.9 - n / 100) for n in numbers]


def test_a_point_is_read_once_whichever_query_it_answers(reader: Reader) -> None:
    memo = PayloadMemo()

    first = memo.hits([points(0, 1), points(1, 2)], ("n",), reader, [cosines] * 2)
    again = memo.hits([points(2, 0)], ("n",), reader, [cosines])

    assert reader.asked == IDS[:3]
    assert [[hit.payload["n"] for hit in row] for row in first] == [[0, 1], [1, 2]]
    assert [(hit.id, hit.score, hit.payload) for hit in again[0]] == [
        (str(IDS[2]), 0.88, {"n": 2}),
        (str(IDS[0]), 0.9, {"n": 0}),
    ]


def test_a_point_that_was_written_is_read_again(reader: Reader) -> None:
    memo = PayloadMemo()
    memo.hits([points(0, 1)], ("n",), reader, [cosines])
    reader.payloads[IDS[1]] = {"n": "new"}

    found = memo.hits([[*points(0), *points(1, version=2)]], ("n",), reader, [cosines])

    assert [hit.payload["n"] for hit in found[0]] == [0, "new"]
    assert reader.asked[2:] == [IDS[1]]


def test_other_fields_are_read_for_themselves(reader: Reader) -> None:
    memo = PayloadMemo()
    memo.hits([points(0)], ("n",), reader, [cosines])
    memo.hits([points(0)], ("n", "m"), reader, [cosines])

    assert reader.asked == [IDS[0], IDS[0]]


def test_a_point_removed_meanwhile_is_left_out(reader: Reader) -> None:
    memo = PayloadMemo()
    memo.hits([points(0, 1)], ("n",), reader, [cosines])
    del reader.payloads[IDS[1]], reader.payloads[IDS[2]]

    found = memo.hits([[*points(0), *points(1, 2, version=2)]], ("n",), reader, [cosines])

    assert [hit.id for hit in found[0]] == [str(IDS[0])]


@pytest.mark.parametrize("limit", [0, 1, 3, 6, 100])
def test_a_small_memo_forgets_but_never_errs(reader: Reader, limit: int) -> None:
    memo = PayloadMemo(limit)
    rng = np.random.default_rng(0)
    for _ in range(50):
        chosen = rng.permutation(10)[: rng.integers(0, 6)].tolist()
        for fields in (("n",), ("m",)):
            found = memo.hits([points(*chosen)], fields, reader, [cosines])
            assert [hit.payload["n"] for hit in found[0]] == chosen
            assert len(memo) <= limit


def test_hits_cannot_change_what_is_kept(reader: Reader) -> None:
    memo = PayloadMemo()
    hit = memo.hits([points(0)], ("n",), reader, [cosines])[0][0]

    with pytest.raises(TypeError):
        hit.payload["n"] = "spoilt"  # type: ignore[index]


@pytest.mark.parametrize(
    ("score", "expected"), [(1.0000001, 1.0), (-1.0000001, -1.0), (0.25, 0.25)]
)
def test_rounding_does_not_leave_the_range_of_a_cosine(
    reader: Reader, score: float, expected: float
) -> None:
    found = PayloadMemo().hits([[Scored(IDS[0], 1, score)]], ("n",), reader, [cosines])

    assert found[0][0].score == expected


# --- with the engine: it must number every kind of write ------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EdgeStore]:
    store = EdgeStore(tmp_path / "index", "items")
    store.create(SCHEMA)
    yield store
    store.close()


def _upsert(store: EdgeStore) -> None:
    point = make_points(4)[3]
    store.upsert([type(point)(point.id, point.vectors, {**point.payload, "price": 777.0})])


def _reborn(store: EdgeStore) -> None:
    store.delete(ids=[point_id(3)])
    _upsert(store)


WRITES: dict[str, Callable[[EdgeStore], None]] = {
    "an upsert": _upsert,
    "a deletion and an upsert": _reborn,
    "a payload set by id": lambda s: s.set_payload({"price": 777.0}, ids=[point_id(3)]),
    "a payload set by filter": lambda s: s.set_payload(
        {"price": 777.0}, where=Equals("item_id", _item(s))
    ),
}


def _item(store: EdgeStore) -> str:
    return str(store.retrieve([point_id(3)])[0].payload["item_id"])


def _prices(store: EdgeStore) -> dict[str, Any]:
    space, dim = next(iter(SCHEMA.vectors.items()))
    query = VectorQuery(space, np.eye(dim, dtype=np.float32)[0], 50, None, ("price",))
    return {hit.id: hit.payload.get("price") for hit in store.query([query])[0]}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("optimize", [False, True], ids=["as it is", "optimized"])
def test_a_query_sees_every_write_before_it(
    store: EdgeStore, write: Callable[[EdgeStore], None], optimize: bool
) -> None:
    store.upsert(make_points(20))
    before = _prices(store)
    write(store)
    if optimize:
        store.optimize()
    after = _prices(store)

    assert before[point_id(3)] != 777.0
    assert after[point_id(3)] == 777.0


def test_a_deleted_point_answers_no_more(store: EdgeStore) -> None:
    store.upsert(make_points(20))
    before = set(_prices(store))
    store.delete(ids=[point_id(3)])

    assert before - set(_prices(store)) == {point_id(3)}


def test_a_field_that_gets_a_type_is_read_as_that_type(store: EdgeStore) -> None:
    store.upsert(make_points(5))
    store.set_payload({"sale": True}, ids=[point_id(3)])
    space, dim = next(iter(SCHEMA.vectors.items()))
    query = VectorQuery(space, np.eye(dim, dtype=np.float32)[0], 5, None, ("sale",))

    def sale() -> Any:
        return next(h.payload["sale"] for h in store.query([query])[0] if h.id == point_id(3))

    assert sale() is True
    store.add_fields({"sale": "bool"})
    assert sale() is True
    store.set_payload({"sale": False}, ids=[point_id(3)])
    assert sale() is False


def test_random_writes_between_queries_agree_with_the_store_that_keeps_nothing(
    store: EdgeStore,
) -> None:
    rng = np.random.default_rng(7)
    oracle = MemoryStore()
    oracle.create(SCHEMA)
    store._memo = PayloadMemo(limit=12)
    pool = make_points(40)
    space, dim = next(iter(SCHEMA.vectors.items()))
    fields = [("price",), ("item_id", "price"), ()]
    for step in range(80):
        chosen = [pool[i] for i in rng.permutation(40)[: rng.integers(1, 6)]]
        kind = rng.integers(3)
        for one in (store, oracle):
            if kind == 0:
                one.upsert(chosen)
            elif kind == 1:
                one.delete(ids=[point.id for point in chosen])
            else:
                one.set_payload({"price": float(step)}, ids=[point.id for point in chosen])
        query = VectorQuery(
            space,
            rng.standard_normal(dim).astype(np.float32),
            15,
            None,
            fields[int(rng.integers(len(fields)))],
        )
        found, expected = store.query([query])[0], oracle.query([query])[0]
        assert [h.id for h in found] == [h.id for h in expected], step
        assert [h.payload for h in found] == [h.payload for h in expected], step
