"""The values that travel through the pipelines: frozen, validated, made of numpy and stdlib only.

Conventions, everywhere: boxes are pixels, ``xyxy``, float32, half-open, in the oriented image;
sizes are (width, height); images are RGB uint8 of shape (height, width, 3); vectors are float32
and L2-normalised.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import repeat
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.quantization import Memory, Quantization

Image = NDArray[np.uint8]
"""RGB, shape (height, width, 3)."""
Mask = NDArray[np.bool_]
"""Shape (height, width) of whatever it masks."""
Vector = NDArray[np.float32]
"""Shape (dim,), L2-normalised."""

RegionKind = Literal["whole", "object", "tile"]
FieldType = Literal["keyword", "text", "integer", "float", "bool"]
Scalar = str | int | float | bool
Value = Scalar | tuple[str, ...]
"""What an attribute of an item can be: a scalar, or several keywords."""


def _frozen_array(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view


class OwnMask(NamedTuple):
    """The product of a photo as its transparency tells it.

    Attributes:
        mask: shape (height, width), True on the product.
        backdrop: RGB, what the photo was put over.
    """

    mask: Mask
    backdrop: tuple[int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One photo: oriented by EXIF, RGB, with the sha256 of the bytes it came from.

    Attributes:
        image: shape (height, width, 3), uint8, read-only.
        sha256: hex digest of the encoded file (of the pixels, where there was no file).
        source: a name for messages: the path, ``<bytes>``, ``<array>``.
        warnings: what was odd but harmless (wrong extension, further frames ignored).
        own: the product, where the photo was a transparent cutout.
    """

    image: Image
    sha256: str
    source: str
    warnings: tuple[str, ...] = ()
    own: OwnMask | None = None

    def __post_init__(self) -> None:
        shape = self.image.shape
        if self.image.dtype != np.uint8 or len(shape) != 3 or shape[2] != 3 or 0 in shape:
            raise ValueError(
                f"Scene.image must be uint8 of shape (height, width, 3), "
                f"got {self.image.dtype} of shape {shape}"
            )
        object.__setattr__(self, "image", _frozen_array(self.image))

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.image.shape[1], self.image.shape[0]


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """What a detector saw in one scene, as parallel arrays sorted by falling confidence.

    Attributes:
        boxes: shape (n, 4), float32, pixels, xyxy.
        confidences: shape (n,), float32, 0 to 1.
        labels: n class names.
        masks: n masks, each of the shape of its box in whole pixels
            (:func:`scenesearch.images.geometry.pixel_box`), or None where the detector gave none.
    """

    boxes: NDArray[np.float32]
    confidences: NDArray[np.float32]
    labels: tuple[str, ...]
    masks: tuple[Mask | None, ...]

    def __post_init__(self) -> None:
        n = len(self.labels)
        if self.boxes.shape != (n, 4) or self.confidences.shape != (n,) or len(self.masks) != n:
            raise ValueError(
                f"Detections of {n} labels must have boxes ({n}, 4), confidences ({n},) and {n} "
                f"masks, got {self.boxes.shape}, {self.confidences.shape} and {len(self.masks)}"
            )
        object.__setattr__(self, "boxes", _frozen_array(self.boxes.astype(np.float32, copy=False)))
        confidences = self.confidences.astype(np.float32, copy=False)
        object.__setattr__(self, "confidences", _frozen_array(confidences))

    @classmethod
    def empty(cls) -> Detections:
        """No detections."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), (), ())

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: Sequence[int]) -> Detections:
        """The detections at ``indices``, in that order."""
        picked = np.asarray(indices, dtype=np.intp)
        return Detections(
            self.boxes[picked],
            self.confidences[picked],
            tuple(self.labels[i] for i in indices),
            tuple(self.masks[i] for i in indices),
        )


BoxTuple = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A part of a scene that is embedded.

    Attributes:
        key: names the region inside its photo (``whole``, ``object:0``, ``tile:2``); part of ids.
        kind: ``whole``, ``object`` (a detection or a caller's box) or ``tile``.
        box: pixels, xyxy.
        label: the detector's class name, where there is one.
        confidence: 0 to 1; 1 where the caller gave the box.
        mask: of the box's shape in whole pixels, or None.
        weight: how much the region counts in fusion, above 0.
    """

    key: str
    kind: RegionKind
    box: BoxTuple
    label: str | None = None
    confidence: float = 1.0
    mask: Mask | None = None
    weight: float = 1.0

    def __repr__(self) -> str:
        box = ", ".join(f"{side:.0f}" for side in self.box)
        return f"Region({self.key!r}, {self.label or self.kind}, {box})"


@dataclass(frozen=True, slots=True, eq=False)
class Cutout:
    """A region composited on a stated background colour.

    Attributes:
        image: shape (h, w, 3), the region's pixels with the background replaced.
        mask: shape (h, w), True on the object; all True for a plain crop.
        background: RGB.
        method: where the mask came from; ``plain`` is an unmasked crop.
        reason: why it is ``plain``, empty otherwise.
    """

    image: Image
    mask: Mask
    background: tuple[int, int, int]
    method: Literal["detector", "plain_background", "matting", "alpha", "plain"]
    reason: str = ""


class Colour(NamedTuple):
    """One dominant colour: vocabulary name, CIELAB (L 0..100, a and b about -128..127), share."""

    name: str
    lab: tuple[float, float, float]
    share: float


