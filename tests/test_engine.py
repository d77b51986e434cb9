"""The engine over a real embedded store, real decoding processes, and models that fake."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
import shop
from cases import first

from scenesearch import SceneSearch, load_settings
from scenesearch.api.opened import Opened
from scenesearch.config.search import SearchOptions, WordWeights
from scenesearch.core.errors import FilterError, ImageError, QueryError, StoreError
from scenesearch.engine.cancellation import TaskCancelledError
from scenesearch.engine.engine import Engine
from scenesearch.engine.facets import FacetTasks
from scenesearch.engine.looks import MAX_DEPTH
from scenesearch.engine.media import photo_url
from scenesearch.engine.tasks import (
    FacetTask,
    LookTask,
    ModelsTask,
    Photo,
    SearchTask,
    Status,
    TagTask,
)
from scenesearch.look.as_json import look_values, to_json
from scenesearch.store.priced import unwrapped
from scenesearch.system.once import once

SETTINGS = {"embedder": {"whiten": 0}, "service": {"decoders": 1}}
THINGS = (("red", "tall"), ("blue", "square"), ("green", "wide"))


ROOM = Photo(shop.png(shop.room(*THINGS)), "../secret/room.png")
BLUE = Photo(shop.png(shop.product("blue")))


@pytest.fixture(scope="module", autouse=True)
def parts():
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield shop.use_fakes(monkeypatch)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("engine")


@pytest.fixture(scope="module")
def front(folder, parts):
    catalog = shop.write_catalog(folder, shop.colour_shop(folder / "photos"))
    front = SceneSearch(folder / "store", config=load_settings(None, **SETTINGS))
    front.index(catalog)
    return front


@pytest.fixture(scope="module")
def engine(front):
    engine = Engine(front._opened)
    engine.load()
    yield engine
    engine.close()


@pytest.fixture
def counts(engine, parts):
    """What the models were asked for since the test began: (photos, pictures)."""
    fakes = parts.made[0]
    start = (fakes.detector.scenes, fakes.embedder.embedded)
    return lambda: (fakes.detector.scenes - start[0], fakes.embedder.embedded - start[1])


def ask(engine, task):
    return json.loads(engine.run(task).value)


def ids(matches) -> list[str]:
    return [match["item_id"] for match in matches]


def without_pictures(match):
    pictures = ("photo", "photo_url")
    evidence = [{k: v for k, v in one.items() if k not in pictures} for one in match["evidence"]]
    return {k: v for k, v in match.items() if k not in pictures} | {"evidence": evidence}


def without_times(answer):
    return {k: v for k, v in answer.items() if k not in ("timings_ms", "query_id")}


@pytest.mark.process
def test_loading_starts_the_process_of_the_store(folder, engine) -> None:
    opened = Opened(folder / "new", load_settings(None, **SETTINGS), process=True)
    other = Engine(opened)
    assert unwrapped(opened.store).pid is None
    try:
        other.load()
        assert unwrapped(opened.store).pid is not None
        assert opened.store.schema is None
    finally:
        other.close()


# --- a look ----------------------------------------------------------------------------------


def test_a_look_finds_the_product_of_every_object(engine) -> None:
    answer = ask(engine, LookTask(photo=ROOM))

    assert {r["matches"][0]["item_id"] for r in answer["regions"]} == {
        f"{colour}-{shape}" for colour, shape in THINGS
    }
    assert answer["scene"]["width"] == 240
    assert set(ids(answer["matches"])[:3]) == {f"{c}-{s}" for c, s in THINGS}


def test_no_path_of_a_file_is_in_an_answer(engine, folder) -> None:
    for task in (LookTask(photo=ROOM), SearchTask(items={"red-tall": 1.0}), TagTask(ROOM)):
        text = engine.run(task).value
        assert str(folder) not in text
        assert "secret" not in text
        assert '"photo":' not in text


def test_pictures_are_named_by_point_and_colours_as_the_web_writes_them(engine) -> None:
    answer = ask(engine, LookTask(photo=ROOM))
    match = answer["regions"][0]["matches"][0]
    point = match["evidence"][0]["point_id"]

    assert match["photo_url"] == f"/v1/photos/{point}?width=320"
    assert match["evidence"][0]["photo_url"] == match["photo_url"]
    shades = [c["hex"] for region in answer["regions"] for c in region["colours"]]
    assert shades
    assert all(re.fullmatch("#[0-9a-f]{6}", shade) for shade in shades)


def test_an_answer_is_the_looks_own_json_with_pictures_by_address(engine, front) -> None:
    answer = ask(engine, LookTask(photo=ROOM, detection_limit=12))
    look = front.shop_the_look(ROOM.data)
    its = look_values(look, photo_url=photo_url)

    assert answer["total"] == look.total == 24
    assert without_times(answer) == without_times({**its, "total": 24, "next_offset": 20})
    paths = look.to_dict()
    assert [without_pictures(match) for match in answer["matches"]] == [
        without_pictures(match) for match in paths["matches"]
    ]


def test_seconds_are_counted_by_stage(engine) -> None:
    seconds = engine.run(LookTask(photo=ROOM)).seconds

    assert {"decode", "detect", "cutout", "embed", "engine", "rank", "fetch", "encode"} <= set(
        seconds
    )
    assert all(value >= 0 for value in seconds.values())


def test_a_detection_limit_leaves_the_best_regions(engine, counts) -> None:
    answer = ask(engine, LookTask(photo=ROOM, detection_limit=2))

    assert [r["key"] for r in answer["regions"]] == ["object:0", "object:1"]
    assert counts() == (1, 4)


@pytest.mark.parametrize(
    ("sensitivity", "found"), [("low", 1), ("medium", 2), ("high", 3), (None, 3)]
)
def test_sensitivity_is_how_sure_the_detector_must_be(engine, sensitivity, found) -> None:
    # what a patch fills of its box is how sure the fake detector is: 1, about 0.4, about 0.2
    image = np.full((200, 300, 3), 128, np.uint8)
    image[20:60, 20:60] = shop.COLOURS["red"]
    for x, share, colour in ((100, 0.4, "blue"), (200, 0.2, "green")):
        image[20:100, x] = image[20, x : x + 80] = shop.COLOURS[colour]
        image[20 : 20 + int(80 * share), x : x + 80] = shop.COLOURS[colour]
    task = LookTask(photo=Photo(shop.png(image)), detection_sensitivity=sensitivity)

    assert len(ask(engine, task)["regions"]) == found


# --- asked again -----------------------------------------------------------------------------


def test_a_repeated_look_runs_no_model_and_gives_the_same(engine, counts) -> None:
    first = ask(engine, LookTask(photo=ROOM))
    before = counts()
    answer = engine.run(LookTask(query_id=first["query_id"]))
    again = json.loads(answer.value)

    assert counts() == before
    assert again["query_id"] == first["query_id"]
    assert without_times(again) == without_times(first)
    assert "decode" not in answer.seconds


@pytest.mark.parametrize(
    "more",
    [
        {"where": "category = 'wide'"},
        {"words": "yellow"},
        {"items": {"pink-tall": 2.0}},
        {"options": {"preset": "category", "limit": 3}},
        {"options": {"sort": "-price"}},
        {"options": {"boosts": {"category = 'tall'": 1.0}}},
    ],
    ids=lambda more: next(iter(more)),
)
def test_a_repeated_look_hears_what_is_new_without_a_model(engine, counts, more) -> None:
    first = ask(engine, LookTask(photo=ROOM))
    before = counts()
    again = ask(engine, LookTask(query_id=first["query_id"], **more))

    assert counts() == before
    assert without_times(again) != without_times(first)
    assert without_times(again) == without_times(ask(engine, LookTask(photo=ROOM, **more)))


def test_texts_of_a_repeated_look_embed_no_picture(engine, counts) -> None:
    first = ask(engine, LookTask(photo=ROOM))
    before = counts()
    again = ask(engine, LookTask(query_id=first["query_id"], texts={"pink": 3.0}))

    assert counts() == before
    assert ids(again["matches"]) != ids(first["matches"])


def test_a_larger_limit_embeds_only_the_regions_that_are_new(engine, counts) -> None:
    first = ask(engine, LookTask(photo=ROOM, detection_limit=1))
    before = counts()
    again = ask(engine, LookTask(query_id=first["query_id"], detection_limit=3))

    assert counts() == (before[0], before[1] + 2 * 2)
    whole = ask(engine, LookTask(photo=ROOM, detection_limit=3))
    assert without_times(again) == without_times(whole)


def test_a_box_of_a_repeated_look_embeds_that_box_once(engine, counts) -> None:
    first = ask(engine, LookTask(photo=ROOM))
    before = counts()
    task = LookTask(query_id=first["query_id"], boxes=((60.0, 90.0, 110.0, 150.0),))
    again = ask(engine, task)
    assert counts() == (before[0], before[1] + 2)
    ask(engine, task)

    assert counts() == (before[0], before[1] + 2)
    assert [r["box"] for r in again["regions"]] == [[60, 90, 110, 150]]
    assert again["matches"][0]["item_id"].startswith("blue")


def test_normalised_boxes_are_the_same_boxes(engine) -> None:
    pixels = ask(engine, LookTask(photo=ROOM, boxes=((60, 90, 120, 150),)))
    shares = (60 / 240, 90 / 240, 120 / 240, 150 / 240)
    normalised = ask(engine, LookTask(photo=ROOM, boxes=(shares,), box_format="xyxy_norm"))

    assert without_times(pixels) == without_times(normalised)


def test_after_a_look_at_boxes_the_detector_can_still_be_asked(engine, counts) -> None:
    first = ask(engine, LookTask(photo=ROOM, boxes=((60, 90, 120, 150),)))
    assert counts()[0] == 0
    again = ask(engine, LookTask(query_id=first["query_id"]))

    assert counts()[0] == 1
    assert len(again["regions"]) == 3


def test_a_tapped_object_that_was_found_costs_nothing(engine, counts) -> None:
    first = ask(engine, LookTask(photo=ROOM))
    before = counts()
    again = ask(engine, LookTask(query_id=first["query_id"], point=(80, 120)))

    assert counts() == before
    assert [r["label"] for r in again["regions"]] == ["blue"]


def test_a_tapped_wall_embeds_a_window_around_the_point(engine, counts) -> None:
    first = ask(engine, LookTask(photo=ROOM))
    before = counts()
    point = (0.9, 0.9)
    again = ask(engine, LookTask(query_id=first["query_id"], point=point, box_format="xyxy_norm"))

    assert counts() == (before[0], before[1] + 2)
    x1, y1, x2, y2 = again["regions"][0]["box"]
    assert x1 <= 216 < x2
    assert y1 <= 216 < y2


# --- what makes no sense ---------------------------------------------------------------------

NAN = float("nan")
BAD_LOOKS = {
    "nothing": ({}, "no_photo"),
    "both": ({"photo": ROOM, "query_id": "x"}, "bad_option"),
    "unknown query": ({"query_id": "x"}, "query_expired"),
    "boxes and a point": ({"photo": ROOM, "boxes": ((0, 0, 9, 9),), "point": (1, 1)}, "bad_option"),
    "31 boxes": ({"photo": ROOM, "boxes": ((0, 0, 9, 9),) * 31}, "too_many_boxes"),
    "a box outside": ({"photo": ROOM, "boxes": ((300, 0, 310, 9),)}, "bad_box"),
    "an inverted box": ({"photo": ROOM, "boxes": ((9, 0, 3, 9),)}, "bad_box"),
    "an empty box": ({"photo": ROOM, "boxes": ((9, 0, 9, 9),)}, "bad_box"),
    "a box of nan": ({"photo": ROOM, "boxes": ((NAN, 0, 9, 9),)}, "bad_box"),
    "pixels as shares": (
        {"photo": ROOM, "boxes": ((0, 0, 9, 9),), "box_format": "xyxy_norm"},
        "bad_box",
    ),
    "nan as shares": (
        {"photo": ROOM, "boxes": ((0, 0, NAN, 1),), "box_format": "xyxy_norm"},
        "bad_box",
    ),
    "a point outside": ({"photo": ROOM, "point": (240, 3)}, "bad_point"),
    "a point of nan": ({"photo": ROOM, "point": (NAN, 3)}, "bad_point"),
    "a point of large shares": (
        {"photo": ROOM, "point": (1.5, 0.5), "box_format": "xyxy_norm"},
        "bad_point",
    ),
    "no objects": ({"photo": ROOM, "detection_limit": 0}, "out_of_range"),
    "31 objects": ({"photo": ROOM, "detection_limit": 31}, "out_of_range"),
    "true objects": ({"photo": ROOM, "detection_limit": True}, "out_of_range"),
    "unknown sensitivity": ({"photo": ROOM, "detection_sensitivity": "huge"}, "bad_option"),
    "unknown box format": ({"photo": ROOM, "box_format": "xywh"}, "bad_option"),
    "33 texts": ({"photo": ROOM, "texts": {str(n): 1.0 for n in range(33)}}, "too_many"),
    "a weight of nan": ({"photo": ROOM, "items": {"red-tall": NAN}}, "bad_weight"),
    "an unknown item": ({"photo": ROOM, "items": {"nobody": 1.0}}, "unknown_item"),
    "empty words": ({"photo": ROOM, "words": " "}, "empty_text"),
    "an unknown option": ({"photo": ROOM, "options": {"where": "x"}}, "unknown_option"),
    "an option of another type": ({"photo": ROOM, "options": {"sort": 5}}, "bad_option"),
    "an unknown preset": ({"photo": ROOM, "options": {"preset": "best"}}, "bad_preset"),
    "a sort by nothing": ({"photo": ROOM, "options": {"sort": "-nothing"}}, "unknown_field"),
    "a facet of nothing": ({"photo": ROOM, "options": {"facets": ["no"]}}, "unknown_field"),
    "limit 0": ({"photo": ROOM, "options": {"limit": 0}}, "out_of_range"),
    "a negative offset": ({"photo": ROOM, "offset": -1}, "out_of_range"),
    "too deep": ({"photo": ROOM, "offset": MAX_DEPTH + 1}, "out_of_range"),
}


@pytest.mark.parametrize(("parts_of", "code"), BAD_LOOKS.values(), ids=BAD_LOOKS)
def test_a_look_that_makes_no_sense_is_a_query_error(engine, parts_of, code) -> None:
    with pytest.raises(QueryError) as caught:
        engine.run(LookTask(**parts_of))
    assert caught.value.code == code


def test_what_is_wrong_with_the_question_is_said_before_any_model_runs(engine, counts) -> None:
    for task in (
        LookTask(photo=ROOM, where="nothing = 3"),
        LookTask(photo=ROOM, options={"preset": "best"}),
        LookTask(photo=ROOM, options={"limit": -3}),
    ):
        with pytest.raises(QueryError):
            engine.run(task)
    assert counts() == (0, 0)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty_image"),
        (b"hello, this is no picture", "unsupported_image"),
        (ROOM.data[:200], "truncated_image"),
    ],
    ids=["empty", "text", "half a file"],
)
def test_a_bad_photo_is_an_image_error_with_the_code_of_its_cause(engine, data, code) -> None:
    for task in (
        LookTask(photo=Photo(data, "a.png")),
        SearchTask(photos=((BLUE, 1.0), (Photo(data, "a.png"), 1.0))),
        TagTask(Photo(data, "a.png")),
    ):
        with pytest.raises(ImageError) as caught:
            engine.run(task)
        assert caught.value.code == code
        assert "a.png" in str(caught.value)


@pytest.mark.process
def test_a_photo_that_takes_too_long_costs_itself_only(folder, engine) -> None:
    from scenesearch.engine.cancellation import CheckedTimes
    from scenesearch.engine.decoding import Decoder

    decoder = Decoder(1, timeout_s=0.001, limits=engine.settings.images)
    # who watches the workers looks ten times a second, so it must take longer than that
    large = Photo(shop.png(np.zeros((7000, 7000, 3), np.uint8)))
    try:
        with pytest.raises(ImageError) as caught:
            decoder.scene(large, CheckedTimes())
        assert caught.value.code == "timed_out"
    finally:
        decoder.close()
    assert ask(engine, LookTask(photo=ROOM))["regions"]


# --- options and paging ----------------------------------------------------------------------


def test_every_option_of_a_search_but_the_filter_can_be_asked_for(engine) -> None:
    given = {name: getattr(SearchOptions(), name) for name in SearchOptions.model_fields}
    del given["where"]

    assert engine.opened.options(None, given) == SearchOptions()


def test_options_become_the_types_of_search_options() -> None:
    read = SearchOptions(score_min=0.5, limit=7).changed(
        {
            "facets": ["a", "b", "a"],
            "weights": {"cutout": 1},
            "score_min": None,
            "limit": None,
            "word_weights": {"colour": 2},
        }
    )

    assert read == SearchOptions(
        facets=("a", "b"),
        weights={"cutout": 1},
        score_min=None,
        limit=7,
        word_weights=WordWeights(colour=2),
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", 2.5),
        ("limit", True),
        ("diversity", "0.5"),
        ("diversity", NAN),
        ("facets", "category"),
        ("facets", [3]),
        ("facets", ["f"] * 33),
        ("weights", {"cutout": "1"}),
        ("weights", [1]),
        ("boosts", {"": 1}),
        ("boosts", {str(n): 0.1 for n in range(33)}),
        ("word_weights", {"nothing": 1}),
        ("sort", ""),
    ],
    ids=str,
)
def test_an_option_of_another_type_is_refused_by_name(name, value) -> None:
    with pytest.raises(QueryError, match=name):
        SearchOptions().changed({name: value})


def test_pages_are_the_parts_of_one_list(engine) -> None:
    whole = ask(engine, LookTask(photo=ROOM, options={"limit": 24}))
    query_id, offset, found = whole["query_id"], 0, []
    while offset is not None:
        page = ask(engine, LookTask(query_id=query_id, offset=offset, options={"limit": 7}))
        assert [m["rank"] for m in page["matches"]] == list(
            range(offset + 1, offset + 1 + len(page["matches"]))
        )
        found += ids(page["matches"])
        offset = page["next_offset"]

    assert found == ids(whole["matches"])
    assert len(set(found)) == 24
    assert whole["next_offset"] is None


@pytest.mark.parametrize("candidates", first(1, [12, 5, 200]))
@pytest.mark.parametrize("limit", [1, 5, 30])
@pytest.mark.parametrize(
    "options",
    [
        {"sort": "price"},
        {"sort": "-price"},
        {"diversity": 0.6},
        {"diversity": 1.0, "diversity_field": "category"},
        {"collapse": "category"},
        {"collapse": "phash", "sort": "price"},
        {"fusion": "share", "facets": ["category"]},
        {"boosts": {"price > 20": 0.1}, "sort": "-price"},
    ],
    ids=str,
)
def test_every_item_of_a_list_stands_on_one_page(engine, options, limit, candidates) -> None:
    asked = {**options, "candidates": candidates}
    query_id, offset, found, totals = None, 0, [], set()
    while offset is not None:
        photo = {"photo": ROOM} if query_id is None else {"query_id": query_id}
        page = ask(engine, LookTask(**photo, offset=offset, options={**asked, "limit": limit}))
        query_id, offset = page["query_id"], page["next_offset"]
        found += [(match["rank"], match["item_id"]) for match in page["matches"]]
        totals.add(page["total"])

    assert totals == {len(found)}
    assert [rank for rank, _ in found] == list(range(1, len(found) + 1))
    assert len({item for _, item in found}) == len(found)
    assert len(found) >= min(candidates, 24) or "collapse" in options


@pytest.mark.parametrize("offset", [24, MAX_DEPTH - 20, MAX_DEPTH])
def test_an_offset_beyond_the_end_is_an_empty_page(engine, offset) -> None:
    answer = ask(engine, SearchTask(items={"red-tall": 1.0}, offset=offset))

    assert (answer["matches"], answer["next_offset"]) == ([], None)


# --- searches --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "best"),
    [
        (SearchTask(photos=((BLUE, 1.0),)), "blue-square"),
        (SearchTask(words="green wide"), "green-wide"),
        (SearchTask(texts={"pink": 1.0}), "pink"),
        (SearchTask(items={"red-tall": 1.0}, where="group = 'orange'"), "orange-tall"),
        (SearchTask(words="under $15", options={"sort": "price"}), "red"),
    ],
    ids=["photo", "words", "text", "item", "filter words"],
)
def test_a_search_finds_one_thing(engine, task, best) -> None:
    answer = ask(engine, task)

    assert answer["matches"][0]["item_id"].startswith(best)
    assert (answer["scene"], answer["regions"], answer["query_id"]) == (None, [], None)


def test_a_search_by_a_stored_vector_finds_its_item(engine) -> None:
    where = engine.opened.parse("item_id = 'cyan-square'")
    vector = (
        engine.opened.store.scroll(where=where, spaces=("cutout",)).records[0].vectors["cutout"]
    )
    answer = ask(engine, SearchTask(vectors=((tuple(map(float, vector)), 1.0),)))

    assert answer["matches"][0]["item_id"] == "cyan-square"


@pytest.mark.parametrize(
    "task",
    [
        SearchTask(),
        SearchTask(vectors=(((1.0, 2.0), 1.0),)),
        SearchTask(vectors=(((), 1.0),)),
        SearchTask(photos=((BLUE, -1.0),)),
    ],
    ids=["empty", "short vector", "empty vector", "only pushing away"],
)
def test_a_search_that_makes_no_sense_is_a_query_error(engine, task) -> None:
    with pytest.raises(QueryError):
        engine.run(task)


# --- tags, facets, models, status ------------------------------------------------------------


def test_a_tag_row_says_what_is_in_the_photo(engine) -> None:
    row = ask(engine, TagTask(ROOM))
    masked = ask(engine, TagTask(ROOM, masks=True))

    assert {one["label"] for one in row["objects"]} == {"red", "blue", "green"}
    assert all(one["mask"] is None for one in row["objects"])
    assert all(one["mask"]["size"] == [240, 240] for one in masked["objects"])
    assert (row["width"], row["error"]) == (240, None)


def test_facets_count_the_fields_people_choose_by(engine) -> None:
    found = ask(engine, FacetTask())

    assert list(found["facets"])[:2] == ["category", "colour_names"]
    assert found["facets"]["category"] == [
        {"value": shape, "count": 8} for shape in ("square", "tall", "wide")
    ]
    assert found["facets"]["price"] == {"min": 10.0, "max": 80.0}
    assert (found["items"], found["points"]) == (24, 24)
    assert found["fields"]["price"] == "float"
    assert "item_id" not in found["facets"]


def test_facets_obey_a_filter_and_a_limit(engine) -> None:
    found = ask(engine, FacetTask(("category", "price"), "price > 35 and price < 65", limit=1))

    assert found["facets"] == {
        "category": [{"value": "square", "count": 3}],
        "price": {"min": 40.0, "max": 60.0},
    }
    assert (found["items"], found["points"]) == (9, 9)


def test_facets_are_counted_again_after_a_while_and_after_a_write(engine) -> None:
    class Clock:
        now = 0.0

        def __call__(self) -> float:
            return self.now

    class Front:
        asked = 0
        store = engine.opened.store
        parse = staticmethod(engine.opened.parse)
        only = staticmethod(engine.opened.only)

        def fields(self):
            self.asked += 1
            return engine.opened.fields()

    clock, front = Clock(), Front()
    tasks = FacetTasks(front, clock=clock)
    first = tasks.facets(FacetTask(("category",)))
    assert tasks.facets(FacetTask(("category",))) == first
    assert front.asked == 1
    tasks.facets(FacetTask(("category",), limit=1))
    assert front.asked == 2
    tasks.forget()
    tasks.facets(FacetTask(("category",)))
    assert front.asked == 3
    clock.now = 61
    tasks.facets(FacetTask(("category",)))

    assert front.asked == 4


def test_a_range_of_nothing_has_no_ends(engine) -> None:
    found = ask(engine, FacetTask(("price",), "price > 1000"))

    assert found["facets"] == {"price": {"min": None, "max": None}}
    assert found["items"] == 0


@pytest.mark.parametrize(
    "task",
    [
        FacetTask(("nothing",)),
        FacetTask(("title",)),
        FacetTask(limit=0),
        FacetTask(tuple(map(str, range(33)))),
    ],
    ids=["unknown", "text", "no values", "too many"],
)
def test_facets_that_make_no_sense_are_a_query_error(engine, task) -> None:
    with pytest.raises(QueryError):
        engine.run(task)


def test_a_filter_that_cannot_be_read_is_a_filter_error(engine) -> None:
    for task in (FacetTask(where="price >"), LookTask(photo=ROOM, where="nothing = 1")):
        with pytest.raises(FilterError):
            engine.run(task)


def test_models_are_named_with_their_licences(engine) -> None:
    found = engine.run(ModelsTask()).value

    assert json.loads(json.dumps(found)) == found
    assert found["detectors"][0]["licence"] == "AGPL-3.0"
    assert found["embedder"]["fingerprint"] == "fake-embedder:64:0"
    assert found["embedder"]["text"] is True


def test_a_loaded_engine_over_a_collection_is_ready(engine) -> None:
    found = engine.run(Status(deep=True)).value

    assert found["ready"] is True
    assert found["reasons"] == []
    assert found["store"]["points"] == 24
    assert json.loads(json.dumps(found)) == found


def test_without_a_collection_it_is_not_ready_and_says_why(tmp_path, parts) -> None:
    engine = Engine(Opened(tmp_path / "none", load_settings(None, **SETTINGS)))
    try:
        assert not engine.run(Status()).value["ready"]
        reasons = " ".join(engine.run(Status(deep=True)).value["reasons"])
        assert "not loaded" in reasons
        assert "no collection" in reasons
        with pytest.raises(StoreError) as caught:
            engine.run(LookTask(photo=ROOM))
        assert caught.value.code == "no_collection"
    finally:
        engine.close()


def test_a_collection_of_other_models_is_not_ready(engine, folder, parts) -> None:
    settings = load_settings(None, **{**SETTINGS, "cutout": {"background": (0, 0, 0)}})
    opened = Opened("unused", settings)
    opened.store = engine.opened.store
    other = Engine(opened)
    found = other.run(Status(deep=True)).value

    assert not found["ready"]
    assert "other models" in " ".join(found["reasons"])
    other.decoder.close()


# --- giving up, threads ----------------------------------------------------------------------


def test_a_task_can_be_given_up_before_each_of_its_stages(engine, counts) -> None:
    stopped = []
    for after in range(30):
        asked = iter([False] * after)
        try:
            engine.run(LookTask(photo=ROOM), lambda asked=asked: next(asked, True))
        except TaskCancelledError as error:
            stopped.append(re.search("the stage '(.*?)'", str(error))[1])
    wanted = ["start", "decode", "detect", "cutout", "embed", "engine", "rank", "fetch", "encode"]

    assert [stage for stage in dict.fromkeys(stopped) if stage in wanted] == wanted
    assert stopped[0] == "start"


@pytest.mark.store
def test_eight_threads_get_what_one_gets(engine) -> None:
    colours = list(shop.COLOURS)
    rooms = [
        Photo(shop.png(shop.room((colours[n % 8], "tall"), (colours[(n + 3) % 8], "square"))))
        for n in range(8)
    ]
    tasks = [
        task
        for n, photo in enumerate(rooms)
        for task in (
            LookTask(photo=photo),
            LookTask(photo=photo, words=colours[n], options={"limit": 5}),
            LookTask(photo=photo, boxes=((5, 90, 40, 150),), texts={colours[n]: 0.5}),
            SearchTask(photos=((photo, 1.0),), where="price > 20"),
            SearchTask(words=f"{colours[n]} wide"),
            TagTask(photo),
            FacetTask(where=f"price > {10 * n}"),
        )
    ]
    serial = [without_times(ask(engine, task)) for task in tasks]
    # what is read of the collection once is read again, by whoever comes first
    engine.opened.changed()

    for _ in range(2):
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda task: without_times(ask(engine, task)), tasks))
        assert found == serial


def test_threads_that_ask_the_same_photo_again_get_the_same(engine) -> None:
    first = ask(engine, LookTask(photo=ROOM, detection_limit=1))
    tasks = [LookTask(query_id=first["query_id"], detection_limit=1 + n % 3) for n in range(24)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda task: len(ask(engine, task)["regions"]), tasks))

    assert found == [1 + n % 3 for n in range(24)]


def test_a_property_is_made_once_however_many_threads_ask_at_the_same_time() -> None:
    made = []

    class Thing:
        @once
        def part(self) -> list[int]:
            made.append(1)
            return [len(made)]

        @once
        def whole(self) -> list[int]:
            return self.part

    thing, barrier = Thing(), Barrier(8)

    def ask_for_it(_: int) -> list[int]:
        barrier.wait(10)
        return thing.whole

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask_for_it, range(8)))

    assert made == [1]
    assert all(one is found[0] for one in found)


# --- pure parts ------------------------------------------------------------------------------


def test_numbers_that_are_not_finite_become_null() -> None:
    values = {"a": NAN, "b": [1.5, {"c": float("inf")}], "d": ("x", -float("inf"))}

    assert json.loads(to_json(values)) == {"a": None, "b": [1.5, {"c": None}], "d": ["x", None]}


def test_text_that_is_no_unicode_is_still_json() -> None:
    assert to_json({"title": "\ud800 ü"}).isascii()
