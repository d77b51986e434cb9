"""A query in, a look out: over the small shop, with models that see colours and shapes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shop
from fakes.models import COLOURS, FakeDetector, FakeEmbedder
from fakes.store import MemoryStore

from scenesearch.config.search import SearchOptions
from scenesearch.core.conditions import Between, Equals, Not
from scenesearch.core.errors import (
    CollectionMismatchError,
    ModelNotFoundError,
    QueryError,
    StoreError,
)
from scenesearch.core.types import CollectionSchema, Item
from scenesearch.images import load_scene
from scenesearch.models.encode import RegionRules
from scenesearch.search.query import Query
from scenesearch.search.rank.presets import PRESETS
from scenesearch.search.searcher import NARROW_LEAST, Searcher

RED_AND_BLUE = (("red", "square"), ("blue", "tall"))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return tmp_path_factory.mktemp("photos")


@pytest.fixture(scope="module")
def items(photos):
    return shop.colour_shop(photos)


@pytest.fixture(scope="module")
def indexed(items):
    """Indexed once; no test of this module writes to it."""
    encoder = shop.make_encoder(FakeEmbedder(128, has_text=True), colours=True)
    run = shop.Shop(encoder=encoder)
    run.index(items)
    return run


@pytest.fixture(scope="module")
def searcher(indexed):
    return Searcher(indexed.store, indexed.encoder, detector=FakeDetector)


def room(*things):
    return shop.scene(shop.room(*things))


def ask(searcher, query=None, /, where=None, **parts):
    """Options and query parts by name; what is no query part is an option."""
    names = set(Query.__dataclass_fields__)
    query = query or Query(**{k: v for k, v in parts.items() if k in names})
    return searcher.look(
        query, SearchOptions(where=where, **{k: v for k, v in parts.items() if k not in names})
    )


def ids(look):
    return [match.item_id for match in look.matches]


def product(colour, shape="square"):
    return shop.scene(shop.product(colour, shape))


# --- photos ------------------------------------------------------------------------------------


def test_every_object_of_a_photo_has_its_own_list_and_all_are_fused(searcher):
    look = ask(searcher, scene=room(*RED_AND_BLUE))

    assert [found.region.label for found in look.regions] == ["red", "blue"]
    assert [found.matches[0].item_id for found in look.regions] == ["red-square", "blue-tall"]
    assert set(ids(look)[:2]) == {"red-square", "blue-tall"}
    assert all(found.colours and not found.notes for found in look.regions)


def test_an_object_is_cut_out_by_the_mask_of_the_detector(searcher):
    image = shop.room()
    y, x = np.mgrid[:240, :240]
    image[(x - 120) ** 2 + (y - 120) ** 2 < 40**2] = COLOURS["green"]

    (region,) = ask(searcher, scene=shop.scene(image)).regions

    assert region.cutout_method == "detector"
    assert region.region.mask is not None
    assert [colour.name for colour in region.colours] == ["green"]
    assert region.matches[0].item_id.startswith("green")


def test_an_object_is_found_at_the_similarity_of_the_product_itself(searcher):
    look = ask(searcher, scene=room(("red", "wide")), weights={"cutout": 1.0})

    (region,) = look.regions
    assert region.matches[0].item_id == "red-wide"
    assert region.matches[0].parts["similarity"] == pytest.approx(1, abs=1e-4)
    assert region.matches[0].score > region.matches[1].score


def test_boxes_are_searched_instead_of_what_a_detector_sees(indexed):
    detector = FakeDetector()
    searcher = Searcher(indexed.store, indexed.encoder, detector=lambda: detector)

    look = ask(searcher, scene=room(*RED_AND_BLUE), boxes=((70, 90, 86, 150),))

    assert detector.scenes == 0
    (region,) = look.regions
    assert region.region.box == (70, 90, 86, 150)
    assert region.matches[0].item_id.startswith("blue")


@pytest.mark.parametrize(
    ("point", "label", "expected"),
    [((20, 120), "red", "red-square"), ((75, 120), "blue", "blue-tall")],
    ids=["on the red one", "on the blue one"],
)
def test_a_tapped_point_searches_the_object_under_it_alone(searcher, point, label, expected):
    look = ask(searcher, scene=room(*RED_AND_BLUE), point=point)

    (region,) = look.regions
    assert region.region.label == label
    assert look.matches[0].item_id == expected


def test_a_point_on_nothing_searches_a_window_around_it(searcher):
    look = ask(searcher, scene=room(*RED_AND_BLUE), point=(200, 30))

    (region,) = look.regions
    x1, y1, x2, y2 = region.region.box
    assert region.region.label is None
    assert x1 <= 200 <= x2
    assert y1 <= 30 <= y2


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ({"boxes": ((5, 5, 5, 9),)}, "bad_box"),
        ({"boxes": ((300, 0, 400, 9),)}, "bad_box"),
        ({"boxes": ((float("nan"), 0, 4, 9),)}, "bad_box"),
        ({"point": (240, 10)}, "bad_point"),
        ({"point": (-1, 10)}, "bad_point"),
    ],
    ids=["empty", "outside", "nan", "right of it", "left of it"],
)
def test_a_place_outside_the_photo_is_refused(searcher, parts, code):
    with pytest.raises(QueryError) as caught:
        ask(searcher, scene=room(*RED_AND_BLUE), **parts)

    assert caught.value.code == code


def keys(regions):
    return [region.key for region in regions]


NINE_TILES = [f"tile:{i}" for i in range(9)]


@pytest.mark.parametrize(
    ("things", "rules", "expected"),
    [
        pytest.param(RED_AND_BLUE, {}, ["object:0", "object:1"], id="objects"),
        pytest.param(None, {}, [*NINE_TILES, "whole"], id="nothing detected"),
        pytest.param(None, {"tiles": "off"}, ["whole"], id="nothing, no tiles"),
        pytest.param(None, {"tiles": "off", "whole": "off"}, ["whole"], id="never nothing at all"),
        pytest.param((), {"whole": "on", "tiles": "on"}, [], id="a sheet of paper"),
        pytest.param(RED_AND_BLUE[:1], {"whole": "on"}, ["object:0", "whole"], id="whole too"),
        pytest.param(RED_AND_BLUE[:1], {"tiles": "on"}, ["object:0", *NINE_TILES], id="tiles too"),
        pytest.param(RED_AND_BLUE, {"limit": 1}, ["object:0"], id="a limit"),
        pytest.param(RED_AND_BLUE, {"min_area": 0.5, "tiles": "off"}, ["whole"], id="too small"),
    ],
)
def test_which_parts_of_a_photo_are_searched_is_a_rule(indexed, things, rules, expected):
    searcher = Searcher(
        indexed.store, indexed.encoder, detector=FakeDetector, rules=RegionRules(**rules)
    )

    scene = chequered() if things is None else room(*things)
    assert keys(searcher.regions(Query(scene=scene))) == expected


def chequered():
    """A photo in which the detector finds nothing."""
    light = np.indices((200, 240)).sum(axis=0) // 20 % 2 * 120 + 60
    return load_scene(np.repeat(light[..., None], 3, axis=2).astype(np.uint8))


def test_without_a_detector_a_photo_is_searched_whole_and_by_tiles(indexed):
    searcher = Searcher(indexed.store, indexed.encoder)

    look = ask(searcher, scene=room(("red", "square")))

    assert {found.region.kind for found in look.regions} == {"whole", "tile"}
    assert look.matches


def test_a_detector_without_masks_gives_plain_crops_that_say_why(indexed):
    searcher = Searcher(indexed.store, indexed.encoder, detector=lambda: FakeDetector(masks=False))

    (region,) = ask(searcher, scene=room(("red", "square"))).regions

    assert region.cutout_method == "plain"
    assert region.cutout_reason == "the detector gave no mask"
    assert region.matches[0].item_id == "red-square"


def test_regions_of_a_photo_need_no_collection():
    searcher = Searcher(MemoryStore(), shop.make_encoder(), detector=FakeDetector)

    assert keys(searcher.regions(Query(scene=room(*RED_AND_BLUE)))) == ["object:0", "object:1"]
    assert searcher.regions(Query(texts=(("red", 1.0),))) == []


# --- words, products, items, vectors -----------------------------------------------------------


@pytest.mark.parametrize("colour", sorted(COLOURS))
def test_words_find_what_they_name(searcher, colour):
    look = ask(searcher, texts=((colour, 1.0),))

    assert look.matches[0].item_id.startswith(colour)
    assert look.regions == ()
    assert look.scene is None


def test_what_a_model_of_few_things_does_not_know_finds_nothing(indexed):
    narrow = Searcher(indexed.store, indexed.encoder, narrow_text=True)
    wide = Searcher(indexed.store, indexed.encoder)

    assert ids(ask(narrow, texts=(("red", 1.0),)))[0].startswith("red")
    assert all(m.score >= NARROW_LEAST for m in ask(narrow, texts=(("red", 1.0),)).matches)
    stranger = ask(narrow, texts=(("spaceship", 1.0),))
    assert (stranger.matches, stranger.notes) == ((), ("nothing like this in the catalogue",))
    assert len(ids(ask(wide, texts=(("red", 1.0),), limit=100))) > len(
        ids(ask(narrow, texts=(("red", 1.0),), limit=100))
    )


def test_a_text_without_a_text_tower_is_refused(indexed):
    silent = Searcher(indexed.store, shop.make_encoder(FakeEmbedder(128), colours=True))

    with pytest.raises(QueryError, match="text tower") as caught:
        ask(silent, texts=(("red", 1.0),))

    assert caught.value.code == "no_text_tower"


@pytest.mark.parametrize(
    "parts", [{"words": "red"}, {"scene": room(*RED_AND_BLUE), "boxes": ((70, 90, 86, 150),)}]
)
def test_what_needs_no_detector_asks_for_none(indexed, parts):
    def missing():
        raise ModelNotFoundError("no weights")

    searcher = Searcher(indexed.store, indexed.encoder, detector=missing)

    assert ask(searcher, **parts).matches
    with pytest.raises(ModelNotFoundError):
        ask(searcher, scene=room(*RED_AND_BLUE))


def test_words_move_every_object_of_a_photo(searcher):
    scene = room(("purple", "square"))

    alone = ask(searcher, scene=scene)
    moved = ask(searcher, scene=scene, texts=(("green", 2.0),))

    assert alone.matches[0].item_id == "purple-square"
    assert moved.matches[0].item_id.startswith("green")
    assert moved.regions[0].region.label == "purple"


def test_what_is_pushed_away_sinks(searcher):
    pink = ((product("pink"), 1.0),)

    plain = ids(ask(searcher, products=pink, limit=24))
    pushed = ids(ask(searcher, products=pink, texts=(("purple", -0.5),), limit=24))

    for item in ("purple-square", "purple-wide", "purple-tall"):
        assert pushed.index(item) > plain.index(item)


def test_a_photo_of_a_thing_finds_the_thing_and_detects_nothing(indexed):
    detector = FakeDetector()
    searcher = Searcher(indexed.store, indexed.encoder, detector=lambda: detector)

    look = ask(searcher, products=((product("green", "wide"), 1.0),))

    assert look.matches[0].item_id == "green-wide"
    assert look.matches[0].parts["similarity"] == pytest.approx(1, abs=1e-4)
    assert detector.scenes == 0


def test_several_photos_find_what_is_like_both(searcher):
    both = ((product("red", "tall"), 1.0), (product("blue", "tall"), 1.0))

    look = ask(searcher, products=both, weights={"cutout": 1.0})

    # what lies between red and blue
    assert set(ids(look)[:2]) == {"purple-tall", "pink-tall"}


def test_an_item_finds_what_is_like_it_and_not_itself(searcher):
    look = ask(searcher, items=(("red-wide", 1.0),), limit=24)

    assert "red-wide" not in ids(look)
    assert len(look.matches) == 23
    assert look.matches[0].item_id in {"red-square", "orange-wide", "pink-wide"}


def test_an_item_that_pushes_away_is_left_out_as_well(searcher):
    look = ask(searcher, items=(("red-wide", 1.0), ("pink-wide", -0.5)), limit=24)

    assert {"red-wide", "pink-wide"}.isdisjoint(ids(look))


def test_an_unknown_item_is_refused_by_name(searcher):
    with pytest.raises(QueryError, match="'nothing-such'") as caught:
        ask(searcher, items=(("nothing-such", 1.0),))

    assert caught.value.code == "unknown_item"


def test_a_vector_of_the_model_finds_its_picture(searcher, indexed):
    (vector,) = indexed.embedder.embed_images([shop.product("cyan", "tall")[8:56, 24:40]])

    assert ask(searcher, vectors=((vector, 1.0),)).matches[0].item_id == "cyan-tall"


def test_a_vector_of_a_wrong_size_is_refused_with_the_right_one(searcher):
    with pytest.raises(QueryError, match=r"\(128,\)") as caught:
        ask(searcher, vectors=((np.ones(7, np.float32), 1.0),))

    assert caught.value.code == "bad_vector"


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ({}, "empty_query"),
        ({"texts": (("red", -1.0),)}, "empty_query"),
        ({"texts": (("red", 0.0),)}, "empty_query"),
        ({"texts": (("  ", 1.0),)}, "empty_text"),
        ({"texts": (("red", float("nan")),)}, "bad_weight"),
        ({"boxes": ((0, 0, 1, 1),), "texts": (("red", 1.0),)}, "no_photo"),
        ({"point": (0, 0), "texts": (("red", 1.0),)}, "no_photo"),
        ({"texts": (("red", 1.0), ("red", -1.0))}, "empty_query"),
    ],
    ids=[
        *("nothing", "only away", "no weight", "blank text", "nan"),
        *("boxes alone", "point alone", "cancelled out"),
    ],
)
def test_a_question_with_nothing_to_look_for_is_refused(searcher, parts, code):
    with pytest.raises(QueryError) as caught:
        ask(searcher, **parts)

    assert caught.value.code == code


# --- what counts -------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_finds_the_product_itself(searcher, preset):
    assert ask(searcher, products=((product("red"), 1.0),), preset=preset).matches[0].item_id in (
        {"red-square", "red-tall", "red-wide"} if preset == "colour" else {"red-square"}
    )


def test_the_colour_preset_judges_by_colours_alone(searcher):
    look = ask(searcher, products=((product("red"), 1.0),), preset="colour", limit=3)

    assert {match.item_id.partition("-")[0] for match in look.matches} == {"red"}
    assert set(look.matches[0].parts) == {"similarity", "colour"}


def test_weights_stand_in_for_a_preset(searcher):
    only_cutout = ask(
        searcher, products=((product("red"), 1.0),), weights={"cutout": 1.0, "context": 0.0}
    )

    assert set(only_cutout.matches[0].parts) == {"similarity", "cutout"}


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ({"preset": "similiar"}, "bad_preset", "did you mean 'similar'"),
        ({"weights": {"shape": 1.0}}, "bad_preset", "cutout"),
        ({"weights": {"cutout": 0.0}}, "out_of_range", "above 0"),
        ({"weights": {"cutout": float("nan")}}, "out_of_range", "finite"),
        ({"weights": {"cutout": float("inf")}}, "out_of_range", "finite"),
        ({"fusion": "average"}, "bad_fusion", "best_rank"),
        ({"limit": 0}, "out_of_range", "1 to 1000"),
        ({"limit": 1001}, "out_of_range", "1 to 1000"),
        ({"limit": 2.5}, "out_of_range", "whole number"),
        ({"limit": "many"}, "out_of_range", "'many'"),
        ({"per_region": -1}, "out_of_range", "0 to 200"),
        ({"candidates": 0}, "out_of_range", "1 to 1000"),
        ({"expansion": 51}, "out_of_range", "0 to 50"),
        ({"expansion_floor": -2}, "out_of_range", "-1 to 1"),
        ({"diversity": 1.1}, "out_of_range", "0 to 1"),
        ({"diversity": float("nan")}, "out_of_range", "nan"),
        ({"score_min": 2}, "out_of_range", "0 to 1"),
        ({"familiarity_min": 7}, "out_of_range", "0 to 1"),
        ({"agreement": -1}, "out_of_range", "0 to 1"),
        ({"facets": ("size",)}, "unknown_field", "'size'"),
        ({"collapse": "size"}, "unknown_field", "category"),
        ({"diversity_field": "size"}, "unknown_field", "category"),
        ({"sort": "-size"}, "unknown_field", "'size'"),
        ({"agreement": 0.1, "agreement_field": "size"}, "unknown_field", "'size'"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_an_option_that_makes_no_sense_is_refused_before_any_model_runs(
    indexed, options, code, said
):
    embedder = FakeEmbedder(128, has_text=True)
    fresh = Searcher(indexed.store, shop.make_encoder(embedder, colours=True))

    with pytest.raises(QueryError, match=said) as caught:
        ask(fresh, texts=(("red", 1.0),), **options)

    assert caught.value.code == code
    assert embedder.loads == 0


def test_a_filter_is_applied_to_every_list(searcher):
    look = ask(searcher, scene=room(*RED_AND_BLUE), where=Equals("category", "wide"), limit=24)

    assert len(look.matches) == 8
    shown = [*look.matches, *(match for found in look.regions for match in found.matches)]
    assert {match.attributes["category"] for match in shown} == {"wide"}


def test_a_filter_and_the_items_of_the_query_are_both_respected(searcher):
    look = ask(searcher, items=(("red-wide", 1.0),), where=Equals("category", "wide"), limit=24)

    assert len(look.matches) == 7
    assert "red-wide" not in ids(look)


def test_a_filter_that_nothing_satisfies_is_an_honest_empty_answer(searcher):
    look = ask(
        searcher, scene=room(("red", "square")), where=Between("price", gt=1e6), facets=("tags",)
    )

    assert look.matches == ()
    assert look.facets == {"tags": ()}
    assert look.regions[0].matches == ()
    assert look.regions[0].notes == ("no good match",)


def test_facets_count_the_candidates(searcher):
    look = ask(
        searcher,
        items=(("red-wide", 1.0),),
        where=Not(Equals("category", "tall")),
        facets=("category", "tags"),
        limit=2,
    )

    assert dict(look.facets["category"]) == {"square": 8, "wide": 7}
    assert look.facets["category"][0] == ("square", 8)
    assert dict(look.facets["tags"])["new"] == 3  # one of the four new ones is the query


@pytest.mark.parametrize(
    ("sort", "falling"), [("price", False), ("-price", True)], ids=["rising", "falling"]
)
def test_the_best_are_sorted_by_a_field(searcher, sort, falling):
    query = {"products": ((product("green"), 1.0),), "limit": 8, "candidates": 8}
    best = ask(searcher, **query)
    ordered = ask(searcher, **query, sort=sort)

    prices = [match.attributes["price"] for match in ordered.matches]
    assert prices == sorted(prices, reverse=falling)
    assert set(ids(ordered)) == set(ids(best))


def test_items_without_the_field_come_last_whichever_way_it_is_sorted(tmp_path):
    items = shop.colour_shop(tmp_path)[:6]
    run = shop.Shop()
    without = Item("no-price", items[0].photos, {"title": "free"})
    run.index([*items, without])
    searcher = Searcher(run.store, run.encoder)

    for sort in ("price", "-price"):
        look = ask(searcher, products=((product("red"), 1.0),), sort=sort)
        assert ids(look)[-1] == "no-price"


def test_items_with_one_value_of_a_field_become_one_match_that_lists_the_others(searcher):
    look = ask(searcher, products=((product("red"), 1.0),), collapse="group", limit=24)

    assert len(look.matches) == len(COLOURS)
    best = look.matches[0]
    assert best.item_id == "red-square"
    assert set(best.variants) == {"red-tall", "red-wide"}


def test_diversity_by_a_field_brings_other_values_up(searcher):
    query = {"products": ((product("red", "tall"), 1.0),), "limit": 5}

    plain = ask(searcher, **query)
    diverse = ask(searcher, **query, diversity=0.9, diversity_field="category")

    def kinds(look):
        return len({match.attributes["category"] for match in look.matches})

    assert diverse.matches[0].item_id == plain.matches[0].item_id
    assert kinds(diverse) == 3
    assert kinds(diverse) > kinds(plain)


def test_diversity_by_vector_brings_unlike_things_up(searcher, indexed):
    query = {"products": ((product("red", "tall"), 1.0),), "limit": 5, "weights": {"cutout": 1.0}}
    vectors = {
        record.payload["item_id"]: record.vectors["cutout"]
        for record in indexed.store.scroll(spaces=("cutout",))
    }

    def likeness(look):
        rows = np.stack([vectors[item] for item in ids(look)])
        return float((rows @ rows.T).mean())

    assert likeness(ask(searcher, **query, diversity=0.8)) < likeness(ask(searcher, **query)) - 0.05


def test_a_score_floor_drops_what_is_below_it_and_says_so(searcher):
    scene = room(*RED_AND_BLUE)

    some = ask(searcher, scene=scene, score_min=0.9, weights={"cutout": 1.0}, limit=24)
    none = ask(searcher, scene=scene, score_min=1.0, weights={"context": 1.0}, limit=24)

    assert 0 < len(some.matches) < 24
    assert all(match.parts["similarity"] >= 0.9 for match in some.matches)
    assert none.matches == ()
    assert [found.notes for found in none.regions] == [("no good match",)] * 2


def test_expansion_moves_a_query_towards_its_neighbours(searcher):
    query = {"products": ((product("red", "tall"), 1.0),), "weights": {"cutout": 1.0}}

    plain = ask(searcher, **query)
    moved = ask(searcher, **query, expansion=5, expansion_floor=-1.0)

    def similarity(look, item):
        return next(m.parts["similarity"] for m in look.matches if m.item_id == item)

    neighbour = plain.matches[1].item_id
    assert similarity(moved, neighbour) > similarity(plain, neighbour)
    assert similarity(moved, "red-tall") < 1 - 1e-4


def test_expansion_that_trusts_no_neighbour_changes_nothing(searcher):
    query = {"texts": (("zebra", 1.0),)}

    plain = ask(searcher, **query)
    floored = ask(searcher, **query, expansion=5, expansion_floor=1.0)

    assert ids(floored) == ids(plain)
    assert floored.matches[0].parts == plain.matches[0].parts


@pytest.mark.parametrize("fusion", ["best_rank", "share", "reciprocal_rank", "best_score"])
def test_every_fusion_puts_both_objects_of_a_room_on_top(searcher, fusion):
    look = ask(searcher, scene=room(*RED_AND_BLUE), fusion=fusion, limit=24)

    top = 3 if fusion != "reciprocal_rank" else 24
    assert {"red-square", "blue-tall"} <= set(ids(look)[:top])
    earned = [sum(one.contribution for one in match.evidence) for match in look.matches]
    assert earned == sorted(earned, reverse=True)


def test_a_match_has_one_score_wherever_it_stands(searcher):
    look = ask(searcher, scene=room(*RED_AND_BLUE), limit=24, per_region=24)

    for match in look.matches:
        assert 0 <= match.score <= 1
        region = match.evidence[0].region
        own = {one.item_id: one.score for one in look.regions[region].matches}
        assert own[match.item_id] == match.score


def test_a_score_is_1_for_the_same_picture_and_0_for_what_is_like_any(searcher, items):
    photo = load_scene(items[0].photos[0])
    look = ask(searcher, products=((photo, 1.0),), limit=24)

    assert look.matches[0].item_id == items[0].id
    assert look.matches[0].score == pytest.approx(1, abs=1e-4)
    assert min(match.score for match in look.matches) < 0.2


def test_a_photo_on_which_nothing_is_seen_says_so(searcher):
    look = ask(searcher, scene=room())

    assert look.regions == look.matches == ()
    assert look.notes == ("nothing is seen in the photo", "nothing like this in the catalogue")


@pytest.mark.parametrize("limit", [1, 3, 24])
def test_lists_are_as_long_as_asked_for(searcher, limit):
    look = ask(searcher, scene=room(*RED_AND_BLUE), limit=limit, per_region=2)

    assert len(look.matches) == limit
    assert [len(found.matches) for found in look.regions] == [2, 2]


def test_lists_of_the_regions_can_be_left_out(searcher):
    look = ask(searcher, scene=room(*RED_AND_BLUE), per_region=0)

    assert [found.matches for found in look.regions] == [(), ()]
    assert [found.notes for found in look.regions] == [(), ()]
    assert look.matches


def test_only_so_many_candidates_are_asked_of_the_engine(searcher):
    few = ask(
        searcher,
        products=((product("red"), 1.0),),
        candidates=3,
        limit=24,
        weights={"cutout": 1.0},
    )

    assert len(few.matches) == 3


# --- evidence ----------------------------------------------------------------------------------


def test_every_match_says_which_region_and_which_photo_earned_it(searcher, items):
    look = ask(searcher, scene=room(*RED_AND_BLUE), limit=24)

    by_id = {item.id: item for item in items}
    for match in look.matches:
        first = match.evidence[0]
        assert first.region in (0, 1)
        assert first.photo == match.photo == by_id[match.item_id].photos[0]
        assert set(first.scores) == {"cutout", "context"}
        assert match.attributes["title"] == by_id[match.item_id].attributes["title"]
        assert {"item_hash", "phash", "region"}.isdisjoint(match.attributes)
    best = {match.item_id: match.evidence[0].region for match in look.matches}
    assert (best["red-square"], best["blue-tall"]) == (0, 1)


def test_what_words_found_was_earned_by_no_region(searcher):
    look = ask(searcher, texts=(("red", 1.0),))

    assert {evidence.region for match in look.matches for evidence in match.evidence} == {None}


def test_parts_are_the_cosines_that_the_similarity_is_made_of(searcher):
    look = ask(searcher, products=((product("red"), 1.0),), weights={"cutout": 3.0, "context": 1.0})

    for match in look.matches:
        parts = match.parts
        assert parts["similarity"] == pytest.approx(
            (3 * parts["cutout"] + parts["context"]) / 4, abs=1e-5
        )


def test_the_stored_photo_that_answered_is_the_one_shown(tmp_path):
    paths = tuple(
        shop.save(shop.product(colour), tmp_path / f"{colour}.png") for colour in ("red", "blue")
    )
    run = shop.Shop()
    run.index([Item("both", paths, {})])
    searcher = Searcher(run.store, run.encoder)

    for n, colour in enumerate(("red", "blue")):
        (match,) = ask(searcher, products=((product(colour), 1.0),)).matches
        assert match.photo == paths[n]


def test_the_time_of_every_stage_is_told(searcher):
    look = ask(searcher, scene=room(*RED_AND_BLUE))

    assert {"detect", "cutout", "embed", "engine", "rank", "fetch"} <= set(look.timings_ms)
    assert all(ms >= 0 for ms in look.timings_ms.values())


# --- the same every time -----------------------------------------------------------------------


def summary(look):
    return (
        [(m.item_id, m.score, dict(m.parts)) for m in look.matches],
        [[(m.item_id, m.score) for m in found.matches] for found in look.regions],
    )


def test_the_same_question_has_the_same_answer_whatever_the_order_of_indexing(indexed, items):
    other = shop.Shop(encoder=indexed.encoder)
    other.index(list(reversed(items)))
    question = {"scene": room(*RED_AND_BLUE, ("green", "wide")), "limit": 24}

    answers = [
        summary(ask(Searcher(store, indexed.encoder, detector=FakeDetector), **question))
        for store in (indexed.store, indexed.store, other.store)
    ]

    assert answers[0] == answers[1] == answers[2]


def test_items_that_score_the_same_are_ordered_by_id(tmp_path):
    path = shop.save(shop.product("red"), tmp_path / "one.png")
    run = shop.Shop()
    run.index([Item(name, (path,), {}) for name in ("c", "a", "d", "b")])

    look = ask(
        Searcher(run.store, run.encoder), products=((product("red"), 1.0),), collapse="item_id"
    )

    assert ids(look) == ["a", "b", "c", "d"]


def test_a_prepared_question_is_answered_again_without_the_models(searcher, indexed):
    prepared = searcher.prepare(Query(scene=room(*RED_AND_BLUE)))
    before = indexed.embedder.embedded

    wide = searcher.answer(prepared, SearchOptions(where=Equals("category", "wide")))
    first = searcher.answer(prepared)

    assert indexed.embedder.embedded == before
    assert summary(first) == summary(ask(searcher, scene=room(*RED_AND_BLUE)))
    assert {match.attributes["category"] for match in wide.matches} == {"wide"}


# --- collections -------------------------------------------------------------------------------


def test_a_collection_that_is_not_there_is_an_error_that_says_what_to_do():
    searcher = Searcher(MemoryStore(), shop.make_encoder())

    with pytest.raises(StoreError, match="scenesearch index") as caught:
        ask(searcher, products=((product("red"), 1.0),))

    assert caught.value.code == "no_collection"


def test_an_empty_collection_answers_with_nothing(indexed):
    store = MemoryStore()
    store.create(
        CollectionSchema(
            indexed.store.schema.vectors, indexed.store.schema.fields, indexed.store.schema.metadata
        )
    )
    searcher = Searcher(store, indexed.encoder, detector=FakeDetector)

    by_photo = ask(searcher, scene=room(*RED_AND_BLUE), diversity=0.5, expansion=3)
    by_text = ask(searcher, texts=(("red", 1.0),), facets=("category",), collapse="group")

    assert by_photo.matches == by_text.matches == ()
    assert [found.notes for found in by_photo.regions] == [("no good match",)] * 2


@pytest.mark.parametrize(
    "encoder",
    [
        pytest.param(lambda: shop.make_encoder(FakeEmbedder(128, seed=1)), id="model"),
        pytest.param(
            lambda: shop.make_encoder(FakeEmbedder(128), rules=shop.CutRules(background=(0, 0, 0))),
            id="background",
        ),
    ],
)
def test_a_collection_of_another_model_is_refused_naming_both(indexed, encoder):
    with pytest.raises(CollectionMismatchError, match="this configuration has"):
        ask(Searcher(indexed.store, encoder()), products=((product("red"), 1.0),))


def test_a_collection_without_colours_is_searched_by_what_it_has(tmp_path):
    run = shop.Shop()
    run.index(shop.colour_shop(tmp_path))
    searcher = Searcher(run.store, run.encoder)

    assert ask(searcher, items=(("red-wide", 1.0),), preset="style").matches
    with pytest.raises(QueryError, match="none of the spaces colour"):
        ask(searcher, items=(("red-wide", 1.0),), preset="colour")


def test_words_have_no_colour_vector_and_say_what_to_use_instead(searcher):
    with pytest.raises(QueryError, match="use another preset") as caught:
        ask(searcher, texts=(("red", 1.0),), preset="colour")

    assert caught.value.code == "empty_query"


def test_an_item_deleted_after_the_engine_answered_is_left_out(tmp_path):
    run = shop.Shop()
    run.index(shop.colour_shop(tmp_path))
    store = run.store
    real, gone = store.query, []

    def query_then_delete(queries):
        answer = real(queries)
        if not gone:
            gone.append(True)
            store.delete(where=Equals("item_id", "red-square"))
        return answer

    store.query = query_then_delete
    searcher = Searcher(store, run.encoder)

    look = ask(searcher, products=((product("red"), 1.0),), limit=24, diversity=0.3)

    assert "red-square" not in ids(look)
    assert len(look.matches) == 23


# --- strangers ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def red_shop(tmp_path_factory):
    """Sells nothing but red and orange things, and knows it."""
    folder = tmp_path_factory.mktemp("red")
    rng = np.random.default_rng(0)
    items = []
    for n in range(120):
        colour = tuple(
            int(c)
            for c in np.clip(COLOURS["red" if n % 2 else "orange"] + rng.integers(-9, 9, 3), 0, 255)
        )
        path = shop.save(shop.product(colour, list(shop.SIZES)[n % 3]), folder / f"{n}.png")
        items.append(Item(f"r{n:03}", (path,), {"price": float(n)}))
    run = shop.Shop(embedder=FakeEmbedder(64, has_classes=True))
    run.report = run.index(items)
    run.items = items
    return run


def test_a_region_unlike_anything_in_the_catalogue_is_refused_and_the_others_are_not(red_shop):
    searcher = Searcher(red_shop.store, red_shop.encoder, detector=FakeDetector)

    look = ask(searcher, scene=room(("red", "square"), ("blue", "tall")))

    at_home, stranger = look.regions
    assert at_home.matches
    assert at_home.notes == ()
    assert stranger.matches == ()
    assert "no good match" in stranger.notes[0]
    assert {e.region for match in look.matches for e in match.evidence} == {0}


def test_a_photo_of_strangers_alone_is_an_empty_answer_and_no_error(red_shop):
    searcher = Searcher(red_shop.store, red_shop.encoder, detector=FakeDetector)

    look = ask(
        searcher,
        scene=room(("blue", "square"), ("cyan", "tall")),
        diversity=0.3,
        expansion=3,
        collapse="price",
        sort="price",
        facets=("category",),
    )

    assert look.matches == ()
    assert len(look.regions) == 2
    assert all(found.notes for found in look.regions)


def test_strangers_are_searched_when_nothing_is_to_be_refused(red_shop):
    searcher = Searcher(red_shop.store, red_shop.encoder, detector=FakeDetector)

    look = ask(searcher, scene=room(("blue", "square")), familiarity_min=0.0)

    assert look.regions[0].matches
    assert look.regions[0].notes == ()


def test_a_small_catalogue_refuses_nothing_and_says_so_when_it_is_indexed(tmp_path):
    run = shop.Shop(embedder=FakeEmbedder(64, has_classes=True))
    report = run.index([item for item in shop.colour_shop(tmp_path) if item.id.startswith("red")])
    searcher = Searcher(run.store, run.encoder, detector=FakeDetector)

    look = ask(searcher, scene=room(("blue", "square")))

    assert any("cold start" in note for note in report.notes)
    assert look.regions[0].matches


def test_near_duplicate_pictures_are_one_match_that_lists_the_others(items):
    again = [replace(item, id=f"{item.id}-again") for item in items if item.id.startswith("red")]
    run = shop.Shop(encoder=shop.make_encoder(FakeEmbedder(128, has_text=True), colours=True))
    run.index([*items, *again])
    found = Searcher(run.store, run.encoder, detector=FakeDetector)

    apart = ask(found, products=((product("red"), 1.0),), limit=4, collapse="item_id")
    one = ask(found, products=((product("red"), 1.0),), limit=4, collapse="phash")

    assert set(ids(apart)[:2]) == {"red-square", "red-square-again"}
    assert one.matches[0].item_id == "red-square"
    assert "red-square-again" in one.matches[0].variants
    assert not any(name.endswith("-again") for name in ids(one))


@pytest.fixture(scope="module")
def doubled(items):
    """Each product twice, under two ids."""
    again = [replace(item, id=f"{item.id}-again") for item in items]
    run = shop.Shop(encoder=shop.make_encoder(FakeEmbedder(128, has_text=True), colours=True))
    run.index([*items, *again])
    return Searcher(run.store, run.encoder, detector=FakeDetector)


def test_equal_pictures_stand_once_in_every_list_and_list_the_others(doubled, items):
    look = ask(doubled, scene=room(("red", "square")), limit=100, per_region=100)

    for listed in (look.matches, *(one.matches for one in look.regions)):
        shown = [match.item_id for match in listed]
        assert not any(f"{name}-again" in shown for name in shown)
        for match in listed:
            assert match.variants == (f"{match.item_id}-again",)


def test_pages_of_a_list_with_equal_pictures_hold_each_picture_once(doubled, items):
    query = {"scene": room(("red", "square"))}
    whole = ask(doubled, **query, limit=100)
    prepared = doubled.prepare(Query(**query))
    pages, offset = [], 0
    while offset < whole.total:
        look = doubled.answer(prepared, SearchOptions(limit=4), offset=offset)
        assert look.total == whole.total
        pages += look.matches
        offset += 4

    assert [match.item_id for match in pages] == [match.item_id for match in whole.matches]
    everything = [name for match in pages for name in (match.item_id, *match.variants)]
    assert len(everything) == len(set(everything)) == 2 * len(pages)


def test_every_item_for_itself_where_that_is_asked_for(doubled):
    for off in ("item_id", None):
        look = ask(doubled, products=((product("red"), 1.0),), limit=4, collapse=off)

        assert {"red-square", "red-square-again"} <= set(ids(look))
        assert not any(match.variants for match in look.matches)
