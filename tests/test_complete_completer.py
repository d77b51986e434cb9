"""Completing a look over a real store: who is asked, what is left out, what is said."""

from __future__ import annotations

import json

import numpy as np
import pytest
from fakes.store import MemoryStore

from scenesearch.complete import (
    CompleteOptions,
    Completer,
    ItemScene,
    KnownScene,
)
from scenesearch.complete.completer import CENTRES_BLOB, MIN_BORROW
from scenesearch.core.conditions import Between
from scenesearch.core.errors import NoSpaceError, QueryError, StoreError
from scenesearch.core.points import point_id
from scenesearch.core.types import CollectionSchema, Point, Region
from scenesearch.look.look import Look
from scenesearch.look.values import Match, RegionMatches
from scenesearch.store.embedded.edge import EdgeStore

DIM = 24
KINDS = ("chair", "lamp", "rug", "sofa")
STYLES = ("oak", "neon")
EACH = 6
RNG = np.random.default_rng(7)
KIND = {kind: 3 * RNG.normal(size=DIM) for kind in KINDS}
STYLE = {style: 1.2 * RNG.normal(size=DIM) for style in STYLES}
NOISE = {
    (kind, style, n): 0.3 * np.random.default_rng([i, j, n]).normal(size=DIM)
    for i, kind in enumerate(KINDS)
    for j, style in enumerate(STYLES)
    for n in range(EACH)
}


def unit(vector):
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def points(*, category=True, photos=1):
    """Four kinds of things in two styles, ids like ``lamp-oak-3``; colours of their style."""
    made = []
    for (kind, style, n), noise in NOISE.items():
        item = f"{kind}-{style}-{n}"
        colour = unit(np.array([1, 0.1 * n, 0]) if style == "oak" else np.array([0, 0.1 * n, 1]))
        vector = unit(KIND[kind] + STYLE[style] + noise)
        for photo in range(photos):
            payload = {
                "item_id": item,
                "title": item.upper(),
                "price": float(10 * (n + 1)),
                "photo": f"/{item}.jpg",
                "item_hash": "x",
            }
            if category:
                payload["category"] = kind
            identity = point_id("items", item, f"{item}{photo}", "whole")
            made.append(Point(identity, {"cutout": vector, "colour": colour}, payload))
    return made


MOSTLY_SCENES = {"scenes": 1, "style": 0.2, "colour": 0.2}
FIELDS = {"item_id": "keyword", "category": "keyword", "title": "text", "price": "float"}


def filled(store, **options):
    fields = dict(options.pop("fields", FIELDS))
    store.create(CollectionSchema({"cutout": DIM, "colour": 3}, fields))
    store.upsert(points(**options))
    return store


@pytest.fixture
def memory():
    return filled(MemoryStore())


def rooms(count=MIN_BORROW):
    """Oak sofas stand with neon lamps, against what style says; each of them in two rooms."""
    return [
        KnownScene(
            frozenset({f"sofa-oak-{i % 3}", f"lamp-neon-{i % 3}", f"rug-oak-{i % 2}"}),
            f"room{i}.jpg",
            "Living room",
        )
        for i in range(count)
    ]


def ids(answer):
    return [one.item_id for one in answer.suggestions]


def test_without_scenes_what_goes_with_an_item_is_of_its_style_and_other_kinds(memory):
    answer = Completer(memory).complete("sofa-oak-0", limit=9)

    assert {one.category for one in answer.suggestions} == {"chair", "lamp", "rug"}
    assert all("-oak-" in item for item in ids(answer))
    assert answer.left_out == ("sofa",)
    assert any(note.startswith("cold start: no known scenes") for note in answer.notes)
    assert all(one.reason.endswith(" as sofa-oak-0") for one in answer.suggestions)
    assert set(answer.suggestions[0].parts) == {"style", "colour"}


