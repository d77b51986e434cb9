"""Photos in a collection: what is stored, replaced and forgotten, and what finds them."""

from __future__ import annotations

from collections import Counter
from contextlib import closing

import numpy as np
import pytest
from fakes.store import MemoryStore
from sparse import copy_tree

from scenesearch.attributes.placement import placement
from scenesearch.core.conditions import Between, Equals
from scenesearch.core.errors import CollectionMismatchError, QueryError, StoreError
from scenesearch.core.points import CONTEXT, CUTOUT
from scenesearch.core.types import (
    CollectionSchema,
    Colour,
    Cutout,
    Description,
    Point,
    Region,
    TextLine,
)
from scenesearch.models.embed.pca import fit_projection
from scenesearch.models.encode import EncodedRegion
from scenesearch.scenes import SceneFinder, SceneIndex, SceneModels
from scenesearch.scenes.deduplication import stored_photos
from scenesearch.scenes.language import parse_query
from scenesearch.scenes.points import counted, counts_of, folders_of, scene_points
from scenesearch.store.embedded.edge import EdgeStore
from scenesearch.tagging.rows import Tag, TaggedObject, TagRow

DIM = 16
METADATA = {"schema": "scenes-1", "embedder": "fake:16", "background": "255-255-255"}
MODELS = SceneModels(METADATA, DIM, 0)


def unit(seed, dim=DIM):
    vector = np.random.default_rng(seed).standard_normal(dim)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def near(vector, seed, share=0.2):
    mixed = (1 - share) * vector + share * unit(seed, len(vector))
    return (mixed / np.linalg.norm(mixed)).astype(np.float32)


def colours(*names):
    return tuple(Colour(name, (50.0, 0.0, 0.0), 1 / len(names)) for name in names)


def encoded(region, vector, names=()):
    image = np.zeros((8, 8, 3), np.uint8)
    return EncodedRegion(
        region,
        Cutout(image, np.ones((8, 8), bool), (255, 255, 255), "plain"),
        Description(colours(*names), None, "00000000000000ff"),
        placement(region.box, (400, 300)),
        {CUTOUT: vector, CONTEXT: vector},
    )


def photo(source, *objects, seed=0, vectors=(), whole=None, **row):
    """A row and its regions: objects as (label, colour) or (label, colour, confidence)."""
    things, regions = (
        [],
        [
            encoded(
                Region("whole", "whole", (0.0, 0.0, 400.0, 300.0)),
                unit(seed) if whole is None else whole,
            )
        ],
    )
    for i, (label, colour, *sure) in enumerate(objects):
        box, key = (10.0 * i, 20.0, 10.0 * i + 50, 120.0), f"object:{i}"
        confidence = sure[0] if sure else 0.5
        vector = vectors[i] if i < len(vectors) else unit(1000 + 10 * seed + i)
        regions.append(encoded(Region(key, "object", box, label, confidence), vector, (colour,)))
        tags = (Tag(label, confidence, "label"),)
        things.append(
            TaggedObject(
                key, box, label, confidence, 0.04, "left", colours(colour), tags, "00ff00ff00ff00ff"
            )
        )
    values = {
        "sha256": f"sha-{source}-{seed}",
        "width": 400,
        "height": 300,
        "phash": "123456789abcdef0",
        "models": "tagger-1",
        "tags": tuple(Tag(label, 0.5, "label") for label in dict.fromkeys(o[0] for o in objects)),
        **row,
    }
    return TagRow(source, objects=tuple(things), **values), regions


@pytest.fixture
def store():
    with closing(MemoryStore("scenes")) as made:
        yield made


@pytest.fixture(scope="module")
def empty_edge(tmp_path_factory):
    """An empty collection of the engine's, to be copied: making its indexes takes a while."""
    path = tmp_path_factory.mktemp("edge") / "store"
    with closing(EdgeStore(path, "scenes", min_free_bytes=0)) as made:
        SceneIndex.create(made, MODELS)
    return path


@pytest.fixture(params=["memory", "edge"])
def either_store(request, tmp_path):
    if request.param == "memory":
        made = MemoryStore("scenes")
    else:
        path = copy_tree(request.getfixturevalue("empty_edge"), tmp_path / "store")
        made = EdgeStore(path, "scenes", min_free_bytes=0)
    with closing(made):
        yield made


def fill(store, *photos, items=None, projection=None):
    index = SceneIndex.create(store, MODELS, projection=projection)
    index.add(photos, items)
    return index


