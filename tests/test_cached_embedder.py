"""The embedder that remembers pictures."""

from __future__ import annotations

import numpy as np
import pytest
from fakes.models import FakeEmbedder

from scenesearch.core.errors import QueryError
from scenesearch.core.protocols import Embedder, Profiler
from scenesearch.models.embed.cache import EmbeddingCache
from scenesearch.models.embed.cached_embedder import CachedEmbedder


def pictures(*seeds, size=(12, 9)):
    return [np.random.default_rng(s).integers(0, 256, (*size, 3)).astype(np.uint8) for s in seeds]


@pytest.fixture
def cache(tmp_path):
    opened = EmbeddingCache(tmp_path / "embeddings.sqlite")
    yield opened
    opened.close()


def test_a_picture_is_embedded_once_and_its_vector_stays_the_same(cache):
    plain, counted = FakeEmbedder(16), FakeEmbedder(16)
    cached = CachedEmbedder(counted, cache)

    first = cached.embed_images(pictures(1, 2, 1))
    second = cached.embed_images(pictures(2, 3))

    assert counted.embedded == 3
    np.testing.assert_allclose(first, plain.embed_images(pictures(1, 2, 1)), atol=1e-6)
    np.testing.assert_allclose(second, plain.embed_images(pictures(2, 3)), atol=1e-6)
    assert first.dtype == np.float32


def test_another_model_or_another_shape_of_the_same_pixels_is_another_entry(cache):
    one, other = FakeEmbedder(16), FakeEmbedder(16, seed=1)
    (flat,) = pictures(1, size=(4, 9))
    tall = flat.reshape(9, 4, 3)

    CachedEmbedder(one, cache).embed_images([flat])
    CachedEmbedder(one, cache).embed_images([tall])
    CachedEmbedder(other, cache).embed_images([flat])

    assert (one.embedded, other.embedded) == (2, 1)


def test_it_is_an_embedder_that_makes_no_profiles(cache):
    cached = CachedEmbedder(FakeEmbedder(16, has_classes=True), cache)

    assert isinstance(cached, Embedder)
    assert not isinstance(cached, Profiler)
    assert cached.embed_images([]).shape == (0, 16)
    with pytest.raises(QueryError, match="text"):
        cached.embed_texts(["red"])


def test_entries_of_photos_and_of_pictures_lie_side_by_side(cache):
    from scenesearch.models.embed.cache import Entry

    cache.put({"ab" * 32: (Entry({"cutout": np.ones(4, np.float32)}, {"region": "whole"}),)}, "i")
    CachedEmbedder(FakeEmbedder(16), cache).embed_images(pictures(1))

    assert cache.known(["ab" * 32], "i") == {"ab" * 32}
