"""The RapidOCR adapter: drawn text is read, in order, offline, and quietly."""

from __future__ import annotations

import importlib.util
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from scenesearch.core.errors import MissingDependencyError, ModelLoadError, ModelNotFoundError
from scenesearch.core.protocols import Reader
from scenesearch.core.types import TextLine
from scenesearch.models.ocr import rapidocr_reader
from scenesearch.models.ocr.rapidocr_reader import RapidOcrReader, reading_order

installed = pytest.mark.skipif(
    importlib.util.find_spec("rapidocr") is None, reason="the ocr extra is not installed"
)


def sign(*texts, size=(640, 320), pixels=40):
    """Black text on white: ((x, y), text) each."""
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    for place, text in texts:
        draw.text(place, text, fill="black", font=ImageFont.load_default(pixels))
    return np.asarray(image)


@pytest.fixture(scope="module")
def reader():
    pytest.importorskip("rapidocr")
    reader = RapidOcrReader(threads=1)
    yield reader
    reader.close()


# --- the order ---------------------------------------------------------------------------------


def piece(text, x, y, width=20, height=10):
    return TextLine(text, 0.9, (x, y, x + width, y + height))


@pytest.mark.parametrize(
    ("pieces", "wanted"),
    [
        ([], ""),
        ([piece("b", 0, 20), piece("a", 0, 0)], "ab"),
        ([piece("b", 30, 0), piece("a", 0, 0)], "ab"),
        ([piece("b", 30, 0), piece("a", 0, 3), piece("c", 0, 20)], "abc"),
        ([piece("b", 0, 8), piece("a", 30, 0)], "ab"),
        ([piece("a", 0, 0, height=40), piece("b", 30, 5), piece("c", 60, 8)], "bca"),
        ([piece("b", 0, 0), piece("a", 0, 0)], "ab"),
    ],
    ids=[
        "nothing",
        "a line below another",
        "side by side",
        "side by side, one a little lower",
        "overlapping lines are two lines",
        "a tall piece comes after those whose middle is higher",
        "the same place goes by text",
    ],
)
def test_pieces_are_read_from_the_top_and_along_each_line(pieces, wanted):
    assert "".join(one.text for one in reading_order(pieces)) == wanted


@pytest.mark.parametrize("turns", range(4))
def test_turned_pieces_are_read_in_the_order_of_the_upright_ones(turns):
    upright = [piece("a", 0, 0), piece("b", 30, 3), piece("c", 0, 20), piece("d", 25, 22)]
    turned = []
    for one in upright:
        box = one.box
        for _ in range(turns):  # to the left, about the origin
            x1, y1, x2, y2 = box
            box = (y1, -x2, y2, -x1)
        turned.append(TextLine(one.text, 0.9, box))

    for seed in range(5):
        shuffled = [turned[i] for i in np.random.default_rng(seed).permutation(4)]
        assert "".join(one.text for one in reading_order(shuffled, turns)) == "abcd"


# --- the models --------------------------------------------------------------------------------


@installed
@pytest.mark.models
def test_drawn_text_is_read_in_order_with_boxes_around_it(reader):
    image = sign(((360, 206), "Right side"), ((20, 20), "SALE 50% OFF"), ((20, 200), "Left one"))

    lines = reader.read(image)

    assert [line.text for line in lines] == ["SALE 50% OFF", "Left one", "Right side"]
    for line in lines:
        x1, y1, x2, y2 = (round(side) for side in line.box)
        assert line.confidence > 0.9
        dark = image[y1:y2, x1:x2].min(axis=2) < 128
        assert dark.any()
    inside = sum(
        int((image[round(b[1]) : round(b[3]), round(b[0]) : round(b[2])] < 128).sum())
        for b in (line.box for line in lines)
    )
    assert inside > 0.95 * (image < 128).sum()


@installed
@pytest.mark.models
@pytest.mark.parametrize("turns", range(4))
def test_turned_text_is_read_in_its_own_order(reader, turns):
    lines = ["First line here", "second row of it", "third and last 42"]
    image = sign(*(((20, 20 + 100 * i), text) for i, text in enumerate(lines)))
    found = reader.read(np.ascontiguousarray(np.rot90(image, turns)))

    assert [line.text for line in found] == lines


@installed
@pytest.mark.models
def test_what_runs_along_the_side_comes_after_the_lines(reader):
    image = np.full((500, 700, 3), 255, np.uint8)
    image[20:340, 60:700] = sign(((20, 20), "SALE 50% OFF"), ((20, 200), "until Sunday"))
    side = sign(((20, 5), "made in Norway"), size=(400, 60))
    image[50:450, 0:60] = np.rot90(side)
    found = reader.read(image)

    assert [line.text for line in found] == ["SALE 50% OFF", "until Sunday", "made in Norway"]


@installed
@pytest.mark.models
def test_colours_reach_the_models_as_they_are(reader):
    """Red on black and blue on black differ in brightness to a model trained on BGR."""
    image = np.zeros((100, 400, 3), np.uint8)
    image[sign(((20, 20), "PHARMACY"), size=(400, 100))[..., 0] < 128] = (200, 30, 30)

    assert [line.text for line in reader.read(image)] == ["PHARMACY"]


