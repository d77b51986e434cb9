"""The contract of writing points: whole or not at all, typed, merged, removed."""

from __future__ import annotations

import uuid
from typing import Any

import numpy as np
import pytest
from store_contract.contract_base import ContractBase, OpenStore
from store_contract.contract_data import DIMS, make_points, plain, point_id, unit

from scenesearch.core.conditions import Between, Equals, OneOf
from scenesearch.core.errors import InvalidVectorError, QueryError, StoreError
from scenesearch.core.protocols import Store, VectorQuery
from scenesearch.core.types import Point


class WriteContract(ContractBase):
    """Writing."""

    def test_an_existing_id_is_replaced_with_its_vectors_and_payload(self, store: Store) -> None:
        rng = np.random.default_rng(1)
        first, second = unit(rng, 24), unit(rng, 24)
        store.upsert(
            [Point(point_id(0), {"cutout": first, "colour": unit(rng, 6)}, {"category": "a"})]
        )

        store.upsert([Point(point_id(0), {"cutout": second}, {"price": 5})])

        (record,) = store.retrieve([point_id(0)], spaces=["cutout", "colour"])
        assert store.count() == 1
        assert record.payload == {"price": 5.0}
        assert set(record.vectors) == {"cutout"}
        np.testing.assert_allclose(record.vectors["cutout"], second, atol=1e-6)
        assert store.query([VectorQuery("colour", unit(rng, 6), 5)]) == [[]]

    def test_the_last_of_equal_ids_in_a_batch_wins(self, store: Store) -> None:
        vector = unit(np.random.default_rng(1), 24)
        store.upsert(
            [
                Point(point_id(0), {"cutout": vector}, {"category": "first"}),
                Point(point_id(0).upper(), {"cutout": vector}, {"category": "last"}),
            ]
        )

        assert store.count() == 1
        assert store.retrieve([point_id(0)])[0].payload == {"category": "last"}

    def test_writing_nothing_changes_nothing(self, filled: Store) -> None:
        filled.upsert([])
        filled.delete(ids=[])
        filled.set_payload({"price": 1.0}, ids=[])
        filled.set_payload({}, where=Equals("category", "chair"))

        assert filled.count() == 240
        assert filled.count(Between("price", lte=1)) == 0

    def test_a_point_may_have_no_vector_at_all(self, store: Store) -> None:
        store.upsert([Point(point_id(0), {}, {"category": "chair"})])

        assert store.count(Equals("category", "chair")) == 1
        assert store.retrieve([point_id(0)], spaces=["cutout"])[0].vectors == {}

    def test_vectors_are_normalised(self, store: Store) -> None:
        vector = np.arange(1, 25, dtype=np.float32) * 1000
        store.upsert([Point(point_id(0), {"cutout": vector}, {})])

        (record,) = store.retrieve([point_id(0)], spaces=["cutout"])

        np.testing.assert_allclose(
            record.vectors["cutout"], vector / np.linalg.norm(vector), atol=1e-6
        )

    def test_one_bad_vector_refuses_the_whole_batch_and_names_its_point(
        self, filled: Store
    ) -> None:
        new = make_points(3, seed=99)
        good = [Point(str(uuid.UUID(int=n)), p.vectors, p.payload) for n, p in enumerate(new)]
        bad: list[tuple[Any, str]] = [
            ([np.nan] * 24, "not finite"),
            ([np.inf] + [1.0] * 23, "not finite"),
            ([0.0] * 24, "zero"),
            ([1.0] * 23, r"\(24,\).*\(23,\)"),
            ([[1.0] * 24], r"\(24,\).*\(1, 24\)"),
        ]
        for values, message in bad:
            point = Point(point_id(1000), {"cutout": np.array(values, np.float32)}, {})

            with pytest.raises(
                InvalidVectorError, match=f"'cutout' of point {point.id}.*{message}"
            ):
                filled.upsert([*good, point])

        assert filled.count() == 240

    def test_a_vector_of_an_unknown_space_is_refused(self, store: Store) -> None:
        with pytest.raises(QueryError, match=r"'shape'.*cutout"):
            store.upsert([Point(point_id(0), {"shape": np.ones(3, np.float32)}, {})])

    def test_an_id_that_is_no_uuid_is_refused(self, store: Store) -> None:
        for bad in ("sku-1", "", "123"):
            with pytest.raises(ValueError, match="UUID"):
                store.upsert([Point(bad, {}, {})])
            with pytest.raises(ValueError, match="UUID"):
                store.retrieve([bad])

    def test_one_bad_payload_refuses_the_whole_batch(self, store: Store) -> None:
        bad: list[dict[Any, Any]] = [
            {"price": "cheap"},
            {"price": float("nan")},
            {"price": True},
            {"stock": 1.5},
            {"stock": 2**63},
            {"in_stock": 1},
            {"in_stock": "yes"},
            {"category": 5},
            {"colours": ["red", 5]},
            {"title": ["a", None]},
            {"extra": float("inf")},
            {"extra": [1, [float("nan")]]},
            {"extra": b"bytes"},
            {"extra": {1: 2}},
            {"extra": "\ud800"},
            {'5" screen': 1},
            {"": 1},
        ]
        store.upsert([Point(point_id(0), {}, {"note": 1})])
        for payload in bad:
            with pytest.raises(StoreError):
                store.upsert([Point(point_id(1), {}, {}), Point(point_id(2), {}, payload)])
            with pytest.raises(StoreError):
                store.set_payload(payload, ids=[point_id(0)])
        assert store.count() == 1
        assert store.retrieve([point_id(0)])[0].payload == {"note": 1}

    def test_payloads_read_back_as_they_were_written(self, store: Store) -> None:
        payload: dict[str, Any] = {
            "title": "quotes \" and ' and \\ and\nlines",
            "category": "ünï 日本 😀",
            "colours": (),
            "price": 3,
            "stock": np.int64(4),
            "in_stock": False,
            "flag": True,
            "big": 2**63 - 1,
            "share": np.float32(0.5),
            "nested": {"a": [{"b": [1, 2.5, "x", True, None]}]},
            "Größe [cm].x": "dots. and [0]",
            "gone": None,
        }
        store.upsert([Point(point_id(0), {}, payload)])

        (record,) = store.retrieve([point_id(0)])

        expected = plain(payload)
        assert record.payload == expected
        assert isinstance(expected, dict)
        assert record.payload["in_stock"] is False
        assert record.payload["flag"] is True
        assert record.payload["nested"]["a"][0]["b"][3] is True
        assert isinstance(record.payload["price"], float)
        assert isinstance(record.payload["stock"], int)

    def test_changing_payloads_merges_keys_and_leaves_vectors(self, store: Store) -> None:
        vector = unit(np.random.default_rng(1), DIMS["cutout"])
        old = {"price": 5.0, "category": "chair", "in_stock": True, "extra": [1]}
        store.upsert([Point(point_id(n), {"cutout": vector}, old) for n in range(3)])

        store.set_payload(
            {"price": 7, "category": None, "in_stock": False, "new": "x", "absent": None},
            ids=[point_id(0), point_id(2), str(uuid.UUID(int=0))],
        )

        records = store.retrieve([point_id(n) for n in range(3)], spaces=["cutout"])
        changed = {"price": 7.0, "in_stock": False, "extra": [1], "new": "x"}
        assert [record.payload for record in records] == [changed, old, changed]
        assert store.count() == 3
        assert store.count(Equals("category", "chair")) == 1
        assert store.count(Equals("in_stock", value=False)) == 2
        for record in records:
            np.testing.assert_allclose(record.vectors["cutout"], vector, atol=1e-6)

    def test_changing_payloads_by_a_filter_on_the_changed_field(self, filled: Store) -> None:
        where = OneOf("category", ("chair", "sofa"))
        matching = filled.count(where)
        absent = filled.count() - sum(count for _, count in filled.facet("category"))

        filled.set_payload({"category": "seat", "price": None}, where=where)

        assert filled.count(Equals("category", "seat")) == matching
        assert filled.count(where) == 0
        assert filled.count() - sum(count for _, count in filled.facet("category")) == absent
        page = filled.scroll(where=Equals("category", "seat"))
        assert all("price" not in record.payload for record in page)

    def test_deleting_by_id_ignores_unknown_ids(self, filled: Store, points: list[Point]) -> None:
        gone = [points[0].id, points[5].id.upper(), str(uuid.UUID(int=0))]

        filled.delete(ids=gone)

        assert filled.count() == 238
        assert filled.retrieve(gone) == []
        hits = filled.query([VectorQuery("cutout", points[0].vectors["cutout"], 240)])[0]
        assert points[0].id not in {hit.id for hit in hits}

    def test_deleting_by_a_filter(self, filled: Store, oracle: Store) -> None:
        where = Equals("in_stock", value=True)

        filled.delete(where=where)

        oracle.delete(where=where)
        assert filled.count(where) == 0
        assert [r.id for r in filled.scroll()] == [r.id for r in oracle.scroll()]

    @pytest.mark.parametrize("both", [True, False], ids=["both", "neither"])
    def test_a_write_wants_exactly_one_of_ids_and_where(self, filled: Store, both: bool) -> None:
        selection: dict[str, Any] = (
            {"ids": [point_id(0)], "where": Equals("category", "chair")} if both else {}
        )

        with pytest.raises(ValueError, match="exactly one"):
            filled.delete(**selection)
        with pytest.raises(ValueError, match="exactly one"):
            filled.set_payload({"price": 1.0}, **selection)

        assert filled.count() == 240

    def test_writes_together_take_effect_in_order_and_are_seen_at_once(
        self, filled: Store, points: list[Point]
    ) -> None:
        with filled.batch_writes():
            filled.set_payload({"price": 1.5}, ids=[point_id(0), point_id(1)])
            assert filled.count(Equals("price", 1.5)) == 2
            filled.delete(where=Equals("price", 1.5))
            with filled.batch_writes():
                filled.upsert(points[:1])
            filled.set_payload({"price": 2.5}, ids=[point_id(0)])

        assert filled.count() == 239
        assert filled.retrieve([point_id(0)])[0].payload["price"] == 2.5

    def test_an_error_keeps_the_writes_together_before_it(
        self, open_store: OpenStore, filled: Store
    ) -> None:
        def write() -> None:
            with filled.batch_writes():
                filled.set_payload({"price": 1.5}, ids=[point_id(0)])
                filled.set_payload({"price": "dear"}, ids=[point_id(1)])

        with pytest.raises(StoreError, match="price"):
            write()
        filled.set_payload({"price": 1.5}, ids=[point_id(2)])

        assert filled.count(Equals("price", 1.5)) == 2
        if self.persistent:
            filled.close()
            again = open_store()
            assert again.count(Equals("price", 1.5)) == 2
            again.close()

    def test_writing_together_wants_a_collection(self, open_store: OpenStore) -> None:
        store = open_store()

        with pytest.raises(StoreError, match="does not exist"), store.batch_writes():
            pass
        store.close()

    def test_caller_arrays_and_payloads_stay_the_callers(self, store: Store) -> None:
        vector = unit(np.random.default_rng(1), 24) * np.float32(3)
        before = vector.copy()
        payload: dict[str, Any] = {"colours": ["red"], "in_stock": True, "gone": None}
        store.upsert([Point(point_id(0), {"cutout": vector}, payload)])
        np.testing.assert_array_equal(vector, before)
        assert payload == {"colours": ["red"], "in_stock": True, "gone": None}

        vector[:] = 0
        payload["colours"].append("blue")

        (record,) = store.retrieve([point_id(0)], spaces=["cutout"])
        assert record.payload["colours"] == ["red"]
        np.testing.assert_allclose(np.linalg.norm(record.vectors["cutout"]), 1, atol=1e-5)
