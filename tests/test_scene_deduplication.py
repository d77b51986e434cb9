"""Near-duplicates: exact for the distance, told apart by vectors, right on re-encoded pictures."""

from __future__ import annotations

import io
import itertools
from functools import cache

import numpy as np
import pytest
from cases import first
from PIL import Image

from scenesearch.attributes.copies import hashes_and_sample, is_copy
from scenesearch.attributes.hamming import near_pairs, popcount
from scenesearch.attributes.phash import phash
from scenesearch.images import load_scene
from scenesearch.scenes import deduplication
from scenesearch.scenes.deduplication import (
    HASH_WITH_SAMPLES,
    HashedPhoto,
    find_duplicates,
    hash_photos,
)


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


@pytest.mark.parametrize("name", first(1, CHANGES))
@pytest.mark.e2e
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


# copies, by hashes of three kinds and small pictures


def look(name, image):
    hashes, sample = hashes_and_sample(np.ascontiguousarray(image))
    size = image.shape[1], image.shape[0]
    return HashedPhoto(
        name, name, *size, hashes.plain, None, 0.0, hashes.insides, hashes.mirrored, sample
    )


def left_and_top(image, share):
    height, width = image.shape[:2]
    return image[round(height * share) :, round(width * share) :]


COPIES = {
    **{name: (change, least) for name, (change, least) in CHANGES.items()},
    "2 % cropped": (lambda image: cropped(image, 0.02), 0.98),
    "5 % cropped": (lambda image: cropped(image, 0.05), 0.98),
    "3 % cropped at a corner": (lambda image: left_and_top(image, 0.03), 0.95),
    "5 % cropped at a corner": (lambda image: left_and_top(image, 0.05), 0.98),
    "mirrored and cropped at a corner": (lambda i: left_and_top(i[:, ::-1], 0.05), 0.95),
    "mirrored": (lambda image: encoded(image[:, ::-1], 80), 0.98),
    "mirrored and cropped": (lambda image: cropped(image[:, ::-1], 0.05), 0.95),
}


@pytest.mark.parametrize("name", first(1, [*reversed(COPIES)]))
def test_copies_are_found_and_no_others(name):
    change, least = COPIES[name]
    photos = [look(f"{seed}.0", picture(seed)) for seed in range(60)]
    photos += [look(f"{seed}.1", change(picture(seed))) for seed in range(60)]
    groups = find_duplicates(photos)
    pairs = {
        frozenset((a.source, b.source))
        for group in groups
        for a, b in itertools.combinations(group.photos, 2)
    }
    true = {frozenset((f"{seed}.0", f"{seed}.1")) for seed in range(60)}

    assert len(pairs & true) / len(true) >= least
    assert pairs <= true
    for group in groups:
        assert [one.mirrored for one in group.photos[1:]] == ["mirrored" in name]
        assert all(one.distance <= HASH_WITH_SAMPLES for one in group.photos[1:])


def shifted(image):
    """The same in another colour."""
    return image[:, :, [1, 2, 0]]


def with_a_drawer(image):
    changed = image.copy()
    height, width = image.shape[:2]
    changed[height // 2 : height // 2 + height // 6, width // 4 : width // 2] = 255
    return changed


@pytest.mark.parametrize("change", [shifted, with_a_drawer], ids=["colour", "a detail"])
def test_variants_of_a_product_are_no_copies(change):
    for seed in range(20):
        one, other = picture(seed), change(picture(seed))
        if np.abs(one.astype(int) - other).mean() < 3:
            continue
        a, b = hashes_and_sample(one)[1], hashes_and_sample(other)[1]

        assert not is_copy(a, b), seed


def test_copies_of_collections_are_found_mirrored_by_their_vectors():
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(2, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    hashes = [hashes_and_sample(picture(seed))[0] for seed in (0, 1)]
    photos = [
        HashedPhoto("a", "a", 9, 9, hashes[0].plain, vectors[0]),
        HashedPhoto("a flipped", "b", 8, 8, hashes[0].mirrored, vectors[0]),
        HashedPhoto("b", "c", 8, 8, hashes[1].mirrored, vectors[0]),
        HashedPhoto("a flipped, unlike", "d", 8, 8, hashes[0].mirrored, vectors[1]),
    ]
    (group,) = find_duplicates(photos)

    assert [one.source for one in group.photos] == ["a", "a flipped"]
    assert group.photos[1].mirrored


def test_small_pictures_are_kept_in_files_or_in_memory(tmp_path, monkeypatch):
    paths = []
    for seed in range(3):
        paths.append(str(tmp_path / f"{seed}.png"))
        Image.fromarray(picture(seed)).save(paths[-1])
    failed = []
    in_files = list(hash_photos(paths, load_scene, failed))
    monkeypatch.setattr(deduplication, "TemporaryFile", lambda: (tmp_path / "no" / "x").open("wb"))
    in_memory = list(hash_photos(paths, load_scene, failed))

    assert not failed
    for one, other in zip(in_files, in_memory, strict=True):
        assert isinstance(one.sample, np.memmap)
        assert not isinstance(other.sample, np.memmap)
        assert (one.sample == other.sample).all()
        assert (one.phash, one.insides, one.mirrored) == (
            other.phash,
            other.insides,
            other.mirrored,
        )
