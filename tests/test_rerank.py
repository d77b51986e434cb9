"""The second look: cells of pictures, how they are merged, what is kept, and what it costs."""

from __future__ import annotations

import logging
import math
import time
from pathlib import Path

import numpy as np
import pytest
import shop
from fakes.models import FakeDetector, FakeEmbedder
from fakes.store import MemoryStore
from hypothesis import given, settings
from hypothesis import strategies as st

from scenesearch.config.search import SearchOptions
from scenesearch.config.settings import EmbedderSettings, Settings, load_settings
from scenesearch.core.errors import ConfigError, QueryError
from scenesearch.core.types import Cutout
from scenesearch.engine.cancellation import CheckedTimes
from scenesearch.images import load_scene
from scenesearch.models.embed.cache import EmbeddingCache
from scenesearch.models.embed.timm_cells import CellMaps, TimmCells
from scenesearch.models.embed.timm_tower import TimmTower
from scenesearch.models.embed.torch_embedder import TorchEmbedder
from scenesearch.models.weights import Weights
from scenesearch.search.query import Query
from scenesearch.search.rank.rerank import cells_of, late_interaction, merge
from scenesearch.search.reranker import BATCH, CellReranker, Shown
from scenesearch.search.searcher import Searcher
from scenesearch.wiring import Parts, build_searcher

NAN = np.nan


# --- late interaction --------------------------------------------------------------------------


def unit(*rows):
    array = np.array(rows, np.float32)
    return array / np.linalg.norm(array, axis=-1, keepdims=True)


def test_each_part_of_the_query_counts_by_the_part_it_is_most_like():
    query = unit([1, 0], [0, 1])
    photos = np.stack([unit([1, 0], [1, 0]), unit([0, 1], [1, 0]), unit([-1, 0], [0, -1])])

    assert late_interaction(query, photos) == pytest.approx([0.5, 1.0, 0.0])


def test_where_in_the_photo_a_part_lies_does_not_matter():
    rng = np.random.default_rng(0)
    query, photo = unit(*rng.normal(size=(5, 8))), unit(*rng.normal(size=(9, 8)))

    shuffled = photo[rng.permutation(9)]

    assert late_interaction(query, shuffled[None]) == pytest.approx(
        late_interaction(query, photo[None])
    )


@pytest.mark.parametrize(
    ("mask", "shown"),
    [
        ([[1, 1], [1, 0]], [True, True, True, False]),
        ([[1, 1], [1, 1]], [True] * 4),
        ([[1, 0], [0, 0]], [True] * 4),
        ([[0, 0], [0, 0]], [True] * 4),
    ],
    ids=["of the object alone", "of everything", "all, where too few", "all, where none"],
)
def test_cells_are_those_of_the_object(mask, shown):
    pixels = np.kron(np.array(mask, np.bool_), np.ones((10, 10), np.bool_))

    assert cells_of(pixels, 2).tolist() == shown


def test_the_margin_of_a_picture_that_is_no_square_is_not_the_object():
    shown = cells_of(np.ones((40, 10), np.bool_), 4).reshape(4, 4)

    assert not shown[:, [0, 3]].any()


# --- merging -----------------------------------------------------------------------------------


def test_what_was_looked_at_again_keeps_the_mean_and_the_spread_it_had():
    fast = np.array([[0.5, 0.4, 0.3, 0.1]], np.float32)
    slow = np.array([[0.80, 0.82, 0.99, NAN]], np.float32)

    merged = merge(fast, slow, weight=1.0)[0]

    assert merged[:3].mean() == pytest.approx(fast[0, :3].mean(), abs=1e-6)
    assert merged[:3].std() == pytest.approx(fast[0, :3].std(), abs=1e-6)
    assert np.argsort(-merged[:3]).tolist() == [2, 1, 0]
    assert merged[3] == fast[0, 3]


@pytest.mark.parametrize(
    "slow",
    [[NAN, NAN, NAN], [0.9, NAN, NAN], [0.9, 0.9, NAN]],
    ids=["nothing", "one", "all the same"],
)
def test_a_second_look_that_tells_nothing_apart_leaves_the_order(slow):
    fast = np.array([[0.5, 0.4, NAN]], np.float32)

    merged = merge(fast, np.array([slow], np.float32), weight=0.5)[0]

    assert merged[0] >= merged[1]
    assert np.isnan(merged[2])