@installed
@pytest.mark.models
@pytest.mark.parametrize(
    "shape",
    [(300, 300), (1, 1), (7, 400), (4, 3000), (3000, 9), (30, 1500), (1600, 32)],
    ids=str,
)
def test_a_photo_without_text_has_none_whatever_its_shape(reader, shape):
    assert reader.read(np.full((*shape, 3), 255, np.uint8)) == ()


@installed
@pytest.mark.models
def test_a_piece_of_one_character_is_left_out_unless_asked_for(reader):
    image = sign(((20, 20), "OPEN"), ((500, 200), "7"))
    everything = RapidOcrReader(min_characters=1, threads=1)

    assert [line.text for line in reader.read(image)] == ["OPEN"]
    assert [line.text for line in everything.read(image)] == ["OPEN", "7"]


@installed
@pytest.mark.models
def test_text_on_a_strip_is_read_where_it_is(reader):
    """Such a shape would be enlarged to tens of thousands of pixels, were it not padded."""
    strip = sign(((1300, 0), "PHARMACY"), size=(1600, 40), pixels=30)

    (line,) = reader.read(strip)

    assert line.text == "PHARMACY"
    assert 1280 < line.box[0] < 1320
    assert line.box[3] <= 40


@installed
@pytest.mark.models
def test_what_is_read_with_less_confidence_is_left_out(reader):
    image = sign(((20, 20), "readable"), size=(300, 90))
    (line,) = reader.read(image)
    strict = RapidOcrReader(min_confidence=min(line.confidence + 1e-4, 1.0), threads=1)

    assert strict.read(image) == ()


@installed
@pytest.mark.models
def test_loading_twice_does_nothing_and_closing_gives_the_models_back(reader):
    reader.load()
    engine = reader._loaded
    reader.load()

    assert reader._loaded is engine
    assert isinstance(reader, Reader)
    reader.close()
    assert reader._loaded is None
    assert reader.read(sign(((20, 20), "again")))[0].text == "again"


@installed
def test_the_fingerprint_is_known_without_loading_and_names_what_changes_the_answer():
    one = RapidOcrReader()

    assert one.fingerprint.startswith("rapidocr:")
    assert one.fingerprint == RapidOcrReader(threads=1).fingerprint
    assert one.fingerprint != RapidOcrReader(min_confidence=0.7).fingerprint
    assert one.fingerprint != RapidOcrReader(min_characters=1).fingerprint
    assert one._loaded is None


OFFLINE = """
import socket, sys, warnings
warnings.simplefilter("error")
def refuse(*_, **__):
    raise AssertionError("the network was used")
socket.socket.connect = socket.getaddrinfo = refuse
import numpy as np
from scenesearch.models.ocr.rapidocr_reader import RapidOcrReader
reader = RapidOcrReader(threads=1)
reader.load()
reader.read(np.full((200, 300, 3), 255, np.uint8))
from pathlib import Path
import rapidocr
print(sorted(path.name for path in (Path(rapidocr.__file__).parent / "models").iterdir()))
"""


@installed
@pytest.mark.models
def test_it_uses_no_network_adds_no_file_and_says_nothing():
    import rapidocr

    before = sorted(p.name for p in (Path(rapidocr.__file__).parent / "models").iterdir())
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == str(before)


# --- errors ------------------------------------------------------------------------------------


def test_without_the_package_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "rapidocr", None)

    with pytest.raises(MissingDependencyError, match=r"pip install 'scenesearch\[ocr\]'"):
        RapidOcrReader().load()


def test_constructing_needs_no_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "rapidocr", None)

    RapidOcrReader().close()


@installed
@pytest.mark.e2e
def test_a_model_that_the_wheel_lost_is_named_and_not_downloaded(monkeypatch, tmp_path):
    import rapidocr

    real = rapidocr.__file__
    (tmp_path / "config.yaml").write_bytes(Path(real).with_name("config.yaml").read_bytes())
    monkeypatch.setattr(rapidocr, "__file__", str(tmp_path / "__init__.py"))

    with pytest.raises(ModelNotFoundError, match=r"PP-OCR.*\.onnx.*nothing is downloaded"):
        RapidOcrReader().load()


@installed
@pytest.mark.e2e
def test_a_model_of_other_content_is_refused_before_it_is_opened(monkeypatch):
    monkeypatch.setattr(rapidocr_reader, "sha256_of", lambda path: "0" * 64)

    with pytest.raises(ModelLoadError, match="not the file that RapidOCR names"):
        RapidOcrReader().load()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"min_confidence": 1.5}, r"0 to 1, got 1\.5"),
        ({"min_characters": 0}, "at least 1, got 0"),
        ({"threads": -1}, "at least 0.*got -1"),
    ],
    ids=["confidence", "characters", "threads"],
)
def test_arguments_out_of_range_are_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        RapidOcrReader(**arguments)


@installed
@pytest.mark.models
def test_the_level_of_its_logger_is_for_errors(reader):
    reader.load()

    assert logging.getLogger("RapidOCR").level == logging.ERROR
