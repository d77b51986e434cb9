"""The parts of a query become one vector for each region and space."""

from __future__ import annotations

import numpy as np
import pytest
import shop
from fakes.models import FakeEmbedder
from hypothesis import given
from hypothesis import strategies as st

from scenesearch.core.errors import QueryError
from scenesearch.models.embed.pca import fit_projection
from scenesearch.search.query import Query
from scenesearch.search.vectors import QueryVectors, combine
from scenesearch.system.timing import StageTimes

RIGHT = np.array([1, 0], np.float32)
UP = np.array([0, 1], np.float32)
DIAGONAL = np.array([1, 1], np.float32) / np.sqrt(2).astype(np.float32)


def modifiers(made, /, **parts):
    return made.modifiers(Query(**parts), StageTimes())


@pytest.fixture
def indexed(tmp_path):
    """The shop's store and encoder, with a model that reads text and colours described."""
    encoder = shop.make_encoder(FakeEmbedder(32, has_text=True), colours=True)
    run = shop.Shop(encoder=encoder)
    run.items = shop.colour_shop(tmp_path)
    run.index(run.items)
    return run


@pytest.fixture
def projection():
    return fit_projection(np.random.default_rng(0).normal(0.3, 1, (50, 32)).astype(np.float32), 8)


# --- combining ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        pytest.param([(RIGHT, 1.0)], RIGHT, id="one"),
        pytest.param([(RIGHT, 0.01)], RIGHT, id="one however light"),
        pytest.param([(RIGHT, 1.0), (UP, 1.0)], DIAGONAL, id="two"),
        pytest.param([(RIGHT, 2.0), (UP, 0.0)], RIGHT, id="a weight of zero"),
        pytest.param([(DIAGONAL, 1.0), (UP, -np.sqrt(0.5))], RIGHT, id="pushed away"),
    ],
)
def test_parts_add_up_to_a_unit_vector(parts, expected):
    found = combine([({"cutout": vector}, weight) for vector, weight in parts], ["cutout"])

    np.testing.assert_allclose(found["cutout"], expected, atol=1e-6)


def test_a_space_counts_only_where_every_part_has_it_and_one_of_them_is_positive():
    photo = {"cutout": RIGHT, "colour": UP}
    words = {"cutout": UP}

    assert set(combine([(photo, 1.0)], ["cutout", "colour"])) == {"cutout", "colour"}
    assert set(combine([(photo, 1.0), (words, 0.5)], ["cutout", "colour"])) == {"cutout"}
    assert set(combine([(photo, 1.0), (words, 0.5)], ["colour"])) == {"colour"}
    assert set(combine([(words, 1.0), (photo, -0.5)], ["cutout", "colour"])) == {"cutout"}
    assert combine([(words, 1.0)], ["colour"]) == {}


def test_parts_that_cancel_out_are_refused_with_what_to_do():
    with pytest.raises(QueryError, match="cancel out") as caught:
        combine([({"cutout": RIGHT}, 1.0), ({"cutout": RIGHT}, -1.0)], ["cutout"])

    assert "lower a negative weight" in str(caught.value)


@given(st.lists(st.floats(0.01, 10), min_size=1, max_size=4), st.integers(0, 99))
def test_a_combination_is_always_of_unit_length_and_never_depends_on_the_scale(weights, seed):
    rows = np.abs(np.random.default_rng(seed).normal(size=(len(weights), 6))).astype(np.float32)
    parts = [({"s": row}, weight) for row, weight in zip(rows, weights, strict=True)]

    found = combine(parts, ["s"])["s"]
    scaled = combine([(part, 3 * weight) for part, weight in parts], ["s"])["s"]

    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(scaled, found, atol=1e-5)


# --- items -------------------------------------------------------------------------------------


def test_an_item_is_its_stored_vectors(indexed):
    vectors = QueryVectors(indexed.store, indexed.encoder, None)

    found = vectors.of_item("red-tall")

    record = next(
        r
        for r in indexed.store.scroll(spaces=("cutout", "context", "colour"))
        if r.payload["item_id"] == "red-tall"
    )
    assert set(found) == {"cutout", "context", "colour"}
    for space, vector in found.items():
        np.testing.assert_allclose(vector, record.vectors[space], atol=1e-6)


def test_an_item_of_several_photos_is_the_mean_direction_of_its_points(tmp_path):
    items = shop.colour_shop(tmp_path)
    run = shop.Shop()
    three = tuple(item.photos[0] for item in items[:3])
    run.index([items[0].__class__("both", three, {})])

    found = QueryVectors(run.store, run.encoder, None).of_item("both")

    rows = [record.vectors["cutout"] for record in run.store.scroll(spaces=("cutout",))]
    mean = np.sum(rows, axis=0)
    assert len(rows) == 3
    np.testing.assert_allclose(found["cutout"], mean / np.linalg.norm(mean), atol=1e-6)


