"""The contract of a collection's life: creating, growing, keeping, closing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from store_contract.contract_base import ContractBase, OpenStore
from store_contract.contract_data import SCHEMA, point_id, unit

from scenesearch.core.conditions import Between, Equals
from scenesearch.core.errors import CollectionMismatchError, StoreError
from scenesearch.core.protocols import Store, TextQuery, VectorQuery
from scenesearch.core.types import CollectionSchema, FieldType, Point

_NEEDS_COLLECTION: dict[str, Callable[[Store], object]] = {
    "add_fields": lambda store: store.add_fields({"x": "keyword"}),
    "upsert": lambda store: store.upsert([Point(point_id(0), {}, {})]),
    "query": lambda store: store.query([VectorQuery("cutout", np.ones(24, np.float32), 1)]),
    "query by words": lambda store: store.query([TextQuery("x", 1)]),
    "retrieve": lambda store: store.retrieve([point_id(0)]),
    "scroll": lambda store: store.scroll(),
    "count": lambda store: store.count(),
    "facet": lambda store: store.facet("category"),
    "set_payload": lambda store: store.set_payload({"price": 1.0}, ids=[point_id(0)]),
    "delete": lambda store: store.delete(ids=[point_id(0)]),
    "read_blob": lambda store: store.read_blob("x"),
    "write_blob": lambda store: store.write_blob("x", b""),
    "optimize": lambda store: store.optimize(),
}


class LifeContract(ContractBase):
    """Creating, growing, keeping, closing."""

    def test_there_is_no_schema_before_there_is_a_collection(self, open_store: OpenStore) -> None:
        store = open_store()

        assert store.schema is None

        store.close()

    def test_without_a_collection_every_other_call_is_refused(self, open_store: OpenStore) -> None:
        store = open_store()

        for call in _NEEDS_COLLECTION.values():
            with pytest.raises(StoreError, match="does not exist"):
                call(store)

        assert store.schema is None
        store.close()

    def test_a_closed_store_is_refused(self, store: Store) -> None:
        store.close()

        for call in _NEEDS_COLLECTION.values():
            with pytest.raises(StoreError, match="closed"):
                call(store)

        store.close()  # closing twice is harmless

    def test_creating_the_same_again_changes_nothing(self, filled: Store) -> None:
        filled.create(SCHEMA)

        assert filled.count() == 240
        assert filled.schema == SCHEMA

    def test_another_schema_is_refused_naming_what_differs(self, filled: Store) -> None:
        fields, model = SCHEMA.fields, SCHEMA.metadata
        others: list[tuple[CollectionSchema, list[str]]] = [
            (replace(SCHEMA, vectors={"cutout": 25, "colour": 6}), ["'cutout'", "24", "25"]),
            (replace(SCHEMA, vectors={"cutout": 24}), ["'colour'", "6", "absent"]),
            (replace(SCHEMA, fields={**fields, "price": "integer"}), ["'price'", "float"]),
            (replace(SCHEMA, fields={**fields, "brand": "keyword"}), ["'brand'", "absent"]),
            (replace(SCHEMA, metadata={**model, "cutout": "model-b"}), ["model-a", "model-b"]),
            (replace(SCHEMA, metadata={}), ["'version'", "absent"]),
        ]
        for other, named in others:
            with pytest.raises(CollectionMismatchError) as caught:
                filled.create(other)
            for text in named:
                assert text in str(caught.value)

        assert filled.schema == SCHEMA
        assert filled.count() == 240

    def test_a_schema_no_engine_takes_is_refused(self, open_store: OpenStore) -> None:
        store = open_store()
        for schema in (
            CollectionSchema({}),
            CollectionSchema({"Bad Name": 3}),
            CollectionSchema({"a": 0}),
            CollectionSchema({"a": 3}, {'5"': "keyword"}),
            CollectionSchema({"a": 3}, {"x": "date"}),  # type: ignore[dict-item]
        ):
            with pytest.raises(StoreError):
                store.create(schema)

        assert store.schema is None
        store.close()

    def test_added_fields_can_be_filtered_for_old_and_new_points(self, store: Store) -> None:
        vector = unit(np.random.default_rng(1), 24)
        old: list[dict[str, Any]] = [
            {"sale": True, "size": 3, "brand": "X"},
            {"sale": False, "size": 4.0},
            {},
        ]
        store.upsert([Point(point_id(n), {"cutout": vector}, p) for n, p in enumerate(old)])

        fields: Mapping[str, FieldType] = {
            "sale": "bool",
            "size": "integer",
            "brand": "keyword",
            "price": "float",
        }
        store.add_fields(fields)
        store.upsert([Point(point_id(3), {"cutout": vector}, {"sale": True, "size": 4})])

        assert store.schema is not None
        assert store.schema.fields == {**SCHEMA.fields, **fields}
        assert store.count(Equals("sale", value=True)) == 2
        assert store.count(Equals("sale", value=False)) == 1
        assert store.count(Equals("size", 4)) == 2
        assert store.count(Between("size", lt=4)) == 1
        assert store.count(Equals("brand", "X")) == 1
        assert store.facet("sale") == [(True, 2), (False, 1)]
        assert store.retrieve([point_id(0)])[0].payload["sale"] is True
        hit = store.query([VectorQuery("cutout", vector, 1, None, ("sale",))])[0][0]
        assert hit.payload in ({"sale": True}, {"sale": False}, {})
        store.create(SCHEMA)  # fields added later are no mismatch

    def test_a_field_of_another_type_is_refused(self, store: Store) -> None:
        with pytest.raises(CollectionMismatchError, match="'price' is float there and integer"):
            store.add_fields({"fresh": "keyword", "price": "integer"})

        assert store.schema == SCHEMA

    def test_integers_become_floats_and_are_found_as_such(self, store: Store) -> None:
        vector = unit(np.random.default_rng(1), 24)
        store.add_fields({"rating": "integer"})
        store.upsert([Point(point_id(n), {"cutout": vector}, {"rating": n + 1}) for n in range(5)])

        store.add_fields({"rating": "float", "fresh": "keyword"})
        store.add_fields({"rating": "float"})  # once more, as after a kill
        store.upsert([Point(point_id(9), {"cutout": vector}, {"rating": 4.5})])

        assert store.schema is not None
        assert store.schema.fields["rating"] == "float"
        assert repr(store.retrieve([point_id(3)])[0].payload["rating"]) == "4.0"
        assert store.count(Between("rating", gt=4.2)) == 2
        assert store.count(Between("rating", gte=4, lte=4.5)) == 2
        assert store.count(Between("rating", lt=2)) == 1
        with pytest.raises(CollectionMismatchError, match="'rating' is float there and integer"):
            store.add_fields({"rating": "integer"})

    def test_a_field_whose_values_are_of_another_type_is_refused(self, store: Store) -> None:
        store.upsert([Point(point_id(0), {}, {"size": "large"})])

        with pytest.raises(CollectionMismatchError, match=f"{point_id(0)}.*'large'"):
            store.add_fields({"size": "integer"})

        assert store.schema == SCHEMA

    def test_blobs_are_kept_and_replaced_whole(self, store: Store) -> None:
        assert store.read_blob("projection.npz") is None
        large = np.random.default_rng(0).bytes(300_000)

        store.write_blob("projection.npz", large)
        store.write_blob("empty", b"")
        assert store.read_blob("projection.npz") == large
        store.write_blob("projection.npz", b"\x00\xff small")

        assert store.read_blob("projection.npz") == b"\x00\xff small"
        assert store.read_blob("empty") == b""
        assert store.count() == 0

    def test_a_blob_name_that_is_no_plain_file_name_is_refused(self, store: Store) -> None:
        for name in ("", "../x", "a/b", ".hidden", "Ä", "x" * 65):
            with pytest.raises(ValueError, match="blob name"):
                store.write_blob(name, b"x")
            with pytest.raises(ValueError, match="blob name"):
                store.read_blob(name)

    def test_optimizing_changes_no_answer_and_may_be_repeated(self, filled: Store) -> None:
        query = VectorQuery("cutout", np.ones(24, np.float32), 50, None, ("item_id",))
        before = filled.query([query])[0]

        filled.optimize()
        filled.optimize()

        after = filled.query([query])[0]
        assert [(hit.id, hit.payload) for hit in after] == [(h.id, h.payload) for h in before]
        assert [h.score for h in after] == pytest.approx([h.score for h in before], abs=1e-5)

    def test_everything_written_is_there_after_opening_again(
        self, open_store: OpenStore, filled: Store
    ) -> None:
        if not self.persistent:
            pytest.skip("this store keeps nothing")
        filled.add_fields({"brand": "keyword"})
        filled.set_payload({"brand": "X"}, where=Equals("category", "chair"))
        filled.delete(where=Equals("category", "lamp"))
        filled.write_blob("blob", b"kept")
        query = VectorQuery("cutout", np.ones(24, np.float32), 300, None, ("brand", "in_stock"))
        before = _everything(filled, query)
        filled.close()

        again = open_store()

        assert _everything(again, query) == before
        again.upsert([Point(point_id(5000), {}, {"brand": "Y"})])
        assert again.facet("brand")[-1] == ("Y", 1)
        again.close()


def _everything(store: Store, query: VectorQuery) -> dict[str, Any]:
    return {
        "schema": store.schema,
        "hits": [(hit.id, hit.payload) for hit in store.query([query])[0]],
        "records": [(record.id, record.payload) for record in store.scroll()],
        "brands": store.facet("brand"),
        "blob": store.read_blob("blob"),
    }