def test_what_was_seen_together_goes_first_and_says_so(memory):
    completer = Completer(memory, CompleteOptions(weights=MOSTLY_SCENES, neighbours=2))
    completer.known.add(rooms())

    answer = completer.complete("sofa-oak-0")

    lamps = next(group for group in answer.groups if group.category == "lamp")
    assert lamps.suggestions[0].item_id == "lamp-neon-0"
    assert lamps.suggestions[0].reason == "seen together in 14 scenes"
    assert lamps.suggestions[0].together == 14
    assert answer.notes == ()


@pytest.mark.parametrize(("prior", "first"), [(0.1, "lamp-neon-"), (1e9, "lamp-oak-")])
def test_what_is_known_of_an_item_itself_counts_as_much_as_the_prior_says(memory, prior, first):
    completer = Completer(memory, CompleteOptions(weights={"scenes": 1}, prior=prior))
    own = [KnownScene(frozenset({"sofa-oak-0", "lamp-neon-0"}), f"own{i}") for i in range(12)]
    others = [
        KnownScene(frozenset({f"sofa-oak-{n}", "lamp-oak-0"}), f"other{n}-{i}")
        for n in range(1, EACH)
        for i in range(8)
    ]
    completer.known.add(own + others)

    assert ids(completer.complete("sofa-oak-0"))[0].startswith(first)


def test_an_item_that_was_never_seen_borrows_from_those_like_it(memory):
    completer = Completer(memory, CompleteOptions(weights={"scenes": 1}, neighbours=2))
    completer.known.add(rooms())

    answer = completer.complete("sofa-oak-5", per_category=1)
    alone = completer.complete(
        "sofa-oak-5", options=CompleteOptions(weights={"scenes": 1}, neighbours=0)
    )

    lamp = next(one for one in answer.suggestions if one.category == "lamp")
    assert "-neon-" in lamp.item_id
    assert "seen in scenes with things like sofa-oak-5" in lamp.reason
    assert alone.suggestions == ()


def test_with_few_scenes_only_what_was_seen_together_counts(memory):
    completer = Completer(memory)
    completer.known.add(rooms(3))

    seen = completer.complete("sofa-oak-0", limit=48, per_category=48)
    unseen = completer.complete("sofa-oak-5")

    together = [one for one in seen.suggestions if "scenes" in one.reason or one.together]
    assert {one.item_id for one in together} == {"lamp-neon-0", "rug-oak-0"}
    assert all(one.reason == "seen together in 1 scene" for one in together)
    assert not any("seen" in one.reason for one in unseen.suggestions)
    assert any("3 known scenes are too few to borrow from" in note for note in seen.notes)


def test_an_item_no_scene_has_can_still_be_suggested_by_what_it_is_like(memory):
    completer = Completer(memory, CompleteOptions(weights={"scenes": 1}))
    completer.known.add(rooms())

    answer = completer.complete("sofa-oak-0", limit=48, per_category=48)

    reasons = {one.item_id: one.reason for one in answer.suggestions}
    assert reasons["lamp-neon-5"].startswith("like lamp-neon-")
    assert reasons["lamp-neon-5"].endswith("seen in scenes with things like sofa-oak-0")


def test_no_more_of_one_category_and_in_all_than_asked(memory):
    answer = Completer(memory).complete("sofa-oak-0", limit=5, per_category=2)

    assert len(answer.suggestions) == 5
    assert sorted(len(group.suggestions) for group in answer.groups) == [1, 2, 2]


def test_a_filter_holds_for_every_suggestion(memory):
    answer = Completer(memory).complete("sofa-oak-0", where=Between("price", lte=20))

    assert ids(answer)
    assert all(one.attributes["price"] <= 20 for one in answer.suggestions)


def test_categories_that_are_there_can_be_asked_for(memory):
    options = CompleteOptions(include_present=True)

    answer = Completer(memory, options).complete("sofa-oak-0", limit=48, per_category=48)

    assert "sofa-oak-1" in ids(answer)
    assert "sofa-oak-0" not in ids(answer)
    assert answer.left_out == ()


