"""Decoding in processes that can be killed, ahead of who uses it, by so much and no more."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import sys
import threading
import time
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path

import numpy as np
import psutil
import pytest
import tag_child as child
from PIL import Image

from scenesearch.core.errors import SceneSearchError
from scenesearch.core.limits import ImageLimits
from scenesearch.images import load_scene
from scenesearch.tagging import decode_pool
from scenesearch.tagging.ahead import Ahead
from scenesearch.tagging.decode import Decoded, Job, Unchanged, Undecoded, decode
from scenesearch.tagging.decode_pool import DecodePool
from scenesearch.tagging.slots import Slots

pytestmark = pytest.mark.process

LIMITS = ImageLimits()
WAIT_S = 30


def workers():
    """Processes that this one spawned to decode."""
    return [
        process
        for process in psutil.Process().children()
        if "spawn_main" in " ".join(process.cmdline())
    ]


@pytest.fixture(scope="module")
def pool():
    with closing(DecodePool(2, timeout_s=WAIT_S, limits=LIMITS)) as pool:
        yield pool


@pytest.fixture
def own_workers():
    """The workers that the test itself started."""
    before = set(workers())
    return lambda: [worker for worker in workers() if worker not in before]


@pytest.fixture(scope="module")
def slow_photo(tmp_path_factory):
    """One that takes some tenths of a second."""
    path = tmp_path_factory.mktemp("slow") / "slow.png"
    Image.fromarray(np.zeros((6000, 8000, 3), np.uint8)).save(path, compress_level=1)
    return path


def job(path, **more):
    return Job(str(path), str(path), **more)


def test_a_photo_decoded_elsewhere_is_the_photo(pool, tmp_path):
    path = child.photo(tmp_path / "a.jpg", 1)
    wanted = load_scene(path)

    scene = pool.submit(job(path)).result(WAIT_S).scene("a.jpg")
    from_bytes = pool.submit(Job("b", "", path.read_bytes())).result(WAIT_S)

    assert np.array_equal(scene.image, wanted.image)
    assert (scene.sha256, scene.source, scene.warnings) == (wanted.sha256, "a.jpg", ())
    assert from_bytes.sha256 == wanted.sha256


@pytest.mark.parametrize(
    ("content", "code"),
    [(None, "not_found"), (b"", "empty_image"), (b"hello", "unsupported_image")],
    ids=["missing", "empty", "text"],
)
def test_a_photo_that_is_refused_is_an_answer_with_its_code(pool, tmp_path, content, code):
    path = tmp_path / "bad.jpg"
    if content is not None:
        path.write_bytes(content)

    outcome = pool.submit(job(path)).result(WAIT_S)

    assert isinstance(outcome, Undecoded)
    assert outcome.code == code
    assert str(path) in outcome.message


def test_content_that_is_known_is_not_decoded(tmp_path):
    path = tmp_path / "no-photo.jpg"
    path.write_bytes(b"not even a photo")
    digest = hashlib.sha256(b"not even a photo").hexdigest()

    assert isinstance(decode(job(path, known_sha256=digest), LIMITS), Unchanged)
    assert isinstance(decode(Job("x", "", b"not even a photo", digest), LIMITS), Unchanged)
    assert isinstance(decode(job(path, known_sha256="other"), LIMITS), Undecoded)


@pytest.mark.skipif(sys.platform == "win32", reason="needs named pipes")
def test_a_pipe_is_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")

    outcome = decode(job(tmp_path / "pipe.jpg", known_sha256="something"), LIMITS)

    assert outcome.code == "not_a_file"


def test_a_photo_that_takes_too_long_costs_that_photo(slow_photo, tmp_path):
    quick = child.photo(tmp_path / "quick.jpg", 1)
    with closing(DecodePool(1, timeout_s=0.02, limits=LIMITS)) as pool:
        late, after = pool.submit(job(slow_photo)), pool.submit(job(quick))

        assert late.result(WAIT_S).code == "timed_out"
        assert isinstance(after.result(WAIT_S), Decoded)


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_worker_that_dies_costs_the_photo_it_had(slow_photo, own_workers, tmp_path):
    quick = child.photo(tmp_path / "quick.jpg", 1)
    with closing(DecodePool(1, timeout_s=WAIT_S, limits=LIMITS)) as pool:
        pool.submit(job(quick)).result(WAIT_S)
        (worker,) = own_workers()
        doomed, after = pool.submit(job(slow_photo)), pool.submit(job(quick))
        time.sleep(0.1)
        worker.send_signal(signal.SIGKILL)

        assert doomed.result(WAIT_S).code == "worker_died"
        assert isinstance(after.result(WAIT_S), Decoded)


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_workers_that_die_between_photos_cost_nothing(own_workers, tmp_path):
    quick = child.photo(tmp_path / "quick.jpg", 1)
    with closing(DecodePool(2, timeout_s=WAIT_S, limits=LIMITS)) as pool:
        pool.submit(job(quick)).result(WAIT_S)
        for worker in own_workers():
            worker.send_signal(signal.SIGKILL)

        assert isinstance(pool.submit(job(quick)).result(WAIT_S), Decoded)
        time.sleep(0.3)
        assert isinstance(pool.submit(job(quick)).result(WAIT_S), Decoded)
    assert own_workers() == []


def test_workers_that_are_not_up_in_time_say_how_long_that_was(monkeypatch, own_workers, tmp_path):
    monkeypatch.setattr(decode_pool, "START_TIMEOUT_S", 0.001)
    with (
        closing(DecodePool(1, timeout_s=WAIT_S, limits=LIMITS)) as pool,
        pytest.raises(SceneSearchError, match=r"do not start \(not within 0 s\)"),
    ):
        pool.submit(job(child.photo(tmp_path / "a.jpg", 1)))
    assert own_workers() == []


def test_closing_ends_the_workers_at_once_even_while_they_decode(slow_photo, own_workers):
    pool = DecodePool(2, timeout_s=WAIT_S, limits=LIMITS)
    for _ in range(6):
        pool.submit(job(slow_photo))
    start = time.monotonic()

    pool.close()

    assert time.monotonic() - start < 5
    assert own_workers() == []


def test_a_worker_loads_no_model_library(pool, tmp_path):
    pool.submit(job(child.photo(tmp_path / "a.jpg", 1))).result(WAIT_S)

    for worker in workers():
        maps = {Path(one.path).name for one in worker.memory_maps()}
        assert not [name for name in maps if "torch" in name or "onnxruntime" in name]


# shared memory


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="the system has no nameless memory")
def test_a_slot_gives_back_what_was_written_and_its_neighbour_keeps_its_own():
    rng = np.random.default_rng(0)
    photos = [rng.integers(0, 256, (height, 50, 3), np.uint8) for height in (40, 64)]
    with closing(Slots(2, nbytes=64 * 50 * 3)) as slots:
        taken = [slots.take(), slots.take()]
        assert all(slots.write(*pair) for pair in zip(taken, photos, strict=True))

        for slot, photo in zip(taken, photos, strict=True):
            assert np.array_equal(slots.read(slot, photo.shape), photo)
        assert slots.take() is None
        slots.give_back(taken[0])
        assert slots.take() == taken[0]


def test_what_has_no_room_in_a_slot_is_not_written():
    with closing(Slots(1, nbytes=100)) as slots:
        assert not slots.write(slots.take(), np.zeros((10, 10, 3), np.uint8))
        assert not slots.write(None, np.zeros((1, 1, 3), np.uint8))


def test_a_photo_larger_than_a_slot_comes_all_the_same(pool, slow_photo):
    assert pool.submit(job(slow_photo)).result(WAIT_S).image.shape == (6000, 8000, 3)


# running ahead


def answer(size):
    image = np.zeros((size, size, 3), np.uint8)
    return Decoded(image, "", (), 0.0)


class Lazy:
    """Starts that are answered when the test says so."""

    def __init__(self):
        self.begun = []
        self.futures = {}

    def __call__(self, entry):
        self.begun.append(entry)
        if entry < 0:
            return None
        self.futures[entry] = Future()
        return self.futures[entry]

    def answer(self, entry, size=1):
        self.futures[entry].set_result(answer(size))


def soon(condition):
    end = time.monotonic() + 5
    while not condition() and time.monotonic() < end:
        time.sleep(0.002)
    assert condition()


def ahead(entries, start, *, running=100, line=100, waiting_bytes=10**9):
    return Ahead(iter(entries), start, lambda _: running, line=line, waiting_bytes=waiting_bytes)


def test_answers_come_in_the_order_of_the_entries():
    start = Lazy()
    with ahead([0, 1, -1, 2], start) as running:
        soon(lambda: len(start.begun) == 4)
        for entry in (2, 1, 0):
            start.answer(entry)

        assert [entry for entry, _ in running] == [0, 1, -1, 2]


@pytest.mark.parametrize(
    ("room", "begun"),
    [({"running": 3}, 3), ({"line": 5}, 5), ({"waiting_bytes": 300, "running": 2}, 4)],
    ids=["running", "in line", "bytes"],
)
def test_no_more_is_begun_than_there_is_room_for(room, begun):
    start = Lazy()
    with ahead(range(1000), start, **room) as running:
        soon(lambda: len(start.begun) >= min(begun, 2))
        if "waiting_bytes" in room:
            # 192 bytes each: a third one may begin beside two that wait, and a fourth is running
            start.answer(0, 8)
            soon(lambda: len(start.begun) == 3)
            start.answer(1, 8)
        time.sleep(0.05)
        before = len(start.begun)
        if 0 in start.futures and not start.futures[0].done():
            start.answer(0)
        next(iter(running))
        soon(lambda: len(start.begun) > before)

    assert before <= begun


def test_what_the_entries_raise_comes_after_what_was_before():
    def entries():
        yield 0
        raise KeyError("broken list")

    start = Lazy()
    with ahead(entries(), start) as running:
        soon(lambda: start.begun == [0])
        start.answer(0)
        found = iter(running)

        assert next(found)[0] == 0
        with pytest.raises(KeyError, match="broken list"):
            next(found)


def test_leaving_early_ends_the_thread():
    start = Lazy()
    with ahead(range(10**9), start, line=4) as running:
        soon(lambda: len(start.begun) == 4)
    running.join(5)

    assert "decode-ahead" not in [thread.name for thread in threading.enumerate()]


def test_bytes_in_memory_are_a_photo_too():
    buffer = io.BytesIO()
    Image.new("RGB", (20, 20), "red").save(buffer, "PNG")

    outcome = decode(Job("x.png", "", buffer.getvalue()), LIMITS)

    assert outcome.image.shape == (20, 20, 3)
