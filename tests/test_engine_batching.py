"""Calls of one model from many threads: batches, order, errors, and models that stay the same."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock

import numpy as np
import pytest
import shop
from fakes.models import FakeDetector, FakeEmbedder

from scenesearch.core.protocols import Detector, Embedder, Profiler
from scenesearch.engine.batching import DynamicBatcher
from scenesearch.engine.shared_models import BatchedDetector, BatchedEmbedder


class Model:
    """Doubles numbers; holds the first call until told; refuses negative ones."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.started, self.go_on = Event(), Event()
        self.now = self.most = 0
        self.lock = Lock()

    def run(self, numbers):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
            self.batches.append(list(numbers))
        self.started.set()
        self.go_on.wait(10)
        with self.lock:
            self.now -= 1
        if any(number < 0 for number in numbers):
            raise ValueError(f"negative: {sorted(numbers)[0]}")
        return [2 * number for number in numbers]


def waiting(batcher: DynamicBatcher, count: int) -> None:
    """Until so many calls wait for their turn."""
    end = time.monotonic() + 10
    while len(batcher._waiting) < count:
        assert time.monotonic() < end
        time.sleep(0.001)


def asked_while_busy(batcher: DynamicBatcher, model: Model, calls: list[list[int]]):
    """The futures of calls that came, in order, while ``[0]`` was worked on."""
    pool = ThreadPoolExecutor(len(calls) + 1)
    first = pool.submit(batcher.call, [0])
    model.started.wait(10)
    futures = []
    for number, call in enumerate(calls, 1):
        futures.append(pool.submit(batcher.call, call))
        waiting(batcher, number)
    model.go_on.set()
    assert list(first.result(10)) == [0]
    return futures


def test_a_call_that_finds_the_model_idle_runs_alone_and_at_once() -> None:
    model = Model()
    model.go_on.set()

    assert DynamicBatcher(model.run, limit=8).call([1, 2]) == [2, 4]
    assert model.batches == [[1, 2]]


def test_no_inputs_are_answered_without_the_model() -> None:
    model = Model()

    assert list(DynamicBatcher(model.run, limit=8).call([])) == []
    assert model.batches == []


def test_calls_that_come_meanwhile_run_as_one_batch_and_each_gets_its_own() -> None:
    model = Model()
    batcher = DynamicBatcher(model.run, limit=8)
    futures = asked_while_busy(batcher, model, [[1, 2], [3], [4, 5, 6]])

    assert [list(f.result(10)) for f in futures] == [[2, 4], [6], [8, 10, 12]]
    assert model.batches == [[0], [1, 2, 3, 4, 5, 6]]


def test_a_batch_takes_no_more_than_its_limit_and_the_rest_come_next() -> None:
    model = Model()
    batcher = DynamicBatcher(model.run, limit=3)
    futures = asked_while_busy(batcher, model, [[1, 2], [3], [4], [5, 6, 7, 8]])

    assert [list(f.result(10)) for f in futures] == [[2, 4], [6], [8], [10, 12, 14, 16]]
    assert model.batches == [[0], [1, 2, 3], [4], [5, 6, 7, 8]]


def test_a_bad_input_fails_its_own_call_and_no_other() -> None:
    model = Model()
    batcher = DynamicBatcher(model.run, limit=8)
    futures = asked_while_busy(batcher, model, [[1], [-2], [3]])

    assert list(futures[0].result(10)) == [2]
    with pytest.raises(ValueError, match="negative: -2"):
        futures[1].result(10)
    assert list(futures[2].result(10)) == [6]
    assert model.batches[1:] == [[1, -2, 3], [1], [-2], [3]]
    assert list(batcher.call([9])) == [18]


def test_a_bad_input_of_a_lone_call_frees_the_model() -> None:
    model = Model()
    model.go_on.set()
    batcher = DynamicBatcher(model.run, limit=8)

    with pytest.raises(ValueError, match="negative"):
        batcher.call([-1])
    assert list(batcher.call([1])) == [2]


