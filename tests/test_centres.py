"""The middle of a collection, by which scores are told."""

from __future__ import annotations

import numpy as np
import pytest
from fakes.store import MemoryStore

from scenesearch.core.types import CollectionSchema, Point
from scenesearch.search.centres import AGAIN_S, FEW, SAMPLE, Centres


def point(number: int) -> Point:
    return Point(f"{number:032x}", {"cutout": np.array([1, 0], np.float32)}, {"item_id": "a"})


@pytest.fixture
def store() -> MemoryStore:
    made = MemoryStore()
    made.create(CollectionSchema({"cutout": 2}, {"item_id": "keyword"}, {}))
    return made


def test_a_collection_that_grows_is_read_again_until_it_is_large_enough(store) -> None:
    now = [0.0]
    centres = Centres(store, ("cutout",), clock=lambda: now[0])
    assert centres.now() == {}

    store.upsert([point(n) for n in range(4)])
    assert centres.now() == {}
    now[0] = AGAIN_S
    assert centres.now()["cutout"] == pytest.approx([4 / (4 + FEW), 0])

    store.upsert([point(n) for n in range(SAMPLE + 5)])
    now[0] = 2 * AGAIN_S
    large = centres.now()
    assert large["cutout"] == pytest.approx([SAMPLE / (SAMPLE + FEW), 0])

    now[0] = 1e9
    assert centres.now() is large
