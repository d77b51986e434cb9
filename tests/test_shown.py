"""Payloads of what was shown before: read once, and never older than the point."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from fakes.store import MemoryStore
from store_contract.contract_data import SCHEMA, make_points

from scenesearch.core.protocols import Store, VectorQuery
from scenesearch.core.types import Hit, Record
from scenesearch.search.shown import ShownPoints
from scenesearch.store.embedded.edge import EdgeStore

POINTS = make_points(12)


class CountingStore(EdgeStore):
    reads = 0

    def retrieve(self, ids: Sequence[str], *, spaces: Sequence[str] = ()) -> list[Record]:
        self.reads += len(ids)
        return super().retrieve(ids, spaces=spaces)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CountingStore]:
    store = CountingStore(tmp_path, "items")
    store.create(SCHEMA)
    store.upsert(POINTS)
    yield store
    store.close()


def hits(store: Store) -> list[Hit]:
    return store.query([VectorQuery("cutout", POINTS[0].vectors["cutout"], 12, None, ("stock",))])[
        0
    ]


def test_what_was_shown_and_not_written_to_is_read_once(store: CountingStore) -> None:
    shown = ShownPoints(store)

    first = shown.read(hits(store))
    again = shown.read(hits(store))

    assert again == first
    assert first == {record.id: record for record in store.scroll().records}
    assert store.reads == 12


def test_a_field_that_was_not_asked_for_is_new_when_it_was_written(store: CountingStore) -> None:
    shown = ShownPoints(store)
    shown.read(hits(store))

    store.set_payload({"title": "new"}, ids=[POINTS[3].id])

    assert shown.read(hits(store))[POINTS[3].id].payload["title"] == "new"
    assert store.reads == 13


def test_a_point_that_was_deleted_since_is_left_out(store: CountingStore) -> None:
    found = hits(store)
    store.delete(ids=[POINTS[3].id])

    assert POINTS[3].id not in ShownPoints(store).read(found)


def test_no_more_are_kept_than_the_limit(store: CountingStore) -> None:
    shown = ShownPoints(store, limit=5)

    shown.read(hits(store))
    found = shown.read(hits(store))

    assert len(found) == 12
    assert 12 + 7 <= store.reads <= 24


def test_a_store_that_makes_new_payloads_is_asked_each_time() -> None:
    store = MemoryStore()
    store.create(SCHEMA)
    store.upsert(POINTS)
    shown = ShownPoints(store)
    shown.read(hits(store))
    store.set_payload({"title": "new"}, ids=[POINTS[3].id])

    assert shown.read(hits(store))[POINTS[3].id].payload["title"] == "new"
