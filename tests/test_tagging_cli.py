"""``scenesearch tag`` as it is typed."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process


def tag(*arguments, stdin=None, env=None):
    return subprocess.run(
        [sys.executable, "-m", "scenesearch", "tag", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=280,
        env=env,
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "tags.xls", "."], "expected .jsonl, .parquet, .csv"),
        (["--out", "-", ".", "--export", "coco:x.json"], "give --out a file"),
        (["--out", "tags.csv", ".", "--export", "voc:x"], "unknown format 'voc'"),
        (["--out", "tags.csv"], "Missing argument"),
        (["."], "Missing option"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_asked_wrongly_is_one_error_and_exit_code_2(tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)

    done = tag(*arguments)

    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def photos(shared_data, tmp_path):
    """Two real photos and a broken one, as links."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for path in sorted((shared_data / "coco").rglob("*.jpg"))[:2]:
        (folder / path.name).symlink_to(path)
    (folder / "zz.jpg").write_text("no photo")
    return folder


@pytest.mark.models
def test_photos_become_tables_and_exports_and_a_second_run_goes_on(
    photos, real_models, tmp_path, monkeypatch
):
    monkeypatch.setenv("SCENESEARCH_MODELS_DIR", str(real_models))
    out, coco = tmp_path / "tags.csv", tmp_path / "coco.json"

    first = tag(
        *(photos, "--out", out, "--config", "cpu-small", "--masks", "--workers", 1, "--json"),
        *("--export", f"coco:{coco}"),
    )
    second = tag(photos, "--out", out, "--config", "cpu-small", "--masks", "--workers", 1)

    assert first.returncode == 3, first.stderr
    summary = json.loads(first.stdout)
    assert (summary["photos"], summary["done"], summary["failed"]) == (3, 2, 1)
    with out.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len({line["source"] for line in lines}) == 3
    assert any(line["object_label"] and line["object_mask"] for line in lines)
    assert len(json.loads(coco.read_text())["images"]) == 2
    assert Path(summary["failures"]).exists()
    assert second.returncode == 3
    assert "tagged 0, skipped 2, failed 1 of 3 photos" in second.stdout
    assert "zz.jpg" in second.stderr


@pytest.mark.models
def test_paths_on_standard_input_become_json_lines_on_standard_output(
    photos, real_models, monkeypatch
):
    monkeypatch.setenv("SCENESEARCH_MODELS_DIR", str(real_models))
    names = "".join(f"{path}\n" for path in sorted(photos.iterdir()))

    done = tag("-", "--out", "-", "--config", "cpu-small", "--workers", 1, stdin=names)

    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 3, done.stderr
    assert [row["error"] for row in rows] == [None, None, "unsupported_image"]
    assert [row["source"] for row in rows] == names.split()
