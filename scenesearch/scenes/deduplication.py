"""Groups of photos that are nearly the same: re-encoded, resized, a little cropped, mirrored.

Perceptual hashes propose pairs; vectors confirm them where there are any, else small pictures that
are laid over each other; and pairs that share a photo make one group. With neither the hashes
decide alone, within a smaller distance.
"""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from tempfile import TemporaryFile
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenesearch.attributes.copies import Sample, hashes_and_sample, is_copy
from scenesearch.attributes.hamming import as_bits, near_pairs
from scenesearch.core.batches import batches, scroll_all
from scenesearch.core.conditions import Condition, all_of
from scenesearch.core.errors import ImageError
from scenesearch.core.json_values import json_object
from scenesearch.core.points import CUTOUT, is_ours
from scenesearch.core.protocols import Store
from scenesearch.core.types import Scene
from scenesearch.scenes.index import WHOLE
from scenesearch.scenes.points import RAW

HASH_ALONE = 6
"""Bits that two hashes may differ in when nothing else is known; docs/scenes.md has the figures."""
HASH_WITH_VECTORS = 16
"""Likewise when vectors confirm."""
HASH_WITH_SAMPLES = 10
"""Likewise when small pictures do."""
COSINE = 0.95
"""Least likeness of two photos' vectors."""
_AHEAD = 64
"""Photos read before the first of them is taken."""
_ROWS = 1024
"""Vectors compared at a time: bounds the memory."""
_SAMPLES = 256
"""Small pictures that are kept in one piece of a temporary file."""
_PLAIN, _INSIDE, _MIRRORED = range(3)
_SIDES = ((_PLAIN, _PLAIN), (_PLAIN, _INSIDE), (_PLAIN, _MIRRORED), (_INSIDE, _MIRRORED))
"""Which hashes of two photos are compared; the others say the same again."""
_COMPARED = frozenset(_SIDES) | {(b, a) for a, b in _SIDES}
_FLIPPED = 0x5555555555555555
"""Bits that a mirror image has the other way: those of odd waves across."""
FLAT = "0" * 16
"""The hash of a picture of one colour, which says nothing of which colour."""


@dataclass(frozen=True, slots=True, eq=False)
class HashedPhoto:
    """What is compared of a photo.

    Attributes:
        source: names it.
        sha256: of its file.
        width: pixels.
        height: pixels.
        phash: 16 hexadecimal digits.
        vector: of the whole photo, L2-normalised; None where there is none.
        megabytes: of its file (10^6 bytes); 0 where that is not known.
        insides: hashes of the photo without some of its edges; none where they are not known.
        mirrored: hash of its mirror image; likewise.
        sample: the photo, small; None where there is none.
    """

    source: str
    sha256: str
    width: int
    height: int
    phash: str
    vector: NDArray[np.float32] | None = None
    megabytes: float = 0.0
    insides: tuple[str, ...] = ()
    mirrored: str = ""
    sample: Sample | None = None


@dataclass(frozen=True, slots=True)
class DuplicatePhoto:
    """One photo of a group.

    Attributes:
        source: names it.
        width: pixels.
        height: pixels.
        distance: bits in which its hash differs from that of the best of the group, 0 to 64; the
            nearest of the hashes that are compared.
        similarity: cosine with the best of the group; None without vectors.
        same_file: its bytes are those of the best.
        mirrored: it is the best the other way round.
    """

    source: str
    width: int
    height: int
    distance: int
    similarity: float | None
    same_file: bool
    mirrored: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return json_object(self)


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """Photos that are nearly the same.

    Attributes:
        photos: the best first, the others by distance from it, then by name.
    """

    photos: tuple[DuplicatePhoto, ...]

    @property
    def best(self) -> DuplicatePhoto:
        """The one to keep: of the most pixels, then of the most bytes, then of the shorter name."""
        return self.photos[0]

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "best": self.best.source,
            "photos": [photo.to_dict() for photo in self.photos],
        }


