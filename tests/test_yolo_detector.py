"""The ultralytics adapter with real weights: runtimes alike, objects found, nothing outside."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from scenesearch.core.errors import ModelLoadError
from scenesearch.core.types import Scene
from scenesearch.images import load_scene
from scenesearch.images.geometry import iou, pixel_box
from scenesearch.models.detect.yolo_detector import YoloDetector
from scenesearch.models.weights import WeightFinder

PERSON, CHAIR, COUCH = 0, 56, 57
NAMES = {PERSON: "person", CHAIR: "chair", COUCH: "couch"}


def overlap(first, second):
    return np.count_nonzero(first & second) / max(np.count_nonzero(first | second), 1)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def detector(real_models, cache):
    """Detectors by model, runtime and options; exports are made once."""

    def make(model="yolov8n-seg", **options):
        found = WeightFinder(real_models).find(model)
        return YoloDetector(found, cache_dir=cache, **options)

    return make


@pytest.fixture(scope="module")
def photos(shared_data):
    paths = sorted((shared_data / "coco" / "images").rglob("*.jpg"))
    return [load_scene(path) for path in paths[:24]]


def labelled(shared_data, kind, photo):
    """Class numbers and normalised coordinates of the YOLO labels of a photo."""
    name = f"{Path(photo.source).stem}.txt"
    for path in (shared_data / "coco" / kind).rglob(name):
        for line in path.read_text().splitlines():
            number, *values = line.split()
            yield int(number), np.array(values, np.float64)


def same(first, second):
    return (
        first.labels == second.labels
        and np.array_equal(first.boxes, second.boxes)
        and np.array_equal(first.confidences, second.confidences)
    )


@pytest.mark.models
@pytest.mark.parametrize("model", ["yolov8n-seg", "yolo26n"])
def test_both_runtimes_see_the_same(detector, photos, model):
    torch_boxes = detector(model, runtime="torch", confidence=0.25).detect(photos)
    onnx_boxes = detector(model, runtime="onnx", confidence=0.25).detect(photos)
    found, total, overlaps = 0, 0, []
    for first, second in zip(torch_boxes, onnx_boxes, strict=True):
        for i in np.flatnonzero(first.confidences > 0.3):
            total += 1
            near = [
                j
                for j in range(len(second))
                if second.labels[j] == first.labels[i]
                and np.abs(second.boxes[j] - first.boxes[i]).max() <= 1
            ]
            found += bool(near)
            if near and first.masks[i] is not None:
                shapes = first.masks[i].shape, second.masks[near[0]].shape
                rows, columns = (min(pair) for pair in zip(*shapes, strict=True))
                overlaps.append(
                    overlap(
                        first.masks[i][:rows, :columns],
                        second.masks[near[0]][:rows, :columns],
                    )
                )

    assert total > 60
    assert found >= 0.95 * total
    if model == "yolov8n-seg":
        assert min(overlaps) > 0.95
    else:
        assert overlaps == []


@pytest.mark.models
@pytest.mark.parametrize("runtime", ["torch", "onnx"])
def test_what_is_found_keeps_the_contract(detector, photos, runtime):
    for photo, found in zip(
        photos, detector(runtime=runtime, confidence=0.25).detect(photos), strict=True
    ):
        width, height = photo.size
        assert (found.confidences >= 0.25).all()
        assert (np.diff(found.confidences) <= 0).all()
        assert (found.boxes >= 0).all()
        assert (found.boxes <= (width, height, width, height)).all()
        assert (found.boxes[:, 2:] > found.boxes[:, :2]).all()
        for box, mask in zip(found.boxes, found.masks, strict=True):
            x1, y1, x2, y2 = pixel_box(box, photo.size)
            assert mask.shape == (y2 - y1, x2 - x1)
            assert mask.dtype == np.bool_


@pytest.mark.models
def test_masks_cover_the_object_that_people_drew(detector, photos, shared_data):
    shares, overlaps = [], []
    for photo, found in zip(photos, detector(confidence=0.3).detect(photos), strict=True):
        shares += [mask.mean() for mask in found.masks]
        width, height = photo.size
        for _, values in labelled(shared_data, "instance_segmentation", photo):
            polygon = values.reshape(-1, 2) * (width, height)
            box = np.array([[*polygon.min(axis=0), *polygon.max(axis=0)]], np.float32)
            if len(found) == 0 or (near := iou(found.boxes, box)[:, 0]).max() < 0.8:
                continue
            canvas = Image.new("L", photo.size)
            ImageDraw.Draw(canvas).polygon([tuple(p) for p in polygon], fill=1)
            i = int(near.argmax())
            x1, y1, x2, y2 = pixel_box(found.boxes[i], photo.size)
            overlaps.append(overlap(found.masks[i], np.asarray(canvas)[y1:y2, x1:x2] > 0))

    assert np.mean([0.1 <= share <= 1 for share in shares]) > 0.97
    assert len(overlaps) > 20
    assert np.median(overlaps) > 0.7


@pytest.mark.models
@pytest.mark.parametrize("model", ["yolov8n-seg", "yolo26n"])
def test_people_chairs_and_couches_that_people_drew_are_found(detector, photos, shared_data, model):
    hits = {number: [] for number in NAMES}
    for photo, found in zip(photos, detector(model, confidence=0.1).detect(photos), strict=True):
        width, height = photo.size
        for number, (cx, cy, w, h) in labelled(shared_data, "object_detection", photo):
            if number not in NAMES or w * h < 0.01:
                continue
            box = np.array([[cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]], np.float32)
            box *= (width, height, width, height)
            mine = [i for i, label in enumerate(found.labels) if label == NAMES[number]]
            hits[number].append(bool(mine) and iou(found.boxes[mine], box).max() >= 0.5)

    everything = [hit for part in hits.values() for hit in part]
    assert len(everything) > 15
    assert np.mean(everything) > 0.6


@pytest.mark.models
def test_open_images_finds_what_coco_has_no_class_for(detector, photos):
    found = detector("yolov8n-oiv7", confidence=0.1).detect(photos)
    labels = {label for one in found for label in one.labels}
    coco = {label for one in detector(confidence=0.1).detect(photos) for label in one.labels}

    assert all(mask is None for one in found for mask in one.masks)
    assert len({label.lower() for label in labels} - coco) > 5


@pytest.mark.models
@pytest.mark.parametrize("runtime", ["torch", "onnx"])
def test_labels_are_included_and_excluded_in_any_case(detector, photos, runtime):
    every = detector(runtime=runtime).detect(photos)
    people = detector(runtime=runtime, include=["PERSON"]).detect(photos)
    others = detector(runtime=runtime, exclude=["Person"]).detect(photos)

    assert any("person" in one.labels for one in every)
    for one, some, rest in zip(every, people, others, strict=True):
        assert same(some, one.take([i for i, x in enumerate(one.labels) if x == "person"]))
        assert same(rest, one.take([i for i, x in enumerate(one.labels) if x != "person"]))


@pytest.mark.models
def test_a_batch_is_its_scenes_one_by_one(detector, photos):
    one = detector()
    together = one.detect(photos[:5])

    assert all(same(a, one.detect([b])[0]) for a, b in zip(together, photos[:5], strict=True))
    assert one.detect([]) == []


@pytest.mark.models
def test_threads_may_share_a_detector(detector, photos):
    """Catalogue photos are prepared in threads, the first of which loads the model."""
    expected = detector().detect(photos[:8])
    shared = detector()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda photo: shared.detect([photo])[0], photos[:8]))

    assert all(same(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.models
@pytest.mark.parametrize("runtime", ["torch", "onnx"])
@pytest.mark.parametrize("size", [(16, 16), (147, 147), (16, 300), (900, 45), (1281, 721)], ids=str)
def test_photos_of_odd_sizes_are_fine(detector, photos, size, runtime):
    resized = np.array(Image.fromarray(photos[0].image).resize(size))
    photo = Scene(resized, "0" * 64, "odd")
    (found,) = detector(runtime=runtime, confidence=0.01, image_size=320).detect([photo])

    for box, mask in zip(found.boxes, found.masks, strict=True):
        x1, y1, x2, y2 = pixel_box(box, size)
        assert mask.shape == (y2 - y1, x2 - x1)


@pytest.mark.models
def test_a_picture_of_nothing_has_no_objects(detector):
    grey = Scene(np.full((200, 300, 3), 128, np.uint8), "0" * 64, "grey")

    assert len(detector(confidence=0.3).detect([grey])[0]) == 0


@pytest.mark.models
def test_colours_reach_the_model_in_the_right_order(detector, photos):
    """Red and blue swapped, the model is less sure: it is trained on real colours."""
    swapped = [Scene(photo.image[..., ::-1].copy(), "0" * 64, "bgr") for photo in photos]
    one = detector(confidence=0.3)
    right, wrong = (
        np.sum([found.confidences.sum() for found in one.detect(part)])
        for part in (photos, swapped)
    )

    assert right > wrong


@pytest.mark.models
def test_the_export_is_made_once_and_closing_forgets_the_model(detector, photos, cache):
    first = detector()
    before = first.detect(photos[:1])[0]
    made = first.export_path.stat().st_mtime_ns
    first.close()
    first.load()

    assert same(first.detect(photos[:1])[0], before)
    assert first.export_path.stat().st_mtime_ns == made
    assert all(path.suffix == ".onnx" for path in (cache / "onnx").iterdir())


@pytest.mark.models
def test_a_pt_of_another_hash_is_refused_before_it_is_read(real_models, tmp_path):
    data = (real_models / "yolov8n-seg.pt").read_bytes()
    (tmp_path / "yolov8n-seg.pt").write_bytes(data + b"\0")

    with pytest.raises(ModelLoadError, match="can carry code"):
        WeightFinder(tmp_path).find("yolov8n-seg")
    with pytest.raises(ModelLoadError, match="can carry code"):
        WeightFinder(None).find(str(tmp_path / "yolov8n-seg.pt"))


SCRIPT = """
import sys
def watch(event, args):
    installer = event == "subprocess.Popen" and "pip" in str(args)
    if installer or event in ("socket.connect", "socket.getaddrinfo"):
        print("REFUSED", event, args, file=sys.stderr)
        raise RuntimeError(f"{event} {args}")
