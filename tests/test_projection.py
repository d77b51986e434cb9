"""PCA with partial whitening: against its formula, and against what rounding makes of it."""

from __future__ import annotations

import io

import numpy as np
import pytest

from scenesearch.core.errors import StoreError
from scenesearch.models.embed.pca import fit_projection
from scenesearch.models.embed.projection import Projection
from scenesearch.models.embed.tower import normalise_rows


def cloud(n=400, dim=16, rank=None, seed=0):
    """Unit vectors around a common centre, spread less and less along each direction."""
    rng = np.random.default_rng(seed)
    spread = 0.8 ** np.arange(dim)
    spread[rank or dim :] = 0
    axes, _ = np.linalg.qr(rng.normal(size=(dim, dim)))
    points = rng.normal(size=(n, dim)) * spread @ axes + 2 * axes[0]
    return points.astype(np.float32) if rank else normalise_rows(points)


def by_eigenvectors(vectors, dim, power):
    """The docstring of fit_projection by an eigendecomposition of the covariance."""
    x = vectors.astype(np.float64)
    mean = x.mean(axis=0)
    values, axes = np.linalg.eigh(np.cov(x.T))
    values, axes = values[::-1][:dim], axes[:, ::-1][:, :dim]
    return mean, axes / np.sqrt(values) ** power


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("dim", [3, 16])
def test_fitting_equals_the_eigenvectors_of_the_covariance(dim, power):
    vectors = cloud()
    fitted = fit_projection(vectors, dim, power=power)
    mean, matrix = by_eigenvectors(vectors, dim, power)
    signs = np.sign((fitted.matrix * matrix).sum(axis=0))

    assert fitted.dim == dim
    assert fitted.mean == pytest.approx(mean, abs=1e-6)
    assert np.allclose(fitted.matrix, matrix * signs, rtol=1e-3, atol=1e-4)
    assert fitted.matrix.dtype == fitted.mean.dtype == np.float32


@pytest.mark.parametrize(("power", "falls"), [(0.0, True), (0.5, True), (1.0, False)])
def test_the_power_says_how_much_of_the_spread_is_left(power, falls):
    vectors = cloud()
    fitted = fit_projection(vectors, 16, power=power)
    spread = ((vectors - fitted.mean) @ fitted.matrix).std(axis=0)

    assert (spread[0] > 1.5 * spread[-1]) == falls
    if power == 1:
        assert spread == pytest.approx(np.ones(16), rel=0.01)


def test_projected_vectors_have_unit_length_and_the_wanted_dimension():
    vectors = cloud()
    projected = fit_projection(vectors, 5).apply(vectors)

    assert projected.shape == (400, 5)
    assert projected.dtype == np.float32
    assert np.linalg.norm(projected, axis=1) == pytest.approx(np.ones(400), abs=1e-5)


def test_what_all_vectors_share_is_taken_out():
    vectors = cloud()
    before, after = vectors @ vectors.T, (p := fit_projection(vectors, 16).apply(vectors)) @ p.T

    assert before.mean() > 0.3
    assert abs(after.mean()) < 0.02


def test_without_centring_only_the_mean_stays():
    vectors = cloud()
    fitted = fit_projection(vectors, 5)

    assert np.allclose(
        fitted.apply(vectors, centre=False), normalise_rows(vectors @ fitted.matrix), atol=1e-6
    )
    assert not np.allclose(fitted.apply(vectors, centre=False), fitted.apply(vectors))


def test_the_same_vectors_give_the_same_bits():
    first, second = fit_projection(cloud(), 8), fit_projection(cloud(), 8)

    assert np.array_equal(first.matrix, second.matrix)
    assert np.array_equal(first.mean, second.mean)


@pytest.mark.parametrize(
    ("vectors", "wanted", "got"),
    [
        (cloud(n=400, rank=6), 16, 6),
        (cloud(n=5), 16, 4),
        (np.repeat(cloud(n=4), 10, axis=0), 16, 3),
        (cloud(n=400), 99, 16),
    ],
    ids=["flat", "few", "few_repeated", "more_than_there_are"],
)
def test_directions_that_the_vectors_do_not_span_are_left_out(vectors, wanted, got):
    assert fit_projection(vectors, wanted).dim == got


@pytest.mark.parametrize("n", [5, 10, 17, 40])
def test_few_vectors_do_not_turn_rounding_into_a_direction(n):
    """Neighbours of a vector stay its neighbours, also where the fit is nearly singular."""
    vectors = cloud(n=n)
    fitted = fit_projection(vectors, 16)
    rng = np.random.default_rng(1)
    nudged = vectors + 1e-5 * rng.normal(size=vectors.shape).astype(np.float32)
    cosines = (fitted.apply(vectors) * fitted.apply(nudged)).sum(axis=1)

    assert cosines.min() > 0.99


