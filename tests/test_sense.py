"""sense@5: whether a person takes the matches of a region for what it was called."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenesearch.core.errors import CatalogError
from scenesearch.evaluation.sense import JUDGED, SENSE, read_sense, sense


def test_the_share_of_accepted_matches_is_a_mean_over_judged_regions(tmp_path: Path) -> None:
    path = tmp_path / "sense.yaml"
    path.write_text("Chair, stool: 'chair|STOOL'\nlamp: lamp\n", encoding="utf-8")
    table = read_sense(path)
    regions = [
        ("CHAIR", ["armchair", "tap", "bar stool", "tap", "chair", "tap", "tap"]),
        ("lamp", ["floor lamp"]),
        ("lamp", []),
        ("dog", ["bowl"]),
        (None, ["chair"]),
    ]
    assert sense(regions, table) == {JUDGED: 2, SENSE: pytest.approx((3 / 5 + 1) / 2)}
    assert sense([("dog", ["bowl"])], table) == {JUDGED: 0}


@pytest.mark.parametrize(
    "text", ["- chair", "chair: [a]", "chair: '('", "chair: 3", ":\n  - :", "", "1: chair"]
)
def test_what_is_no_table_is_refused_in_one_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sense.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CatalogError, match="expected label: pattern"):
        read_sense(path)


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"none\.yaml"):
        read_sense(tmp_path / "none.yaml")
