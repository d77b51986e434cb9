"""Photos that were found, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scenesearch.core.json_values import json_object
from scenesearch.core.types import BoxTuple, Scalar
from scenesearch.scenes.points import counts_of
from scenesearch.scenes.understand import SceneQuery

SHOWN_FIELDS = (
    *("photo", "photo_sha256", "folder", "width", "height", "kind", "items"),
    *("label_counts", "label_scores", "photo_colours"),
)
"""Payload fields that an answer is made of."""


@dataclass(frozen=True, slots=True)
class SceneMatch:
    """One photo.

    Attributes:
        photo: the source it was indexed from.
        score: cosine, -1 to 1, for a query by picture or product; for words the mean confidence,
            0 to 1, of the labels asked for, 1 where no label was. None for a photo that is known
            to have the product though none of its objects looks like it.
        labels: how often each is in the photo.
        size: (width, height) in pixels.
        kind: of the scene.
        folder: where the photo lies.
        items: ids of products known to be in it.
        known: the product that was asked for is known to be in it.
        box: of the object that matched a product: pixels, xyxy.
        label: of that object.
        sha256: of the photo's content.
    """

    photo: str
    score: float | None
    labels: Mapping[str, int]
    size: tuple[int, int]
    kind: str | None
    folder: str
    items: tuple[str, ...]
    known: bool = False
    box: BoxTuple | None = None
    label: str | None = None
    sha256: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        values = json_object(self, 4, {"box": 1})
        del values["sha256"]
        return values


@dataclass(frozen=True, slots=True)
class SceneAnswer:
    """The photos of one query, best first.

    Attributes:
        matches: at most as many as were asked for.
        total: how many photos satisfy the conditions; None where likeness alone decides.
        query: what was understood of the words; None without words.
        notes: what the user should know.
    """

    matches: tuple[SceneMatch, ...]
    total: int | None
    query: SceneQuery | None = None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "query": None if self.query is None else self.query.to_dict(),
            "total": self.total,
            "notes": list(self.notes),
            "matches": [match.to_dict() for match in self.matches],
        }


Facets = Mapping[str, list[tuple[Scalar, int]]]
"""Values of fields, and how many photos have each."""


def match_of(
    payload: Mapping[str, Any],
    score: float | None,
    *,
    known: bool = False,
    box: BoxTuple | None = None,
    label: str | None = None,
) -> SceneMatch:
    """A match from the payload of one of the photo's points."""
    return SceneMatch(
        photo=str(payload["photo"]),
        score=score,
        labels=counts_of(payload.get("label_counts", ())),
        size=(int(payload.get("width", 0)), int(payload.get("height", 0))),
        kind=payload.get("kind"),
        folder=str(payload.get("folder", "")),
        items=tuple(payload.get("items", ())),
        known=known,
        box=box,
        label=label,
        sha256=str(payload.get("photo_sha256", "")),
    )