@settings(deadline=None)
@given(
    st.lists(st.floats(-1, 1, width=32), min_size=2, max_size=12),
    st.floats(0, 1),
    st.integers(0, 2**16),
)
def test_merging_changes_no_argument_and_brings_nothing_in(row, weight, seed):
    rng = np.random.default_rng(seed)
    fast = np.array([row], np.float32)
    fast[rng.random(fast.shape) < 0.3] = NAN
    slow = rng.normal(size=fast.shape).astype(np.float32)
    before = fast.copy()

    merged = merge(fast, slow, weight=weight)

    assert np.array_equal(fast, before, equal_nan=True)
    assert np.array_equal(np.isnan(merged), np.isnan(fast))


def test_a_weight_of_0_is_the_first_look():
    fast = np.array([[0.5, 0.1, 0.3]], np.float32)

    assert merge(fast, fast[:, ::-1].copy(), weight=0.0) == pytest.approx(fast)


# --- what is kept ------------------------------------------------------------------------------


def picture(folder, colour, shape="square"):
    path = shop.save(shop.product(colour, shape), folder / f"{colour}-{shape}.png")
    return Shown(path, shop.photo_hash(path), (17.0, 17.0, 47.0, 47.0))


def cutout(colour):
    image = shop.product(colour)[17:47, 17:47]
    return Cutout(image, np.ones(image.shape[:2], np.bool_), (255, 255, 255), "plain")


def reranker(cache, load=load_scene):
    cells = shop.FakeCells()
    return CellReranker(cells, lambda: cache, load), cells


def test_what_looks_alike_part_by_part_is_alike(tmp_path):
    looks, _ = reranker(EmbeddingCache(":memory:"))
    photos = [picture(tmp_path, colour) for colour in ("red", "blue")]

    (red, blue) = looks.similarities([cutout("red"), cutout("blue")], [photos, photos])

    assert red[0] == pytest.approx(1, abs=1e-3)
    assert red[0] > red[1]
    assert blue[1] == pytest.approx(1, abs=1e-3)


def test_a_photo_is_looked_into_once_whoever_asks(tmp_path):
    cache = EmbeddingCache(tmp_path / "rerank.sqlite")
    photos = [picture(tmp_path, colour) for colour in ("red", "blue")]
    first, first_cells = reranker(cache)
    before = first.similarities([cutout("red"), cutout("blue")], [photos, photos])
    again, again_cells = reranker(cache, load=None)

    after = again.similarities([cutout("red"), cutout("blue")], [photos, photos])

    assert (first_cells.embedded, again_cells.embedded) == (4, 2)
    assert np.array_equal(before, after)


def test_two_boxes_of_one_photo_are_two_pictures(tmp_path):
    looks, _ = reranker(EmbeddingCache(":memory:"))
    red = picture(tmp_path, "red")
    white = red._replace(box=(0.0, 0.0, 10.0, 10.0))

    (scores,) = looks.similarities([cutout("red")], [[red, white]])

    assert scores[0] > scores[1] + 0.3


def test_a_photo_that_is_gone_is_not_compared(tmp_path, caplog):
    looks, _ = reranker(EmbeddingCache(":memory:"))
    gone = picture(tmp_path, "blue")
    Path(gone.photo).unlink()

    with caplog.at_level(logging.WARNING):
        (scores,) = looks.similarities([cutout("red")], [[picture(tmp_path, "red"), gone]])

    assert np.isnan(scores).tolist() == [False, True]
    assert gone.photo in caplog.text


def test_who_cannot_wait_gets_what_is_known_and_the_next_one_more(tmp_path):
    looks, cells = reranker(EmbeddingCache(":memory:"))
    photos = [picture(tmp_path, colour) for colour in shop.NAMES]
    photos += [one._replace(box=(0.0, 0.0, 9.0, 9.0)) for one in photos]
    assert len(photos) > BATCH
    embed = cells.embed_cells

    def slow(images):
        time.sleep(0.05)
        return embed(images)

    cells.embed_cells = slow
    found = [
        int((~np.isnan(looks.similarities([cutout("red")], [photos], 0.01)[0])).sum())
        for _ in range(4)
    ]

    assert found[0] == BATCH
    assert found[-1] == len(photos)
    assert found == sorted(found)