ROOMS = (
    photo("rooms/a.jpg", ("couch", "red", 0.9), ("lamp", "blue"), seed=1, kind="living room"),
    photo("rooms/b.jpg", ("couch", "blue", 0.6), ("lamp", "red"), ("person", "red"), seed=2),
    photo("rooms/old/c.jpg", *[("chair", "brown")] * 3, ("couch", "red", 0.7), seed=3),
    photo(
        "rooms/old/d.jpg",
        *[("chair", "brown")] * 2,
        ("chair", "red"),
        seed=4,
        kind="kitchen",
        text=(TextLine("Grand", 0.9, (0, 0, 9, 9)), TextLine("SALE today", 0.9, (0, 9, 9, 20))),
        colours=colours("beige", "white"),
        tags=(Tag("rustic", 0.4, "zero_shot"), Tag("chair", 0.5, "label")),
    ),
    photo("empty.jpg", seed=5),
)


# --- what is stored ---------------------------------------------


def test_a_photo_is_one_point_and_each_object_another():
    row, regions = ROOMS[1]
    points = scene_points(row, regions, items=("4711",))

    assert [p.payload["region"] for p in points] == ["whole", "object", "object", "object"]
    assert len({p.id for p in points}) == 4
    for point in points:
        assert point.payload["labels"] == ["couch", "lamp", "person"]
        assert point.payload["label_counts"] == ["couch:1", "lamp:1", "person:1"]
        assert point.payload["object_colours"] == ["blue couch:1", "red lamp:1", "red person:1"]
        assert point.payload["items"] == ["4711"]
        assert point.payload["folders"] == ["rooms"]
    assert points[0].payload["phash"] == "123456789abcdef0"
    assert points[1].payload["label"] == "couch"
    assert points[1].payload["colour_names"] == ["blue"]


def test_ids_hang_on_source_content_and_region_and_on_nothing_else():
    row, regions = photo("a.jpg", ("couch", "red"), seed=1)
    other_vectors = photo("a.jpg", ("couch", "blue"), seed=1, vectors=[unit(77)])
    elsewhere = photo("b.jpg", ("couch", "red"), seed=1, sha256=row.sha256)

    first = [p.id for p in scene_points(row, regions)]
    assert first == [p.id for p in scene_points(*other_vectors)]
    assert not set(first) & {p.id for p in scene_points(*elsewhere)}
    assert not set(first) & {p.id for p in scene_points(row, regions, collection="other")}


def test_a_label_is_called_what_the_vocabulary_calls_it():
    row, regions = photo("a.jpg", ("Studio couch", "red"))
    tags = (Tag("soft", 0.9, "zero_shot"), Tag("sofa", 0.5, "label"))
    objects = tuple(
        TaggedObject(o.key, o.box, o.label, 0.5, 0.1, "left", o.colours, tags, o.phash)
        for o in row.objects
    )
    points = scene_points(TagRow("a.jpg", objects=objects), regions)

    assert points[0].payload["labels"] == ["sofa"]
    assert points[1].payload["label"] == "sofa"


@pytest.mark.parametrize(
    "row", [TagRow("a.jpg", error="not_an_image"), TagRow("a.jpg")], ids=["an error", "no regions"]
)
def test_what_is_no_photo_gives_no_points(row):
    with pytest.raises(ValueError, match=r"a\.jpg: expected a row"):
        scene_points(row, [])


@pytest.mark.parametrize("seed", range(20))
def test_counts_come_back_as_they_were(seed):
    names = np.random.default_rng(seed).choice(["a", "b:2", "c d"], 12).tolist()

    assert counts_of(counted(names)) == dict(Counter(names))


def test_folders_end_somewhere():
    assert folders_of("/") == []
    assert folders_of("") == []
    assert folders_of("/photos/a") == ["/photos/a", "/photos"]


# --- adding, replacing, forgetting ---------------------------------------------


def test_photos_are_counted_added_and_replaced(store):
    index = SceneIndex.create(store, MODELS)

    first = index.add(ROOMS)
    again = index.add([ROOMS[0], photo("new.jpg", seed=9)])

    assert (first.added, first.replaced, first.failed) == (5, 0, [])
    assert (again.added, again.replaced) == (1, 1)
    assert index.count() == 6


@pytest.mark.store
def test_the_old_points_of_a_replaced_photo_leave(either_store):
    store = either_store
    index = fill(store, ROOMS[1], ROOMS[2])
    before = store.count()

    index.add([photo("rooms/b.jpg", ("bed", "white"), seed=8)])

    assert store.count() == before - 2
    labels = {r.payload.get("label") for r in store.scroll(where=Equals("photo", "rooms/b.jpg"))}
    assert labels == {None, "bed"}
    assert store.count(Equals("photo", "rooms/old/c.jpg")) == 5


