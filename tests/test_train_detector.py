"""Training a detector: COCO files to what ultralytics reads, and whole runs of its trainer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image, ImageDraw

from scenesearch.core.errors import CatalogError, ConfigError
from scenesearch.train.coco import write_dataset
from scenesearch.train.detector import DetectorRecipe, train_detector

SIZE = (100, 50)


def coco(folder, *, images=5, **annotation):
    """Photos of 100 x 50 pixels, each with one box of 40 x 20 at (10, 20)."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for n in range(images):
        photo = Image.fromarray(rng.integers(0, 90, (SIZE[1], SIZE[0], 3), dtype=np.uint8))
        ImageDraw.Draw(photo).rectangle((10, 20, 49, 39), fill=(250, 40, 40))
        photo.save(folder / f"photo-{n}.png")
    outline = [[10, 20, 50, 20, 50, 40, 10, 40]]
    one = {"category_id": 7, "bbox": [10, 20, 40, 20], "iscrowd": 0, "segmentation": outline}
    content = {
        "images": [
            {"id": n, "file_name": f"photo-{n}.png", "width": SIZE[0], "height": SIZE[1]}
            for n in range(images)
        ],
        "categories": [{"id": 3, "name": "table"}, {"id": 7, "name": "chair"}],
        "annotations": [{"id": n, "image_id": n, **one, **annotation} for n in range(images)],
    }
    path = folder / "boxes.json"
    path.write_text(json.dumps(content))
    return path


def written(path, folder, **more):
    return write_dataset(path, folder, **{"masks": False, "holdout": 0.2, "seed": 0, **more})


def label_lines(folder):
    return [
        [float(value) for value in line.split()]
        for file in sorted((folder / "labels").rglob("*.txt"))
        for line in file.read_text().splitlines()
    ]


def test_boxes_become_centres_and_sizes_as_shares(tmp_path):
    dataset = written(coco(tmp_path / "in"), tmp_path / "out")

    assert (dataset.train, dataset.held_out, dataset.boxes) == (4, 1, 5)
    assert label_lines(tmp_path / "out") == [[1, 0.3, 0.6, 0.4, 0.4]] * 5
    description = yaml.safe_load(dataset.yaml.read_text())
    assert description["names"] == {0: "table", 1: "chair"}
    assert Path(description["path"], description["train"]).is_dir()


def test_every_photo_has_its_labels_beside_it_and_in_one_part_alone(tmp_path):
    written(coco(tmp_path / "in", images=10), tmp_path / "out", holdout=0.3)

    photos = {p.relative_to(tmp_path / "out" / "images") for p in tmp_path.rglob("out/images/*/*")}
    labels = {p.relative_to(tmp_path / "out" / "labels") for p in tmp_path.rglob("out/labels/*/*")}
    assert {p.with_suffix("") for p in photos} == {p.with_suffix("") for p in labels}
    assert len({p.name for p in photos}) == 10
    assert sum(p.parent.name == "val" for p in photos) == 3


def mask_of_box():
    mask = np.zeros((SIZE[1], SIZE[0]), np.uint8, order="F")
    mask[20:40, 10:50] = 1
    return mask


def counts_of(mask):
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat, [0]])))
    return np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()


def compressed():
    from pycocotools import mask as run_lengths

    found = run_lengths.encode(mask_of_box())
    return {"size": found["size"], "counts": found["counts"].decode()}


@pytest.mark.parametrize(
    "segmentation",
    [
        [[0, 0, 1, 0, 1, 1], [10, 20, 50, 20, 50, 40, 10, 40]],
        {"size": [SIZE[1], SIZE[0]], "counts": counts_of(mask_of_box())},
        compressed(),
    ],
    ids=["polygons, of which the largest counts", "run lengths", "compressed run lengths"],
)
def test_an_outline_is_the_largest_part_as_shares(tmp_path, segmentation):
    written(coco(tmp_path / "in", segmentation=segmentation), tmp_path / "out", masks=True)

    for number, *points in label_lines(tmp_path / "out"):
        corners = np.array(points).reshape(-1, 2) * SIZE
        assert number == 1
        assert corners.min(axis=0) == pytest.approx([10, 20], abs=0.6)
        assert corners.max(axis=0) == pytest.approx([50, 40], abs=0.6)


