"""Vectors of words: what they say, and how collections made before them get theirs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from fakes.bm25 import bm25
from fakes.bm25 import tokens as reference_tokens
from hypothesis import given
from hypothesis import strategies as st
from store_contract.contract_data import SCHEMA, make_points, point_id

from scenesearch.core.protocols import Store, TextQuery
from scenesearch.core.types import Hit, Point
from scenesearch.store import bm25 as words
from scenesearch.store.embedded.edge import EdgeStore
from scenesearch.store.schemas import load_schema
from scenesearch.store.server.client import ClientStore

Old = Callable[[], Store]


def _search(store: Store, text: str) -> list[Hit]:
    return store.query([TextQuery(text, 500)])[0]


def _as_before(text: str) -> str:
    """The record of a collection as the version before vectors of words wrote it."""
    data = json.loads(text)
    kept = {k: v for k, v in data.items() if k not in ("mean_words", "sum")}
    return json.dumps({**kept, "format": 1})


@pytest.fixture
def old_edge(tmp_path: Path) -> Old:
    import qdrant_edge as edge

    store = EdgeStore(tmp_path, "items")
    store.create(SCHEMA)
    store.upsert(make_points(60))
    store.close()
    shard = edge.EdgeShard.load(str(tmp_path / "items" / "shard"))
    shard.update(edge.UpdateOperation.delete_vector_name("words"))
    shard.flush()
    shard.close()
    record = tmp_path / "items" / "schema.json"
    record.write_text(_as_before(record.read_text()))
    (tmp_path / "items" / "census.json").unlink()
    return lambda: EdgeStore(tmp_path, "items")


@pytest.fixture
def old_client() -> Iterator[Old]:
    from qdrant_client import QdrantClient

    client = QdrantClient(":memory:")
    store = ClientStore(client, "items")
    store.create(SCHEMA)
    store.upsert(make_points(60))
    client.delete_vector_name("items", "words")
    [record] = client.scroll("items--meta")[0]
    assert record.payload is not None
    text = _as_before(record.payload["schema"])
    client.set_payload("items--meta", {"schema": text}, points=[record.id])
    yield lambda: ClientStore(client, "items")
    client.close()


@pytest.fixture(params=["old_edge", "old_client"])
def old(request: pytest.FixtureRequest) -> Old:
    found: Old = request.getfixturevalue(request.param)
    return found


def _expected(text: str) -> dict[str, float]:
    texts = {p.id: reference_tokens(str(p.payload.get("words", ""))) for p in make_points(60)}
    lengths = [len(text) for text in texts.values() if text]
    return bm25(texts, text, sum(lengths) / len(lengths))


def test_a_collection_made_before_is_searched_with_the_mean_of_what_it_holds(old: Old) -> None:
    store = old()
    schema = store.schema
    assert schema is not None
    assert schema.mean_words is None

    found = {hit.id: hit.score for hit in _search(store, "red oak")}

    assert found == pytest.approx(_expected("red oak"), abs=1e-4)
    store.close()
    again = old()
    assert again.schema is not None
    assert again.schema.mean_words is not None
    assert {hit.id: hit.score for hit in _search(again, "red oak")} == found
    again.close()


def test_adding_vectors_that_is_killed_half_way_is_begun_again(
    old: Old, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words, "_PAGE", 7)
    calls = count()
    real = words.text_terms

    def killed(text: object, mean: float) -> words.Terms | None:
        if next(calls) == 20:
            raise KeyboardInterrupt
        return real(text, mean)

    monkeypatch.setattr(words, "text_terms", killed)
    store = old()
    with pytest.raises(KeyboardInterrupt):
        _search(store, "oak")
    store.close()

    store = old()

    assert {hit.id: hit.score for hit in _search(store, "red oak")} == pytest.approx(
        _expected("red oak"), abs=1e-4
    )
    store.close()


def test_what_is_written_into_a_collection_made_before_is_found_with_the_rest(old: Old) -> None:
    store = old()

    store.upsert([Point(point_id(999), {}, {"words": "oak"})])

    found = [hit.id for hit in _search(store, "oak")]
    assert point_id(999) in found
    assert len(found) == 1 + len(_expected("oak"))
    store.close()


def test_vectors_alone_are_asked_for_without_adding_any(old: Old) -> None:
    store = old()

    assert store.count() == 60

    assert store.schema is not None
    assert store.schema.mean_words is None
    store.close()


def test_the_mean_that_a_collection_is_made_with_stays(tmp_path: Path) -> None:
    store = EdgeStore(tmp_path, "items")
    store.create(replace(SCHEMA, mean_words=3.5))
    store.create(SCHEMA)
    store.upsert([Point(point_id(0), {}, {"words": "oak and more of it"})])

    [hit] = _search(store, "oak")

    expected = bm25({"a": ["oak", "and", "more", "of", "it"]}, "oak", 3.5)["a"]
    assert hit.score == pytest.approx(expected, abs=1e-6)
    assert load_schema((tmp_path / "items" / "schema.json").read_text(), "it").mean_words == 3.5
    store.close()


@given(st.text(), st.floats(0.5, 500))
def test_a_product_with_a_query_is_what_the_reference_adds_up(text: str, mean: float) -> None:
    held = words.text_terms(text, mean)
    asked = words.query_terms(text)

    if held is None:
        assert not asked.indices
        return
    product = np.dot(held.values, asked.values)
    # of one text alone, each word has the same idf
    alone = bm25({"a": reference_tokens(text), "b": []}, text, mean)["a"]
    assert product * np.log(1 + 0.5 / 1.5) == pytest.approx(alone, rel=1e-6)


def test_words_that_share_a_coordinate_are_counted() -> None:
    numbers = [f"word{n}" for n in range(100_000)]

    assert words.collisions(["oak", "oak", "table"]) == 0
    # the birthday bound of 32 bits is 1.2 pairs
    assert words.collisions(numbers) <= 10
    assert words.collisions(["plumless", "buckeroo"]) == 2, "a known pair of CRC-32"


def test_short_words_never_share_a_coordinate() -> None:
    pairs = [a + b + c for a in "abcdefghij0123" for b in "klmnop456" for c in "qrstuvwxyz789"]

    assert words.collisions(pairs) == 0
