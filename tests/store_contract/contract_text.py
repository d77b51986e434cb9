"""The contract of searching by words."""

from __future__ import annotations

import numpy as np
import pytest
from fakes.store import MemoryStore
from store_contract.contract_base import ContractBase, OpenStore
from store_contract.contract_data import CONDITIONS, DIMS, SCHEMA, point_id, unit

from scenesearch.core.conditions import Between, Condition, Equals, Not
from scenesearch.core.errors import FilterError, QueryError
from scenesearch.core.protocols import Store, TextQuery, VectorQuery
from scenesearch.core.types import CollectionSchema, Hit, Point


def search(
    store: Store,
    text: str,
    *,
    limit: int,
    where: Condition | None = None,
    fields: tuple[str, ...] = (),
) -> list[Hit]:
    """One search by words."""
    return store.query([TextQuery(text, limit, where, fields)])[0]


_QUERIES = ("oak", "Red OAK", "brass lamp oak", "стол", "3 seat", "oak oak oak", "off-white velvet")


def _assert_alike(found: list[Hit], expected: list[Hit], what: object) -> None:
    """The same points and scores; engines score in float32, so near ties may change places."""
    assert [hit.score for hit in found] == pytest.approx([h.score for h in expected], abs=1e-3), (
        what
    )
    cut = expected[-1].score if expected else 0.0
    sure = {hit.id for hit in expected if hit.score > cut + 2e-3}
    assert sure <= {hit.id for hit in found}, what


