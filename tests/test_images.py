"""load_scene: every kind of source, every limit on both sides, and a folder of bad files."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import bad_images
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from scenesearch.core.errors import ImageError, SceneSearchError
from scenesearch.core.limits import ImageLimits
from scenesearch.core.types import Scene
from scenesearch.images import load_scene

encoded, picture = bad_images.encoded, bad_images.picture

RNG = np.random.default_rng(7)
PHOTO: Image.Image = picture(RNG, (160, 120))
PIXELS = np.asarray(PHOTO)


def difference(scene: Scene, expected: Any = PIXELS) -> float:
    """Mean absolute difference in levels of 0 to 255."""
    wanted = np.asarray(expected)
    assert scene.image.shape == wanted.shape
    return float(np.abs(scene.image.astype(int) - wanted.astype(int)).mean())


def refusal(source: Any, **options: Any) -> ImageError:
    with pytest.raises(ImageError) as caught:
        load_scene(source, **options)
    return caught.value


class Outcome(NamedTuple):
    case: Any
    code: str
    message: str
    seconds: float
    scene: Scene | None


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    found = {}
    for case in bad_images.generate(tmp_path_factory.mktemp("bad"), seed=3):
        start, scene = time.process_time(), None
        try:
            scene = load_scene(case.path)
            code, message = "ok", ""
        except ImageError as error:
            code, message = error.code, str(error)
        found[case.name] = Outcome(case, code, message, time.process_time() - start, scene)
    return found


@pytest.mark.e2e
def test_every_bad_file_has_the_outcome_it_must_have(outcomes: dict[str, Outcome]) -> None:
    wrong = [
        (name, o.case.expect, o.code, o.message)
        for name, o in outcomes.items()
        if o.code not in o.case.expect and o.case.expect != (bad_images.ANY,)
    ]

    assert len(outcomes) > 400
    assert not wrong


@pytest.mark.e2e
def test_every_refusal_names_the_file_on_one_line_and_says_what_to_do(
    outcomes: dict[str, Outcome],
) -> None:
    messages = {name: o.message for name, o in outcomes.items() if o.scene is None}

    assert all(name in message and ";" in message for name, message in messages.items())
    assert all(message.isprintable() and len(message) < 700 for message in messages.values())


@pytest.mark.e2e
def test_every_file_is_refused_or_read_quickly(outcomes: dict[str, Outcome]) -> None:
    assert {n: o.seconds for n, o in outcomes.items() if o.scene is None and o.seconds > 0.5} == {}
    assert {n: o.seconds for n, o in outcomes.items() if o.seconds > 2} == {}
    assert outcomes["scans_406.jpg"].seconds < 0.05
    assert outcomes["frames_10000.gif"].seconds < 0.05


@pytest.mark.e2e
def test_broken_or_hostile_exif_counts_as_orientation_1_and_is_never_echoed(
    outcomes: dict[str, Outcome],
) -> None:
    scenes = [o.scene for name, o in outcomes.items() if name.startswith("exif_")]

    assert len(scenes) >= 33
    assert {s.size for s in scenes if s} == {(96, 64)}
    assert not any(s.warnings for s in scenes if s)


@pytest.mark.e2e
def test_further_frames_and_pages_are_named_in_a_warning(outcomes: dict[str, Outcome]) -> None:
    names = ("animated.png", "animated.webp", "animated.gif", "frames_10000.gif", "pages_51.tif")
    found = [outcomes[name].scene for name in names]

    assert [re.findall(r"holds (.*),", s.warnings[0])[0] for s in found if s] == [
        "3 further frames",
        "3 further frames",
        "further frames",
        "further frames",
        "further pages",
    ]


@pytest.mark.e2e
def test_a_wrong_extension_is_a_warning(outcomes: dict[str, Outcome]) -> None:
    scene = outcomes["png_named.jpg"].scene

    assert scene is not None
    assert scene.warnings == (
        "the extension .jpg says JPEG, the content is PNG; the content was used",
    )


@given(
    head=st.sampled_from([b"\xff\xd8\xff", b"GIF89a", b"II*\x00", b"MM\x00+", b"BM", b"RIFF"])
    | st.sampled_from([b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", b"\x00\x00\x00\x18ftypavif"]),
    tail=st.binary(max_size=200),
)
@settings(deadline=None)
def test_nothing_but_an_image_error_comes_of_any_bytes(head: bytes, tail: bytes) -> None:
    with pytest.raises(SceneSearchError) as caught:
        load_scene(head + tail)

    assert isinstance(caught.value, ImageError)


# Sources.


class Pipe(io.RawIOBase):
    """A stream that cannot seek and gives little at a time."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._data.readinto(memoryview(buffer)[:1000])


