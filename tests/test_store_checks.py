"""What is checked before an engine is asked: disks, names, vectors, payloads, ties."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from scenesearch.core.errors import (
    CollectionMismatchError,
    InvalidVectorError,
    NoSpaceError,
    StoreError,
)
from scenesearch.core.types import CollectionSchema, Hit, Point
from scenesearch.store.checks import canonical_id, check_cursor, check_name
from scenesearch.store.payloads import decode_payload, encode_payload, retype_payload
from scenesearch.store.schemas import dump_schema, load_schema
from scenesearch.store.ties import MAX_EXTRA, settle, settle_facet
from scenesearch.store.vectors import unit_vector, unit_vectors
from scenesearch.system.disk import MIN_FREE_BYTES, check_free_space
from scenesearch.system.whole_file import write_whole

_Usage = namedtuple("_Usage", "total used free")


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The free bytes that the system claims."""
    claimed = {"bytes": 0}
    monkeypatch.setattr(shutil, "disk_usage", lambda path: _Usage(10**12, 0, claimed["bytes"]))
    return claimed


@pytest.mark.parametrize(
    ("available", "needed", "refused"),
    [
        (MIN_FREE_BYTES, 0, False),
        (MIN_FREE_BYTES - 1, 0, True),
        (MIN_FREE_BYTES, MIN_FREE_BYTES + 1, True),
        (10**10, 10**9, False),
    ],
)
def test_a_write_needs_the_reserve_and_its_own_size(
    free: dict[str, int], tmp_path: Path, available: int, needed: int, refused: bool
) -> None:
    free["bytes"] = available
    if refused:
        with pytest.raises(NoSpaceError, match=r"MB free, .* MB needed"):
            check_free_space(tmp_path / "not" / "there yet", needed)
    else:
        check_free_space(tmp_path / "not" / "there yet", needed)


@pytest.mark.parametrize("name", ["", "Items", "a b", "a/b", "..", "a.b", "x" * 65, "стол", "a\n"])
def test_a_collection_name_that_is_no_plain_word_is_refused(name: str) -> None:
    with pytest.raises(StoreError, match="collection name"):
        check_name(name)


def test_ids_are_written_one_way() -> None:
    text = "F8C2BECF931AED15F5D3EF2D059D9F3C"

    assert canonical_id(text) == "f8c2becf-931a-ed15-f5d3-ef2d059d9f3c"
    assert check_cursor(text) == canonical_id(text)


@pytest.mark.parametrize("scale", [1e-30, 1e-8, 1.0, 1e30], ids=str)
@pytest.mark.parametrize("as_list", [True, False], ids=["list", "array"])
def test_a_vector_of_any_finite_length_becomes_a_unit_vector(scale: float, as_list: bool) -> None:
    raw = np.array([3.0, 0.0, -4.0], np.float32) * np.float32(scale)

    if scale < 1e-12:
        with pytest.raises(InvalidVectorError, match="zero"):
            unit_vector(raw, 3, "it")
    else:
        unit = unit_vector(raw.tolist() if as_list else raw, 3, "it")

        assert unit.dtype == np.float32
        np.testing.assert_allclose(unit, [0.6, 0.0, -0.8], atol=1e-6)


def test_the_first_bad_vector_of_a_batch_is_named() -> None:
    schema = CollectionSchema({"a": 2, "b": 2})
    good = np.array([1.0, 0.0], np.float32)
    points = [
        Point("p0", {"a": good, "b": good}, {}),
        Point("p1", {"b": good}, {}),
        Point("p2", {"a": good, "b": np.array([0.0, np.nan], np.float32)}, {}),
    ]

    with pytest.raises(InvalidVectorError, match="vector 'b' of point p2 has 1 of 2 values"):
        unit_vectors(points, schema)


@pytest.mark.parametrize("words", ["not numbers", ["a", "b"], [[1], [2, 3]], None])
def test_what_is_no_vector_at_all_is_refused(words: object) -> None:
    with pytest.raises(InvalidVectorError):
        unit_vector(words, 2, "it")  # type: ignore[arg-type]


def test_bools_are_stored_as_integers_and_come_back() -> None:
    encoded = encode_payload(
        {"flag": True, "flags": [True, False], "raw": True},
        {"flag": "bool", "flags": "bool"},
        "it",
    )

    assert repr(encoded) == "{'flag': 1, 'flags': [1, 0], 'raw': True}"
    assert decode_payload(encoded, ["flag", "flags", "absent"]) == {
        "flag": True,
        "flags": [True, False],
        "raw": True,
    }


def test_a_bad_value_is_named_with_its_place() -> None:
    with pytest.raises(StoreError, match=r"'box'\[1\]\[0\] of point 7 must be finite, got nan"):
        encode_payload({"box": [1.0, [float("nan")]]}, {}, "point 7")
    with pytest.raises(StoreError, match=r"'price' of point 7 must be a number.*'cheap' \(str\)"):
        encode_payload({"price": "cheap"}, {"price": "float"}, "point 7")


