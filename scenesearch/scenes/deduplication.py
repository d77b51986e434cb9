"""Groups of photos that are nearly the same: re-encoded, resized, a little cropped.

Perceptual hashes propose pairs, vectors confirm them where there are any, and pairs that share a
photo make one group. Without vectors the hashes decide alone, within a smaller distance.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenesearch.attributes.hamming import as_bits, near_pairs
from scenesearch.attributes.phash import phash
from scenesearch.core.batches import batches, scroll_all
from scenesearch.core.conditions import Condition, all_of
from scenesearch.core.errors import ImageError
from scenesearch.core.json_values import json_object
from scenesearch.core.points import CUTOUT
from scenesearch.core.protocols import Store
from scenesearch.core.types import Scene
from scenesearch.scenes.index import WHOLE
from scenesearch.scenes.points import RAW

HASH_ALONE = 6
"""Bits that two hashes may differ in when nothing else is known; docs/scenes.md has the figures."""
HASH_WITH_VECTORS = 16
"""Likewise when vectors confirm."""
COSINE = 0.95
"""Least likeness of two photos' vectors."""
_AHEAD = 64
"""Photos read before the first of them is taken."""
_ROWS = 1024
"""Vectors compared at a time: bounds the memory."""
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
    """

    source: str
    sha256: str
    width: int
    height: int
    phash: str
    vector: NDArray[np.float32] | None = None
    megabytes: float = 0.0


@dataclass(frozen=True, slots=True)
class DuplicatePhoto:
    """One photo of a group.

    Attributes:
        source: names it.
        width: pixels.
        height: pixels.
        distance: bits in which its hash differs from that of the best of the group, 0 to 64.
        similarity: cosine with the best of the group; None without vectors.
        same_file: its bytes are those of the best.
    """

    source: str
    width: int
    height: int
    distance: int
    similarity: float | None
    same_file: bool

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

    Two photos are a pair when their files are equal, or when their hashes differ in at most
    ``distance`` bits and their vectors, where both have one, are alike. A group is what pairs
    connect: its ends may be further apart.

    Args:
        photos: each source once.
        distance: bits; by default :data:`HASH_WITH_VECTORS` where every photo has a vector, and
            :data:`HASH_ALONE` otherwise.
        cosine: least cosine of the vectors of a pair, -1 to 1.

    Raises:
        ValueError: the distance is out of range.
    """
    known = sorted({photo.source: photo for photo in photos}.values(), key=lambda p: p.source)
    if distance is None:
        complete = bool(known) and all(photo.vector is not None for photo in known)
        distance = HASH_WITH_VECTORS if complete else HASH_ALONE
    sets = _Sets(len(known))
    for alike in _places(photo.sha256 for photo in known).values():
        for other in alike[1:]:
            sets.join(alike[0], other)
    _join_near(known, sets, distance, cosine)
    members = _places(sets.root(i) for i in range(len(known))).values()
    groups = [_group([known[i] for i in alike]) for alike in members if len(alike) > 1]
    return sorted(groups, key=lambda group: (-len(group.photos), group.best.source))


def _join_near(known: Sequence[HashedPhoto], sets: _Sets, distance: int, cosine: float) -> None:
    # a flat picture's hash is that of every flat picture
    by_hash = _places("" if photo.phash == FLAT else photo.phash for photo in known)
    for alike in by_hash.values():
        _join_pairs(known, sets, alike, alike, cosine)
    hashes = [str(one) for one in by_hash]
    first, second, _ = near_pairs(as_bits(hashes), distance)
    lists = [by_hash[one] for one in hashes]
    # most hashes are of one photo: those are compared many at a time
    plain = np.array([len(x) == 1 and known[x[0]].vector is not None for x in lists], bool)
    alone = plain[first] & plain[second]
    ones, others = first[alone], second[alone]
    for start in range(0, len(ones), _ROWS):
        left = [lists[a][0] for a in ones[start : start + _ROWS]]
        right = [lists[b][0] for b in others[start : start + _ROWS]]
        rows, columns = (np.stack([known[i].vector for i in x]) for x in (left, right))
        for at in np.flatnonzero(np.einsum("ij,ij->i", rows, columns) >= cosine).tolist():
            sets.join(left[at], right[at])
    for a, b in zip(first[~alone].tolist(), second[~alone].tolist(), strict=True):
        _join_pairs(known, sets, lists[a], lists[b], cosine)


def _join_pairs(
    known: Sequence[HashedPhoto],
    sets: _Sets,
    ones: Sequence[int],
    others: Sequence[int],
    cosine: float,
) -> None:
    """Join those of two lists that vectors do not tell apart."""
    for side, other_side in ((ones, others), (others, ones)):
        bare = [i for i in side if known[i].vector is None]
        for i in (*bare, *other_side) if bare else ():
            sets.join(bare[0], i)
    left = [i for i in ones if known[i].vector is not None]
    right = [j for j in others if known[j].vector is not None]
    if not left or not right:
        return
    columns = np.stack([known[j].vector for j in right])  # type: ignore[misc]  # (n, dim)
    for start in range(0, len(left), _ROWS):
        part = left[start : start + _ROWS]
        rows = np.stack([known[i].vector for i in part])  # type: ignore[misc]
        for i, j in np.argwhere(rows @ columns.T >= cosine).tolist():
            sets.join(part[i], right[j])


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
        bits = (int(photo.phash or FLAT, 16) ^ int(best.phash or FLAT, 16)).bit_count()
        likeness = None
        if best.vector is not None and photo.vector is not None:
            likeness = float(best.vector @ photo.vector)
        same = bool(photo.sha256) and photo.sha256 == best.sha256
        photos.append(DuplicatePhoto(photo.source, photo.width, photo.height, bits, likeness, same))
    photos.sort(key=lambda one: (one.source != best.source, one.distance, one.source))
    return DuplicateGroup(tuple(photos))


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
        return HashedPhoto(
            source, scene.sha256, *scene.size, phash(scene.image), None, _megabytes(source)
        )

    with ThreadPoolExecutor(workers) as pool:
        for some in batches(sources, _AHEAD):
            for found in pool.map(one, some):
                if isinstance(found, HashedPhoto):
                    yield found
                else:
                    failed.append(found)


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
        yield HashedPhoto(
            str(payload["photo"]),
            str(payload.get("photo_sha256", "")),
            int(payload.get("width", 0)),
            int(payload.get("height", 0)),
            str(payload.get("phash", "")),
            record.vectors.get(space),
        )
