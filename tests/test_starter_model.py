"""The image-text model that comes with the package, as the profile ``offline`` loads it."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from scenesearch.config.settings import load_settings
from scenesearch.images import load_scene
from scenesearch.system.resources import resource_dir
from scenesearch.wiring import Parts

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.starter import measure_search

pytestmark = pytest.mark.models

WORDS = (
    ("a blue couch", "sofa"),
    ("a bed", "bed"),
    ("a lamp", "lamp"),
    ("a plant", "plant"),
)

BY_BOXES = {"things": 43, "recall@1": 0.907, "recall@5": 0.953}
BY_DETECTOR = {"things": 43, "recall@1": 0.977, "recall@5": 0.977}
NOISE = 0.024
"""One of the 43; other machines add numbers in another order."""


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    folder = tmp_path_factory.mktemp("cache")
    return Parts(load_settings("offline", cache_dir=folder, models_dir=None))


@pytest.fixture(scope="module")
def catalogue(parts: Parts) -> tuple[list[str], np.ndarray]:
    """Categories and vectors of the sample's products, by their first photo."""
    sample = resource_dir("sample")
    with (sample / "catalog.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    photos = [load_scene(sample / row["image"].split("|")[0]) for row in rows]
    cutouts = [parts.encoder.product_region(photo)[1].image for photo in photos]
    return [row["category"] for row in rows], parts.encoder.embedder.embed_images(cutouts)


@pytest.mark.parametrize(("text", "category"), WORDS, ids=[text for text, _ in WORDS])
def test_words_find_products_of_their_kind(
    parts: Parts, catalogue: tuple[list[str], np.ndarray], text: str, category: str
) -> None:
    categories, vectors = catalogue
    (asked,) = parts.encoder.embedder.embed_texts([text])
    first = np.argsort(-vectors @ asked)[:3]
    assert [categories[i] for i in first].count(category) >= 2, [categories[i] for i in first]


def test_pictures_and_words_are_unit_vectors_of_one_length(parts: Parts) -> None:
    embedder = parts.encoder.embedder
    assert embedder.has_text
    pictures = embedder.embed_images([np.full((40, 60, 3), 200, np.uint8)])
    words = embedder.embed_texts(["a red chair", "a word that no caption had"])
    assert pictures.shape == (1, embedder.dim)
    assert words.shape == (2, embedder.dim)
    assert np.linalg.norm(words, axis=1) == pytest.approx(np.ones(2), abs=1e-3)


def test_the_sample_is_found_as_often_as_the_card_says(capsys: pytest.CaptureFixture[str]) -> None:
    """Through the package, by the boxes of the rooms and by its detector, and by words."""
    sample = resource_dir("sample")
    measure_search.main(["--set", str(sample), "--config", "offline"])
    figures = json.loads(capsys.readouterr().out)
    assert figures["by its boxes"] == pytest.approx(BY_BOXES, abs=NOISE)
    assert figures["by the detector"] == pytest.approx(BY_DETECTOR, abs=NOISE)
    assert figures["words, where at least 1 are right"]["precision"] == 1.0
