"""What an engine can be asked to do, as plain values that travel between processes.

A task says everything and holds nothing: photos are bytes as they came, boxes are numbers, options
are those of :class:`~scenesearch.config.search.SearchOptions` by name. Answers are JSON values,
JSON text ready to be sent, or bytes of a picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from scenesearch.core.boxes import BoxFormat
from scenesearch.core.turns import Turn
from scenesearch.core.types import BoxTuple

Sensitivity = Literal["low", "medium", "high"]


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo as it came.

    Attributes:
        data: the encoded file.
        name: what messages call it; never a path.
    """

    data: bytes = field(repr=False)
    name: str = "photo"


@dataclass(frozen=True, slots=True)
class LookTask:
    """Search every object of a photo. Answer: JSON text of a look.

    Exactly one of ``photo`` and ``query_id`` is given.

    Attributes:
        query_id: of an earlier look, whose photo is asked again.
        boxes: regions to search instead of what is detected, in ``box_format``.
        point: a tapped point, in ``box_format``.
        detection_limit: the largest number of objects, 1 to 30.
        detection_sensitivity: how sure the detector must be; None for all it says.
        texts: words every region is moved towards, with weights.
        items: catalogue items every region is moved towards, with weights.
        words: plain words ("in blue, under $50").
        where: a filter text.
        options: of :class:`~scenesearch.config.search.SearchOptions`, but ``where``.
        offset: matches of the fused list to leave out.
        only: a filter text of the caller's key, which holds as well.
        refine: turns that narrow the answer.
        tenant: of that key: whose the photo stays.
        keep_as: the query id that the photo is to have; None for a new one.
    """

    photo: Photo | None = None
    query_id: str | None = None
    boxes: tuple[BoxTuple, ...] = ()
    point: tuple[float, float] | None = None
    box_format: BoxFormat = "xyxy_px"
    detection_limit: int = 5
    detection_sensitivity: Sensitivity | None = None
    texts: Mapping[str, float] = field(default_factory=dict)
    items: Mapping[str, float] = field(default_factory=dict)
    words: str | None = None
    where: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    offset: int = 0
    only: str | None = None
    refine: tuple[Turn, ...] = ()
    tenant: str | None = None
    keep_as: str | None = None


@dataclass(frozen=True, slots=True)
class BasketTask:
    """Choose one product for each object of a photo, under a budget. Answer: JSON text.

    Attributes:
        look: the photo, and how it is searched.
        budget: the most that a basket costs.
        currency: of the budget; None for that of most products.
        keep: products to keep, by number of the object; None to buy nothing for it.
        same_category: no product of another category than the object's first match.
    """

    look: LookTask
    budget: float
    currency: str | None = None
    keep: Mapping[int, str | None] = field(default_factory=dict)
    same_category: bool = False


@dataclass(frozen=True, slots=True)
class SearchTask:
    """Search for one thing. Answer: JSON text of a look without regions.

    Attributes:
        words: plain words.
        texts: words for a model that reads text, with weights.
        photos: photos of the thing, with weights; nothing is detected in them.
        items: catalogue items, with weights.
        vectors: embeddings of the caller, with weights, and the space they lie in, if any.
        where: a filter text.
        options: as for :class:`LookTask`.
        offset: matches to leave out.
        only: a filter text of the caller's key, which holds as well.
        refine: turns that narrow the answer.
    """

    words: str | None = None
    texts: Mapping[str, float] = field(default_factory=dict)
    photos: tuple[tuple[Photo, float], ...] = ()
    items: Mapping[str, float] = field(default_factory=dict)
    vectors: tuple[
        tuple[tuple[float, ...], float] | tuple[tuple[float, ...], float, str | None], ...
    ] = ()
    where: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    offset: int = 0
    only: str | None = None
    refine: tuple[Turn, ...] = ()


@dataclass(frozen=True, slots=True)
class CompleteTask:
    """What goes with items, from other categories. Answer: a JSON object.

    Attributes:
        items: ids of what is there.
        limit: the most suggestions.
        per_category: the most of one category.
        where: a filter text.
        only: a filter text of the caller's key, which holds as well.
    """

    items: tuple[str, ...]
    limit: int = 12
    per_category: int = 3
    where: str | None = None
    only: str | None = None


@dataclass(frozen=True, slots=True)
class TagTask:
    """What is in a photo. Answer: JSON text of a row, see docs/tagging.md.

    Attributes:
        masks: masks of the objects too.
        ocr: read what is written.
    """

    photo: Photo
    masks: bool = False
    ocr: bool = False


@dataclass(frozen=True, slots=True)
class FacetTask:
    """Values of fields and how many items' points have each. Answer: JSON text.

    Attributes:
        fields: empty for the category, the colours and every other field that has few values.
        where: a filter text.
        limit: values of a field.
        only: a filter text of the caller's key, which holds as well.
    """

    fields: tuple[str, ...] = ()
    where: str | None = None
    limit: int = 50
    only: str | None = None


@dataclass(frozen=True, slots=True)
class GetItem:
    """One item as it is stored. Answer: a JSON object, or None.

    Attributes:
        only: a filter text of the caller's key, which holds as well.
    """

    item_id: str
    only: str | None = None


@dataclass(frozen=True, slots=True)
class ListItems:
    """A page of items in a stable order. Answer: {"items": [...], "cursor": text or None}.

    Attributes:
        only: a filter text of the caller's key, which holds as well.
    """

    where: str | None = None
    limit: int = 50
    cursor: str | None = None
    only: str | None = None


