"""Sums of points, and the count of what a collection has: what is not what was written is seen."""

from __future__ import annotations

import json
import random
import uuid
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from qdrant_client import QdrantClient
from sparse import copy_tree

from scenesearch.core.conditions import Equals
from scenesearch.core.errors import DamagedError
from scenesearch.core.types import CollectionSchema, Point
from scenesearch.store.embedded.edge import EdgeStore
from scenesearch.store.server.client import ClientStore
from scenesearch.store.sums import (
    PAYLOAD_SUM,
    SUMS,
    VECTORS_SUM,
    payload_state,
    payload_sum,
    vectors_state,
    vectors_sum,
)

SCHEMA = CollectionSchema(
    {"a": 16, "b": 4}, {"item_id": "keyword", "n": "integer", "words": "text"}, {}
)
DRAWN = random.Random(3)


def points(count, *, start=0):
    rng = np.random.default_rng(5)
    return [
        Point(
            str(uuid.UUID(int=n + 1)),
            {"a": rng.normal(size=16), **({"b": rng.normal(size=4)} if n % 3 else {})},
            {
                "item_id": f"ä{n}",
                "n": n,
                "words": f"oak {n}",
                "price": DRAWN.uniform(0, 1000),
                "box": [[DRAWN.random(), 2], {"k": [None, True, 1e-7, 10**15]}],
            },
        )
        for n in range(start, start + count)
    ]


@pytest.fixture(params=["edge", "client"])
def store(request, tmp_path):
    if request.param == "edge":
        opened = EdgeStore(tmp_path, "items", min_free_bytes=0)
    else:
        opened = ClientStore(QdrantClient(":memory:"), "items")
    with closing(opened):
        opened.create(SCHEMA)
        yield opened


def states(store):
    return {
        (vectors_state(p.vectors, p.payload), payload_state(p.id, p.payload))
        for p in store.inspect(limit=1000).points
    }


def test_what_was_written_is_sound_and_its_sums_are_nobodys_business(store):
    store.upsert(points(300))

    assert states(store) == {("sound", "sound")}
    for record in store.scroll(limit=300):
        assert not set(SUMS) & set(record.payload)


def test_a_changed_payload_has_no_sum_and_the_vectors_keep_theirs(store):
    store.upsert(points(4))
    store.set_payload({"n": 99}, where=Equals("item_id", "ä1"))

    found = {p.payload["item_id"]: p for p in store.inspect().points}
    assert payload_state(found["ä1"].id, found["ä1"].payload) == "unsummed"
    assert vectors_state(found["ä1"].vectors, found["ä1"].payload) == "sound"
    assert PAYLOAD_SUM in found["ä2"].payload


def test_a_field_that_gets_a_type_damages_nothing(store):
    store.upsert(points(4))
    store.add_fields({"n": "float"})

    assert {state for _, state in states(store)} <= {"sound", "unsummed"}


def test_every_part_of_a_point_counts():
    payload = {"a": "x", "b": [1, 2.5], "c": {"d": None}}
    one = payload_sum("1", payload)
    kept = {**payload, PAYLOAD_SUM: one}

    assert payload_state("1", kept) == "sound"
    assert payload_state("2", kept) == "damaged"
    changed = (
        {"a": "y"},
        {"b": [1, 2.6]},
        {"b": [2, 1]},
        {"c": {"d": 0}},
        {"e": 1},
        {"b": "[1,2.5]"},
    )
    for change in changed:
        assert payload_state("1", {**kept, **change}) == "damaged"


def test_a_number_of_a_vector_that_changes_is_seen_wherever_it_stands():
    rows = {"a": np.full(16, 0.25, np.float32), "b": np.full(4, 0.5, np.float32)}
    kept = {VECTORS_SUM: vectors_sum(rows)}

    assert vectors_state(rows, kept) == "sound"
    assert vectors_state(rows, {}) == "unsummed"
    assert vectors_state({"a": rows["a"]}, kept) == "damaged"
    assert vectors_state({"a": rows["a"], "c": rows["b"]}, kept) == "damaged"
    for space, row in rows.items():
        for n in range(len(row)):
            for value in (-row[n], np.nan, np.inf, 0.0, row[n] + 1e-4):
                changed = row.copy()
                changed[n] = value
                assert vectors_state({**rows, space: changed}, kept) == "damaged"


