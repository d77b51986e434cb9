"""What goes with what: the pure part, and how known scenes are kept."""

from __future__ import annotations

import json
import zlib

import numpy as np
import pytest
from fakes.store import MemoryStore

from scenesearch.complete.anchors import MAX_ANCHORS, look_anchors, weighted_anchors
from scenesearch.complete.anchors import look_categories as categories_in
from scenesearch.complete.cooccurrence import SceneTable, associate, borrow, goes_with
from scenesearch.complete.known_scenes import (
    BLOB,
    MAX_ITEMS,
    KnownScene,
    KnownScenes,
    decode_scenes,
    encode_scenes,
)
from scenesearch.complete.style import MIN_POINTS, StyleCentres, learn_centres
from scenesearch.core.errors import QueryError, StoreError
from scenesearch.core.types import CollectionSchema, Region
from scenesearch.look.look import Look
from scenesearch.look.values import Match, RegionMatches

ROOMS = [{"sofa", "rug"}, {"sofa", "rug", "lamp"}, {"sofa", "lamp"}, {"bed"}, {"bed", "lamp"}]


def scene(*items, image="", group=""):
    return KnownScene(frozenset(items), image, group)


@pytest.fixture
def store():
    made = MemoryStore()
    made.create(CollectionSchema({"cutout": 4}))
    return made


# known scenes


def test_scenes_are_there_when_the_collection_is_opened_again(store):
    rooms = [scene("a", "b", image="1.jpg", group="Küche"), scene("b", "c")]
    done = KnownScenes(store).add(rooms)

    again = KnownScenes(store)
    assert (done.added, done.total) == (2, 2)
    assert again.scenes == tuple(rooms)
    assert again.of_item("b") == tuple(rooms)
    assert again.of_item("nothing") == ()


def test_adding_the_same_scenes_again_changes_nothing(store):
    known = KnownScenes(store)
    known.add([scene("a", "b", image="1.jpg"), scene("b", "c")])
    before = store.read_blob(BLOB)

    done = known.add([scene("c", "b"), scene("b", "a", image="1.jpg")])

    assert (done.added, done.replaced, done.unchanged, done.total) == (0, 0, 2, 2)
    assert store.read_blob(BLOB) == before


def test_a_photo_added_with_other_items_is_corrected_not_doubled(store):
    known = KnownScenes(store)
    known.add([scene("a", "b", image="1.jpg")])

    done = known.add([scene("a", "c", image="1.jpg")])

    assert (done.added, done.replaced, done.total) == (0, 1, 1)
    assert [one.items for one in known.of_item("a")] == [frozenset("ac")]


def test_the_id_of_a_scene_hangs_on_its_content_alone():
    assert scene("a", "b", image="1").id == scene("b", "a", image="1", group="Hall").id
    assert len({scene("a").id, scene("b").id, scene("a", image="1").id, scene("ab").id}) == 4


def test_clearing_forgets_every_scene(store):
    known = KnownScenes(store)
    known.add([scene("a", "b")])

    assert (known.clear(), known.clear()) == (1, 0)
    assert len(KnownScenes(store)) == 0


@pytest.mark.parametrize(
    "items", [(), tuple(map(str, range(MAX_ITEMS + 1)))], ids=["none", "too many"]
)
def test_a_scene_of_a_senseless_size_is_refused_and_named(store, items):
    known = KnownScenes(store)

    with pytest.raises(QueryError, match=r"'x\.jpg' has \d+ items, expected 1 to"):
        known.add([scene("a"), scene(*items, image="x.jpg")])

    assert len(known) == 0


def test_more_scenes_than_the_bound_are_refused(store, monkeypatch):
    monkeypatch.setattr("scenesearch.complete.known_scenes.MAX_SCENES", 2)

    with pytest.raises(QueryError, match="3 known scenes, expected at most 2"):
        KnownScenes(store).add([scene(name) for name in "abc"])

    assert store.read_blob(BLOB) is None


def packed(value):
    return zlib.compress(json.dumps(value).encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no zlib",
        packed([]),
        packed({"version": 2, "items": [], "scenes": []}),
        packed({"version": 1, "items": ["a"], "scenes": [["x", "", [7]]]}),
        packed({"version": 1, "items": ["a"], "scenes": [["x"]]}),
        zlib.compress(b'{"version": 1')[:-3],
    ],
    ids=["empty", "noise", "a list", "a later version", "an index too far", "short", "cut off"],
)
def test_a_damaged_blob_is_one_clear_error(store, data):
    store.write_blob(BLOB, data)

    with pytest.raises(StoreError, match=r"known scenes cannot be read .*clear"):
        KnownScenes(store).of_item("a")


def test_damaged_scenes_can_be_cleared(store):
    store.write_blob(BLOB, b"noise")
    known = KnownScenes(store)

    known.clear()

    assert len(KnownScenes(store)) == 0
    known.add([scene("a", "b")])
    assert [one.items for one in KnownScenes(store).of_item("a")] == [frozenset("ab")]