def test_every_kind_of_source_gives_the_same_scene(tmp_path: Path) -> None:
    data = encoded(PHOTO, "PNG")
    path = tmp_path / "a photo.png"
    path.write_bytes(data)
    later = io.BytesIO(b"something before" + data)
    later.seek(16)
    link = tmp_path / "link.png"
    link.symlink_to(path)
    with path.open("rb") as file:
        encoded_sources = [
            *(path, str(path), link, data, bytearray(data), memoryview(data)),
            *(io.BytesIO(data), later, Pipe(data), file),
        ]
        scenes = [load_scene(source) for source in encoded_sources]
    decoded_scenes = [load_scene(PIXELS), load_scene(PHOTO), load_scene(PIXELS[:, ::-1][:, ::-1])]

    assert {difference(s) for s in scenes + decoded_scenes} == {0.0}
    assert {s.sha256 for s in scenes} == {hashlib.sha256(data).hexdigest()}
    assert len({s.sha256 for s in decoded_scenes}) == 1
    assert [s.source for s in scenes[:4]] == [str(path), str(path), str(link), "<bytes>"]
    assert [s.source for s in scenes[6:]] == ["<stream>", "<stream>", "<stream>", str(path)]
    assert load_scene(data, name="shop/1.png").source == "shop/1.png"


def test_the_hash_of_pixels_depends_on_the_shape() -> None:
    flat = np.zeros((20, 30, 3), np.uint8)

    assert load_scene(flat).sha256 != load_scene(flat.reshape(30, 20, 3)).sha256


def test_a_scene_does_not_change_with_the_array_it_came_from() -> None:
    array = PIXELS.copy()
    scene = load_scene(array)
    array[:] = 0

    assert difference(scene) == 0


def test_what_is_not_a_readable_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    fifo, loop = tmp_path / "fifo", tmp_path / "loop"
    os.mkfifo(fifo)
    loop.symlink_to(loop)
    closed = io.BytesIO(b"x")
    closed.close()
    table = {
        fifo: "not_a_file",
        loop: "not_a_file",
        tmp_path: "not_a_file",
        "/dev/zero": "not_a_file",
        tmp_path / "none.jpg": "not_found",
        tmp_path / "none.jpg" / "deeper": "not_found",
        "https://example.org/a.jpg": "not_found",
        "data:image/png;base64," + "A" * 100_000: "not_found",
        "a\x00b": "unreadable",
        closed: "unreadable",
    }
    start = time.monotonic()
    errors = {source: refusal(source) for source in table}

    assert {source: error.code for source, error in errors.items()} == table
    assert all(len(str(error)) < 600 for error in errors.values())
    assert "fetch or decode it yourself" in str(errors["https://example.org/a.jpg"])
    assert time.monotonic() - start < 1


def test_an_endless_stream_is_read_no_further_than_the_limit() -> None:
    with Path("/dev/zero").open("rb") as file:
        error = refusal(file, limits=ImageLimits(max_bytes=5_000_000))

    assert error.code == "too_many_bytes"


def test_control_characters_of_a_name_do_not_reach_the_message() -> None:
    message = str(refusal(b"nothing", name="a\x1b[31m\nb\udcff.jpg"))

    assert message.startswith(r"a\x1b[31m\nb")
    assert message.isprintable()


@pytest.mark.parametrize("source", [None, 3, ["a.jpg"], object()], ids=lambda s: type(s).__name__)
def test_other_types_are_a_type_error_that_names_them(source: Any) -> None:
    with pytest.raises(TypeError, match=f"got {type(source).__name__}"):
        load_scene(source)


def test_a_text_file_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="mode 'rb'"):
        load_scene(io.StringIO("text"))  # type: ignore[arg-type]


SQUARE = np.zeros((32, 40, 3), np.uint8)


