"""Settings to models: what is refused before anything is loaded or asked for."""

from __future__ import annotations

import pytest

from scenesearch.config.settings import EmbedderSettings, Settings
from scenesearch.core.errors import ModelNotFoundError
from scenesearch.models.weights import WeightFinder
from scenesearch.wiring.models import build_tower


@pytest.mark.parametrize(
    ("model", "weights"),
    [
        ("ViT-B-32", "hub"),
        ("ViT-B-32", "hub:laion2b_s34b_b79k"),
        # the weights are here, but such a name is looked up at the hub for its configuration
        ("hf-hub:org/name", "tower.safetensors"),
    ],
)
def test_offline_refuses_a_model_that_a_hub_would_be_asked_for(tmp_path, model, weights):
    (tmp_path / "tower.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    given = str(tmp_path / weights) if weights.endswith("tensors") else weights
    settings = Settings(
        models_dir=tmp_path,
        embedder=EmbedderSettings(kind="open_clip", model=model, weights=given),
    )

    with pytest.raises(ModelNotFoundError, match="comes from a model hub and offline is true"):
        build_tower(settings, WeightFinder(settings.models_dir, ()))