@pytest.mark.parametrize("annotation", [{"iscrowd": 1}, {"bbox": [10, 20, 0, 20]}])
def test_crowds_and_boxes_without_area_are_left_out_and_counted(tmp_path, annotation):
    dataset = written(coco(tmp_path / "in", **annotation), tmp_path / "out")

    assert (dataset.boxes, dataset.skipped) == (0, 5)
    assert label_lines(tmp_path / "out") == []


def marked_as_crowds(tmp_path, share):
    """Of 40 masks so many are marked."""
    path = coco(tmp_path / "in", images=40, segmentation=compressed())
    content = json.loads(path.read_text())
    for one in content["annotations"][: round(40 * share)]:
        one["iscrowd"] = 1
    path.write_text(json.dumps(content))
    return path


def test_masks_that_a_tool_marks_as_crowds_are_objects(tmp_path):
    for share, masks in ((0.5, True), (1.0, False)):
        path = marked_as_crowds(tmp_path, share)
        dataset = written(path, tmp_path / "out", masks=masks)

        assert (dataset.boxes, dataset.skipped, dataset.kept) == (40, 0, 40 * share)
        assert len(label_lines(tmp_path / "out")) == 40


def test_a_crowd_among_many_objects_is_one(tmp_path):
    dataset = written(marked_as_crowds(tmp_path, 0.05), tmp_path / "out")

    assert (dataset.boxes, dataset.skipped, dataset.kept) == (38, 2, 0)


def test_an_annotation_without_outline_is_no_food_for_a_segmenter(tmp_path):
    with pytest.raises(CatalogError, match=r"annotation 0 has no outline.*yolo26n\.yaml"):
        written(coco(tmp_path / "in", segmentation=None), tmp_path / "out", masks=True)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: c.pop("categories"), "not COCO JSON"),
        (lambda c: c["annotations"][0].update(category_id=99), "not COCO JSON"),
        (lambda c: c["annotations"][0].update(bbox=[1, 2]), "annotation 0: expected bbox"),
        (lambda c: c["images"][0].update(width=0), "no width"),
        (lambda c: c["images"][0].update(file_name="gone.png"), "gone.png is missing"),
        (lambda c: c["annotations"].clear(), "expected at least 2"),
    ],
    ids=["no categories", "unknown category", "bad box", "no width", "photo gone", "empty"],
)
def test_a_coco_file_with_a_fault_says_which(tmp_path, change, says):
    path = coco(tmp_path / "in")
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))

    with pytest.raises(CatalogError, match=says):
        written(path, tmp_path / "out")


def no_file(name):
    raise AssertionError(f"{name} was asked for")


def test_a_run_that_is_there_is_kept_and_one_that_is_not_cannot_be_resumed(tmp_path):
    with pytest.raises(ConfigError, match="no run to resume"):
        train_detector(
            tmp_path / "a.json",
            tmp_path / "out",
            DetectorRecipe(),
            find=no_file,
            to_onnx=no_file,
            resume=True,
        )
    last = tmp_path / "out" / "run" / "weights" / "last.pt"
    last.parent.mkdir(parents=True)
    last.touch()
    with pytest.raises(ConfigError, match="holds a training run already"):
        train_detector(
            tmp_path / "a.json", tmp_path / "out", DetectorRecipe(), find=no_file, to_onnx=no_file
        )


def test_an_exported_model_cannot_be_trained(tmp_path):
    with pytest.raises(ConfigError, match=r"an exported \.onnx cannot be trained"):
        train_detector(
            tmp_path / "a.json",
            tmp_path / "out",
            DetectorRecipe("mine"),
            find=lambda _: tmp_path / "mine.onnx",
            to_onnx=no_file,
        )


# whole runs, in a process of their own: ultralytics reads its settings once


def process(*arguments, home):
    own = {name: value for name, value in os.environ.items() if not name.startswith("YOLO_")}
    return {
        "args": [sys.executable, "-m", "scenesearch", "train", "detector", *map(str, arguments)],
        "cwd": home,
        "env": {**own, "HOME": str(home), "XDG_CONFIG_HOME": str(home)},
    }