def test_any_text_is_a_valid_id_or_path():
    odd = (scene('"', "\\", "é", "\ud800", image="\n{}", group="\U0001f6cb"),)

    assert decode_scenes(encode_scenes(odd)) == odd
    assert len(odd[0].id) == 32


# co-occurrence


def test_pairs_are_counted_over_scenes():
    table = SceneTable.of(ROOMS)

    assert table.items == ("bed", "lamp", "rug", "sofa")
    assert table.counts.tolist() == [2, 3, 2, 3]
    assert table.together(3).tolist() == [0, 2, 2, 0]


def test_a_table_of_no_scenes_is_empty():
    table = SceneTable.of([])

    assert table.items == ()
    assert table.counts.shape == (0,)


def test_lift_prefers_what_is_seen_with_it_alone_where_counts_prefer_the_popular():
    rooms = [{"a", "hit"}, {"a", "hit"}, {"a", "rare"}, *({"hit", f"x{i}"} for i in range(20))]
    table = SceneTable.of(rooms)
    a, hit, rare = (table.items.index(name) for name in ("a", "hit", "rare"))

    assert associate(table, a, "count")[hit] > associate(table, a, "count")[rare]
    for kind in ("lift", "cosine", "llr"):
        assert associate(table, a, kind)[rare] > associate(table, a, kind)[hit]


def test_the_log_likelihood_ratio_is_that_of_the_two_by_two_table():
    # 2 of 4 scenes hold both, the others neither: G² = 2 · 4 · ln 2
    table = SceneTable.of([{"a", "b"}, {"a", "b"}, {"c"}, {"d"}])

    assert associate(table, 0, "llr").tolist() == pytest.approx([0, 8 * np.log(2), 0, 0])


def test_an_unknown_association_is_refused():
    with pytest.raises(ValueError, match="count, cosine, lift, llr, got 'pmi'"):
        associate(SceneTable.of(ROOMS), 0, "pmi")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("neighbours", "expected"),
    [
        (0, [[0, 0, 0], [0, 1, 0]]),
        (1, [[1, 0, 0], [0, 1, 0]]),
        (2, [[0.8, 0.2, 0], [0.2, 0.8, 0]]),
        (9, [[0.8, 0.2, 0], [0.2, 0.8, 0]]),
    ],
    ids=["itself alone", "the nearest", "two", "more than there are"],
)
def test_an_item_borrows_from_its_nearest_seen_items(neighbours, expected):
    similarity = np.array([[0.8, 0.4, -0.5], [0.4, 0.8, -0.1]], np.float32)

    found = borrow(similarity, np.array([-1, 1]), np.zeros(2, np.float32), neighbours=neighbours)

    assert found == pytest.approx(np.array(expected))


def test_what_is_trusted_takes_that_share_from_itself():
    similarity = np.array([[1, 1, 0], [1, 1, 0]], np.float32)

    found = borrow(similarity, np.array([-1, 1]), np.array([0.6, 0.6], np.float32), neighbours=2)

    assert found == pytest.approx(np.array([[0.5, 0.5, 0], [0.2, 0.8, 0]]))


def test_ties_do_not_let_more_neighbours_in():
    found = borrow(
        np.full((1, 50), 0.5, np.float32), np.array([-1]), np.zeros(1, np.float32), neighbours=5
    )

    assert np.count_nonzero(found) == 5
    assert found.sum() == pytest.approx(1)


def test_what_is_like_nothing_seen_borrows_nothing():
    found = borrow(
        np.array([[-0.2, -0.1]], np.float32), np.array([-1]), np.zeros(1, np.float32), neighbours=2
    )

    assert found.tolist() == [[0, 0]]


def test_a_mixture_of_items_goes_with_what_its_parts_go_with():
    table = SceneTable.of(ROOMS)

    found = goes_with(table, np.array([0.5, 0, 0, 0.5], np.float32))

    assert found.tolist() == [0, 1.5, 1, 0]


# style


def centres_of(vectors, categories):
    return learn_centres([(categories, vectors)], vectors.shape[1], "d")


def test_style_finds_what_differs_in_the_same_way_in_another_category():
    rng = np.random.default_rng(3)
    kinds, styles = rng.normal(size=(2, 32)) * 4, rng.normal(size=(2, 32))
    pairs = [(k, s) for k in range(2) for s in range(2) for _ in range(15)]
    vectors = np.stack([kinds[k] + styles[s] for k, s in pairs])
    vectors += rng.normal(size=vectors.shape) * 0.1
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    names = [f"kind {k}" for k, _ in pairs]

    found = centres_of(vectors, names).styles(vectors, names)

    others = [i for i, (k, _) in enumerate(pairs) if k == 1]
    best = max(others, key=lambda i: float(found[0] @ found[i]))
    assert pairs[best][1] == pairs[0][1]
    same = [float(found[0] @ found[i]) for i in others if pairs[i][1] == 0]
    other = [float(found[0] @ found[i]) for i in others if pairs[i][1] == 1]
    assert min(same) > 0.5 > max(other)