class TextContract(ContractBase):
    """Searching by words."""

    def test_words_are_scored_by_bm25_as_the_reference_does(
        self, answering: Store, oracle: MemoryStore, *, counts_as_one: bool
    ) -> None:
        for text in _QUERIES:
            for limit in (1, 20, 500):
                found = search(answering, text, limit=limit)
                expected = search(oracle, text, limit=limit)

                if counts_as_one:
                    _assert_alike(found, expected, (text, limit))
                elif limit == 500:
                    assert {hit.id for hit in found} == {hit.id for hit in expected}
                assert found
                assert all(hit.score > 0 for hit in found)
                scores = [hit.score for hit in found]
                assert scores == sorted(scores, reverse=True)

    def test_a_filter_leaves_points_out_and_the_other_scores_as_they_are(
        self, answering: Store, oracle: MemoryStore
    ) -> None:
        whole = {hit.id: hit.score for hit in search(answering, "red oak", limit=500)}
        for name, where in CONDITIONS.items():
            found = search(answering, "red oak", limit=500, where=where)

            assert {h.id for h in found} == {
                h.id for h in search(oracle, "red oak", limit=500, where=where)
            }, name
            assert {h.id: h.score for h in found} == {
                h.id: pytest.approx(whole[h.id], abs=1e-5) for h in found
            }, name

    def test_rarer_words_count_more_and_long_texts_count_less(
        self, store: Store, *, counts_as_one: bool
    ) -> None:
        if not counts_as_one:
            pytest.skip("five points over several shards are rare in each of them")
        texts = ["oak chair", "oak table", "oak lamp", "brass lamp", "oak " + "and so on " * 9]
        store.upsert([Point(point_id(n), {}, {"words": text}) for n, text in enumerate(texts)])

        lamp, *_ = search(store, "oak brass", limit=5)
        oak = search(store, "oak", limit=5)

        assert lamp.id == point_id(3)
        assert len(oak) == 4
        assert oak[-1].id == point_id(4)

    def test_words_of_equal_score_are_ordered_by_id_even_at_the_cut(
        self, store: Store, *, counts_as_one: bool
    ) -> None:
        if not counts_as_one:
            pytest.skip("the same text has another score in each shard")
        ids = [point_id(number) for number in range(30)]
        for start in range(0, 30, 10):
            store.upsert([Point(i, {}, {"words": "red sofa"}) for i in ids[start : start + 10]])

        for limit in (1, 7, 29, 30, 31):
            hits = search(store, "sofa", limit=limit)

            assert [hit.id for hit in hits] == sorted(ids)[:limit], limit

    def test_a_batch_of_words_and_vectors_answers_as_each_alone(self, answering: Store) -> None:
        rng = np.random.default_rng(5)
        some, other = (unit(rng, DIMS["cutout"]) for _ in range(2))
        where = Equals("in_stock", True)
        batch: list[TextQuery | VectorQuery] = [
            TextQuery("red oak", 20, where, ("words", "in_stock")),
            VectorQuery("cutout", some, 7),
            TextQuery("oak", 500),
            VectorQuery("cutout", other, 9, where, ("words", "in_stock")),
        ]

        found = answering.query(batch)

        assert found == [answering.query([query])[0] for query in batch]
        assert all(found)
        assert found[0][0].score > 1, "relevance has no upper bound"

    def test_ties_of_a_batch_are_settled_query_by_query(
        self, store: Store, *, counts_as_one: bool
    ) -> None:
        if not counts_as_one:
            pytest.skip("the same text has another score in each shard")
        ids = [point_id(number) for number in range(30)]
        same = unit(np.random.default_rng(6), DIMS["cutout"])
        store.upsert([Point(i, {"cutout": same}, {"words": "red sofa"}) for i in ids])

        batch: list[TextQuery | VectorQuery] = [
            *(TextQuery("sofa", limit) for limit in (4, 29)),
            VectorQuery("cutout", same, 9),
        ]

        found = [[hit.id for hit in hits] for hits in store.query(batch)]
        assert found == [sorted(ids)[: query.limit] for query in batch]

    def test_texts_without_a_known_word_find_nothing(self, answering: Store) -> None:
        for text in ("", " ,.!", "zzzyx", "-"):
            assert search(answering, text, limit=5) == []

    def test_a_word_search_brings_the_asked_fields(self, answering: Store) -> None:
        bare = search(answering, "oak", limit=500)
        some = search(answering, "oak", limit=500, fields=("words", "in_stock"))

        assert all(hit.payload == {} for hit in bare)
        assert all("oak" in hit.payload["words"].lower() for hit in some)
        flags = [hit.payload["in_stock"] for hit in some if "in_stock" in hit.payload]
        assert {type(flag) for flag in flags} == {bool}

    def test_changed_and_removed_words_are_searched_as_they_are_now(self, store: Store) -> None:
        vector = unit(np.random.default_rng(2), DIMS["cutout"])
        store.upsert([Point(point_id(n), {"cutout": vector}, {"words": "oak"}) for n in range(4)])

        store.set_payload({"words": "brass"}, ids=[point_id(0)])
        store.set_payload({"words": None}, ids=[point_id(1)])
        store.delete(ids=[point_id(2)])

        assert [hit.id for hit in search(store, "oak", limit=9)] == [point_id(3)]
        assert [hit.id for hit in search(store, "brass", limit=9)] == [point_id(0)]

    def test_optimizing_changes_no_word_search(self, filled: Store) -> None:
        before = search(filled, "red oak lamp", limit=500)

        filled.optimize()

        assert search(filled, "red oak lamp", limit=500) == before

    def test_words_added_as_a_field_later_are_searched(self, open_store: OpenStore) -> None:
        fields = {name: kind for name, kind in SCHEMA.fields.items() if name != "words"}
        store = open_store()
        store.create(CollectionSchema(SCHEMA.vectors, fields))
        store.upsert([Point(point_id(0), {}, {"words": "red sofa"})])
        with pytest.raises(QueryError, match="index its catalogue again"):
            search(store, "sofa", limit=1)

        store.add_fields({"words": "text"})
        store.upsert([Point(point_id(1), {}, {"words": "oak"})])
        store.set_payload({"words": "blue sofa"}, ids=[point_id(0)])

        assert [hit.id for hit in search(store, "sofa", limit=9)] == [point_id(0)]
        assert [hit.id for hit in search(store, "oak", limit=9)] == [point_id(1)]
        store.close()

    def test_a_word_search_that_makes_no_sense_is_refused(self, answering: Store) -> None:
        with pytest.raises(ValueError, match="at least 1"):
            search(answering, "oak", limit=0)
        with pytest.raises(FilterError, match="Did you mean 'price'"):
            search(answering, "oak", limit=1, where=Not(Between("prize", lt=5)))

    def test_words_can_be_filtered_by_as_any_text(
        self, answering: Store, oracle: MemoryStore
    ) -> None:
        where = Equals("words", "velvet red")

        assert answering.count(where) == oracle.count(where) > 0
