"""What a YOLO network takes and gives: pure code, and all of it against ultralytics' own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import scenesearch
from scenesearch.core.errors import ModelLoadError
from scenesearch.core.types import Scene
from scenesearch.images import load_scene
from scenesearch.models.detect.yolo import fit, in_photo, mask_in_box, pixels, read
from scenesearch.models.detect.yolo_detector import YoloDetector
from scenesearch.models.weights import WeightFinder, Weights

PACKAGE = Path(scenesearch.__file__).parent
RULES = {"confidence": 0.25, "overlap": 0.5, "limit": 10}


def anchors(*boxes, classes=3, extras=0):
    """The scores of every class at every anchor, as a head without suppression gives them."""
    rows = np.zeros((4 + classes + extras, len(boxes)), np.float32)
    for column, (x, y, w, h, number, confidence) in enumerate(boxes):
        rows[:4, column] = x, y, w, h
        rows[4 + number, column] = confidence
        rows[4 + classes :, column] = column
    return rows


# which head it is


def test_scores_at_anchors_are_suppressed_by_class():
    rows = anchors(
        (50, 50, 20, 20, 0, 0.5),
        (51, 50, 20, 20, 0, 0.9),
        (50, 50, 20, 20, 1, 0.6),
        (90, 90, 20, 20, 0, 0.2),
    )
    found = read(rows, 3, 0, **RULES)

    assert found.confidences.tolist() == pytest.approx([0.9, 0.6])
    assert found.classes.tolist() == [0, 1]
    assert found.boxes[0].tolist() == [41, 40, 61, 60]


def test_boxes_ready_to_use_are_only_filtered():
    """Of a head that suppresses itself, or an export with suppression inside; the rest is zeros."""
    rows = np.zeros((300, 6), np.float32)
    rows[0] = 1, 2, 30, 40, 0.9, 2
    rows[1] = 1, 2, 30, 41, 0.8, 2
    found = read(rows, 3, 0, **RULES)

    assert found.boxes.tolist() == [[1, 2, 30, 40], [1, 2, 30, 41]]
    assert found.classes.tolist() == [2, 2]


@pytest.mark.parametrize("extras", [0, 32])
def test_the_shape_decides_and_numbers_behind_the_scores_stay_with_their_box(extras):
    boxes = [(50, 50, 20, 20, 0, 0.5), (200, 50, 20, 20, 1, 0.9)]
    found = read(anchors(*boxes, extras=extras), 3, extras, **RULES)

    assert found.coefficients.shape == (2, extras)
    assert (found.coefficients == np.array([[1], [0]])).all()


@pytest.mark.parametrize("shape", [(7, 5, 1), (8, 5), (5, 7)])
def test_any_other_shape_is_refused(shape):
    with pytest.raises(ValueError, match="expected \\(n, 6\\) or \\(7, n\\)"):
        read(np.zeros(shape, np.float32), 3, 0, **RULES)


def test_no_anchor_and_no_certain_one_find_nothing():
    assert len(read(anchors(), 3, 0, **RULES).boxes) == 0
    assert len(read(anchors((5, 5, 2, 2, 0, 0.1)), 3, 0, **RULES).boxes) == 0


def test_a_box_that_meets_the_threshold_exactly_is_kept():
    rows = anchors((10, 10, 20, 20, 0, 0.9), (10, 15, 20, 10, 0, 0.8))

    assert len(read(rows, 3, 0, **RULES).boxes) == 2


def test_as_many_boxes_as_are_asked_for():
    boxes = [(30 * i, 10, 20, 20, 0, 0.3 + i / 100) for i in range(20)]

    assert len(read(anchors(*boxes), 3, 0, **RULES).boxes) == 10


# photos in the network's input, and back


@given(
    width=st.integers(1, 5000),
    height=st.integers(1, 5000),
    side=st.sampled_from([32, 320, 640, (640, 640), (320, 640)]),
)
def test_a_photo_lies_whole_in_an_input_of_whole_strides(width, height, side):
    where = fit((width, height), side, 32)

    assert where.size[0] % 32 == where.size[1] % 32 == 0
    assert 0 <= where.left <= where.size[0] - where.inner[0]
    assert 0 <= where.top <= where.size[1] - where.inner[1]
    assert isinstance(side, int) or where.size == side


def test_the_photo_is_on_grey_from_0_to_1_in_red_green_blue():
    image = np.zeros((10, 40, 3), np.uint8)
    image[..., 0] = 255
    found = pixels(image, fit((40, 10), (64, 64), 32))

    assert found.shape == (1, 3, 64, 64)
    assert found.dtype == np.float32
    assert found[0, :, 32, 32].tolist() == [1, 0, 0]
    assert found[0, :, 0, 0].tolist() == pytest.approx([114 / 255] * 3)


@given(st.integers(20, 2000), st.integers(20, 2000))
def test_the_box_of_the_whole_photo_comes_back_as_it(width, height):
    where = fit((width, height), 640, 32)
    box = (where.left, where.top, where.left + where.inner[0], where.top + where.inner[1])

    assert in_photo(np.array([box], np.float32), where)[0] == pytest.approx(
        [0, 0, width, height], abs=0.01
    )


# box for box and mask for mask


@pytest.fixture(scope="module")
def photos(shared_data):
    coco = sorted((shared_data / "coco" / "images").rglob("*.jpg"))[:100]
    rooms = sorted((shared_data / "ikea" / "scenes").glob("*.jpg"))[:100]
    return [load_scene(path) for path in (coco + rooms)[::5]]


def compare(detector, photos, task):
    """Every box and mask against ultralytics' own; how many there were."""
    pytest.importorskip("ultralytics", exc_type=ImportError)
    from ultralytics import YOLO

    theirs, boxes = YOLO(str(detector.export()), task=task), 0
    for photo in photos:
        (result,) = theirs.predict(
            photo.image[..., ::-1], conf=0.15, iou=0.7, max_det=100, verbose=False
        )
        (found,) = detector.detect([photo])
        order = np.argsort(-result.boxes.conf.numpy(), kind="stable")
        boxes += len(order)

        assert found.labels == tuple(result.names[int(result.boxes.cls[i])] for i in order)
        assert np.array_equal(found.boxes, result.boxes.xyxy.numpy()[order])
        assert np.array_equal(found.confidences, result.boxes.conf.numpy()[order])
        if result.masks is not None:
            for i, mask, box in zip(order, found.masks, found.boxes, strict=True):
                drawn = result.masks.data[i].numpy() > 0.5
                expected = mask_in_box(drawn, box, photo.size)
                assert mask.shape == expected.shape
                assert np.count_nonzero(mask != expected) <= 2  # sums in another order
    return boxes