def find_duplicates(
    photos: Iterable[HashedPhoto], *, distance: int | None = None, cosine: float = COSINE
) -> list[DuplicateGroup]:
    """Groups of near-duplicates, the largest group first.

    Two photos are a pair when their files are equal, or when their hashes (of the photos, of the
    inside of one, of the mirror image of one) differ in at most ``distance`` bits and their
    vectors, where both have one, are alike, or else their samples. A group is what pairs connect:
    its ends may be further apart.

    Args:
        photos: each source once.
        distance: bits; by default :data:`HASH_WITH_VECTORS` where every photo has a vector,
            :data:`HASH_WITH_SAMPLES` where every one has a sample, and :data:`HASH_ALONE`
            otherwise.
        cosine: least cosine of the vectors of a pair, -1 to 1.

    Raises:
        ValueError: the distance is out of range.
    """
    known = sorted({photo.source: photo for photo in photos}.values(), key=lambda p: p.source)
    if distance is None:
        distance = HASH_ALONE
        if all(photo.vector is not None for photo in known):
            distance = HASH_WITH_VECTORS
        elif all(photo.sample is not None for photo in known):
            distance = HASH_WITH_SAMPLES
    sets = _Sets(len(known))
    for alike in _places(photo.sha256 for photo in known).values():
        for other in alike[1:]:
            sets.join(alike[0], other)
    _join_near(known, sets, distance, cosine)
    members = _places(sets.root(i) for i in range(len(known))).values()
    groups = [_group([known[i] for i in alike]) for alike in members if len(alike) > 1]
    return sorted(groups, key=lambda group: (-len(group.photos), group.best.source))


class _Side(NamedTuple):
    """One of the hashes of a photo."""

    photo: int
    kind: int


def _sides(photo: HashedPhoto) -> Iterator[tuple[int, str]]:
    """The hashes that a photo is found by; none for a flat one, whose hash is that of all."""
    if photo.phash in ("", FLAT):
        return
    yield _PLAIN, photo.phash
    if photo.sample is not None:
        yield from ((_INSIDE, text) for text in photo.insides)
        yield _MIRRORED, photo.mirrored
    elif photo.vector is not None:
        yield _MIRRORED, f"{int(photo.phash, 16) ^ _FLIPPED:016x}"


def _join_near(known: Sequence[HashedPhoto], sets: _Sets, distance: int, cosine: float) -> None:
    by_hash: dict[str, list[_Side]] = defaultdict(list)
    for i, photo in enumerate(known):
        for kind, text in _sides(photo):
            if text and text != FLAT:
                by_hash[text].append(_Side(i, kind))
    for alike in by_hash.values():
        if len(alike) > 1:
            _join_lists(known, sets, alike, alike, cosine)
    first, second, _ = near_pairs(as_bits(list(by_hash)), distance)
    lists = list(by_hash.values())
    # most hashes are of one photo: those are compared many at a time
    plain = np.array([len(x) == 1 and known[x[0].photo].vector is not None for x in lists], bool)
    owner = np.array([x[0].photo for x in lists], np.int64)
    kinds = np.array([x[0].kind for x in lists], np.int64)
    alone = plain[first] & plain[second]
    ones, others = first[alone], second[alone]
    # of vectors that are proposed by both mirror images, one look is enough
    wanted = (kinds[ones] == _PLAIN) | (kinds[others] == _PLAIN)
    wanted &= owner[ones] != owner[others]
    ones, others = owner[ones[wanted]], owner[others[wanted]]
    for start in range(0, len(ones), _ROWS):
        left, right = ones[start : start + _ROWS].tolist(), others[start : start + _ROWS].tolist()
        rows, columns = (np.stack([known[i].vector for i in x]) for x in (left, right))
        for at in np.flatnonzero(np.einsum("ij,ij->i", rows, columns) >= cosine).tolist():
            sets.join(left[at], right[at])
    for a, b in zip(first[~alone].tolist(), second[~alone].tolist(), strict=True):
        _join_lists(known, sets, lists[a], lists[b], cosine)


