"""Shared fixtures. Anything outside the checkout is optional: tests skip, and say why."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

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
