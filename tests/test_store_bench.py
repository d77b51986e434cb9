"""``scenesearch bench store``: what it says of a collection is so."""

from __future__ import annotations

import json

import numpy as np
import pytest
import shop
from fakes.store import MemoryStore

from scenesearch.api import SceneSearch
from scenesearch.cli import main as command
from scenesearch.config.settings import Settings
from scenesearch.core.conditions import Equals
from scenesearch.core.errors import QueryError
from scenesearch.core.types import CollectionSchema, Point
from scenesearch.evaluation.store_bench import bench

COUNT, DIM = 5000, 12


def filled(forget=()):
    """A store that finds all, but for some points that it never answers with."""
    rows = np.random.default_rng(3).standard_normal((COUNT, DIM)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)

    class Forgetful(MemoryStore):
        def query(self, queries):
            answers = super().query(queries)
            return [[hit for hit in hits if hit.id not in forget] for hits in answers]

    store = Forgetful()
    store.create(CollectionSchema({"cutout": DIM}, {"item_id": "keyword", "kind": "keyword"}))
    points = [
        Point(
            f"00000000-0000-4000-8000-{n:012d}",
            {"cutout": rows[n]},
            {"item_id": str(n), "kind": f"k{n % 50}"},
        )
        for n in range(COUNT)
    ]
    store.upsert(points)
    return store


@pytest.mark.store
def test_a_store_that_searches_all_finds_all():
    plain, filtered = bench(filled(), space="cutout", queries=20, top=10)

    assert (plain.name, plain.share, plain.recall) == ("plain", 1.0, 1.0)
    assert filtered.name.startswith("kind = ")
    assert filtered.share == pytest.approx(0.02)
    assert filtered.recall == 1.0
    assert 0 < plain.p50_ms <= plain.p95_ms


@pytest.mark.store
def test_what_is_not_found_is_missing_in_the_recall():
    lost = {f"00000000-0000-4000-8000-{n:012d}" for n in range(0, COUNT, 2)}
    plain, _ = bench(filled(lost), space="cutout", queries=50, top=20)

    assert plain.recall == pytest.approx(0.5, abs=0.1)


def test_a_filter_can_be_given():
    where = ("a third", Equals("kind", "k3"))
    _, filtered = bench(filled(), space="cutout", queries=5, top=10, where=where)

    assert filtered.name == "a third"


def test_an_unknown_space_is_said():
    with pytest.raises(QueryError, match="No vector space 'colours'; the collection has cutout"):
        bench(filled(), space="colours", queries=5, top=10)


@pytest.mark.process
def test_the_command_says_times_recall_and_memory(tmp_path, monkeypatch, capsys):
    settings = Settings(cache_dir=tmp_path / "cache")
    with SceneSearch(tmp_path / "store", config=settings) as front:
        front._opened.use_parts(shop.FakeParts(settings))
        front.index(shop.write_catalog(tmp_path, shop.colour_shop(tmp_path)))
    words = ["bench", "store", "--store", str(tmp_path / "store"), "--queries", "10", "--json"]
    monkeypatch.setattr("sys.argv", ["scenesearch", *words])

    assert command.main() == 0
    said = json.loads(capsys.readouterr().out)
    assert said["quantization"] == "int8"
    assert said["resident_mb"] > 10
    assert [one["recall"] for one in said["queries"]] == [1.0, 1.0]