def _join_lists(
    known: Sequence[HashedPhoto],
    sets: _Sets,
    ones: Sequence[_Side],
    others: Sequence[_Side],
    cosine: float,
) -> None:
    """Join photos of two lists of near hashes that nothing else tells apart."""
    for kind, other_kind in _COMPARED:
        left = [side.photo for side in ones if side.kind == kind]
        right = [side.photo for side in others if side.kind == other_kind]
        if left and right:
            mirrored = _MIRRORED in (kind, other_kind)
            _join_pairs(known, sets, left, right, cosine, mirrored=mirrored)


def _join_pairs(
    known: Sequence[HashedPhoto],
    sets: _Sets,
    ones: Sequence[int],
    others: Sequence[int],
    cosine: float,
    *,
    mirrored: bool,
) -> None:
    """Join those of two lists that neither vectors nor samples tell apart."""
    left = [i for i in ones if known[i].vector is not None]
    right = [j for j in others if known[j].vector is not None]
    if left and right:
        columns = np.stack([known[j].vector for j in right])  # type: ignore[misc]  # (n, dim)
        for start in range(0, len(left), _ROWS):
            part = left[start : start + _ROWS]
            rows = np.stack([known[i].vector for i in part])  # type: ignore[misc]
            for i, j in np.argwhere(rows @ columns.T >= cosine).tolist():
                sets.join(part[i], right[j])
    for i in ones:
        for j in others:
            one, other = known[i], known[j]
            if (one.vector is not None and other.vector is not None) or sets.root(i) == sets.root(
                j
            ):
                continue
            if one.sample is None or other.sample is None:
                # hashes alone decide, and those of the photos only
                copies = not mirrored
            else:
                copies = is_copy(one.sample, other.sample, mirrored=mirrored)
            if copies:
                sets.join(i, j)


def _places(keys: Iterable[str | int]) -> dict[str | int, list[int]]:
    """Where each key stands; no key is the empty text."""
    found: dict[str | int, list[int]] = defaultdict(list)
    for i, key in enumerate(keys):
        if key != "":
            found[key].append(i)
    return found


def _group(members: Sequence[HashedPhoto]) -> DuplicateGroup:
    best = min(members, key=_worse)
    photos = []
    for photo in members:
        bits, mirrored = _apart(best, photo)
        likeness = None
        if best.vector is not None and photo.vector is not None:
            likeness = float(best.vector @ photo.vector)
        same = bool(photo.sha256) and photo.sha256 == best.sha256
        photos.append(
            DuplicatePhoto(
                photo.source, photo.width, photo.height, bits, likeness, same, mirrored and not same
            )
        )
    photos.sort(key=lambda one: (one.source != best.source, one.distance, one.source))
    return DuplicateGroup(tuple(photos))


def _apart(best: HashedPhoto, photo: HashedPhoto) -> tuple[int, bool]:
    """Bits between the nearest hashes of two photos, and whether those are of a mirror image."""
    theirs = tuple(_sides(photo))
    apart = (
        ((int(text, 16) ^ int(their, 16)).bit_count(), _MIRRORED in (kind, other))
        for kind, text in _sides(best)
        for other, their in theirs
        if (kind, other) in _COMPARED and text and their
    )
    return min(apart, default=(0, False))


def _worse(photo: HashedPhoto) -> tuple[float, float, bool, int, str]:
    """What a photo is sorted by: the one to keep is the least.

    A copy of as many pixels in fewer bytes was compressed once more; a lossless format tells that
    more bytes are no more of the photo only where they are equal otherwise.
    """
    lossy = not photo.source.lower().endswith((".png", ".tif", ".tiff", ".bmp"))
    pixels = photo.width * photo.height
    return -pixels, -photo.megabytes, lossy, len(photo.source), photo.source


