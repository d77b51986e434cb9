"""Collections that are searched by codes of their vectors."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client import QdrantClient
from store_contract.contract_data import point_id

from scenesearch.cli import main as command
from scenesearch.config.settings import load_settings
from scenesearch.core.conditions import Between, Equals
from scenesearch.core.errors import StoreError, StoreUnavailableError
from scenesearch.core.protocols import VectorQuery
from scenesearch.core.quantization import Quantization
from scenesearch.core.types import CollectionSchema, Point
from scenesearch.store.embedded import edge_translate
from scenesearch.store.embedded.edge import EdgeStore
from scenesearch.store.process.store import ProcessStore
from scenesearch.store.schemas import dump_schema, load_schema
from scenesearch.store.server.client import ClientStore
from scenesearch.store.server.client_translate import vector_diffs, vector_params
from scenesearch.wiring import build_store

pytestmark = pytest.mark.store
DIM, COLOURS, COUNT, TOP = 96, 64, 3000, 50
SCHEMA = CollectionSchema(
    {"cutout": DIM, "colour": COLOURS}, {"category": "keyword", "price": "float"}
)
CODED: tuple[Quantization, ...] = ("int8", "binary")


def rows(seed: int, count: int, dim: int = DIM) -> np.ndarray:
    """Clustered, as embeddings are."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).standard_normal((60, dim))
    found = centres[rng.integers(0, 60, count)] + 0.7 * rng.standard_normal((count, dim))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


VECTORS, HUES = rows(1, COUNT), np.abs(rows(2, COUNT, COLOURS))
HUES /= np.linalg.norm(HUES, axis=1, keepdims=True)


@pytest.fixture
def fill(monkeypatch: pytest.MonkeyPatch) -> Callable[[EdgeStore], EdgeStore]:
    monkeypatch.setattr(edge_translate, "INDEX_KB", 100)  # so that a small test has codes

    def filled(store: EdgeStore) -> EdgeStore:
        store.create(SCHEMA)
        store.upsert(
            [
                Point(
                    point_id(i),
                    {"cutout": VECTORS[i], "colour": HUES[i]},
                    {"category": f"c{i % 50}", "price": float(i % 300)},
                )
                for i in range(COUNT)
            ]
        )
        store.optimize()
        return store

    return filled


def codes(store: EdgeStore) -> set[str]:
    """What the segments' files say of their vectors' codes."""
    found = set()
    for file in store._home.glob("shard/segments/*/segment.json"):
        config = json.loads(file.read_text())["config"]["vector_data"]["cutout"]
        found |= set(config.get("quantization_config") or ("none",))
    return {"int8" if name == "scalar" else name for name in found}


def recall(store: EdgeStore, where: object = None, keep: np.ndarray | None = None) -> float:
    """Of the best :data:`TOP` by all vectors, over 20 queries."""
    asked = rows(3, 20)
    answers = store.query([VectorQuery("cutout", one, TOP, where) for one in asked])
    shares = []
    for query, hits in zip(asked, answers, strict=True):
        scores = VECTORS @ query
        if keep is not None:
            scores[~keep] = -2
        best = np.argsort(-scores)[:TOP]
        by_id = {hit.id: hit.score for hit in hits}
        shares.append(np.mean([point_id(i) in by_id for i in best]))
        for i in best:
            if point_id(i) in by_id:  # scored by the vectors, not by the codes
                assert by_id[point_id(i)] == pytest.approx(float(scores[i]), abs=2e-6)
    return float(np.mean(shares))


@pytest.mark.parametrize(("quantization", "least"), [("int8", 0.999), ("binary", 0.9)])
def test_the_best_by_codes_are_scored_by_vectors_and_are_the_best_of_all(
    tmp_path: Path,
    fill: Callable[[EdgeStore], EdgeStore],
    quantization: Quantization,
    least: float,
) -> None:
    store = fill(EdgeStore(tmp_path, "items", quantization=quantization))
    numbers = np.arange(COUNT)

    assert quantization in codes(store)
    assert recall(store) >= least
    assert recall(store, Between("price", lte=200.0), numbers % 300 <= 200) >= least
    assert recall(store, Equals("category", "c7"), numbers % 50 == 7) >= least


