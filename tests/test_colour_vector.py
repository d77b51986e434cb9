"""Palettes as vectors: what is more alike has the higher cosine."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenesearch.attributes.colour_vector import COLOUR_DIM, colour_vector, palette_vector
from scenesearch.attributes.lab import ciede2000, rgb_to_lab
from scenesearch.attributes.names import VOCABULARY, labs_of
from scenesearch.core.errors import QueryError
from scenesearch.core.types import Colour


def palette(**shares):
    """A palette of typical colours: palette(red=0.7, white=0.3)."""
    return colour_vector(
        [
            Colour(name, tuple(float(v) for v in labs_of(name.replace("_", " "))[0]), share)
            for name, share in shares.items()
        ]
    )


@pytest.mark.parametrize(
    ("query", "nearer", "farther"),
    [
        ({"red": 1}, {"burgundy": 1}, {"green": 1}),
        ({"navy": 1}, {"blue": 1}, {"brown": 1}),
        ({"white": 1}, {"light_grey": 1}, {"grey": 1}),
        ({"grey": 1}, {"dark_grey": 1}, {"red": 1}),
        ({"pink": 1}, {"hot_pink": 1}, {"teal": 1}),
        ({"beige": 1}, {"cream": 1}, {"brown": 1}),
        ({"red": 0.7, "white": 0.3}, {"red": 0.6, "white": 0.4}, {"red": 0.3, "white": 0.7}),
        ({"red": 0.7, "white": 0.3}, {"burgundy": 0.7, "white": 0.3}, {"green": 0.7, "white": 0.3}),
        ({"red": 0.7, "white": 0.3}, {"red": 1}, {"white": 1}),
        ({"red": 0.5, "blue": 0.5}, {"red": 0.5, "blue": 0.5}, {"purple": 1}),
    ],
    ids=lambda value: "+".join(f"{key}{share}" for key, share in value.items()),
)
def test_the_more_alike_palette_has_the_higher_cosine(query, nearer, farther):
    vector = palette(**query)

    assert vector @ palette(**nearer) > vector @ palette(**farther) + 0.02


def test_cosines_of_random_colours_follow_their_distance():
    rng = np.random.default_rng(0)
    labs = rgb_to_lab(rng.integers(0, 256, (200, 3)).astype(np.uint8))
    vectors = np.stack([colour_vector([Colour("", tuple(lab), 1.0)]) for lab in labs.tolist()])
    pairs = np.triu_indices(200, 1)
    apart = ciede2000(labs[:, None], labs[None])[pairs]
    alike = (vectors @ vectors.T)[pairs]
    ranks = np.argsort(np.argsort(apart)), np.argsort(np.argsort(-alike))

    assert np.corrcoef(*ranks)[0, 1] > 0.96
    assert alike[apart > 60].max() < 0.1
    assert alike[apart < 4].min() > 0.9


def test_shares_need_not_sum_to_one():
    np.testing.assert_allclose(
        palette_vector({"red": 7, "white": 3}),
        palette_vector({"red": 0.7, "white": 0.3}),
        atol=1e-6,
    )


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(0, 100), st.floats(-128, 127), st.floats(-128, 127), st.floats(0.01, 1)
        ),
        min_size=1,
        max_size=6,
    )
)
def test_every_palette_is_a_finite_unit_vector_of_the_stated_size(rows):
    vector = colour_vector([Colour("", lab, share) for *lab, share in rows])

    assert vector.shape == (COLOUR_DIM,)
    assert vector.dtype == np.float32
    assert (vector >= 0).all()
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)


def test_the_order_of_the_colours_does_not_matter():
    np.testing.assert_allclose(
        palette_vector([("red", 0.7), ("white", 0.3)]),
        palette_vector([("white", 0.3), ("red", 0.7)]),
        atol=1e-6,
    )


@pytest.mark.parametrize("colour", VOCABULARY, ids=lambda colour: colour.name)
def test_a_word_matches_each_of_its_shades_better_than_an_unrelated_one(colour):
    query = palette_vector({colour.name: 1})
    worst = min(query @ palette_vector({f"#{hex_}": 1}) for hex_ in colour.anchors)

    assert worst > 0.5
    for other in VOCABULARY:
        if ciede2000(labs_of(colour.name)[:, None], labs_of(other.name)[None]).min() > 35:
            assert query @ palette_vector({other.name: 1}) < worst


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ({}, "empty_palette"),
        ({"rde": 1}, "unknown_colour"),
        ({"#12": 1}, "unknown_colour"),
        ({"red": 0}, "bad_share"),
        ({"red": -1, "white": 2}, "bad_share"),
        ({"red": float("nan")}, "bad_share"),
        ({"red": float("inf")}, "bad_share"),
    ],
    ids=["nothing", "misspelt", "bad_hex", "zero", "negative", "nan", "infinite"],
)
def test_a_palette_that_cannot_be_meant_is_a_query_error(parts, code):
    with pytest.raises(QueryError) as caught:
        palette_vector(parts)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "colours",
    [(), (Colour("red", (53, 80, 67), 0.0),), (Colour("red", (53, 80, 67), float("nan")),)],
    ids=["none", "zero_share", "nan_share"],
)
def test_a_palette_without_weight_has_no_vector(colours):
    with pytest.raises(ValueError, match="palette"):
        colour_vector(colours)