def test_the_same_photo_twice_is_the_same_points(store):
    index = fill(store, *ROOMS)
    before = {r.id for r in store.scroll()}

    index.add(ROOMS)

    assert {r.id for r in store.scroll()} == before


def test_a_row_that_failed_is_reported_and_what_is_stored_stays(store):
    index = fill(store, ROOMS[0])

    report = index.add([(TagRow("rooms/a.jpg", error="timed_out", message="too slow"), [])])

    assert report.failed == [("rooms/a.jpg", "too slow")]
    assert store.count(Equals("photo", "rooms/a.jpg")) == 3


def test_forgotten_photos_are_gone_with_all_their_points(store):
    index = fill(store, *ROOMS)

    assert index.forget(["rooms/a.jpg", "rooms/b.jpg", "never.jpg"]) == 2
    assert index.count() == 3
    assert store.count(Equals("folder", "rooms")) == 0


def test_known_items_change_without_vectors(either_store):
    store = either_store
    index = fill(store, ROOMS[0], items={"rooms/a.jpg": ["1"]})

    index.set_items("rooms/a.jpg", ["2", "3"])

    assert {tuple(r.payload["items"]) for r in store.scroll()} == {("2", "3")}


def test_other_models_are_refused_by_both_names(store):
    fill(store, ROOMS[0])
    other = SceneModels({**METADATA, "embedder": "fake:32"}, DIM, 0)

    with pytest.raises(CollectionMismatchError, match=r"fake:16.*fake:32"):
        SceneIndex.create(store, other)


def test_what_is_not_there_or_not_of_scenes_is_refused():
    with pytest.raises(StoreError, match="scenesearch scenes index"):
        SceneIndex.open(MemoryStore())
    items = MemoryStore()
    items.create(CollectionSchema({CUTOUT: DIM}, {}, {"schema": "1"}))
    with pytest.raises(CollectionMismatchError, match="not one of scenes"):
        SceneFinder(items)


# --- finding by what is in a photo ---------------------------------------------

FOUND = [
    ("couch", "abc"),
    ("couches and lamp and not person", "a"),
    ("red couch", "ac"),
    ("red couch and not lamp", "c"),
    ("blue couch or kitchen", "bd"),
    ("3 chairs", "cd"),
    ("2 chairs", ""),
    ("2+ chairs", "cd"),
    ("2 brown chairs", "d"),
    ("at most 2 brown chairs and chair", "d"),
    ("1+ red chairs", "d"),
    ("at most 1 chair", "abe"),
    ("0 chairs and couch", "ab"),
    ("not couch", "de"),
    ("not (couch or chair)", "e"),
    ("kitchen", "d"),
    ("living room with couch", "a"),
    ('"sale"', "d"),
    ("'grand sale' and chair", "d"),
    ("'sale tomorrow'", ""),
    ("rustic", "d"),
    ("beige", "d"),
    ("zebra", ""),
    ("couch and not zebra", "abc"),
    ("at most 3 zebras and kitchen", "d"),
    ("sofa", "abc"),
]


def names(answer):
    return "".join(sorted(m.photo.rpartition("/")[2][0] for m in answer.matches))


def test_photos_are_found_by_what_is_in_them(either_store):
    store = either_store
    fill(store, *ROOMS)
    finder = SceneFinder(store, synonyms={"sofa": "couch"}, known=["zebra"])

    found = {text: names(finder.find(text)) for text, _ in FOUND}
    totals = {text: finder.find(text, limit=1).total for text, _ in FOUND}

    assert found == dict(FOUND)
    assert totals == {text: len(letters) for text, letters in FOUND}


def test_the_surest_photo_comes_first(store):
    fill(store, *ROOMS)

    answer = SceneFinder(store).find("couch")

    assert [m.score for m in answer.matches] == [0.9, 0.7, 0.6]
    assert answer.matches[0].labels == {"couch": 1, "lamp": 1}
    assert answer.query.understood == "couch"


def test_points_that_do_not_say_their_photo_are_no_answer_and_no_error(store):
    index = fill(store, *ROOMS)
    lost = [r.id for r in store.scroll() if r.payload["photo"] == "rooms/a.jpg"]
    before = SceneFinder(store).find("couch")

    store.set_payload({"photo": None}, ids=lost)

    found = [m.photo for m in SceneFinder(store).find("couch").matches]
    assert found == [m.photo for m in before.matches if m.photo != "rooms/a.jpg"]
    assert len(found) == len(before.matches) - 1
    assert index.known(["rooms/a.jpg"]) == {}
    assert "rooms/a.jpg" not in [one.source for one in stored_photos(store)]