def test_who_cannot_wait_for_another_search_has_no_second_look(tmp_path):
    looks, cells = reranker(EmbeddingCache(":memory:"))
    looks._lock.acquire()

    (scores,) = looks.similarities([cutout("red")], [[picture(tmp_path, "red")]], 0.01)

    assert np.isnan(scores).all()
    assert cells.embedded == 0


def test_a_region_without_products_costs_nothing(tmp_path):
    looks, cells = reranker(EmbeddingCache(":memory:"))

    found = looks.similarities([cutout("red"), cutout("blue")], [[], [picture(tmp_path, "blue")]])

    assert [len(one) for one in found] == [0, 1]
    assert cells.embedded == 2


def test_closing_gives_the_cache_back_and_the_next_use_opens_it_again(tmp_path):
    cells = shop.FakeCells()
    opened = []

    def opening():
        opened.append(EmbeddingCache(tmp_path / "rerank.sqlite"))
        return opened[-1]

    looks = CellReranker(cells, opening, load_scene)
    photos = [[picture(tmp_path, "red")]]
    looks.similarities([cutout("red")], photos)
    looks.close()
    assert cells.closed

    looks.similarities([cutout("red")], photos)

    assert len(opened) == 2
    assert cells.embedded == 3
    looks.close()


@pytest.mark.parametrize("missing", ["photo", "photo_sha256", "box"])
def test_a_point_that_does_not_say_where_its_picture_is_is_not_looked_at(missing):
    payload = {"photo": "a.jpg", "photo_sha256": "0" * 64, "box": [0, 0, 9, 9]}
    assert Shown.of(payload) is not None

    assert Shown.of({**payload, missing: None}) is None


# --- search ------------------------------------------------------------------------------------


class Favourite:
    """Likes one photo above all."""

    def __init__(self, name):
        self.name, self.asked = name, []

    def similarities(self, cutouts, photos, patience_s=math.inf):
        self.asked = [len(many) for many in photos]
        return [
            np.array([float(self.name in Path(p.photo).name) for p in many], np.float32)
            for many in photos
        ]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    encoder = shop.make_encoder(FakeEmbedder(128), colours=True)
    indexed = shop.Shop(MemoryStore(), encoder=encoder)
    indexed.index(shop.colour_shop(tmp_path_factory.mktemp("photos")))
    return indexed


def look(run, model, **options):
    searcher = Searcher(run.store, run.encoder, detector=FakeDetector, reranker=lambda: model)
    scene = shop.scene(shop.room(("red", "square"), ("blue", "tall")))
    return searcher.look(Query(scene=scene), SearchOptions(**options))


def test_the_best_of_each_region_are_looked_at_again_and_no_others(run):
    model = Favourite("orange-square")

    plain = look(run, model, per_region=24)
    assert model.asked == []
    moved = look(run, model, per_region=24, rerank=5, rerank_weight=1.0)

    assert model.asked == [5, 5]
    for before, after in zip(plain.regions, moved.regions, strict=True):
        assert {m.item_id for m in before.matches[:5]} == {
            m.item_id for m in after.matches if "rerank" in m.parts
        }
    first = [m.item_id for m in plain.regions[0].matches[:5]]
    assert ("orange-square" in first) == (moved.regions[0].matches[0].item_id == "orange-square")


def test_the_second_look_has_a_stage_of_its_own_and_the_stages_add_up(run):
    times = look(run, Favourite("red"), rerank=5).timings_ms

    assert times["rerank"] > 0
    assert times["rank"] > 0


def test_a_request_that_left_products_out_of_the_second_look_says_so(run):
    class Unknown(Favourite):
        def similarities(self, cutouts, photos, patience_s=math.inf):
            self.patience_s = patience_s
            return [np.full(len(many), np.nan, np.float32) for many in photos]

    model = Unknown("red")
    searcher = Searcher(run.store, run.encoder, detector=FakeDetector, reranker=lambda: model)
    prepared = Query(scene=shop.scene(shop.room(("red", "square"))))
    options = SearchOptions(rerank=5)

    asked = searcher.look(prepared, options, times=CheckedTimes())
    alone = searcher.look(prepared, options)

    assert any("left out 5 products" in note for note in asked.notes)
    assert not any("left out" in note for note in alone.notes)
    assert model.patience_s == math.inf