def test_a_payload_that_holds_itself_is_refused() -> None:
    loop: list[object] = []
    loop.append(loop)

    with pytest.raises(StoreError, match="deep"):
        encode_payload({"loop": loop}, {}, "it")


def test_typing_a_stored_field_changes_only_what_must_change() -> None:
    stored = {"a": True, "b": 1, "c": 2.0, "d": "x"}

    patch = retype_payload(stored, {"a": "bool", "b": "integer", "c": "integer", "e": "text"}, "p")

    assert repr(patch) == "{'a': 1, 'c': 2, 'sum:payload': None}"
    with pytest.raises(CollectionMismatchError, match="'d' of point p"):
        retype_payload(stored, {"d": "float"}, "p")


def test_a_schema_reads_back_from_its_text() -> None:
    schema = CollectionSchema({"a": 3}, {"größe": "keyword"}, {"model": "日本"})

    assert load_schema(dump_schema(schema), "it") == schema


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"format": 99}',
        '{"format": 1, "vectors": {"a": "x"}}',
        '{"format": 1, "vectors": {}, "fields": {}, "metadata": {}}',
    ],
)
def test_a_damaged_schema_is_refused(text: str) -> None:
    with pytest.raises(StoreError):
        load_schema(text, "schema.json")


def test_a_failed_write_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "kept"
    write_whole(file, b"old")

    def fail(self: Path, target: Path) -> Path:
        raise OSError("no")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="no"):
        write_whole(file, b"new")

    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert file.read_bytes() == b"old"


def _engine(scores: list[float]) -> list[Hit]:
    # Ids fall, so within a tie the engine's order is the wrong one.
    return [Hit(f"{len(scores) - i:04d}", score, {}) for i, score in enumerate(scores)]


@pytest.mark.parametrize(
    ("scores", "limit", "rounds"),
    [
        ([0.9, 0.8, 0.7, 0.6], 2, 1),
        ([0.9, 0.8, 0.8, 0.6], 2, 2),
        ([0.9, 0.8, 0.8], 3, 1),
        ([0.5] * 100, 3, 4),
        ([], 3, 1),
    ],
    ids=["no tie", "tie at the cut", "tie inside", "everything is equal", "nothing"],
)
def test_more_is_asked_only_while_the_cut_goes_through_a_tie(
    scores: list[float], limit: int, rounds: int
) -> None:
    stored = _engine(scores)
    asked = []

    def fetch(wanted: list[tuple[int, int]]) -> list[list[Hit]]:
        asked.append(wanted)
        return [stored[:count] for _, count in wanted]

    (hits,) = settle([limit], fetch)

    assert hits == sorted(stored, key=lambda hit: (-hit.score, hit.id))[:limit]
    assert len(asked) == rounds


@pytest.mark.parametrize("in_order", [True, False])
def test_many_ties_in_any_place_are_settled_by_id(in_order: bool) -> None:
    rng = np.random.default_rng(0)
    for limit in range(1, 40):
        scores = rng.integers(0, 12, 30).tolist()
        stored = _engine(sorted(scores, reverse=True) if in_order else scores)
        # where the engine does not sort, the best must not be cut off
        wanted = limit if in_order else 30
        (hits,) = settle([wanted], lambda _, found=stored: [found])

        assert hits == sorted(stored, key=lambda hit: (-hit.score, hit.id))[:wanted]


def test_an_endless_tie_is_cut() -> None:
    stored = _engine([0.5] * (MAX_EXTRA * 3))

    (hits,) = settle([5], lambda wanted: [stored[:count] for _, count in wanted])

    assert len(hits) == 5


def test_only_the_tied_queries_of_a_batch_are_asked_again() -> None:
    engines = [_engine([0.9, 0.8, 0.7]), _engine([0.5] * 5)]
    asked = []

    def fetch(wanted: list[tuple[int, int]]) -> list[list[Hit]]:
        asked.append([i for i, _ in wanted])
        return [engines[i][:count] for i, count in wanted]

    first, second = settle([2, 2], fetch)

    assert asked == [[0, 1], [1]]
    assert [hit.score for hit in first] == [0.9, 0.8]
    assert [hit.id for hit in second] == ["0001", "0002"]


def test_facet_ties_at_the_cut_are_settled_by_value() -> None:
    stored = [("d", 5), ("c", 2), ("b", 2), ("a", 2), ("z", 0)]

    found = settle_facet(2, lambda count: list(stored[:count]))

    assert found == [("d", 5), ("a", 2)]
    assert settle_facet(9, lambda count: list(stored[:count])) == [
        ("d", 5),
        ("a", 2),
        ("b", 2),
        ("c", 2),
    ]