def test_several_items_leave_all_their_categories_out_and_weigh_as_told(memory):
    completer = Completer(memory)

    oak = completer.complete({"sofa-oak-0": 9, "rug-neon-0": 1}, limit=6)
    neon = completer.complete({"sofa-oak-0": 1, "rug-neon-0": 9}, limit=6)

    assert {one.category for one in oak.suggestions} == {"chair", "lamp"}
    assert oak.anchors == pytest.approx({"sofa-oak-0": 0.9, "rug-neon-0": 0.1})
    assert all("-oak-" in item for item in ids(oak))
    assert all("-neon-" in item for item in ids(neon))
    assert all(one.reason.endswith("sofa-oak-0") for one in oak.suggestions)


QUESTIONS = [
    ("sofa-oak-0", {"limit": 20, "per_category": 20}),
    ({"rug-neon-1": 2, "lamp-oak-4": 1}, {}),
    ("chair-neon-2", {"where": Between("price", gt=20, lte=50)}),
]


def test_both_stores_give_the_same_answers(tmp_path, memory):
    edge = filled(EdgeStore(tmp_path / "s", "items"))
    answers = []
    for made in (memory, edge):
        completer = Completer(made)
        completer.known.add(rooms())
        answers.append([ids(completer.complete(asked, **more)) for asked, more in QUESTIONS])
    edge.close()

    assert answers[0] == answers[1]
    assert all(answers[0])


def test_an_item_of_several_photos_is_suggested_once():
    completer = Completer(filled(MemoryStore(), photos=3))
    completer.known.add(rooms())

    found = ids(completer.complete("sofa-oak-0", limit=48, per_category=48))

    assert len(found) == len(set(found)) == 36


def test_diversity_brings_what_is_unlike(memory):
    plain = Completer(memory).complete("sofa-oak-0", limit=6, per_category=6)
    varied = Completer(memory, CompleteOptions(diversity=0.9)).complete(
        "sofa-oak-0", limit=6, per_category=6
    )

    assert ids(varied)[0] == ids(plain)[0]
    assert ids(varied) != ids(plain)
    kinds = [len({item.split("-")[0] for item in ids(answer)[:3]}) for answer in (plain, varied)]
    assert kinds[1] == 3 >= kinds[0]


# looks


def look(*regions):
    made = tuple(
        RegionMatches(
            Region(f"object:{i}", "object", (0, 0, 9, 9), label),
            tuple(
                Match(item, score, {}, (), {"category": item.split("-")[0]}, None)
                for item, score in matches
            ),
        )
        for i, (label, matches) in enumerate(regions)
    )
    return Look(None, made, ())


def test_a_photo_is_completed_by_what_was_found_in_it(memory):
    seen = look(("couch", [("sofa-oak-1", 0.5), ("chair-oak-1", 0.1)]), ("Rug", []))

    answer = Completer(memory).complete(seen)

    assert dict(answer.anchors) == {"sofa-oak-1": 1}
    assert answer.left_out == ("chair", "rug", "sofa")
    assert {one.category for one in answer.suggestions} == {"lamp"}


def test_a_photo_without_a_match_is_an_answer_with_a_note_not_an_error(memory):
    answer = Completer(memory).complete(look(("dog", [])))

    assert answer.suggestions == ()
    assert "no good match" in answer.notes[0]


def test_matches_that_were_deleted_meanwhile_are_left_out(memory):
    completer = Completer(memory)
    seen = look(("couch", [("gone", 0.9)]), ("lamp", [("lamp-oak-1", 0.2)]))

    assert dict(completer.complete(seen).anchors) == {"lamp-oak-1": 1}
    assert "gone" in completer.complete(look(("couch", [("gone", 0.9)]))).notes[0]


# what is missing


def test_a_catalogue_without_categories_says_so_and_works_by_likeness():
    fields = {name: kind for name, kind in FIELDS.items() if name != "category"}
    answer = Completer(filled(MemoryStore(), category=False, fields=fields)).complete("sofa-oak-0")

    assert any("'category' does not exist" in note for note in answer.notes)
    assert len(answer.suggestions) == 12
    assert answer.groups[0].category is None