@pytest.mark.store
def test_numbers_that_an_engine_reads_back_beside_what_they_were_are_sound():
    drawn = random.Random(8)
    for _ in range(20_000):
        value = drawn.uniform(-1000, 1000)
        total = payload_sum("1", {"price": value})
        for read in (np.nextafter(value, 2000), np.nextafter(value, -2000)):
            assert payload_state("1", {"price": float(read), PAYLOAD_SUM: total}) == "sound"


def test_points_are_looked_through_page_by_page(store):
    store.upsert(points(25))
    seen, cursor = [], None
    while True:
        page = store.inspect(cursor, 10)
        seen += [point.id for point in page.points]
        cursor = page.cursor
        if cursor is None:
            break

    assert sorted(seen) == sorted(p.id for p in points(25))


# --- counts ------------------------------------------------------------------------------------


def filled(folder, count=50):
    with closing(EdgeStore(folder, "items", min_free_bytes=0)) as store:
        store.create(SCHEMA)
        store.upsert(points(count))
        store.delete(ids=[points(1)[0].id])
    return folder / "items"


def test_what_was_counted_at_the_end_is_there_at_the_next_opening(tmp_path):
    home = filled(tmp_path)
    with closing(EdgeStore(tmp_path, "items")) as store:
        assert store.count() == 49
        assert store.census() == store.recorded_census()
        assert store.census().points == 49
    before = (home / "census.json").read_bytes()
    with closing(EdgeStore(tmp_path, "items", min_free_bytes=0)) as store:
        store.count()
        store.upsert(points(2, start=200))
        assert not (home / "census.json").exists()

    assert (home / "census.json").read_bytes() != before


def test_a_collection_that_lost_the_vectors_of_a_space_is_refused_by_name(tmp_path):
    home = filled(tmp_path)
    for folder in home.glob("shard/segments/*/vector_storage-a/deleted"):
        for file in folder.glob("flags_*"):
            data = bytearray(file.read_bytes())
            data[:2] = b"\xff\xff"
            file.write_bytes(data)
    for _ in range(2):  # the refusal holds no lock
        with (
            closing(EdgeStore(tmp_path, "items")) as store,
            pytest.raises(DamagedError, match=r"vectors in the space 'a', of .*scenesearch verify"),
        ):
            store.count()

    with closing(EdgeStore(tmp_path, "items", counted=False)) as store:
        assert store.count() == 49
        assert store.recorded_census() != store.census()


def test_a_collection_without_a_count_or_of_an_older_version_opens(tmp_path):
    home = filled(tmp_path)
    (home / "census.json").unlink()
    with closing(EdgeStore(tmp_path, "items")) as store:
        assert store.recorded_census() is None
        assert store.count() == 49
    with closing(EdgeStore(tmp_path, "items")) as store:
        assert store.recorded_census().points == 49


@pytest.mark.parametrize("spoil", [b"", b"{}", b'{"points": 1}', None], ids=str)
def test_a_count_that_cannot_be_read_is_damage(tmp_path, spoil):
    file = filled(tmp_path) / "census.json"
    file.write_bytes(file.read_bytes().replace(b"49", b"48") if spoil is None else spoil)

    with closing(EdgeStore(tmp_path, "items")) as store, pytest.raises(DamagedError):
        store.count()


def test_a_copy_has_its_count_with_it(tmp_path):
    filled(tmp_path / "one")
    copy_tree(tmp_path / "one", tmp_path / "two")

    with closing(EdgeStore(tmp_path / "two", "items")) as store:
        assert store.count() == 49


def test_a_record_of_which_a_letter_changed_is_damage(tmp_path):
    home = filled(tmp_path)
    text = (home / "schema.json").read_text()
    assert json.loads(text)["sum"]
    (home / "schema.json").write_text(text.replace('"keyword"', '"integer"'))

    with closing(EdgeStore(tmp_path, "items")) as store, pytest.raises(DamagedError):
        store.count()


def test_an_index_is_made_anew_from_the_payloads(tmp_path):
    filled(tmp_path)
    with closing(EdgeStore(tmp_path, "items", min_free_bytes=0)) as store:
        store.reindex(["item_id", "words"])

        assert store.count(Equals("item_id", "ä7")) == 1
        assert store.census().indexes["item_id"] == 49
        assert replace(store.schema, made="") == replace(SCHEMA, made="", quantization="none")