@pytest.mark.models
@pytest.mark.parametrize("model", ["yolov8n-seg", "yolo26n", "yolov8n-oiv7"])
def test_what_is_found_is_what_ultralytics_finds(real_models, photos, model, tmp_path):
    weights = WeightFinder(real_models).find(model)
    detector = YoloDetector(weights, cache_dir=tmp_path, confidence=0.15)

    assert compare(detector, photos, "segment" if "seg" in model else "detect") > 100


@pytest.mark.models
def test_the_package_finds_in_its_own_rooms_what_ultralytics_finds(tmp_path):
    """Needs no weights and no photos beside those of the package."""
    weights = WeightFinder(None).find("home-yolo26n-seg")
    detector = YoloDetector(weights, cache_dir=tmp_path, confidence=0.15)
    rooms = sorted((PACKAGE / "_data" / "sample" / "rooms").glob("*.jpg"))

    assert compare(detector, [load_scene(room) for room in rooms], "segment") > 30


@pytest.mark.models
def test_photos_side_by_side_give_what_they_give_one_after_the_other(tmp_path):
    weights = WeightFinder(None).find("home-yolo26n-seg")
    rooms = sorted((PACKAGE / "_data" / "sample" / "rooms").glob("*.jpg"))
    photos = [load_scene(room) for room in rooms]
    alone = YoloDetector(weights, cache_dir=tmp_path).detect(photos)
    beside = YoloDetector(weights, cache_dir=tmp_path, threads=1, lanes=3).detect(photos)

    assert len(alone) == len(beside) == len(photos)
    for first, second in zip(alone, beside, strict=True):
        assert first.labels == second.labels
        assert np.allclose(first.boxes, second.boxes, atol=0.01)
        assert np.allclose(first.confidences, second.confidences, atol=1e-4)


@pytest.mark.models
@pytest.mark.parametrize(
    "said",
    [
        {},
        {"names": "{"},
        {"names": "[1]"},
        {"names": "{0: 'chair'}"},
        {"names": "{0: 'chair'}", "task": "segment"},
        {"names": "{0: 'chair'}", "stride": "x"},
        {"names": "{0: 'chair'}", "task": "classify"},
    ],
    ids=["no_names", "broken", "list", "no_head", "no_prototypes", "stride", "classifier"],
)
def test_an_onnx_of_something_else_is_one_line_that_names_it(tmp_path, said):
    onnx = pytest.importorskip("onnx")
    path = tmp_path / "other.onnx"
    shape = [1, 3, 64, 64]
    node = onnx.helper.make_node("Identity", ["x"], ["y"])
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name in "xy"
    ]
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", ends[:1], ends[1:]))
    model.ir_version = 9
    for key, value in said.items():
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, str(path))
    with pytest.raises(ModelLoadError, match="expected a detection or segmentation") as caught:
        YoloDetector(Weights(path, "0" * 64), cache_dir=tmp_path).load()

    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.models
def test_a_photo_of_one_pixel_is_one(tmp_path):
    detector = YoloDetector(WeightFinder(None).find("home-yolo26n-seg"), cache_dir=tmp_path)
    (found,) = detector.detect([Scene(np.zeros((1, 1, 3), np.uint8), "0" * 64, "pixel")])

    assert len(found.masks) == len(found)
