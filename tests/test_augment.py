"""Database-side augmentation: the arithmetic, and that a collection stays right through changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shop

from scenesearch import SceneSearch, load_settings
from scenesearch.config.settings import IndexSettings
from scenesearch.core.points import AUGMENTED, CUTOUT
from scenesearch.index.learned import augment, refresh_augmented

HERE = Path(__file__).parent


def unit(rows):
    rows = np.asarray(rows, np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_a_vector_moves_towards_its_nearest_by_their_cosine():
    rows = unit([[1, 0], [3, 4], [-1, 0.1]])

    moved = augment(rows, 1, alpha=2.0)

    # the nearest of the first is the second, cosine 0.6
    np.testing.assert_allclose(moved[0], unit([rows[0] + 0.36 * rows[1]])[0], atol=1e-6)


def test_neighbours_on_the_other_side_count_nothing():
    rows = unit([[1, 0], [-1, 0.01], [-1, -0.01]])

    assert augment(rows, 2)[0] == pytest.approx(rows[0], abs=1e-6)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_to_have_a_neighbour_stay_as_they_are(count):
    rows = unit([[3, 4]])[:count]

    np.testing.assert_array_equal(augment(rows, 3), rows)


def test_blocks_change_nothing(monkeypatch):
    rows = unit(np.random.default_rng(0).standard_normal((40, 8)))
    whole = augment(rows, 3)

    monkeypatch.setattr("scenesearch.index.learned.BLOCK", 7)

    np.testing.assert_allclose(augment(rows, 3), whole, atol=1e-6)


@pytest.fixture(autouse=True)
def parts(monkeypatch, tmp_path):
    monkeypatch.setenv("SCENESEARCH_CACHE_DIR", str(tmp_path / "cache"))
    return shop.use_fakes(monkeypatch)


@pytest.fixture
def items(tmp_path):
    return shop.colour_shop(tmp_path / "photos")[:9]


def front(tmp_path, name="store", neighbours=2):
    settings = load_settings(index=IndexSettings(augment=neighbours))
    return SceneSearch(tmp_path / name, config=settings)


def stored(opened):
    page = opened.store.scroll(limit=100, spaces=(CUTOUT, AUGMENTED))
    ordered = sorted(page.records, key=lambda record: record.id)
    return {
        space: np.stack([record.vectors[space] for record in ordered])
        for space in (CUTOUT, AUGMENTED)
    }


def test_every_point_has_both_vectors_after_an_index_run(tmp_path, items):
    with front(tmp_path) as opened:
        opened.index(shop.write_catalog(tmp_path, items))
        found = stored(opened)

    np.testing.assert_allclose(found[AUGMENTED], augment(found[CUTOUT], 2), atol=1e-5)
    assert not np.allclose(found[AUGMENTED], found[CUTOUT])


@pytest.mark.store
def test_items_that_come_and_go_leave_what_one_run_would_have_made(tmp_path, items):
    with front(tmp_path) as opened:
        opened.index(shop.write_catalog(tmp_path, items[:5]))
        opened.index(shop.write_catalog(tmp_path, items[2:]), prune=True)
        grown = stored(opened)
    with front(tmp_path, "other") as opened:
        opened.index(shop.write_catalog(tmp_path, items[2:]))
        fresh = stored(opened)

    np.testing.assert_allclose(grown[AUGMENTED], fresh[AUGMENTED], atol=1e-5)


def test_nothing_changed_is_nothing_written(tmp_path, items, monkeypatch):
    with front(tmp_path) as opened:
        opened.index(shop.write_catalog(tmp_path, items))
        monkeypatch.setattr(
            type(opened.store), "upsert", lambda *_: pytest.fail("points were written")
        )

        assert refresh_augmented(opened.store, 2) is None


def test_a_search_compares_with_the_augmented_vectors(tmp_path, items):
    with front(tmp_path) as opened:
        opened.index(shop.write_catalog(tmp_path, items))
        look = opened.search(items=items[0].id, limit=5, weights={"cutout": 1.0})
        found = stored(opened)
        own = opened.store.scroll(limit=100, spaces=(CUTOUT,))
        vector = next(r.vectors[CUTOUT] for r in own.records if r.payload["item_id"] == items[0].id)

    best = sorted(found[AUGMENTED] @ vector, reverse=True)
    assert look.matches[0].parts["cutout"] == pytest.approx(best[0], abs=1e-4) or look.matches[
        0
    ].parts["cutout"] == pytest.approx(best[1], abs=1e-4)


def test_a_collection_made_without_says_how_to_have_it(tmp_path, items):
    catalog = shop.write_catalog(tmp_path, items)
    with front(tmp_path, neighbours=0) as opened:
        opened.index(catalog)
    with front(tmp_path) as opened:
        outcome = opened.index(catalog)

    assert any("new --collection" in note for note in outcome.report.notes)