sys.addaudithook(watch)
import numpy as np
from pathlib import Path
from scenesearch.models.detect.yolo_detector import YoloDetector
from scenesearch.core.types import Scene
from scenesearch.models.weights import WeightFinder
pixels = np.random.default_rng(0).integers(0, 256, (120, 160, 3)).astype(np.uint8)
for runtime in ("torch", "onnx"):
    found = WeightFinder(Path("models").resolve()).find("yolov8n-seg")
    detector = YoloDetector(
        found, cache_dir=Path("cache").resolve(), runtime=runtime, image_size=160
    )
    detector.detect([Scene(pixels, "0" * 64, "noise")])
    print("done", runtime)
"""


@pytest.mark.models
def test_a_first_run_touches_no_network_and_writes_into_its_cache_only(real_models, tmp_path):
    home, work = tmp_path / "home", tmp_path / "work"
    for folder in (home, work / "models", work / "tmp"):
        folder.mkdir(parents=True)
    shutil.copyfile(real_models / "yolov8n-seg.pt", work / "models" / "yolov8n-seg.pt")
    # ONNX Runtime sends nothing on a build server of its own accord
    own = ("YOLO_", "XDG_", "ORT_", "CI", "GITHUB_")
    plain = {k: v for k, v in os.environ.items() if not k.startswith(own)}
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=work,
        env={**plain, "HOME": str(home), "TMPDIR": str(work / "tmp")},
        capture_output=True,
        text=True,
        check=False,
    )
    written = {path.relative_to(work).parts[0] for path in work.rglob("*") if path.is_file()}

    assert result.stdout.split() == ["done", "torch", "done", "onnx"], result.stderr
    assert "REFUSED" not in result.stderr
    assert [path for path in home.rglob("*") if path.is_file()] == []
    assert written == {"cache", "models"}
    assert [path.name for path in (work / "models").iterdir()] == ["yolov8n-seg.pt"]
