"""The contract of reading: queries, filters, scrolls, counts, facets."""

from __future__ import annotations

import uuid

import numpy as np
import pytest
from fakes.store import MemoryStore
from store_contract.contract_base import ContractBase
from store_contract.contract_data import CONDITIONS, DIMS, SCHEMA, plain, point_id, unit

from scenesearch.core.conditions import AllOf, Between, Condition, Equals, Not, OneOf
from scenesearch.core.errors import FilterError, InvalidVectorError, QueryError
from scenesearch.core.protocols import Store, VectorQuery
from scenesearch.core.types import Hit, Point, Vector


def _assert_same_hits(found: list[Hit], expected: list[Hit], what: object = "") -> None:
    scores = [hit.score for hit in expected]
    assert [hit.score for hit in found] == pytest.approx(scores, abs=1e-4), what
    assert [hit.id for hit in found] == [hit.id for hit in expected], what
    assert [hit.payload for hit in found] == [hit.payload for hit in expected], what


class ReadContract(ContractBase):
    """Reading."""

    def test_filtered_queries_equal_the_exact_ones(
        self, answering: Store, oracle: MemoryStore
    ) -> None:
        rng = np.random.default_rng(3)
        fields = ("item_id", "in_stock", "colours", "box")
        for name, condition in CONDITIONS.items():
            for space, dim in DIMS.items():
                query = VectorQuery(space, unit(rng, dim), 20, condition, fields)

                found, expected = answering.query([query])[0], oracle.query([query])[0]

                _assert_same_hits(found, expected, name)

    def test_counting_and_scrolling_agree_with_the_reference(
        self, answering: Store, oracle: MemoryStore
    ) -> None:
        for name, condition in CONDITIONS.items():
            expected = [record.id for record in oracle.scroll(where=condition)]

            assert answering.count(condition) == len(expected), name
            assert [record.id for record in answering.scroll(where=condition)] == expected, name

    def test_a_batch_is_answered_in_its_order(self, answering: Store, oracle: MemoryStore) -> None:
        rng = np.random.default_rng(4)
        queries = [
            VectorQuery(space, unit(rng, DIMS[space]), limit, where, fields)
            for space, limit, where, fields in (
                ("cutout", 5, None, ()),
                ("colour", 50, Equals("category", "sofa"), ("price",)),
                ("cutout", 1, Between("price", lt=20), ("title", "in_stock")),
                ("colour", 7, None, ("no such key",)),
            )
        ]

        answers = answering.query(queries)

        assert len(answers) == len(queries)
        for found, expected in zip(answers, oracle.query(queries), strict=True):
            _assert_same_hits(found, expected)

    def test_an_empty_batch_has_no_answers(self, answering: Store) -> None:
        assert answering.query([]) == []

    def test_a_limit_above_the_number_of_points_gives_all_that_have_the_space(
        self, answering: Store, points: list[Point]
    ) -> None:
        vector = unit(np.random.default_rng(5), DIMS["colour"])

        hits = answering.query([VectorQuery("colour", vector, 10_000)])[0]

        assert {hit.id for hit in hits} == {p.id for p in points if "colour" in p.vectors}
        assert len(hits) == len({hit.id for hit in hits})

    def test_scores_are_cosines_best_first_and_never_above_one(
        self, answering: Store, points: list[Point]
    ) -> None:
        query: Vector = points[3].vectors["cutout"] * np.float32(5.0)

        hits = answering.query([VectorQuery("cutout", query, 240)])[0]

        assert hits[0].id == points[3].id
        assert hits[0].score == pytest.approx(1.0, abs=1e-5)
        scores = [hit.score for hit in hits]
        assert scores == sorted(scores, reverse=True)
        assert all(-1.0 <= score <= 1.0 for score in scores)

    def test_hits_of_equal_score_are_ordered_by_id_even_at_the_cut(self, store: Store) -> None:
        rng = np.random.default_rng(6)
        same, other = unit(rng, DIMS["cutout"]), unit(rng, DIMS["cutout"])
        ids = [point_id(number) for number in range(40)]
        for start in range(0, 40, 8):  # several writes, so that no order is natural
            store.upsert([Point(i, {"cutout": same}, {}) for i in ids[start : start + 8]])
        store.upsert([Point(point_id(99), {"cutout": -same}, {})])
        query = unit(rng, DIMS["cutout"]) + same * np.float32(0.5) + other

        for limit in (1, 7, 30, 39, 40, 41):
            hits = store.query([VectorQuery("cutout", query, limit)])[0]

            ranked = [*sorted(ids), point_id(99)]
            if float(query @ same) < 0:
                ranked = [ranked[-1], *ranked[:-1]]
            assert [hit.id for hit in hits] == ranked[:limit], limit

    def test_only_the_asked_fields_come_back(self, answering: Store, points: list[Point]) -> None:
        vector = points[1].vectors["cutout"]

        bare, some = answering.query(
            [
                VectorQuery("cutout", vector, 200),
                VectorQuery("cutout", vector, 200, None, ("box", "in_stock", "Größe [cm].x")),
            ]
        )

        assert all(hit.payload == {} for hit in bare)
        payloads = {point.id: plain(point.payload) for point in points}
        for hit in some:
            whole = payloads[hit.id]
            assert isinstance(whole, dict)
            wanted = {"box", "in_stock", "Größe [cm].x"} & whole.keys()
            assert hit.payload == {key: whole[key] for key in wanted}

    def test_a_query_vector_without_meaning_is_refused(self, answering: Store) -> None:
        bad = {
            "NaN": np.full(24, np.nan, np.float32),
            "infinite": np.array([np.inf] + [0.0] * 23, np.float32),
            "zero": np.zeros(24, np.float32),
            "too short": np.ones(23, np.float32),
            "two dimensions": np.ones((1, 24), np.float32),
        }
        for vector in bad.values():
            with pytest.raises(InvalidVectorError, match="query vector"):
                answering.query([VectorQuery("cutout", vector, 5)])

    def test_an_unknown_space_is_refused(self, answering: Store) -> None:
        with pytest.raises(QueryError, match=r"'shape'.*cutout"):
            answering.query([VectorQuery("shape", np.ones(3, np.float32), 5)])
        with pytest.raises(QueryError, match="'shape'"):
            answering.retrieve([point_id(0)], spaces=["shape"])
        with pytest.raises(QueryError, match="'shape'"):
            answering.scroll(spaces=["shape"])

    def test_a_filter_that_does_not_fit_the_schema_is_refused(self, answering: Store) -> None:
        bad: list[Condition] = [
            Equals("prize", 5.0),
            Not(AllOf((OneOf("prize", ("a",)),))),
            Equals("price", "cheap"),
            Equals("price", value=True),
            Equals("category", 5),
            Equals("in_stock", 1),
            Equals("stock", 1.5),
            Between("category", lt=5),
            Between("price", lt=float("nan")),
            Equals("box", 1),
        ]
        for condition in bad:
            with pytest.raises(FilterError):
                answering.count(condition)
            with pytest.raises(FilterError):
                answering.query([VectorQuery("cutout", np.ones(24, np.float32), 5, condition)])
            with pytest.raises(FilterError):
                answering.delete(where=condition)
        assert answering.count() == 240

    def test_an_unknown_field_in_a_filter_is_told_its_nearest_names(self, answering: Store) -> None:
        with pytest.raises(FilterError, match="Did you mean 'price'"):
            answering.count(Between("prize", lt=5))

    def test_a_limit_below_one_is_refused(self, answering: Store) -> None:
        for limit in (0, -1):
            with pytest.raises(ValueError, match="at least 1"):
                answering.query([VectorQuery("cutout", np.ones(24, np.float32), limit)])
            with pytest.raises(ValueError, match="at least 1"):
                answering.scroll(limit=limit)
            with pytest.raises(ValueError, match="at least 1"):
                answering.facet("category", limit=limit)

    def test_retrieving_keeps_the_order_and_leaves_out_what_is_unknown(
        self, answering: Store, points: list[Point]
    ) -> None:
        unknown = str(uuid.UUID(int=0))
        asked = [points[9].id, unknown, points[2].id, points[100].id.upper()]

        records = answering.retrieve(asked, spaces=["colour", "cutout"])

        expected = [points[9], points[2], points[100]]
        assert [record.id for record in records] == [point.id for point in expected]
        for record, point in zip(records, expected, strict=True):
            assert record.payload == plain(point.payload)
            assert record.vectors.keys() == point.vectors.keys()
            for space, vector in record.vectors.items():
                assert vector.dtype == np.float32
                np.testing.assert_allclose(vector, point.vectors[space], atol=1e-6)

    def test_retrieving_without_spaces_brings_no_vectors(
        self, answering: Store, points: list[Point]
    ) -> None:
        assert answering.retrieve([points[1].id])[0].vectors == {}
        assert answering.retrieve([]) == []

    def test_scrolling_meets_every_point_once(self, answering: Store, points: list[Point]) -> None:
        for limit in (1, 7, 80, 240, 1000):
            seen: list[str] = []
            cursor = None
            while True:
                page = answering.scroll(limit=limit, cursor=cursor, fields=())
                assert len(page.records) <= limit
                seen += [record.id for record in page]
                if (cursor := page.cursor) is None:
                    break

            assert seen == sorted(point.id for point in points), limit

    def test_scrolling_goes_on_where_points_were_deleted_and_added(
        self, filled: Store, points: list[Point]
    ) -> None:
        page = filled.scroll(limit=50)
        assert page.cursor is not None
        filled.delete(ids=[page.cursor])
        before = Point("00000000-0000-0000-0000-000000000001", {}, {})
        filled.upsert([before])

        rest = filled.scroll(limit=1000, cursor=page.cursor)

        expected = sorted(point.id for point in points)
        assert [record.id for record in rest] == expected[51:]

    def test_scrolling_brings_the_whole_payload_or_the_asked_fields(
        self, answering: Store, points: list[Point]
    ) -> None:
        payloads = {point.id: plain(point.payload) for point in points}

        for record in answering.scroll():
            assert record.payload == payloads[record.id]
            assert record.vectors == {}
        page = answering.scroll(fields=["price"], spaces=["colour"], where=Between("price", gt=0))
        for record in page:
            assert set(record.payload) == {"price"}
            assert set(record.vectors) <= {"colour"}

    def test_a_cursor_no_page_gave_is_refused(self, answering: Store) -> None:
        with pytest.raises(QueryError, match="cursor"):
            answering.scroll(cursor="page 2")

    def test_facets_agree_with_the_reference(self, answering: Store, oracle: MemoryStore) -> None:
        where = Not(Equals("category", "lamp"))

        for field in ("category", "colours", "stock", "sizes", "in_stock"):
            for limit in (1, 2, 50):
                assert answering.facet(field, limit=limit) == oracle.facet(field, limit=limit), (
                    field
                )
            assert answering.facet(field, where=where) == oracle.facet(field, where=where), field

    def test_facets_of_equal_count_are_ordered_by_value_even_at_the_cut(
        self, answering: Store, oracle: MemoryStore
    ) -> None:
        found = answering.facet("item_id", limit=10)

        assert found == oracle.facet("item_id", limit=10)
        assert found == sorted(found, key=lambda pair: (-pair[1], str(pair[0])))

    def test_facets_of_bools_are_bools(self, answering: Store) -> None:
        assert {type(value) for value, _ in answering.facet("in_stock")} == {bool}

    def test_a_field_without_facets_is_refused(self, store: Store) -> None:
        for field, message in (
            ("titel", "Did you mean 'title'"),
            ("title", "text"),
            ("price", "float"),
        ):
            with pytest.raises(QueryError, match=message):
                store.facet(field)

    def test_an_empty_collection_answers_with_nothing(self, store: Store) -> None:
        assert store.count() == 0
        assert store.query([VectorQuery("cutout", np.ones(24, np.float32), 5)]) == [[]]
        assert store.scroll() == type(store.scroll())((), None)
        assert store.facet("category") == []

    def test_the_schema_reads_back_equal(self, store: Store) -> None:
        assert store.schema == SCHEMA
