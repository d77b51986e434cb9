"""The answer: what goes with an item or a scene, best first and by category."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scenesearch.core.json_values import json_object


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One item that goes with the anchors.

    Attributes:
        item_id: the catalogue's id.
        category: its category, or None.
        score: 0 to 1, comparable inside this answer only.
        parts: what ``scenes``, ``style`` and ``colour`` gave to the score.
        reason: why, for people: ``seen together in 3 scenes``, ``same style as 502.579.84``.
        together: in how many known scenes it is with an anchor.
        attributes: title, price, ... as they are stored.
        photo: path of the picture to show, or None.
    """

    item_id: str
    category: str | None
    score: float
    parts: Mapping[str, float]
    reason: str
    together: int = 0
    attributes: Mapping[str, Any] = field(default_factory=dict)
    photo: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            **json_object(self, 6),
            "attributes": {
                name: list(value) if isinstance(value, tuple) else value
                for name, value in self.attributes.items()
            },
        }


@dataclass(frozen=True, slots=True)
class CompletionGroup:
    """The suggestions of one category, best first."""

    category: str | None
    suggestions: tuple[Suggestion, ...]


@dataclass(frozen=True, slots=True)
class Completion:
    """What goes with some items.

    Attributes:
        anchors: what was asked for: weight by item id, adding up to 1.
        suggestions: over all categories, best first.
        left_out: categories that are there already and were not suggested.
        notes: what the reader should know, such as too few known scenes.
    """

    anchors: Mapping[str, float]
    suggestions: tuple[Suggestion, ...]
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def groups(self) -> tuple[CompletionGroup, ...]:
        """The suggestions by category; the category of the best suggestion first."""
        by_category: dict[str | None, list[Suggestion]] = {}
        for one in self.suggestions:
            by_category.setdefault(one.category, []).append(one)
        return tuple(CompletionGroup(name, tuple(found)) for name, found in by_category.items())

    def to_dict(self) -> dict[str, Any]:
        """As JSON values: ``anchors``, ``groups``, ``left_out``, ``notes``."""
        return {
            "anchors": {item: round(weight, 6) for item, weight in self.anchors.items()},
            "groups": [
                {
                    "category": group.category,
                    "suggestions": [one.to_dict() for one in group.suggestions],
                }
                for group in self.groups
            ],
            "left_out": list(self.left_out),
            "notes": list(self.notes),
        }