def test_categories_can_be_numbers_in_a_field_of_another_name():
    made = MemoryStore()
    fields = {**FIELDS, "shelf": "integer"}
    made.create(CollectionSchema({"cutout": DIM, "colour": 3}, fields))
    made.upsert(
        [
            Point(p.id, p.vectors, {**p.payload, "shelf": KINDS.index(p.payload["category"])})
            for p in points()
        ]
    )

    answer = Completer(made, CompleteOptions(category_field="shelf")).complete("sofa-oak-0")

    assert answer.left_out == ("3",)
    assert {one.category for one in answer.suggestions} == {"0", "1", "2"}


def test_a_collection_without_colours_works_by_style():
    made = MemoryStore()
    made.create(CollectionSchema({"cutout": DIM}, FIELDS))
    made.upsert([Point(p.id, {"cutout": p.vectors["cutout"]}, p.payload) for p in points()])

    answer = Completer(made).complete("sofa-oak-0", limit=6)

    assert all("-oak-" in item for item in ids(answer))
    assert all(one.reason == "same style as sofa-oak-0" for one in answer.suggestions)


def test_scenes_of_items_that_are_all_gone_say_so(memory):
    completer = Completer(memory)
    completer.known.add([KnownScene(frozenset({f"x{i}", f"y{i}"})) for i in range(MIN_BORROW)])

    answer = completer.complete("sofa-oak-0")

    assert any("no item of the known scenes" in note for note in answer.notes)
    assert answer.suggestions