@pytest.mark.parametrize(
    ("vectors", "power"),
    [
        (cloud(n=1), 0.5),
        (np.zeros((0, 4), np.float32), 0.5),
        (np.tile(cloud(n=1), (9, 1)), 0.5),
        (cloud(), -0.1),
        (cloud(), 1.1),
    ],
    ids=["one", "none", "all_the_same", "power_below_0", "power_above_1"],
)
def test_what_cannot_be_fitted_is_refused(vectors, power):
    with pytest.raises(ValueError, match="at least 2 different vectors and a power of 0 to 1"):
        fit_projection(vectors, 4, power=power)


def test_fitting_and_applying_change_no_input():
    vectors = cloud()
    before = vectors.copy()
    vectors.flags.writeable = False
    fit_projection(vectors, 4).apply(vectors)

    assert np.array_equal(vectors, before)


def test_a_projection_survives_as_bytes_to_the_bit():
    fitted = fit_projection(cloud(), 7)
    back = Projection.from_bytes(fitted.to_bytes())

    assert np.array_equal(back.mean, fitted.mean)
    assert np.array_equal(back.matrix, fitted.matrix)
    assert back.dim == 7


def pickled():
    buffer = io.BytesIO()
    np.savez(buffer, mean=np.array([{}], object), matrix=np.zeros((1, 1)))
    return buffer.getvalue()


def saved(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def single():
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


GOOD = fit_projection(cloud(), 7).to_bytes()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nonsense",
        GOOD[:50],
        GOOD[:-30],
        GOOD[:200] + b"?" + GOOD[201:],
        single(),
        saved(mean=np.zeros(3)),
        pickled(),
    ],
    ids=["empty", "text", "head", "tail_cut", "flipped", "one_array", "no_matrix", "objects"],
)
def test_bytes_that_are_no_projection_say_what_to_do(data):
    with pytest.raises(StoreError, match="scenesearch verify"):
        Projection.from_bytes(data)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([[3, 4]], [[0.6, 0.8]]),
        ([[0, 0]], [[0, 0]]),
        ([[1e-20, 0]], [[1e-8, 0]]),
        ([[-5, 0], [0, 2]], [[-1, 0], [0, 1]]),
        (np.zeros((0, 2)), np.zeros((0, 2))),
    ],
    ids=["by_hand", "zero_stays_zero", "too_short_to_tell", "each_row_alone", "none"],
)
def test_rows_are_divided_by_their_length(rows, expected):
    result = normalise_rows(np.array(rows))

    assert result.dtype == np.float32
    assert result == pytest.approx(np.array(expected), abs=1e-6)


def test_a_trained_space_is_kept_beside_whitened_features():
    rng = np.random.default_rng(3)
    trained, features = normalise_rows(rng.normal(size=(200, 5))), cloud(200, 12, seed=4)
    both = normalise_rows(np.hstack([trained, normalise_rows(features)]))
    fitted = fit_projection(both, 6, kept=5)
    alone = fit_projection(both[:, 5:], 6)
    rows = fitted.apply(both)

    assert fitted.dim == 5 + 6
    assert rows.dtype == np.float32
    # a cosine is a weighted mean of those of its parts
    expected = (
        2 / 3 * trained @ trained.T + 1 / 3 * alone.apply(both[:, 5:]) @ alone.apply(both[:, 5:]).T
    )
    assert np.allclose(rows @ rows.T, expected, atol=1e-5)


def test_a_text_is_compared_with_the_trained_space_alone():
    rng = np.random.default_rng(5)
    trained = normalise_rows(rng.normal(size=(100, 5)))
    both = normalise_rows(np.hstack([trained, normalise_rows(cloud(100, 12, seed=6))]))
    fitted = fit_projection(both, 6, kept=5)
    text = np.hstack([trained[:1], np.zeros((1, 12), np.float32)])
    found = fitted.apply(text, centre=False) @ fitted.apply(both).T

    assert np.allclose(found, np.sqrt(2 / 3) * trained[:1] @ trained.T, atol=1e-5)


def test_heads_come_back_from_their_bytes():
    vectors = np.hstack([cloud(100, 4), cloud(100, 8, seed=1)])
    fitted = fit_projection(vectors, 5, kept=4)
    again = Projection.from_bytes(fitted.to_bytes())

    assert (again.kept, again.share) == (4, pytest.approx(2 / 3))
    assert np.array_equal(again.apply(vectors), fitted.apply(vectors))
    assert Projection.from_bytes(fit_projection(vectors, 5).to_bytes()).kept == 0