@pytest.mark.parametrize("quantization", CODED)
def test_the_best_of_all_segments_are_scored_again_where_there_are_many(
    tmp_path: Path,
    fill: Callable[[EdgeStore], EdgeStore],
    monkeypatch: pytest.MonkeyPatch,
    quantization: Quantization,
) -> None:
    store = fill(EdgeStore(tmp_path, "items", quantization=quantization))
    by_segment = recall(store)
    monkeypatch.setattr(edge_translate, "MERGED_FLOATS", 0)
    numbers = np.arange(COUNT)

    assert recall(store) >= by_segment - 0.05
    assert recall(store, Between("price", lte=200.0), numbers % 300 <= 200) >= 0.9
    assert recall(store, Equals("category", "c7"), numbers % 50 == 7) >= 0.9


def test_colours_have_no_codes(tmp_path: Path, fill: Callable[[EdgeStore], EdgeStore]) -> None:
    store = fill(EdgeStore(tmp_path, "items", quantization="binary"))

    hits = store.query([VectorQuery("colour", HUES[5], 20)])[0]

    best = np.argsort(-(HUES @ HUES[5]))[:20]
    assert {hit.id for hit in hits} == {point_id(i) for i in best}


@pytest.mark.parametrize("quantization", CODED)
def test_a_collection_keeps_what_it_was_made_with(
    tmp_path: Path, fill: Callable[[EdgeStore], EdgeStore], quantization: Quantization
) -> None:
    fill(EdgeStore(tmp_path, "items")).close()

    again = EdgeStore(tmp_path, "items", quantization=quantization)
    again.create(SCHEMA)
    again.optimize()

    assert again.schema is not None
    assert again.schema.quantization == "none"
    assert codes(again) == {"none"}


def test_it_is_changed_there_and_back(
    tmp_path: Path, fill: Callable[[EdgeStore], EdgeStore]
) -> None:
    store = fill(EdgeStore(tmp_path, "items"))
    for quantization in (*CODED, "none"):
        store.quantize(quantization)

        assert quantization in codes(store)
        assert store.schema is not None
        assert store.schema.quantization == quantization
        assert recall(store) >= 0.9
        assert store.count() == COUNT