@pytest.mark.parametrize(
    ("array", "problem"),
    [
        pytest.param(SQUARE.astype(np.int64), "not of bytes", id="int64"),
        pytest.param(SQUARE.astype(np.uint16), "not of bytes", id="uint16"),
        pytest.param(SQUARE.astype(object), "not of bytes", id="object"),
        pytest.param(SQUARE.astype(np.float32), "floats from 0 to 1", id="floats to 1"),
        pytest.param(SQUARE + np.float64(255), "of floats", id="floats to 255"),
        pytest.param(SQUARE * np.nan, "NaN", id="nan"),
        pytest.param(SQUARE + np.inf, "infinite", id="infinite"),
        pytest.param(SQUARE.astype(bool), "boolean", id="bool"),
        pytest.param(SQUARE.transpose(2, 0, 1), "channels-first", id="channels first"),
        pytest.param(SQUARE[None], "a batch", id="batch"),
        pytest.param(SQUARE[:, :, 0], "two dimensions", id="grey"),
        pytest.param(SQUARE[:, :, :1], "one channel", id="one channel"),
        pytest.param(SQUARE[:, :, :2], "of 2 channels", id="two channels"),
        pytest.param(np.zeros((32, 40, 4), np.uint8), "of 4 channels", id="rgba"),
        pytest.param(np.array(5, np.uint8), "0-dimensional", id="0-d"),
        pytest.param(SQUARE[:0], "empty", id="empty"),
        pytest.param(np.ma.masked_equal(SQUARE, 1), "masked", id="masked"),
    ],
)
def test_an_array_of_another_form_is_refused_by_the_name_of_the_problem(
    array: Any, problem: str
) -> None:
    error = refusal(array)

    assert error.code == "bad_array"
    assert re.search(rf"^<array>: the array is .*{problem}", str(error))


# Limits, on both sides.


@pytest.mark.parametrize(
    ("limit", "accepted", "refused", "code"),
    [
        ("max_bytes", len(encoded(PHOTO, "PNG")), len(encoded(PHOTO, "PNG")) - 1, "too_many_bytes"),
        ("max_pixels", 160 * 120, 160 * 120 - 1, "too_many_pixels"),
        ("min_side", 120, 121, "image_too_small"),
        ("max_side", 160, 159, "too_many_pixels"),
        ("max_aspect", 160 / 120, 1.33, "aspect"),
    ],
)
def test_a_limit_is_inclusive(limit: str, accepted: float, refused: float, code: str) -> None:
    data = encoded(PHOTO, "PNG")
    within = dataclasses.replace(ImageLimits(), **{limit: accepted})
    beyond = dataclasses.replace(ImageLimits(), **{limit: refused})
    sources = [data, io.BytesIO(data)] + ([PHOTO, PIXELS] if limit != "max_bytes" else [])

    assert {difference(load_scene(source, limits=within)) for source in sources} == {0.0}
    sources = [data, io.BytesIO(data)] + ([PHOTO, PIXELS] if limit != "max_bytes" else [])
    assert {refusal(source, limits=beyond).code for source in sources} == {code}


def test_the_limit_of_pillow_itself_is_an_error_that_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000)
    error = refusal(encoded(PHOTO, "TIFF"))

    assert error.code == "too_many_pixels"
    assert "MAX_IMAGE_PIXELS" in str(error)


def test_the_length_of_a_file_is_checked_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse.jpg"
    with path.open("wb") as file:
        file.truncate(1 << 40)

    assert "1,099,511,627,776 bytes" in str(refusal(path))


@pytest.mark.parametrize(
    "options", [{"max_bytes": 0}, {"max_aspect": -1}, {"min_side": 9, "max_side": 8}], ids=str
)
def test_limits_that_make_no_sense_are_a_value_error(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="ImageLimits"):
        ImageLimits(**options)


def test_a_bomb_costs_no_memory(tmp_path: Path) -> None:
    # 30,000 x 30,000 pixels of 3 bytes would be 2.7 GB.
    path = tmp_path / "bomb.png"
    path.write_bytes(bad_images.png((30_000, 30_000), bytes(1_000_000)))
    script = """
import resource, sys
from scenesearch.core.errors import ImageError
from scenesearch.images import load_scene
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    load_scene(sys.argv[1])
except ImageError as error:
    print(error.code, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    code, kilobytes = done.stdout.split()

    assert code == "too_many_pixels"
    assert int(kilobytes) < 64_000