def test_a_searcher_without_a_reranker_says_so(run):
    searcher = Searcher(run.store, run.encoder, detector=FakeDetector)
    scene = shop.scene(shop.room(("red", "square")))

    with pytest.raises(QueryError, match="rerank is 5"):
        searcher.look(Query(scene=scene), SearchOptions(rerank=5))


@pytest.mark.parametrize("options", [{"rerank": -1}, {"rerank": 1.5}, {"rerank_weight": 1.1}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(QueryError, match="rerank"):
        SearchOptions(**options)


def test_a_search_without_a_photo_has_no_second_look(run):
    model = Favourite("red")
    searcher = Searcher(run.store, run.encoder, reranker=lambda: model)

    found = searcher.look(Query(items=(("red-square", 1.0),)), SearchOptions(rerank=5))

    assert found.matches
    assert model.asked == []


def test_an_embedder_without_maps_has_no_reranker(run):
    settings_ = Settings(embedder=EmbedderSettings(kind="open_clip", model="ViT-B-32"))
    parts = Parts(settings_)
    parts.__dict__.update(encoder=run.encoder, detector=FakeDetector())
    searcher = build_searcher(parts, run.store)
    scene = shop.scene(shop.room(("red", "square")))

    with pytest.raises(QueryError, match="kind timm"):
        searcher.look(Query(scene=scene), SearchOptions(rerank=5))


# --- maps of a real architecture, weights drawn at random -----------------------------------------


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "lite0.safetensors"
    save_file(timm.create_model("tf_efficientnet_lite0", pretrained=False).state_dict(), path)
    return path


def source(checkpoint, **options):
    tower = TimmTower("tf_efficientnet_lite0", Weights(checkpoint, "0" * 64), side=64)
    return TimmCells("tf_efficientnet_lite0", tower, **options)


@pytest.mark.models
def test_a_cell_is_the_library_s_own_feature_of_that_place(checkpoint):
    import torch

    cells = source(checkpoint)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    module = cells.load().pixels_to_vectors
    with torch.inference_mode():
        pixels = torch.from_numpy(noise)[None].permute(0, 3, 1, 2).float()
        maps = module.backbone.forward_intermediates(
            (pixels - module.mean) / module.std, indices=[3], intermediates_only=True
        )[0]  # (1, 112, 4, 4)

    (found,) = CellMaps(cells, TorchEmbedder(cells)).embed_cells([noise])

    assert found.shape == (16, 112)
    for row, column in ((0, 0), (1, 3), (3, 2)):
        expected = maps[0, :, row, column].numpy()
        assert found[4 * row + column] == pytest.approx(
            expected / np.linalg.norm(expected), abs=1e-4
        )


@pytest.mark.models
def test_no_pictures_are_no_cells(checkpoint):
    cells = source(checkpoint)

    assert CellMaps(cells, TorchEmbedder(cells)).embed_cells([]).shape == (0, 16, 112)


@pytest.mark.models
def test_another_layer_is_another_fingerprint(checkpoint):
    assert source(checkpoint).fingerprint != source(checkpoint, stride=32).fingerprint


@pytest.mark.models
def test_a_stride_that_the_architecture_does_not_have_is_explained(checkpoint):
    with pytest.raises(ConfigError, match="cells of 2, 4, 8, 16, 32 pixels"):
        _ = source(checkpoint, stride=64).dim


@pytest.mark.models
def test_the_real_weights_find_a_product_among_others_part_by_part(tmp_path):
    settings_ = load_settings("imagenet", cache_dir=tmp_path)
    looks = Parts(settings_).reranker
    photos = [picture(tmp_path, "red", shape) for shape in ("square", "tall")]

    (scores,) = looks.similarities([cutout("red")], [photos])
    looks.close()

    assert scores[0] > scores[1]
