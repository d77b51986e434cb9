"""Photos kept to be asked again: ids, time, memory."""

from __future__ import annotations

import numpy as np
import pytest

from scenesearch.attributes.placement import placement
from scenesearch.core.errors import QueryError
from scenesearch.core.types import Cutout, Description, Detections, Region, Scene
from scenesearch.engine.queries import Queries, QueryExpiredError
from scenesearch.engine.slim import KeptPhoto, SlimSeen, shrunk
from scenesearch.engine.tasks import Photo
from scenesearch.models.encode import EncodedRegion


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def kept(nbytes: int = 1000) -> KeptPhoto:
    return KeptPhoto(Photo(b"x" * nbytes), (40, 30), "ab" * 32, "photo", ())


def queries(megabytes: float = 1.0, ttl_s: float = 60.0) -> tuple[Queries, Clock]:
    clock = Clock()
    return Queries(max_megabytes=megabytes, ttl_s=ttl_s, clock=clock), clock


def encoded(side: int = 100) -> EncodedRegion:
    region = Region("object:0", "object", (0, 0, side, side), "chair", 0.9)
    image = np.random.default_rng(0).integers(0, 255, (side, side, 3), dtype=np.uint8)
    cutout = Cutout(image, image[..., 0] > 100, (255, 255, 255), "detector")
    where = placement(region.box, (side, side))
    vectors = {"cutout": np.ones(8, np.float32)}
    return EncodedRegion(region, cutout, Description((), None, "0" * 16), where, vectors)


def test_a_photo_is_found_under_its_id_and_under_no_other() -> None:
    known, _ = queries()
    photo, seen = kept(), SlimSeen()
    query_id = known.add(photo, seen)

    assert known.get(query_id) == (photo, seen)
    with pytest.raises(QueryExpiredError, match="send the photo again"):
        known.get(query_id[:-1])


def test_ids_are_long_and_never_the_same() -> None:
    known, _ = queries()
    ids = {known.add(kept(10), SlimSeen()) for _ in range(200)}

    assert len(ids) == 200
    assert all(len(one) >= 32 for one in ids)


def test_an_expired_query_is_a_query_error_with_a_code() -> None:
    with pytest.raises(QueryError) as caught:
        queries()[0].get("nothing")
    assert caught.value.code == "query_expired"


def test_a_photo_lives_for_a_while_after_its_last_use() -> None:
    known, clock = queries(ttl_s=60)
    query_id = known.add(kept(), SlimSeen())
    clock.now = 50
    known.get(query_id)
    clock.now = 109
    known.get(query_id)
    clock.now = 170

    assert len(known) == 0
    assert known.nbytes == 0
    with pytest.raises(QueryExpiredError):
        known.get(query_id)


def test_the_least_recently_used_leaves_when_memory_is_full() -> None:
    known, _ = queries(megabytes=0.003)
    first, second, third = (known.add(kept(1000), SlimSeen()) for _ in range(3))
    known.get(first)
    fourth = known.add(kept(1000), SlimSeen())

    with pytest.raises(QueryExpiredError):
        known.get(second)
    for query_id in (first, third, fourth):
        known.get(query_id)
    assert known.nbytes == 3000


@pytest.mark.parametrize(
    ("megabytes", "ttl_s"), [(0, 60), (0.0005, 60), (1, 0)], ids=["none", "too large", "no time"]
)
def test_a_photo_without_room_or_time_gets_no_id(megabytes: float, ttl_s: float) -> None:
    known, _ = queries(megabytes, ttl_s)

    assert known.add(kept(1000), SlimSeen()) is None
    assert len(known) == 0


def test_what_is_computed_later_counts_too() -> None:
    known, _ = queries(megabytes=0.1)
    seen = SlimSeen()
    query_id, other = known.add(kept(1000), seen), known.add(kept(1000), SlimSeen())
    before = known.nbytes
    one = encoded(100)
    seen.encode([one.region], lambda _: [one])
    known.weigh(query_id)
    assert known.nbytes == before + 100 * 100 * 4 + 32

    many = [encoded(200)]
    seen.encode([many[0].region], lambda _: many)
    known.weigh(query_id)
    # now it alone is too much
    with pytest.raises(QueryExpiredError):
        known.get(query_id)
    known.get(other)


def test_clearing_forgets_all() -> None:
    known, _ = queries()
    known.add(kept(), SlimSeen())
    known.clear()

    assert (len(known), known.nbytes) == (0, 0)


def test_a_blank_scene_has_the_size_and_takes_no_memory() -> None:
    scene = Scene(np.zeros((3000, 4000, 3), np.uint8), "cd" * 32, "photo", ("odd",))
    blank = KeptPhoto.of(Photo(b""), scene).blank()

    assert (blank.size, blank.sha256, blank.warnings) == (scene.size, scene.sha256, ("odd",))
    assert blank.image.strides == (0, 0, 0)


def test_kept_detections_come_back_with_their_masks() -> None:
    rng = np.random.default_rng(1)
    masks = (rng.random((7, 13)) > 0.5, None, rng.random((1, 1)) > 0.5)
    boxes = np.array([[0, 0, 13, 7], [1, 1, 5, 5], [2, 2, 3, 3]], np.float32)
    found = Detections(boxes, np.array([0.9, 0.8, 0.7], np.float32), ("a", "b", "c"), masks)
    seen = SlimSeen()
    assert not seen.detected
    seen.detect(lambda: found)
    again = seen.detect(lambda: pytest.fail("asked twice"))

    assert seen.detected
    assert again.labels == found.labels
    assert np.array_equal(again.boxes, boxes)
    assert again.masks[1] is None
    assert np.array_equal(again.masks[0], masks[0])
    assert np.array_equal(again.masks[2], masks[2])
    assert seen.nbytes == 12 + 1


def test_an_encoded_region_is_computed_once_and_keeps_its_vectors_and_number() -> None:
    seen = SlimSeen()
    one = encoded(1000)
    first = seen.encode([one.region], lambda _: [one])[0]
    renumbered = Region("object:7", "object", one.region.box, "chair", 0.9)
    again = seen.encode([renumbered], lambda _: pytest.fail("asked twice"))[0]

    assert first.cutout.image.shape == (1000, 1000, 3)
    assert again.region.key == "object:7"
    assert again.vectors is one.vectors
    assert max(again.cutout.image.shape[:2]) == 512
    assert again.cutout.mask.shape == again.cutout.image.shape[:2]
    assert seen.nbytes == 512 * 512 * 4 + 32


@pytest.mark.parametrize("size", [(3, 2000), (2000, 1), (512, 512), (5, 5)])
def test_a_shrunk_cutout_keeps_its_shape_and_lets_go_of_the_photo(size) -> None:
    height, width = size
    photo = np.zeros((height, width, 3), np.uint8)
    cutout = Cutout(photo[:], np.ones(size, np.bool_), (255, 255, 255), "plain", "why")
    small = shrunk(cutout)

    assert max(small.image.shape[:2]) == min(512, max(size))
    assert small.mask.shape == small.image.shape[:2]
    assert small.mask.dtype == np.bool_
    assert small.reason == "why"
    assert not np.shares_memory(small.image, photo)