def test_a_model_that_gives_too_few_outputs_is_an_error_not_a_mix_up() -> None:
    with pytest.raises(ValueError, match="1 outputs for 2 inputs"):
        DynamicBatcher(lambda inputs: inputs[:1], limit=8).call([1, 2])


@pytest.mark.parametrize("lanes", [1, 2, 3])
def test_never_more_batches_run_at_a_time_than_there_are_lanes(lanes: int) -> None:
    model = Model()
    model.go_on.set()
    slow = Model.run

    def run(numbers):
        time.sleep(0.001)
        return slow(model, numbers)

    batcher = DynamicBatcher(run, limit=4, lanes=lanes)
    with ThreadPoolExecutor(8) as pool:
        calls = [[n, n + 1] if n % 3 else [n] for n in range(200)]
        answers = list(pool.map(batcher.call, calls))

    assert [list(a) for a in answers] == [[2 * n for n in call] for call in calls]
    assert 1 <= model.most <= lanes
    assert batcher.calls == 200
    assert sorted(n for batch in model.batches for n in batch) == sorted(
        n for call in calls for n in call
    )


def test_after_closing_it_can_be_asked_again() -> None:
    model = Model()
    batcher = DynamicBatcher(model.run, limit=8)
    batcher.close()
    futures = asked_while_busy(batcher, model, [[1], [2]])

    assert [list(f.result(10)) for f in futures] == [[2], [4]]


@pytest.mark.parametrize(("limit", "lanes"), [(0, 1), (1, 0)])
def test_a_coalescer_without_room_is_refused(limit: int, lanes: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        DynamicBatcher(list, limit=limit, lanes=lanes)


def test_the_wrapped_models_are_models_with_the_same_fingerprints() -> None:
    detector, embedder = FakeDetector(), FakeEmbedder(has_text=True, has_classes=True)
    shared = BatchedEmbedder(embedder, limit=8)

    assert isinstance(BatchedDetector(detector, limit=1), Detector)
    assert isinstance(shared, Embedder)
    assert isinstance(shared, Profiler)
    assert BatchedDetector(detector, limit=1).fingerprint == detector.fingerprint
    assert (shared.fingerprint, shared.dim, shared.has_text, shared.profile_dim) == (
        embedder.fingerprint,
        embedder.dim,
        True,
        embedder.profile_dim,
    )


@pytest.mark.parametrize("has_classes", [False, True], ids=["plain", "with a class head"])
def test_the_wrapped_embedder_gives_the_same_numbers_from_eight_threads(has_classes: bool) -> None:
    embedder = FakeEmbedder(has_classes=has_classes, has_text=True)
    shared = BatchedEmbedder(FakeEmbedder(has_classes=has_classes, has_text=True), limit=6)
    pictures = [[shop.noise(5 * n + i) for i in range(1 + n % 4)] for n in range(40)]
    words = [[f"word {n}", "red"] for n in range(40)]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(shared.embed_and_profile, pictures))
        texts = list(pool.map(shared.embed_texts, words))

    for (vectors, profiles), images in zip(found, pictures, strict=True):
        wanted = embedder.embed_and_profile(images)
        assert np.array_equal(vectors, wanted[0])
        assert np.array_equal(profiles, wanted[1])
    for rows, asked in zip(texts, words, strict=True):
        assert np.array_equal(rows, embedder.embed_texts(asked))
    assert shared.embed_images([]).shape == (0, embedder.dim)
    assert shared.embed_texts([]).shape == (0, embedder.dim)


def test_once_loaded_a_detector_does_not_wait_for_a_detection_that_runs() -> None:
    class Loading(FakeDetector):
        loads = 0

        def load(self) -> None:
            self.loads += 1

    detector = Loading()
    shared = BatchedDetector(detector, limit=1)
    shared.load()
    shared.load()
    assert detector.loads == 1
    shared.close()
    shared.load()
    assert detector.loads == 2
