"""The steps of the ranking together: their order, their switches, and what explains the answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenesearch.config.search import SearchOptions
from scenesearch.core.errors import QueryError
from scenesearch.core.types import Hit
from scenesearch.search.rank.candidates import Answer
from scenesearch.search.rank.fuse import fuse, order
from scenesearch.search.rank.pipeline import POOL, count_facets, rank
from scenesearch.search.rank.presets import PRESETS, preset_weights

SPACES = {"cutout": 0.7, "context": 0.3}


def unasked(items):
    raise AssertionError("similarities were asked for without need")


def answer(region, space, *scored, **payloads):
    """Hits of ``(item, score)``; ``payloads`` adds fields by item."""
    return Answer(
        region,
        space,
        [Hit(f"{i}", s, {"item_id": i, **payloads.get(i, {})}) for i, s in scored],
    )


def ranked(answers, options=None, *, regions=1, similarities=unasked, weights=None):
    weights = np.ones(regions, np.float32) if weights is None else np.array(weights, np.float32)
    return rank(answers, weights, SPACES, options or SearchOptions(), similarities)


def names(ranking):
    return "".join(ranking.candidates.items[i] for i in ranking.ordered)


def test_spaces_are_blended_before_regions_are_fused():
    found = ranked(
        [
            answer(0, "cutout", ("a", 0.9), ("b", 0.8)),
            answer(0, "context", ("b", 0.9), ("a", 0.1)),
            answer(1, "cutout", ("c", 0.5)),
        ],
        regions=2,
    )

    assert found.scores[0, :2] == pytest.approx([0.66, 0.83])
    assert names(found) == "bca"


@pytest.mark.parametrize(
    ("score_min", "kept"), [(None, "abc"), (0.5, "ab"), (0.8, "a"), (0.95, "")]
)
def test_what_is_below_the_least_score_is_dropped(score_min, kept):
    options = SearchOptions(score_min=score_min)
    found = ranked([answer(0, "cutout", ("a", 0.9), ("b", 0.5), ("c", 0.2))], options)

    assert names(found) == kept


def test_the_least_score_works_on_each_region_not_on_the_sum():
    found = ranked(
        [answer(0, "cutout", ("a", 0.9), ("b", 0.4)), answer(1, "cutout", ("b", 0.6))],
        SearchOptions(score_min=0.5),
        regions=2,
    )

    assert np.array_equal(np.isnan(found.scores), [[False, True], [True, False]])


@pytest.mark.parametrize(("limit", "candidates"), [(1, 2), (2, 1), (1, 1), (3, 1), (1, 9)])
def test_the_fused_list_is_as_deep_as_it_was_searched_or_is_shown(limit, candidates):
    options = SearchOptions(limit=limit, candidates=candidates)
    found = ranked([answer(0, "cutout", ("a", 0.9), ("b", 0.5), ("c", 0.2))], options)

    assert names(found) == "abc"[: max(limit, candidates)]
    assert found.region_order(0, 9) == [0, 1, 2]


def test_variants_collapse_into_the_best_of_them():
    payloads = {"a": {"group": "g"}, "b": {"group": "h"}, "c": {"group": "g"}, "d": {}, "e": {}}
    scored = [("a", 0.9), ("b", 0.8), ("c", 0.7), ("d", 0.6), ("e", 0.5)]
    found = ranked([answer(0, "cutout", *scored, **payloads)], SearchOptions(collapse="group"))

    assert names(found) == "abde"
    assert found.variants == {0: (2,)}


def test_collapsing_happens_before_the_limit_so_that_lists_stay_full():
    payloads = {i: {"group": "g"} for i in "abc"}
    scored = [(i, 0.9 - k / 10) for k, i in enumerate("abcde")]
    options = SearchOptions(collapse="group", limit=3)

    assert names(ranked([answer(0, "cutout", *scored, **payloads)], options)) == "ade"


def test_lists_of_keywords_can_be_collapsed():
    payloads = {"a": {"tags": ["x", "y"]}, "b": {"tags": ["x"]}, "c": {"tags": ["x", "y"]}}
    scored = [("a", 0.9), ("b", 0.8), ("c", 0.7)]
    found = ranked([answer(0, "cutout", *scored, **payloads)], SearchOptions(collapse="tags"))

    assert names(found) == "ab"


def test_diversity_by_vector_asks_for_the_cosines_of_the_fused_list_in_its_order():
    asked = []

    def similarities(items):
        asked.append("".join(items))
        twins = np.eye(3, dtype=np.float32)
        twins[0, 1] = twins[1, 0] = 1
        return twins

    scored = [("a", 0.9), ("b", 0.89), ("c", 0.5)]
    options = SearchOptions(diversity=0.9)
    found = ranked([answer(0, "cutout", *scored)], options, similarities=similarities)

    assert asked == ["abc"]
    assert names(found) == "acb"


def test_diversity_by_a_field_needs_no_vectors():
    brands = {"a": "x", "b": "x", "c": "y"}
    payloads = {i: {"brand": brand} for i, brand in brands.items()}
    scored = [("a", 0.9), ("b", 0.89), ("c", 0.5)]
    options = SearchOptions(diversity=0.9, diversity_field="brand")

    assert names(ranked([answer(0, "cutout", *scored, **payloads)], options)) == "acb"


def test_diversity_looks_at_a_pool_and_leaves_what_follows_in_place():
    count = POOL + 30
    scored = [(f"{i:03d}", 0.99 - i / 200) for i in range(count)]
    payloads = {item: {"brand": "x" if n < POOL else "y"} for n, (item, _) in enumerate(scored)}
    options = SearchOptions(diversity=1.0, diversity_field="brand", limit=20)
    found = ranked([answer(0, "cutout", *scored, **payloads)], options)
    wide = ranked([answer(0, "cutout", *scored, **payloads)], options.changed({"limit": POOL}))

    assert found.ordered[:20] == tuple(range(20))
    assert wide.ordered[:2] == (0, POOL)


def test_agreement_lifts_items_of_the_category_that_the_best_vote_for():
    kinds = {"a": "lamp", "b": "rug", "c": "lamp", "d": "lamp"}
    payloads = {i: {"category": kind} for i, kind in kinds.items()}
    scored = [("a", 0.9), ("b", 0.8), ("c", 0.79), ("d", 0.78)]
    answers = [answer(0, "cutout", *scored, **payloads)]

    assert names(ranked(answers)) == "abcd"
    assert names(ranked(answers, SearchOptions(agreement=0.1))) == "acdb"


@pytest.mark.parametrize(
    ("sort", "expected"),
    [("price", "cabd"), ("-price", "bacd"), ("name", "bcad"), ("-name", "acbd"), ("nope", "abcd")],
)
def test_sorting_is_stable_and_puts_what_is_missing_last(sort, expected):
    payloads = {
        "a": {"price": 10, "name": "z"},
        "b": {"price": 10.5, "name": "k"},
        "c": {"price": 9, "name": "l"},
    }
    scored = [("a", 0.9), ("b", 0.8), ("c", 0.7), ("d", 0.6)]
    if sort == "-price":
        payloads["c"]["price"] = 10  # ties stay in the order of relevance: a before c
    found = ranked([answer(0, "cutout", *scored, **payloads)], SearchOptions(sort=sort))

    assert names(found) == expected


@pytest.mark.parametrize(("limit", "candidates", "expected"), [(1, 9, "cba"), (1, 2, "ba")])
def test_the_whole_list_is_sorted_and_relevance_chooses_who_is_in_it(limit, candidates, expected):
    payloads = {"a": {"price": 3}, "b": {"price": 2}, "c": {"price": 1}}
    scored = [("a", 0.9), ("b", 0.8), ("c", 0.7)]
    options = SearchOptions(sort="price", limit=limit, candidates=candidates)

    assert names(ranked([answer(0, "cutout", *scored, **payloads)], options)) == expected


def test_a_region_lists_its_own_items_with_ties_by_id():
    found = ranked(
        [
            answer(0, "cutout", ("z", 0.5), ("y", 0.5), ("x", 0.9)),
            answer(1, "cutout", ("y", 0.7)),
        ],
        regions=2,
    )
    items = found.candidates.items

    assert [items[i] for i in found.region_order(0, 3)] == ["x", "y", "z"]
    assert [items[i] for i in found.region_order(0, 1)] == ["x"]
    assert [items[i] for i in found.region_order(1, 3)] == ["y"]


def test_a_region_tells_similarities_apart_down_to_the_last_bit():
    low = np.float32(0.3)
    high = np.nextafter(low, np.float32(1))
    found = ranked([answer(0, "cutout", ("z", float(high)), ("a", float(low)))])

    assert [found.candidates.items[i] for i in found.region_order(0, 2)] == ["z", "a"]


@pytest.mark.parametrize("regions", [0, 1, 3])
def test_nothing_found_is_an_empty_ranking(regions):
    for answers in ([], [answer(i, "cutout") for i in range(regions)]):
        found = ranked(answers, SearchOptions(diversity=0.5, collapse="x"), regions=regions)

        assert found.ordered == ()
        assert [found.region_order(i, 5) for i in range(regions)] == [[]] * regions
        assert count_facets(found.candidates, found.scores, ("x",)) == {"x": ()}


@st.composite
def searches(draw):
    """Answers of a few regions in two spaces, with plenty of ties."""
    regions = draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    answers = []
    for region in range(regions):
        for space in ("cutout", "context"):
            chosen = rng.permutation(list("abcdefgh"))[: rng.integers(0, 9)]
            scores = np.sort(rng.integers(-5, 10, len(chosen)) / 10)[::-1]
            pairs = zip(chosen.tolist(), scores.tolist(), strict=True)
            payloads = {str(i): {"group": f"g{ord(i) % 3}", "price": ord(i) % 4} for i in chosen}
            answers.append(answer(region, space, *pairs, **payloads))
    return answers, regions


CHOICES = st.builds(
    SearchOptions,
    limit=st.integers(1, 9),
    fusion=st.sampled_from(["best_rank", "share", "best_score"]),
    diversity=st.sampled_from([0.0, 0.5]),
    diversity_field=st.just("price"),
    collapse=st.sampled_from([None, "group"]),
    score_min=st.sampled_from([None, 0.2]),
    sort=st.sampled_from([None, "-price"]),
)


@settings(deadline=None)
@given(search=searches(), options=CHOICES, seed=st.integers(0, 99))
def test_the_order_in_which_the_engine_answers_plays_no_part(search, options, seed):
    answers, regions = search
    shuffled = [answers[i] for i in np.random.default_rng(seed).permutation(len(answers))]

    assert names(ranked(answers, options, regions=regions)) == names(
        ranked(shuffled, options, regions=regions)
    )


@settings(deadline=None)
@given(search=searches())
def test_without_options_the_ranking_is_the_fused_order(search):
    answers, regions = search
    found = ranked(answers, SearchOptions(limit=99), regions=regions)
    fused = fuse(found.scores, np.ones(regions, np.float32))

    assert list(found.ordered) == order(fused.scores, found.candidates.items)
    assert found.variants == {}


@settings(deadline=None)
@given(search=searches(), options=CHOICES)
def test_every_item_is_ranked_or_a_variant_once_at_most(search, options):
    answers, regions = search
    found = ranked(answers, options.changed({"limit": 99}), regions=regions)
    listed = [*found.ordered, *(i for group in found.variants.values() for i in group)]

    assert len(listed) == len(set(listed))
    assert sorted(listed) == np.flatnonzero(~np.isnan(found.scores).all(axis=0)).tolist()


def test_facets_count_every_candidate_that_a_region_still_lists():
    payloads = {
        "a": {"colour": ["red", "blue"], "brand": "x"},
        "b": {"colour": ["red"], "brand": "y"},
        "c": {"brand": "x"},
        "d": {"colour": ["green"], "brand": "x"},
    }
    scored = [("a", 0.9), ("b", 0.8), ("c", 0.7), ("d", 0.1)]
    found = ranked(
        [answer(0, "cutout", *scored, **payloads)], SearchOptions(score_min=0.5, limit=1)
    )

    assert count_facets(found.candidates, found.scores, ("colour", "brand", "size")) == {
        "colour": (("red", 2), ("blue", 1)),
        "brand": (("x", 2), ("y", 1)),
        "size": (),
    }


def test_presets_are_weights_of_the_spaces():
    for name, weights in PRESETS.items():
        assert preset_weights(name) is weights
        assert sum(weights.values()) == pytest.approx(1)
        assert all(weight > 0 for weight in weights.values())


@pytest.mark.parametrize(("name", "hint"), [("similiar", "'similar'"), ("exat", "'exact'")])
def test_an_unknown_preset_names_the_nearest(name, hint):
    with pytest.raises(QueryError, match=f"did you mean {hint}") as caught:
        preset_weights(name)

    assert caught.value.code == "bad_preset"
    assert "exact, similar, category, style, colour" in str(caught.value)
