"""Near-duplicates: exact for the distance, told apart by vectors, right on re-encoded pictures."""

from __future__ import annotations

import io
import itertools
from functools import cache

import numpy as np
import pytest
from PIL import Image

from scenesearch.attributes.hamming import near_pairs, popcount
from scenesearch.attributes.phash import phash
from scenesearch.scenes.deduplication import HashedPhoto, find_duplicates


def photo(source, bits, size=(100, 100), vector=None, sha256=None):
    unit = None if vector is None else np.asarray(vector, np.float32) / np.linalg.norm(vector)
    return HashedPhoto(source, sha256 or source, *size, f"{bits:016x}", unit)


def sources(groups):
    return [[one.source for one in group.photos] for group in groups]


# --- pairs of hashes ---------------------------------------------


@pytest.mark.parametrize("distance", [0, 1, 3, 6, 10, 16])
@pytest.mark.parametrize("count", [0, 1, 2, 300, 1500])
def test_pairs_are_exactly_those_of_comparing_all(count, distance):
    random = np.random.default_rng(count + distance)
    hashes = random.integers(0, 2**64, count, dtype=np.uint64)
    # half of them lie near others, at every distance
    for i in range(count // 2):
        flips = random.choice(64, random.integers(1, 20), replace=False)
        mask = np.bitwise_or.reduce(np.uint64(1) << flips.astype(np.uint64))
        hashes[i] = hashes[count - 1 - i] ^ mask
    hashes = np.unique(hashes)
    random.shuffle(hashes)

    first, second, bits = near_pairs(hashes, distance)

    a, b = np.triu_indices(len(hashes), 1)
    differ = popcount(hashes[a] ^ hashes[b])
    near = differ <= distance
    assert first.tolist() == a[near].tolist()
    assert second.tolist() == b[near].tolist()
    assert bits.tolist() == differ[near].tolist()
    assert count < 300 or distance < 3 or near.any()


@pytest.mark.parametrize("value", [0, 1, 2**63, 2**64 - 1, 0x0F0F])
def test_bits_are_counted(value):
    assert popcount(np.array([value], np.uint64)).tolist() == [value.bit_count()]


def test_a_hash_that_is_there_twice_and_a_distance_out_of_range_are_refused():
    with pytest.raises(ValueError, match="once"):
        near_pairs(np.array([1, 1], np.uint64), 3)
    with pytest.raises(ValueError, match="0 to 24"):
        near_pairs(np.array([1, 2], np.uint64), 25)


def test_pairs_of_many_hashes_are_not_found_by_comparing_all():
    hashes = np.unique(np.random.default_rng(0).integers(0, 2**64, 20_000, dtype=np.uint64))

    first, _, _ = near_pairs(hashes, 6)  # all pairs would be 200 million

    assert len(first) == 0


# --- groups ---------------------------------------------


def test_groups_are_what_pairs_connect_with_the_largest_photo_first():
    groups = find_duplicates(
        [
            photo("a", 0xFF00, (100, 100)),
            photo("b", 0xFF07, (300, 200)),
            photo("c", 0xFF3F, (200, 200)),
            photo("d", 0xFFFFFFFFFF, (900, 900)),
        ],
        distance=3,
    )

    assert sources(groups) == [["b", "a", "c"]]
    assert [one.distance for one in groups[0].photos] == [0, 3, 3]
    assert groups[0].best.width == 300


def test_equal_files_are_one_group_whatever_their_hash():
    groups = find_duplicates([photo("a", 0, sha256="x"), photo("b", 0, sha256="x")])

    assert sources(groups) == [["a", "b"]]
    assert groups[0].photos[1].same_file


def test_flat_pictures_are_not_the_same_for_being_flat():
    assert find_duplicates([photo("red", 0), photo("blue", 0), photo("grey", 1)]) == []


TOLD = [
    # reason, vectors of two photos with equal hashes, whether they are a pair
    ("alike", [1, 0.1], [1, 0], True),
    ("unlike", [0, 1], [1, 0], False),
    ("one unknown", None, [1, 0], True),
]


@pytest.mark.parametrize(("one", "other", "pair"), [t[1:] for t in TOLD], ids=[t[0] for t in TOLD])
def test_vectors_confirm_what_hashes_propose(one, other, pair):
    groups = find_duplicates([photo("a", 7, vector=one), photo("b", 7, vector=other)])

    assert bool(groups) == pair


def test_with_vectors_hashes_may_be_further_apart():
    alone = [photo("a", 1), photo("b", 0x3FF)]
    with_vectors = [photo("a", 1, vector=[1, 0]), photo("b", 0x3FF, vector=[1, 0.1])]

    assert find_duplicates(alone) == []
    assert sources(find_duplicates(with_vectors)) == [["a", "b"]]


def test_every_pair_of_equal_hashes_is_compared_and_not_only_the_first():
    # the third is like the second only
    angles = [0.0, 0.35, 0.7]
    photos = [
        photo(f"p{i}", 7, vector=[np.cos(angle), np.sin(angle)]) for i, angle in enumerate(angles)
    ]

    assert sources(find_duplicates(photos, cosine=0.9)) == [["p0", "p1", "p2"]]


def test_the_answer_does_not_depend_on_the_order():
    random = np.random.default_rng(3)
    photos = [photo(f"p{n:03}", int(random.integers(1, 4000)) << 20) for n in range(80)]
    expected = sources(find_duplicates(photos, distance=2))

    for _ in range(5):
        random.shuffle(photos)
        assert sources(find_duplicates(photos, distance=2)) == expected
    assert expected


# --- pictures ---------------------------------------------


@cache
def picture(seed):
    """Soft blobs of light and dark, as a photo has them."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (9, 12, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((360, 270), Image.Resampling.BICUBIC)
    noise = random.normal(0, 6, (270, 360, 3))
    return np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)


@cache
def hash_of_picture(seed):
    return phash(picture(seed))


def encoded(image, quality):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer).convert("RGB"))


def scaled(image, share):
    height, width = image.shape[:2]
    size = (round(width * share), round(height * share))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))


def cropped(image, share):
    height, width = image.shape[:2]
    y, x = round(height * share / 2), round(width * share / 2)
    return image[y : height - y, x : width - x]


CHANGES = {
    # change, least recall by hash alone
    "quality 50": (lambda image: encoded(image, 50), 1.0),
    "quality 20": (lambda image: encoded(image, 20), 0.98),
    "half the size": (lambda image: scaled(image, 0.5), 1.0),
    "a fifth of the size": (lambda image: scaled(image, 0.2), 0.98),
    "2 % cropped": (lambda image: cropped(image, 0.02), 0.9),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changed_pictures_are_found_and_no_others(name):
    change, least = CHANGES[name]
    photos = []
    for seed in range(100):
        original = picture(seed)
        changed = change(original)
        hashes = ("0", original, hash_of_picture(seed)), ("1", changed, phash(changed))
        for kind, image, seen in hashes:
            size = image.shape[1], image.shape[0]
            photos.append(HashedPhoto(f"{seed}.{kind}", f"{seed}{kind}", *size, seen))

    pairs = {
        frozenset((a, b))
        for group in sources(find_duplicates(photos))
        for a, b in itertools.combinations(group, 2)
    }

    true = {frozenset((f"{seed}.0", f"{seed}.1")) for seed in range(100)}
    assert len(pairs & true) / len(true) >= least
    assert pairs <= true
