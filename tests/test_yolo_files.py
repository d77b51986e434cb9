"""The ultralytics adapter without weights: masks in whole pixels, and files it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from scenesearch.core.errors import ModelLoadError
from scenesearch.core.protocols import Detector
from scenesearch.images.geometry import pixel_box
from scenesearch.models.detect.yolo import mask_in_box
from scenesearch.models.detect.yolo_detector import YoloDetector
from scenesearch.models.weights import Weights

pytestmark = pytest.mark.models


def ellipse(size, box):
    canvas = Image.new("L", size)
    ImageDraw.Draw(canvas).ellipse(box, fill=255)
    return np.asarray(canvas) > 127


def as_network_input(mask, side):
    """What a segmenter gives: the photo scaled to ``side`` and padded to a multiple of 32."""
    height, width = mask.shape
    gain = side / max(width, height)
    new = max(1, round(width * gain)), max(1, round(height * gain))
    small = np.asarray(Image.fromarray(mask.astype(np.uint8) * 255).resize(new)) > 127
    padded = np.zeros([-(-edge // 32) * 32 for edge in new[::-1]], np.float32)
    top, left = ((padded.shape[i] - small.shape[i]) // 2 for i in (0, 1))
    padded[top : top + small.shape[0], left : left + small.shape[1]] = small
    return padded


def overlap(first, second):
    return np.count_nonzero(first & second) / max(np.count_nonzero(first | second), 1)


# the mask of the padded network input, cut to the whole pixels of a box


@pytest.mark.parametrize("side", [320, 640])
@pytest.mark.parametrize("size", [(640, 480), (427, 640), (1500, 1000), (333, 333), (900, 210)])
def test_a_mask_comes_back_to_where_it_was_in_the_photo(size, side):
    box = (size[0] * 0.21, size[1] * 0.3, size[0] * 0.78, size[1] * 0.93)
    truth = ellipse(size, box)
    found = mask_in_box(as_network_input(truth, side) > 0, box, size)
    x1, y1, x2, y2 = pixel_box(box, size)

    assert found.dtype == np.bool_
    assert found.shape == (y2 - y1, x2 - x1)
    assert overlap(found, truth[y1:y2, x1:x2]) > 0.95


@settings(deadline=None)
@given(
    width=st.integers(16, 3000),
    height=st.integers(16, 3000),
    side=st.sampled_from([320, 640]),
    corners=st.tuples(*[st.floats(-0.2, 1.2) for _ in range(4)]),
)
def test_a_mask_has_the_shape_of_its_box_for_any_photo_and_box(width, height, side, corners):
    gain = side / max(width, height)
    shape = [-(-max(1, round(edge * gain)) // 32) * 32 for edge in (height, width)]
    box = tuple(c * edge for c, edge in zip(corners, (width, height, width, height), strict=True))
    x1, y1, x2, y2 = pixel_box(box, (width, height))

    assert mask_in_box(np.ones(shape, bool), box, (width, height)).shape == (y2 - y1, x2 - x1)


@pytest.mark.parametrize("side", [147, 281, 525, 533])
def test_a_mask_to_the_edge_survives_sides_whose_scale_does_not_round_back(side):
    """147 * (320 / 147) is above 320 in floating point."""
    found = mask_in_box(np.ones((320, 320), bool), (0, 0, side, side), (side, side))

    assert found.all()
    assert found.shape == (side, side)


# what needs no weights


def weights(path, data=b"x"):
    path.write_bytes(data)
    return Weights(path, "ab" * 32)


def test_constructing_reads_nothing_and_the_fingerprint_names_what_changes_the_boxes(tmp_path):
    gone = Weights(tmp_path / "gone.pt", "ab" * 32)
    cache = tmp_path / "cache"
    changes = [
        {},
        {"confidence": 0.2},
        {"image_size": 320},
        {"suppression_iou": 0.5},
        {"include": ["chair"]},
        {"exclude": ["chair"]},
    ]
    made = [YoloDetector(gone, cache_dir=cache, **change) for change in changes]

    assert len({detector.fingerprint for detector in made}) == len(changes)
    assert made[0].fingerprint == "ultralytics:gone@abababababab:640px:conf0.15:iou0.7"
    assert isinstance(made[0], Detector)
    assert not cache.exists()


def test_other_weights_have_another_export(tmp_path):
    first = YoloDetector(Weights(tmp_path / "a.pt", "ab" * 32), cache_dir=tmp_path)
    second = YoloDetector(Weights(tmp_path / "a.pt", "cd" * 32), cache_dir=tmp_path)

    assert first.export_path.parent == tmp_path / "onnx"
    assert first.export_path != second.export_path


@pytest.mark.parametrize("name", ["m.pt", "m.onnx"])
@pytest.mark.parametrize("runtime", ["torch", "onnx"])
@pytest.mark.parametrize(
    "data", [b"", b"not a model", b"PK\x03\x04" + bytes(99)], ids=["empty", "text", "cut_zip"]
)
def test_a_broken_file_is_one_line_that_names_it(tmp_path, name, runtime, data):
    detector = YoloDetector(
        weights(tmp_path / name, data), cache_dir=tmp_path / "cache", runtime=runtime
    )
    with pytest.raises(ModelLoadError, match="cannot be used") as caught:
        detector.load()

    assert str(caught.value).startswith(str(tmp_path / name))
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "cache" / "onnx").glob("*")) == []


@pytest.mark.parametrize("name", ["m.pt", "m.onnx"])
def test_a_missing_file_is_a_load_error_and_not_a_download(tmp_path, name):
    gone = Weights(tmp_path / name, "ab" * 32)
    with pytest.raises(ModelLoadError, match=name):
        YoloDetector(gone, cache_dir=tmp_path / "cache").load()

    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("content", ["tensor", "dict"])
def test_a_checkpoint_of_something_else_is_refused(tmp_path, content):
    import torch

    torch.save(
        {"tensor": torch.zeros(2), "dict": {"a": torch.zeros(2)}}[content], tmp_path / "m.pt"
    )
    with pytest.raises(ModelLoadError, match="expected a detection or segmentation model"):
        YoloDetector(
            Weights(tmp_path / "m.pt", "ab" * 32), cache_dir=tmp_path, runtime="torch"
        ).load()


def test_a_model_that_gives_no_boxes_is_refused(tmp_path):
    """A classifier would find nothing in any photo, silently."""
    from ultralytics import YOLO

    YOLO("yolov8n-cls.yaml").save(tmp_path / "m.pt")
    with pytest.raises(ModelLoadError, match="for the task 'classify', which gives no boxes"):
        YoloDetector(
            Weights(tmp_path / "m.pt", "ab" * 32), cache_dir=tmp_path, runtime="torch"
        ).load()