def test_filters_go_with_words_and_alone(store):
    fill(store, *ROOMS)
    finder = SceneFinder(store)

    assert names(finder.find("chair", where=Equals("kind", "kitchen"))) == "d"
    assert names(finder.find(where=Equals("folders", "rooms"))) == "abcd"
    assert names(finder.find("couch", where=Between("width", gt=400))) == ""


def test_facets_count_photos_not_objects(either_store):
    store = either_store
    fill(store, *ROOMS)
    finder = SceneFinder(store)

    assert finder.facets(["labels"])["labels"] == [
        ("couch", 3),
        ("chair", 2),
        ("lamp", 2),
        ("person", 1),
    ]
    assert finder.facets(["labels"], text="lamp and not person")["labels"] == [
        ("couch", 1),
        ("lamp", 1),
    ]
    assert finder.facets(["folder"])["folder"][0] == ("rooms", 2)


LABELS, NAMES = ("bed", "chair", "lamp"), ("red", "blue")


def holds(tree, objects):
    """What a tree means, on the objects themselves."""
    match type(tree).__name__:
        case "Every":
            return all(holds(term, objects) for term in tree.terms)
        case "Either":
            return any(holds(term, objects) for term in tree.terms)
        case "Without":
            return not holds(tree.term, objects)
    *colour, label = tree.words
    count = sum(o[0] == label and (not colour or o[1] == colour[0]) for o in objects)
    low = 1 if tree.low is None else tree.low
    return count >= low and (tree.high is None or count <= tree.high)


def random_query(random, depth=0):
    if depth < 3 and random.random() < 0.6:
        word = random.choice(["and", "or", "not"])
        left = random_query(random, depth + 1)
        if word == "not":
            return f"not ({left})"
        return f"({left}) {word} ({random_query(random, depth + 1)})"
    count = random.choice(["", "2 ", "2+ ", "at most 1 ", "1-2 ", "0 ", "at least 0 "])
    colour = random.choice(["", "red ", "blue "])
    return f"{count}{colour}{random.choice(LABELS)}"


@pytest.mark.parametrize("either_store", ["memory", "edge"], indirect=True)
@pytest.mark.store
def test_any_query_finds_what_the_objects_themselves_say(either_store):
    store = either_store
    random = np.random.default_rng(7)
    everyone = {}
    for n in range(60):
        size = random.integers(0, 6)
        everyone[f"{n:02}.jpg"] = [
            (str(random.choice(LABELS)), str(random.choice(NAMES))) for _ in range(size)
        ]
    fill(store, *(photo(name, *objects, seed=1) for name, objects in everyone.items()))
    finder = SceneFinder(store)

    sizes = []
    for _ in range(150):
        text = random_query(random)
        expected = {name for name, o in everyone.items() if holds(parse_query(text), o)}
        assert {m.photo for m in finder.find(text, limit=100).matches} == expected, text
        sizes.append(len(expected))
    assert len(set(sizes)) > 20, "the queries must not all say the same"


# --- finding by likeness ---------------------------------------------


def make_items(vectors, projection=None, **metadata):
    items = MemoryStore("items")
    dim = projection.dim if projection else DIM
    items.create(
        CollectionSchema(
            {CUTOUT: dim, CONTEXT: dim},
            {"item_id": "keyword"},
            {**METADATA, "schema": "1", **metadata},
        )
    )
    for i, (item, raw) in enumerate(vectors.items()):
        vector = projection.apply(raw[None])[0] if projection else raw
        items.upsert(
            [
                Point(
                    f"00000000-0000-0000-0000-{i:012}",
                    {CUTOUT: vector, CONTEXT: vector},
                    {"item_id": item},
                )
            ]
        )
    if projection:
        items.write_blob("projection.npz", projection.to_bytes())
    return items


def test_a_photo_finds_photos_like_it_under_conditions(either_store):
    store = either_store
    fill(store, *ROOMS)
    finder = SceneFinder(store)
    asked = encoded(Region("whole", "whole", (0.0, 0.0, 400.0, 300.0)), near(unit(3), 50))

    assert finder.like(asked).matches[0].photo == "rooms/old/c.jpg"
    assert finder.like(asked).matches[0].score > 0.9
    best = finder.like(asked, text="kitchen", limit=3).matches
    assert [m.photo for m in best] == ["rooms/old/d.jpg"]


CHAIR = unit(500)