def test_a_change_that_was_killed_is_gone_on_with(
    tmp_path: Path, fill: Callable[[EdgeStore], EdgeStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = fill(EdgeStore(tmp_path, "items"))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("scenesearch.store.embedded.edge_directory.load_shard", killed)
        with pytest.raises(KeyboardInterrupt):
            store.quantize("int8")
    again = EdgeStore(tmp_path, "items")

    assert recall(again) >= 0.999
    again.optimize()
    assert "int8" in codes(again)
    assert recall(again) >= 0.999


def test_it_is_refused_while_another_store_has_the_collection_open(
    tmp_path: Path, fill: Callable[[EdgeStore], EdgeStore]
) -> None:
    store = fill(EdgeStore(tmp_path, "items"))

    with pytest.raises(StoreUnavailableError, match="open"):
        EdgeStore(tmp_path, "items").quantize("int8")
    assert codes(store) == {"none"}


def test_an_unknown_one_and_no_collection_are_errors(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="quantization must be none, int8, binary, got 'int4'"):
        EdgeStore(tmp_path, "items").quantize("int4")  # type: ignore[arg-type]
    with pytest.raises(StoreError, match="does not exist"):
        EdgeStore(tmp_path, "items").quantize("int8")
    with pytest.raises(StoreError, match="quantization must be"):
        load_schema(json.dumps({**unsummed(), "quantization": "int4"}), "a file")


def unsummed() -> dict[str, Any]:
    """A record as versions before its checksum wrote it."""
    record: dict[str, Any] = json.loads(dump_schema(SCHEMA))
    del record["sum"]
    return record


def test_a_schema_that_does_not_say_has_none() -> None:
    text = unsummed()
    del text["quantization"]

    assert load_schema(json.dumps(text), "a file") == SCHEMA


def test_a_store_in_a_process_says_what_its_collection_has(tmp_path: Path) -> None:
    store = ProcessStore(partial(EdgeStore, tmp_path, "items", quantization="int8"))
    try:
        store.create(SCHEMA)

        assert store.schema is not None
        assert store.schema.quantization == "int8"
    finally:
        store.close()


@pytest.mark.parametrize(
    ("setting", "expected"), [("auto", "int8"), ("none", "none"), ("binary", "binary")]
)
def test_the_setting_is_of_collections_that_are_made(
    tmp_path: Path, setting: str, expected: Quantization
) -> None:
    settings = load_settings(store={"quantization": setting})
    store = build_store(settings, tmp_path, "items")

    store.create(SCHEMA)

    assert store.schema is not None
    assert store.schema.quantization == expected
    store.close()


def test_the_command_changes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    EdgeStore(tmp_path, "items").create(SCHEMA)
    monkeypatch.setattr("sys.argv", ["scenesearch", "quantize", "int8", "--store", str(tmp_path)])

    assert command.main() == 0
    assert f"items in {tmp_path}: int8" in capsys.readouterr().out
    schema = EdgeStore(tmp_path, "items").schema
    assert schema is not None
    assert schema.quantization == "int8"


def test_a_server_is_told_of_spaces_with_codes() -> None:
    coded = CollectionSchema(SCHEMA.vectors, SCHEMA.fields, {}, "int8")

    made, changed = vector_params(coded), vector_diffs(coded)
    plain = vector_diffs(SCHEMA)

    assert made["cutout"].quantization_config.scalar.always_ram
    assert made["cutout"].on_disk
    assert made["colour"].quantization_config is None
    assert changed["cutout"].quantization_config.scalar.type == "int8"
    assert plain["cutout"].quantization_config == "Disabled"


def test_a_collection_of_a_server_keeps_and_changes_its_own() -> None:
    client = QdrantClient(":memory:")
    ClientStore(client, "items", quantization="int8").create(SCHEMA)
    store = ClientStore(client, "items")
    store.create(SCHEMA)
    store.upsert([Point(point_id(0), {"cutout": VECTORS[0]}, {})])

    assert store.schema is not None
    assert store.schema.quantization == "int8"
    store.quantize("binary")
    assert ClientStore(client, "items").schema == CollectionSchema(
        SCHEMA.vectors, SCHEMA.fields, {}, "binary"
    )
    assert [hit.id for hit in store.query([VectorQuery("cutout", VECTORS[0], 5)])[0]] == [
        point_id(0)
    ]


def placed(store: EdgeStore) -> list[Any]:
    """What the segments' files say of where vectors and codes are held, anywhere in them."""
    return [
        json.loads(file.read_text())["config"]["vector_data"]["cutout"]
        for file in store._home.glob("shard/segments/*/segment.json")
    ]


def test_where_it_is_held_is_changed_on_a_collection_that_is_there(
    tmp_path: Path, fill: Callable[[EdgeStore], EdgeStore]
) -> None:
    store = fill(EdgeStore(tmp_path, "items"))
    before = placed(store)
    store.quantize("int8", on_disk=False, memory="cold")
    cold = placed(store)
    kept = store.schema
    store.close()

    again = EdgeStore(tmp_path, "items")
    assert again.schema == kept
    assert kept is not None
    assert (kept.on_disk, kept.memory) == (False, "cold")
    assert before != cold
    assert recall(again) >= 0.999
    again.quantize("none", on_disk=True)
    assert placed(again) not in (before, cold)
    assert recall(again) >= 0.9
    assert again.count() == COUNT
    again.quantize("none")
    assert again.schema is not None
    assert (again.schema.on_disk, again.schema.memory) == (None, None)


def test_a_record_says_where_only_if_it_was_said() -> None:
    said = CollectionSchema(SCHEMA.vectors, SCHEMA.fields, on_disk=True, memory="cached")

    assert "on_disk" not in json.loads(dump_schema(SCHEMA))
    assert load_schema(dump_schema(said), "a file") == said
    with pytest.raises(StoreError, match="memory must be pinned, cached, cold, got 'warm'"):
        load_schema(json.dumps({**unsummed(), "memory": "warm"}), "a file")


def test_a_server_is_told_where_it_is_held() -> None:
    cold = CollectionSchema(SCHEMA.vectors, SCHEMA.fields, {}, "int8", on_disk=False, memory="cold")

    made, changed = vector_params(cold)["cutout"], vector_diffs(cold)["cutout"]

    for one in (made, changed):
        assert one.on_disk is False
        assert one.quantization_config.scalar.always_ram is False
        assert one.hnsw_config.on_disk is True
    plain = vector_diffs(CollectionSchema(SCHEMA.vectors, on_disk=True))["cutout"]
    assert (plain.on_disk, plain.hnsw_config.on_disk) == (True, False)


def test_settings_and_flags_say_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings(store={"on_disk": True, "memory": "cached"})
    made = build_store(settings, tmp_path, "items")
    made.create(SCHEMA)
    assert made.schema is not None
    assert (made.schema.on_disk, made.schema.memory) == (True, "cached")
    made.close()
    words = ["quantize", "none", "--in-memory", "--memory", "cold", "--store", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["scenesearch", *words])

    assert command.main() == 0
    schema = EdgeStore(tmp_path, "items").schema
    assert schema is not None
    assert (schema.quantization, schema.on_disk, schema.memory) == ("none", False, "cold")