class TextLine(NamedTuple):
    """One line of text in a photo: confidence 0 to 1, box in pixels, xyxy."""

    text: str
    confidence: float
    box: BoxTuple


@dataclass(frozen=True, slots=True, eq=False)
class Description:
    """What a cutout looks like.

    Attributes:
        colours: dominant colours, largest share first; empty where the mask was empty.
        colour_vector: palette as a vector of the ``colour`` space, or None without colours.
        phash: 64-bit perceptual hash, 16 hex digits.
    """

    colours: tuple[Colour, ...]
    colour_vector: Vector | None
    phash: str


@dataclass(frozen=True, slots=True)
class Item:
    """A catalogue product.

    Attributes:
        id: kept verbatim as text.
        photos: absolute paths, in the order of the manifest; at least one.
        attributes: title, category, price, ... and any further column, typed; no None values.
        vectors: that its catalogue has of it, by space: float32, little-endian. None where nothing
            is said of them, so that those which are stored stay.
    """

    id: str
    photos: tuple[str, ...]
    attributes: Mapping[str, Value] = field(default_factory=dict)
    vectors: Mapping[str, bytes] | None = None


@dataclass(frozen=True, slots=True)
class CollectionSchema:
    """What a collection holds; stored with it and checked whenever it is opened.

    Attributes:
        vectors: dimension of each named vector space; the distance is always cosine.
        fields: type of each payload field that can be filtered, faceted or sorted.
        metadata: model fingerprints, preprocessing, schema version: must match to be opened.
        quantization: how its vectors are searched; a store says it of the collections it makes.
        on_disk: whether the vectors are read from the disk as they are needed; None: where there
            are codes to be searched first.
        memory: where those are held; None: the engine's own choice, and codes are pinned.
        mean_words: words that a text has, as searches by words take it; fixed when the collection
            is made, and no part of what makes two schemas equal. None: the store's to choose, and
            in what a store says, not counted yet.
        blobs: sha256 by name of the files that it was made with, without which its vectors mean
            nothing. Of these two only a store's answer counts: it fills them in itself.
        made: names this making of it; one made anew under its name has another.
    """

    vectors: Mapping[str, int]
    fields: Mapping[str, FieldType] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    quantization: Quantization = "none"
    mean_words: float | None = field(default=None, compare=False)
    blobs: Mapping[str, str] = field(default_factory=dict, compare=False)
    made: str = field(default="", compare=False)
    on_disk: bool | None = None
    memory: Memory | None = None


POINT_FIELDS = frozenset(
    {
        *("item_id", "item_hash", "photo", "photo_sha256", "photo_index", "indexed_at"),
        *("region", "region_key", "region_count", "box", "area_share", "position"),
        *("label", "label_confidence", "colours", "colour_names", "phash", "cutout_method"),
        *("sale_from", "sale_until", "words"),
    }
)
"""Payload fields that indexing writes itself: they are not attributes of an item."""


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """One region of one photo, as it is stored.

    Attributes:
        id: a UUID as text; see :func:`scenesearch.index.indexer.point_id`.
        vectors: by space; a space may be missing.
        payload: JSON values: scalars, lists of keywords, nested lists for colours and boxes.
    """

    id: str
    vectors: Mapping[str, Vector]
    payload: Mapping[str, Any]


class Hit(NamedTuple):
    """One point that answered one query: cosine similarity in -1..1, and part of its payload.

    Attributes:
        revision: another one after each write to the point, where the store tells; else 0.
    """

    id: str
    score: float
    payload: Mapping[str, Any]
    revision: int = 0


def make_hits(
    ids: Iterable[str], scores: Iterable[float], payloads: Iterable[Mapping[str, Any]]
) -> list[Hit]:
    """Hits of points that tell no revision: there are thousands a photo.

    Args:
        ids: of the points.
        scores: as many.
        payloads: likewise.

    >>> make_hits(["a"], [0.5], [{"n": 1}])
    [Hit(id='a', score=0.5, payload={'n': 1}, revision=0)]
    """
    # what Hit(...) comes to, without a call of Python's own for each
    return list(map(partial(tuple.__new__, Hit), zip(ids, scores, payloads, repeat(0))))


class Record(NamedTuple):
    """One stored point as it is read back; ``vectors`` holds only the spaces asked for."""

    id: str
    payload: Mapping[str, Any]
    vectors: Mapping[str, Vector]


class Stored(NamedTuple):
    """One stored point as it lies in the engine, for who checks it.

    Attributes:
        id: of the point.
        payload: with what the store adds to it.
        vectors: of every dense space that the point has.
        words: the sparse vector of its words, by coordinate; None where it has none.
    """

    id: str
    payload: Mapping[str, Any]
    vectors: Mapping[str, Vector]
    words: Mapping[int, float] | None


class StoredPage(NamedTuple):
    """Part of all stored points; ``cursor`` is None at the end."""

    points: tuple[Stored, ...]
    cursor: str | None


class Census(NamedTuple):
    """How much an engine says it has, by what it counts itself; asking costs it nothing.

    Attributes:
        points: of the collection.
        vectors: by space; some engines count those of deleted points until they are optimized.
        indexes: points in the index of each payload field that has one.
    """

    points: int
    vectors: Mapping[str, int]
    indexes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a scroll; ``cursor`` is None at the end."""

    records: tuple[Record, ...]
    cursor: str | None

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)