def rooms_with_chairs():
    return [
        photo("like.jpg", ("lamp", "red"), ("chair", "red"), vectors=[unit(1), near(CHAIR, 2)]),
        photo("twice.jpg", *[("chair", "red")] * 2, vectors=[near(CHAIR, 3, 0.4)] * 2, seed=1),
        photo("unlike.jpg", ("chair", "red"), vectors=[unit(4)], seed=2),
        photo("known.jpg", ("chair", "red"), vectors=[unit(5)], seed=3),
        photo("known-empty.jpg", seed=4),
    ]


@pytest.mark.parametrize("projected", [False, True], ids=["raw", "projected"])
def test_a_product_finds_the_rooms_it_is_known_in_and_then_those_like_it(store, projected):
    sample = np.stack([unit(n) for n in range(200)])
    projection = fit_projection(sample, 8) if projected else None
    known = {"known.jpg": ["c1"], "known-empty.jpg": ["c1", "c2"]}
    fill(store, *rooms_with_chairs(), items=known, projection=projection)
    items = make_items({"c1": CHAIR, "c3": unit(900)}, projection)

    answer = SceneFinder(store).with_item("c1", items)

    assert [m.photo for m in answer.matches] == [
        "known.jpg",
        "known-empty.jpg",
        "like.jpg",
        "twice.jpg",
    ]
    assert [m.known for m in answer.matches] == [True, True, False, False]
    assert answer.matches[1].score is None
    like = answer.matches[2]
    assert like.score > 0.9
    assert (like.label, like.box) == ("chair", (10.0, 20.0, 60.0, 120.0))


def test_nothing_is_listed_that_nothing_speaks_for(either_store):
    fill(either_store, photo("chair.jpg", ("chair", "red"), vectors=[CHAIR]))

    answer = SceneFinder(either_store).with_item("other", make_items({"other": -CHAIR}))

    assert answer.matches == ()
    assert answer.notes == ("nothing like this in the photos",)


def test_a_product_is_looked_for_under_conditions_and_to_a_limit(either_store):
    store = either_store
    fill(store, *rooms_with_chairs(), items={"known.jpg": ["c1"]})
    items = make_items({"c1": CHAIR})
    finder = SceneFinder(store)

    assert [m.photo for m in finder.with_item("c1", items, text="lamp").matches] == ["like.jpg"]
    assert [m.photo for m in finder.with_item("c1", items, limit=2).matches] == [
        "known.jpg",
        "like.jpg",
    ]


def test_one_room_full_of_the_product_does_not_hide_the_others(store):
    many = photo("many.jpg", *[("chair", "red")] * 300, vectors=[near(CHAIR, 1)] * 300)
    others = [
        photo(f"{n}.jpg", ("chair", "red"), vectors=[near(CHAIR, n, 0.5)], seed=n)
        for n in range(1, 5)
    ]
    fill(store, many, *others)

    answer = SceneFinder(store).with_item("c1", make_items({"c1": CHAIR}), limit=5)

    assert {m.photo for m in answer.matches} == {"many.jpg", "1.jpg", "2.jpg", "3.jpg", "4.jpg"}


def test_what_does_not_compare_is_refused(store):
    fill(store, *rooms_with_chairs())
    finder = SceneFinder(store)
    projection = fit_projection(np.stack([unit(n) for n in range(200)]), 8)

    with pytest.raises(QueryError, match="No item 'c9'"):
        finder.with_item("c9", make_items({"c1": CHAIR}))
    with pytest.raises(QueryError, match="other models"):
        finder.with_item("c1", make_items({"c1": CHAIR}, embedder="another"))
    with pytest.raises(CollectionMismatchError, match=r"raw vectors.*projection to 8"):
        finder.with_item("c1", make_items({"c1": CHAIR}, projection))
    with pytest.raises(QueryError, match="no collection of items"):
        finder.with_item("c1", MemoryStore())


def test_raw_embeddings_stay_beside_those_of_the_projection(store):
    first, second = (
        fit_projection(np.stack([unit(n) for n in range(start, start + 200)]), 8)
        for start in (0, 5_000)
    )
    fill(store, *rooms_with_chairs(), projection=first)

    for record in store.scroll(spaces=["cutout", "cutout_raw"]):
        expected = first.apply(record.vectors["cutout_raw"][None])[0]
        assert np.allclose(record.vectors["cutout"], expected, atol=1e-5)
    with pytest.raises(CollectionMismatchError, match="scenesearch scenes index PHOTOS"):
        SceneFinder(store).with_item("c1", make_items({"c1": CHAIR}, second))