class _Sets:
    """Disjoint sets of numbers (Galler and Fischer, CACM 1964), with path halving."""

    def __init__(self, count: int) -> None:
        self._parents = list(range(count))

    def root(self, one: int) -> int:
        """The number that stands for the set of ``one``: its smallest."""
        while self._parents[one] != one:
            self._parents[one] = self._parents[self._parents[one]]
            one = self._parents[one]
        return one

    def join(self, one: int, other: int) -> None:
        """Make the sets of two numbers one."""
        low, high = sorted((self.root(one), self.root(other)))
        self._parents[high] = low


def hash_photos(
    sources: Iterable[str],
    load: Callable[[str], Scene],
    failed: list[tuple[str, str]],
    *,
    workers: int = 2,
) -> Iterator[HashedPhoto]:
    """Read photos and hash them; no model is needed, and no vectors come of it.

    Args:
        sources: names of the photos.
        load: source to scene; raises ImageError; called from threads.
        failed: takes source and reason of every photo that cannot be read.
        workers: threads that decode.
    """

    def one(source: str) -> HashedPhoto | tuple[str, str]:
        try:
            scene = load(source)
        except ImageError as error:
            return source, str(error)
        hashes, sample = hashes_and_sample(scene.image)
        return HashedPhoto(
            source,
            scene.sha256,
            *scene.size,
            hashes.plain,
            None,
            _megabytes(source),
            hashes.insides,
            hashes.mirrored,
            sample,
        )

    kept = _Samples()
    with ThreadPoolExecutor(workers) as pool:
        for some in batches(sources, _AHEAD):
            for found in pool.map(one, some):
                if isinstance(found, HashedPhoto):
                    yield replace(found, sample=kept.keep(found.sample))
                else:
                    failed.append(found)


class _Samples:
    """Small pictures in temporary files without names: of a million photos they are 5 GB."""

    def __init__(self) -> None:
        self._count = 0

    def keep(self, sample: Sample | None) -> Sample | None:
        """The same, in a file; in memory where there is no room for one."""
        if sample is None:
            return None
        place = self._count % _SAMPLES
        if place == 0:
            self._piece = _piece((_SAMPLES, *sample.shape))
        self._count += 1
        self._piece[place] = sample
        kept: Sample = self._piece[place]
        return kept


def _piece(shape: tuple[int, ...]) -> Sample:
    try:
        with TemporaryFile() as file:
            # the disk is taken now: a mapped file that finds none later ends the process
            os.posix_fallocate(file.fileno(), 0, math.prod(shape))
            return np.memmap(file, np.uint8, "r+", shape=shape)
    except (OSError, AttributeError):
        return np.empty(shape, np.uint8)


def _megabytes(source: str) -> float:
    try:
        return os.stat(source).st_size / 1e6  # noqa: PTH116 - any bytes
    except (OSError, ValueError):
        return 0.0  # an address


def stored_photos(store: Store, where: Condition | None = None) -> Iterator[HashedPhoto]:
    """The photos of a collection of scenes, with their vectors.

    Raw embeddings where there are any: a whitened space pulls near-copies apart.
    """
    schema = store.schema
    space = RAW[CUTOUT] if schema is not None and RAW[CUTOUT] in schema.vectors else CUTOUT
    fields = ("photo", "photo_sha256", "width", "height", "phash")
    wanted = all_of(WHOLE, where)
    for record in scroll_all(store, where=wanted, fields=fields, spaces=(space,), page=1_000):
        payload = record.payload
        if not is_ours(payload, "photo"):
            continue
        yield HashedPhoto(
            str(payload["photo"]),
            str(payload.get("photo_sha256", "")),
            int(payload.get("width", 0)),
            int(payload.get("height", 0)),
            str(payload.get("phash", "")),
            record.vectors.get(space),
        )
