"""The sample of the package: complete, small, credited, and what the demo needs."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from PIL import Image

from scenesearch.catalog import read_catalog
from scenesearch.evaluation.evaluate import read_truths
from scenesearch.system.resources import resource_dir

SAMPLE = resource_dir("sample")
ROWS = list(csv.DictReader((SAMPLE / "catalog.csv").read_text().splitlines()))
TRUTHS = [json.loads(line) for line in (SAMPLE / "scenes.jsonl").read_text().splitlines()]


def test_the_catalogue_has_no_bad_rows_and_several_photos_an_item():
    found = read_catalog(SAMPLE / "catalog.csv").read_all()

    assert found.errors == ()
    assert len(found.items) >= 40
    assert all(len(item.photos) == 3 for item in found.items)
    assert found.fields["price"] == "float"
    assert found.fields["in_stock"] == "bool"


def test_the_sample_is_small():
    size = sum(path.stat().st_size for path in SAMPLE.rglob("*") if path.is_file())

    assert size < 6_000_000


def test_there_are_rooms_of_several_kinds():
    assert len(TRUTHS) == 8
    assert len({truth["group"] for truth in TRUTHS}) >= 3


@pytest.mark.parametrize("truth", TRUTHS, ids=lambda truth: Path(truth["image"]).stem)
def test_what_is_known_of_a_room_lies_in_its_picture(truth):
    ids = {row["id"] for row in ROWS}
    with Image.open(SAMPLE / truth["image"]) as picture:
        width, height = picture.size

    assert set(truth["items"]) == {one["item"] for one in truth["boxes"]} <= ids
    assert len(truth["boxes"]) >= 3
    for one in truth["boxes"]:
        x1, y1, x2, y2 = one["box"]
        assert 0 <= x1 < x2 <= width
        assert 0 <= y1 < y2 <= height


def test_the_truth_is_in_the_form_that_eval_reads():
    truths = read_truths(SAMPLE / "scenes.jsonl")

    assert all(len(truth.boxes) >= len(truth.items) for truth in truths)


def test_the_annotations_name_the_same_objects():
    coco = json.loads((SAMPLE / "rooms.coco.json").read_text())

    assert [image["file_name"] for image in coco["images"]] == [t["image"] for t in TRUTHS]
    for image, truth in zip(coco["images"], TRUTHS, strict=True):
        mine = [a for a in coco["annotations"] if a["image_id"] == image["id"]]
        assert [a["product"] for a in mine] == [one["item"] for one in truth["boxes"]]
        for annotation in mine:
            run_lengths = annotation["segmentation"]["counts"]
            assert sum(run_lengths) == image["width"] * image["height"]
            assert sum(run_lengths[1::2]) == annotation["area"]


def test_every_model_is_credited():
    credits_text = (SAMPLE / "CREDITS.md").read_text()
    groups = {row["group"] for row in ROWS}
    named = {
        line.split("|")[1].strip().lower().replace("_", "-")
        for line in credits_text.splitlines()
        if line.startswith("| ") and "creativecommons" in line
    }

    assert groups <= named
