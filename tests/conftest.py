"""Shared fixtures. Anything outside the checkout is optional: tests skip, and say why."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

# what the store contract asserts is shown as a test's own asserts are
pytest.register_assert_rewrite("store_contract")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real photos with ground truth, beside the checkout or in SCENESEARCH_SHARED_DATA."""
    path = Path(os.environ.get("SCENESEARCH_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"no real photos at {path}")
    return path


@pytest.fixture(scope="session")
def real_models() -> Path:
    """Real weights: SCENESEARCH_MODELS_DIR, or beside the checkout."""
    path = Path(os.environ.get("SCENESEARCH_MODELS_DIR", ROOT.parent / "shared" / "models"))
    if not (path / "yolov8n-seg.pt").is_file():
        pytest.skip(f"no real weights at {path}")
    return path


@pytest.fixture
def clean_surroundings(monkeypatch, tmp_path):
    """No setting of the machine, a cache of the test's own, and the loggers as they were."""
    for name in [name for name in os.environ if name.startswith("SCENESEARCH_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SCENESEARCH_CACHE_DIR", str(tmp_path / "cache"))
    loggers = [logging.getLogger(name) for name in ("scenesearch", "ultralytics")]
    before = [(logger.handlers, logger.level) for logger in loggers]
    yield
    for logger, (handlers, level) in zip(loggers, before, strict=True):
        logger.handlers = handlers
        logger.setLevel(level)