@dataclass(frozen=True, slots=True)
class ItemRecord:
    """An item to be stored.

    Attributes:
        item_id: any text of 1 to 512 characters.
        photos: its photos, in order; kept by the engine.
        attributes: any JSON scalars, or lists of text, by name; lists of numbers are vectors of the
            catalogue.
    """

    item_id: str
    photos: tuple[Photo, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PutItems:
    """Insert or replace items; durable when answered.

    Answer: a list of {"id", "status": "added" | "changed" | "unchanged" | "failed", "error":
    {"code", "detail"} or None}, in the order of ``records``.

    Attributes:
        items: answer "item" of what was stored too, as :class:`GetItem` does.
        tenant: whose they become; nobody else's are replaced.
    """

    records: tuple[ItemRecord, ...]
    items: bool = False
    tenant: str | None = None


@dataclass(frozen=True, slots=True)
class PatchItem:
    """Merge attributes into one item; None removes one. Answer: the item, or None.

    Attributes:
        only: a filter text of the caller's key, which holds as well.
        tenant: of that key: whose the item stays.
    """

    item_id: str
    attributes: Mapping[str, Any]
    only: str | None = None
    tenant: str | None = None


@dataclass(frozen=True, slots=True)
class DeleteItems:
    """Remove items by id, or by a filter. Answer: {"items": n, "points": n}.

    Attributes:
        only: a filter text of the caller's key, which holds as well.
    """

    ids: tuple[str, ...] = ()
    where: str | None = None
    only: str | None = None


@dataclass(frozen=True, slots=True)
class StoredPhoto:
    """The catalogue photo of a point, encoded again. Answer: JPEG bytes, or None.

    Attributes:
        point_id: as answers name it.
        width: the longer side is at most this many pixels, 32 to 2048.
        only: a filter text of the caller's key, which holds as well.
    """

    point_id: str
    width: int = 320
    only: str | None = None


@dataclass(frozen=True, slots=True)
class QueryPhoto:
    """The photo of an earlier look, encoded again. Answer: JPEG bytes.

    Attributes:
        query_id: of that look.
        width: the longer side is at most this many pixels, 32 to 2048.
        tenant: of the caller's key.
        photo: the photo itself, where it is no photo of this engine's looks.
    """

    query_id: str
    width: int = 320
    tenant: str | None = None
    photo: Photo | None = None


@dataclass(frozen=True, slots=True)
class AddScenes:
    """Put photos into the collection of scenes; durable when answered.

    Answer: a list of {"id", "status", "error"} as for :class:`PutItems`; the id of a scene is
    the sha256 of its photo.
    """

    photos: tuple[Photo, ...]


@dataclass(frozen=True, slots=True)
class FindScenes:
    """Find scenes by what is in them, by a photo like them, or by a product in them.

    Exactly one of ``text``, ``photo`` and ``item_id`` is given. Answer: a JSON object.
    """

    text: str | None = None
    photo: Photo | None = None
    item_id: str | None = None
    limit: int = 20


@dataclass(frozen=True, slots=True)
class SceneFacets:
    """What the scenes hold, counted. Answer: a JSON object."""

    text: str | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class DeleteScenes:
    """Remove scenes by id. Answer: {"scenes": n}."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScenePhoto:
    """The photo of a scene, encoded again. Answer: JPEG bytes, or None."""

    scene_id: str
    width: int = 320


@dataclass(frozen=True, slots=True)
class Status:
    """How the engine is. Answer: a JSON object.

    Attributes:
        deep: ask the store too (for readiness), instead of saying what is known.
    """

    deep: bool = False


@dataclass(frozen=True, slots=True)
class BackUp:
    """Copy the collections, the service's state and photos. Answer: a JSON object.

    Attributes:
        folder: made for it.
    """

    folder: str


@dataclass(frozen=True, slots=True)
class TenantsTask:
    """Whose items there are. Answer: a list of {"tenant", "items", "points"}, by name.

    Attributes:
        tenant: only this one's.
    """

    tenant: str | None = None


@dataclass(frozen=True, slots=True)
class RemoveTenant:
    """Remove all items of a tenant. Answer: {"items": n, "points": n}."""

    tenant: str


@dataclass(frozen=True, slots=True)
class ModelsTask:
    """Which models answer, by task, with licence and fingerprint. Answer: a JSON object."""


Task: TypeAlias = (
    LookTask
    | BasketTask
    | SearchTask
    | CompleteTask
    | TagTask
    | FacetTask
    | GetItem
    | ListItems
    | PutItems
    | PatchItem
    | DeleteItems
    | StoredPhoto
    | QueryPhoto
    | AddScenes
    | FindScenes
    | SceneFacets
    | DeleteScenes
    | ScenePhoto
    | Status
    | BackUp
    | TenantsTask
    | RemoveTenant
    | ModelsTask
)
Lane = Literal["heavy", "light", "inserts"]
"""Where tasks queue: those that run models over photos, those that do not, and items to be put,
of which many are worked on together."""


def lane_of(task: Task) -> Lane:
    """Where a task queues: a repeated look is a light one."""
    match task:
        case PutItems():
            return "inserts"
        case LookTask():
            heavy = task.photo is not None or bool(task.boxes)
        case BasketTask():
            return lane_of(task.look)
        case SearchTask():
            heavy = bool(task.photos)
        case FindScenes():
            heavy = task.photo is not None
        case _:
            heavy = isinstance(task, TagTask | AddScenes)
    return "heavy" if heavy else "light"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a task gave, and what it took.

    Attributes:
        value: see the task.
        seconds: by stage, for metrics: ``decode``, ``detect``, ``cutout``, ``describe``,
            ``embed``, ``engine``, ``rank``, ``fetch``, ``encode``.
    """

    value: Any
    seconds: Mapping[str, float] = field(default_factory=dict)
