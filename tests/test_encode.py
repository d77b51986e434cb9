"""Pictures on their way to vectors: what is embedded, and how often."""

from __future__ import annotations

import numpy as np
import pytest
import shop
from fakes.models import FakeEmbedder

from scenesearch.core.types import Region, Scene
from scenesearch.models.detect.regions import whole_region


class Counting(FakeEmbedder):
    """Counts pictures."""

    pictures = 0

    def embed_images(self, images):
        self.pictures += len(images)
        return super().embed_images(images)


@pytest.fixture
def scene():
    rng = np.random.default_rng(0)
    return Scene(rng.integers(0, 256, (40, 60, 3)).astype(np.uint8), "0" * 64, "x")


def encoded(scene, *regions):
    embedder = Counting(32)
    encoder = shop.make_encoder(embedder)
    return encoder.embed(encoder.prepare(scene, regions)), embedder.pictures


def test_a_cutout_that_is_its_own_context_is_embedded_once(scene):
    (whole,), pictures = encoded(scene, whole_region(scene.size))

    assert pictures == 1
    assert np.array_equal(whole.vectors["cutout"], whole.vectors["context"])


def test_every_region_gets_the_vectors_of_its_own_pictures(scene):
    regions = [
        Region("object:0", "object", (5.0, 5.0, 25.0, 25.0)),
        whole_region(scene.size),
        Region("object:1", "object", (30.0, 10.0, 50.0, 30.0)),
    ]
    together, pictures = encoded(scene, *regions)
    alone = [encoded(scene, region)[0][0] for region in regions]

    assert pictures == 5
    for first, second in zip(together, alone, strict=True):
        for space in ("cutout", "context"):
            assert np.array_equal(first.vectors[space], second.vectors[space])