def test_an_unknown_item_is_named(indexed):
    with pytest.raises(QueryError, match="No item 'nothing'") as caught:
        QueryVectors(indexed.store, indexed.encoder, None).of_item("nothing")

    assert caught.value.code == "unknown_item"


# --- texts, photos and own vectors -------------------------------------------------------------


def test_a_text_is_a_vector_of_both_spaces_of_the_model(indexed):
    vectors = QueryVectors(indexed.store, indexed.encoder, None)

    ((spaces, weight),) = modifiers(vectors, texts=(("red", 0.5),))

    assert set(spaces) == {"cutout", "context"}
    assert weight == 0.5
    np.testing.assert_allclose(
        spaces["cutout"], indexed.embedder.embed_texts(["red"])[0], atol=1e-6
    )


def test_a_text_is_projected_without_the_mean_of_the_pictures(indexed, projection):
    vectors = QueryVectors(indexed.store, indexed.encoder, projection)

    ((spaces, _),) = modifiers(vectors, texts=(("red", 1.0),))

    row = indexed.embedder.embed_texts(["red"])
    np.testing.assert_allclose(spaces["cutout"], projection.apply(row, centre=False)[0], atol=1e-6)


def test_a_text_without_a_text_tower_is_refused_with_what_to_do(indexed):
    vectors = QueryVectors(indexed.store, shop.make_encoder(FakeEmbedder(32)), None)

    with pytest.raises(QueryError, match="no text tower") as caught:
        modifiers(vectors, texts=(("red", 1.0),))

    assert caught.value.code == "no_text_tower"


def test_a_photo_of_a_thing_is_cut_out_like_a_catalogue_photo(indexed):
    vectors = QueryVectors(indexed.store, indexed.encoder, None)
    scene = shop.scene(shop.product("red", "tall"))

    ((spaces, _),) = modifiers(vectors, products=((scene, 1.0),))

    stored = vectors.of_item("red-tall")
    for space in ("cutout", "context", "colour"):
        np.testing.assert_allclose(spaces[space], stored[space], atol=1e-5)


@pytest.mark.parametrize("scale", [1, 7.5], ids=["unit", "longer"])
def test_a_vector_of_the_model_is_projected_and_one_of_the_stored_size_is_not(
    indexed, projection, scale
):
    vectors = QueryVectors(indexed.store, indexed.encoder, projection)
    raw = indexed.embedder.embed_images([shop.product("red")])[0]
    wanted = projection.apply(raw[None])[0]

    ((of_raw, _),) = modifiers(vectors, vectors=((raw * scale, 1.0),))
    ((of_stored, _),) = modifiers(vectors, vectors=((wanted * scale, 1.0),))

    np.testing.assert_allclose(of_raw["cutout"], wanted, atol=1e-5)
    np.testing.assert_allclose(of_stored["cutout"], wanted, atol=1e-5)
    np.testing.assert_array_equal(of_raw["cutout"], of_raw["context"])


@pytest.mark.parametrize(
    ("vector", "said"),
    [
        (np.ones(31), r"\(31,\)"),
        (np.ones((1, 32)), r"\(1, 32\)"),
        (np.ones(0), r"\(0,\)"),
        (np.full(32, np.nan), "got one that is not finite"),
        (np.full(32, np.inf), "got one that is not finite"),
        (np.zeros(32), "got zero"),
    ],
    ids=["size", "matrix", "empty", "nan", "infinite", "zero"],
)
def test_a_vector_that_cannot_be_used_is_refused_with_both_sizes(indexed, projection, vector, said):
    vectors = QueryVectors(indexed.store, indexed.encoder, projection)

    with pytest.raises(QueryError, match=said) as caught:
        modifiers(vectors, vectors=((vector, 1.0),))

    assert caught.value.code == "bad_vector"
    assert "(32,) or (8,)" in str(caught.value)


def test_every_part_keeps_its_weight(indexed):
    vectors = QueryVectors(indexed.store, indexed.encoder, None)

    found = modifiers(
        vectors,
        products=((shop.scene(shop.product("red")), 0.1),),
        texts=(("red", 0.2), ("new", -0.3)),
        items=(("blue-tall", 0.4),),
        vectors=((np.ones(32, np.float32), 0.5),),
    )

    assert [weight for _, weight in found] == [0.1, 0.2, -0.3, 0.4, 0.5]