def test_the_mean_of_a_small_category_is_pulled_towards_everything():
    vectors = np.zeros((21, 2), np.float32)
    vectors[:, 0] = 1
    vectors[20] = (0, 1)
    centres = centres_of(vectors, [*["many"] * 20, "one"])

    assert centres.means[0, 0] > 0.99
    # one of its own and two average ones
    assert centres.means[1, 1] == pytest.approx((1 + 2 / 21) / 3)


def test_centres_do_not_hang_on_how_they_were_read():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(60, 5)).astype(np.float32)
    names = [None if i % 7 == 0 else f"c{i % 3}" for i in range(60)]
    parts = [(names[i : i + 13], vectors[i : i + 13]) for i in range(0, 60, 13)]

    whole, split = centres_of(vectors, names), learn_centres(parts, 5, "d")

    assert whole.categories == split.categories == ("c0", "c1", "c2")
    assert split.means == pytest.approx(whole.means, abs=1e-6)


def test_too_few_points_leave_the_vector_as_it_is():
    vectors = np.eye(MIN_POINTS - 1, dtype=np.float32)
    names = ["a"] * len(vectors)

    assert centres_of(vectors, names).styles(vectors, names) == pytest.approx(vectors)


def test_a_category_that_was_not_learned_and_none_use_the_mean_of_everything():
    vectors = np.random.default_rng(1).normal(size=(40, 6)).astype(np.float32)
    centres = centres_of(vectors, ["a"] * 20 + ["b"] * 20)

    found = centres.styles(vectors[:2], ["new", None])

    expected = vectors[:2] - vectors.mean(axis=0)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert found == pytest.approx(expected, abs=1e-5)


def test_centres_come_back_from_bytes_to_half_precision():
    vectors = np.random.default_rng(2).normal(size=(30, 4)).astype(np.float32)
    made = centres_of(vectors, ["Stühle", "a"] * 15)

    again = StyleCentres.from_bytes(made.to_bytes())

    assert again.categories == made.categories
    assert again.digest == "d"
    assert again.means == pytest.approx(made.means, abs=2e-3)


@pytest.mark.parametrize("data", [b"", b"noise", b"PK\x03\x04"], ids=["empty", "noise", "cut"])
def test_damaged_centres_are_one_clear_error(data):
    with pytest.raises(StoreError, match="category means cannot be read"):
        StyleCentres.from_bytes(data)


# anchors


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ("a", {"a": 1}),
        (["a", "b", "a"], {"a": 1, "b": 1}),
        ({"a": 2, "b": 0.5}, {"a": 2, "b": 0.5}),
    ],
    ids=["one id", "ids, one twice", "weights"],
)
def test_anchors_are_one_id_several_or_weights(items, expected):
    assert weighted_anchors(items) == expected


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([], "0 items"),
        ([str(i) for i in range(MAX_ANCHORS + 1)], f"{MAX_ANCHORS + 1} items"),
        ({"a": 0}, "'a' is 0"),
        ({"a": float("nan")}, "'a' is nan"),
        ({"a": -1}, "above 0"),
    ],
    ids=["none", "too many", "weight 0", "not a number", "negative"],
)
def test_anchors_that_make_no_sense_are_refused(items, said):
    with pytest.raises(QueryError, match=said):
        weighted_anchors(items)


def found_in(label, *matches):
    made = tuple(
        Match(item, score, {"similarity": score}, (), {"category": name}, None)
        for item, score, name in matches
    )
    return RegionMatches(Region("object:0", "object", (0, 0, 9, 9), label), made)


def test_a_look_stands_for_its_best_matches_and_what_they_are():
    look = Look(
        None,
        (
            found_in("couch", ("s1", 0.4, "sofa"), ("s2", 0.3, "corner sofa")),
            found_in("couch", ("s1", 0.2, "sofa")),
            found_in("Vase", ("b", -0.1, "bottle")),
            found_in("dog"),
        ),
        (),
    )

    assert look_anchors(look) == pytest.approx({"s1": 0.6, "b": 0.01})
    known = ("sofa", "corner sofa", "bottle", "vase", "rug")
    assert categories_in(look, "category", known) == {"sofa", "corner sofa", "bottle", "vase"}


def test_a_look_without_regions_stands_for_its_first_matches():
    names = "abcde"
    matches = tuple(Match(n, 0.5, {"similarity": 0.7}, (), {}, None) for n in names)

    assert look_anchors(Look(None, (), matches)) == {"a": 0.5, "b": 0.5, "c": 0.5}