def command(*arguments, home):
    return subprocess.run(
        **process(*arguments, home=home), capture_output=True, text=True, timeout=280
    )


@pytest.mark.e2e
@pytest.mark.parametrize("model", ["yolo26n-seg.yaml", "yolo26n.yaml"])
def test_a_detector_is_trained_in_its_folder_and_its_profile_detects(tmp_path, model):
    from scenesearch.config.settings import load_settings
    from scenesearch.images import load_scene
    from scenesearch.models.weights import WeightFinder
    from scenesearch.wiring import build_detector

    home, out = tmp_path / "home", tmp_path / "out"
    home.mkdir()
    path = coco(tmp_path / "in")
    done = command(
        *(path, "--out", out, "--model", model, "--epochs", 1, "--image-side", 64, "--batch", 4),
        *("--licence", "CC0", "--json"),
        home=home,
    )

    assert done.returncode == 0, done.stderr
    assert "metrics/mAP50(B)" in json.loads(done.stdout)["figures"]
    card = (out / "README.md").read_text()
    assert all(part in card for part in ("CC0", model, "4 photos", "mAP50 of boxes"))
    # a font cache of matplotlib is no business of ours
    strays = [p for p in home.rglob("*") if p.is_file() and "matplotlib" not in str(p)]
    assert strays == []
    settings = load_settings(out / "profile.yaml", cache_dir=tmp_path / "cache")
    detector = build_detector(settings, WeightFinder(None))
    found = detector.detect([load_scene(tmp_path / "in" / "photo-0.png")])
    assert len(found) == 1
    detector.close()


@pytest.mark.e2e
def test_a_killed_run_goes_on_where_it_was(tmp_path):
    path, out = coco(tmp_path / "in"), tmp_path / "out"
    quick = ("--model", "yolo26n.yaml", "--epochs", 8, "--image-side", 64, "--batch", 4)
    table = out / "run" / "results.csv"
    child = subprocess.Popen(**process(path, "--out", out, *quick, home=tmp_path))
    deadline = time.monotonic() + 200
    while child.poll() is None and time.monotonic() < deadline:
        if table.is_file() and len(table.read_text().splitlines()) > 3:
            break
        time.sleep(0.01)
    child.kill()
    assert child.wait() == -signal.SIGKILL, "it was still at work"
    before = table.read_text().splitlines()

    done = command(path, "--out", out, *quick, "--resume", home=tmp_path)

    assert done.returncode == 0, done.stderr
    after = table.read_text().splitlines()
    epochs = [int(line.split(",")[0]) for line in after[1:]]
    assert after[: len(before)] == before
    assert sorted(set(epochs)) == list(range(1, 9))
    assert len(epochs) <= 9, "at most the epoch that was not yet saved is done again"
    card = (out / "README.md").read_text()
    assert card.count("\n| 3 |") + card.count("\n| **3** |") == 1
    assert (out / "weights.onnx").is_file()


@pytest.mark.e2e
def test_a_finished_run_cannot_be_resumed_and_says_so(tmp_path):
    path = coco(tmp_path / "in")
    quick = ("--model", "yolo26n.yaml", "--epochs", 1, "--image-side", 64, "--batch", 4)
    first = command(path, "--out", tmp_path / "out", *quick, home=tmp_path)
    second = command(path, "--out", tmp_path / "out", *quick, "--resume", home=tmp_path)

    assert first.returncode == 0, first.stderr
    assert second.returncode == 2
    assert "nothing to resume" in second.stderr
    assert "Traceback" not in second.stderr


@pytest.mark.e2e
def test_a_data_set_that_would_be_fetched_is_refused(tmp_path):
    data = {"path": "gone", "train": "a", "val": "b", "names": {0: "x"}, "download": "http://x.y/z"}
    (tmp_path / "data.yaml").write_text(yaml.safe_dump(data))

    done = command(
        tmp_path / "data.yaml", "--out", tmp_path / "o", "--model", "yolo26n.yaml", home=tmp_path
    )

    assert done.returncode == 2
    assert "nothing is fetched" in done.stderr