@pytest.mark.parametrize(
    ("items", "options", "said"),
    [
        ("no-such", {}, "No item 'no-such'"),
        (["sofa-oak-0", "no-such"], {}, "No item 'no-such'"),
        ([], {}, "0 items"),
        ("sofa-oak-0", {"limit": 0}, "limit is 0"),
        ("sofa-oak-0", {"per_category": 0}, "per_category 0"),
        ("sofa-oak-0", {"options": CompleteOptions(weights={})}, "no weight above 0"),
        ("sofa-oak-0", {"options": CompleteOptions(weights={"mood": 1})}, "mood"),
        ("sofa-oak-0", {"options": CompleteOptions(weights={"style": -1})}, "at least 0"),
        ("sofa-oak-0", {"options": CompleteOptions(diversity=2)}, "diversity 2"),
        ("sofa-oak-0", {"options": CompleteOptions(neighbours=-1)}, "neighbours -1"),
        ("sofa-oak-0", {"options": CompleteOptions(candidates=0)}, "candidates 0"),
        ("sofa-oak-0", {"options": CompleteOptions(same_category=2)}, "same_category 2"),
        ("sofa-oak-0", {"options": CompleteOptions(association="pmi")}, "'pmi'"),
        ("sofa-oak-0", {"options": CompleteOptions(prior=0)}, "prior 0"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_makes_no_sense_is_refused_and_named(memory, items, options, said):
    with pytest.raises(QueryError, match=said):
        Completer(memory).complete(items, **options)


def test_without_a_collection_the_error_says_to_index():
    for ask in (
        lambda c: c.complete("a"),
        lambda c: c.scenes_of("a"),
    ):
        with pytest.raises(StoreError, match="index a catalogue first"):
            ask(Completer(MemoryStore()))


# what is kept


def test_category_means_are_kept_and_learned_again_when_the_collection_changes(memory):
    Completer(memory).complete("sofa-oak-0")
    first = memory.read_blob(CENTRES_BLOB)
    Completer(memory).complete("sofa-oak-0")
    assert memory.read_blob(CENTRES_BLOB) == first

    completer = Completer(memory)
    completer.complete("sofa-oak-0")
    memory.delete(ids=[points()[0].id])
    completer.complete("sofa-oak-0")

    assert memory.read_blob(CENTRES_BLOB) != first


def test_a_full_disk_does_not_cost_the_answer():
    class Full(MemoryStore):
        def write_blob(self, name, data):
            raise NoSpaceError("too little free disk")

    assert Completer(filled(Full())).complete("sofa-oak-0").suggestions


def test_scenes_added_meanwhile_count_at_once(memory):
    completer = Completer(memory)
    assert "scenes" not in completer.complete("sofa-oak-0").suggestions[0].parts

    completer.known.add(rooms())

    assert "scenes" in completer.complete("sofa-oak-0").suggestions[0].parts


def test_an_answer_is_json(memory):
    completer = Completer(memory)
    completer.known.add(rooms())
    answer = completer.complete("sofa-oak-0")

    value = json.loads(json.dumps(answer.to_dict(), allow_nan=False))

    assert set(value) == {"anchors", "groups", "left_out", "notes"}
    first = value["groups"][0]["suggestions"][0]
    assert first["item_id"] == ids(answer)[0]
    assert first["photo"] == f"/{first['item_id']}.jpg"
    assert "item_hash" not in first["attributes"]
    assert sum(first["parts"].values()) == pytest.approx(first["score"], abs=1e-5)


# the reverse


class Seen:
    """A source that finds scenes by sight."""

    def scenes_of(self, item_id, limit):
        found = [ItemScene("v1", "other.jpg", score=0.7, source="sight")]
        return [*found, ItemScene("v0", "room0.jpg", score=0.9, source="sight")][:limit]


def test_the_scenes_of_an_item_are_the_known_ones_then_what_was_found_by_sight(memory):
    completer = Completer(memory, scene_sources=[Seen()])
    completer.known.add(rooms(4))

    found = completer.scenes_of("sofa-oak-0")

    assert [(s.image, s.source) for s in found] == [
        ("room0.jpg", "known"),
        ("room3.jpg", "known"),
        ("other.jpg", "sight"),
    ]
    assert found[0].to_dict()["items"] == ["lamp-neon-0", "rug-oak-0", "sofa-oak-0"]
    assert completer.scenes_of("sofa-oak-0", limit=1) == found[:1]


def test_an_item_in_no_scene_has_none_and_an_unknown_one_is_an_error(memory):
    completer = Completer(memory)

    assert completer.scenes_of("sofa-oak-0") == ()
    with pytest.raises(QueryError, match="No item 'no-such'"):
        completer.scenes_of("no-such")
    with pytest.raises(QueryError, match="limit is 0"):
        completer.scenes_of("sofa-oak-0", 0)


def named_anew(made, names):
    """The same points, with other categories."""
    return [Point(p.id, p.vectors, {**p.payload, "category": names(p.payload)}) for p in made]


def two_names(payload):
    """Half of the sofas are couches."""
    kind = payload["category"]
    return "couch" if kind == "sofa" and payload["item_id"].endswith(("1", "3", "5")) else kind


def test_without_known_scenes_what_is_there_is_not_offered_under_another_name():
    store = MemoryStore()
    store.create(CollectionSchema({"cutout": DIM, "colour": 3}, dict(FIELDS)))
    store.upsert(named_anew(points(), two_names))
    completer = Completer(store)

    answer = completer.complete("sofa-oak-0", limit=30, per_category=9)

    assert answer.left_out == ("couch", "sofa")
    assert {one.category for one in answer.suggestions} == {"chair", "lamp", "rug"}
    completer.known.add([KnownScene(frozenset({"sofa-oak-0", "sofa-oak-1"}), image="a.jpg")])
    with_scenes = completer.complete("sofa-oak-0", limit=30, per_category=9)
    assert "couch" in {one.category for one in with_scenes.suggestions}


def test_equal_pictures_are_suggested_once():
    store = MemoryStore()
    store.create(CollectionSchema({"cutout": DIM, "colour": 3}, dict(FIELDS)))
    made = points()
    twin = next(p for p in made if p.payload["item_id"] == "lamp-oak-1")
    store.upsert(made)
    store.upsert(
        [
            Point(
                point_id("items", "lamp-oak-again", "x", "whole"),
                twin.vectors,
                {**twin.payload, "item_id": "lamp-oak-again"},
            )
        ]
    )

    answer = Completer(store).complete("sofa-oak-0", limit=40, per_category=40)

    ids = [one.item_id for one in answer.suggestions]
    assert len({"lamp-oak-1", "lamp-oak-again"} & set(ids)) == 1
    assert len(ids) == 3 * 2 * EACH
