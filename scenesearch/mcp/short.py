"""Answers cut down to what an agent reads: a page of JSON costs it more than it gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scenesearch.schemas.baskets import BasketResponse
from scenesearch.schemas.looks import LookResponse, SentMatch
from scenesearch.schemas.tag import TagResponse

SHOWN = ("title", "category", "brand", "price", "currency", "in_stock", "url")
"""Attributes of a match that are told."""
OTHERS = 3
"""Matches of each object."""


def short_look(look: LookResponse) -> dict[str, Any]:
    """The fused list, what was seen with the best of each, and what was understood."""
    told: dict[str, Any] = {"matches": _matches(look.matches)}
    if look.query_id is not None:
        told["query_id"] = look.query_id
    if look.scene is not None:
        told["photo"] = {"width": look.scene.width, "height": look.scene.height}
    if look.regions:
        told["objects"] = [
            {
                "number": region.number,
                "label": region.label or region.kind,
                "box": [round(side) for side in region.box],
                "colours": [colour.name for colour in region.colours],
                "matches": _matches(region.matches[:OTHERS]),
                **({} if region.matches else {"note": "nothing in the catalogue looks like it"}),
            }
            for region in look.regions
        ]
    if look.parsed is not None and look.parsed.understood:
        told["understood"] = look.parsed.understood
    if look.refined:
        told["refined"] = [
            one.model_dump(exclude_none=True, exclude={"to"}) for one in look.refined
        ]
    if look.suggestions:
        told["suggested"] = [one.model_dump(exclude_none=True) for one in look.suggestions]
    if look.next_offset is not None:
        told["next_offset"] = look.next_offset
    if look.notes:
        told["notes"] = look.notes
    return told


def short_baskets(found: BasketResponse) -> dict[str, Any]:
    """What is chosen in each basket, with the first products that each could be swapped for."""
    lists = {region.number: region.matches for region in found.regions}
    told: dict[str, Any] = {
        "budget": found.budget,
        "currency": found.currency,
        "baskets": [
            {
                "name": basket.name,
                "total": basket.total,
                "products": [
                    {
                        "number": one.number,
                        "label": one.label,
                        **_matches(lists[one.number][one.rank - 1 : one.rank])[0],
                        "others": [
                            {"item_id": other.item_id, "price": other.price}
                            for other in one.others[:OTHERS]
                        ],
                    }
                    for one in basket.choices
                ],
                "missing": [one.model_dump() for one in basket.missing],
            }
            for basket in found.baskets
        ],
    }
    if found.query_id is not None:
        told["query_id"] = found.query_id
    if found.unpriced:
        told["unpriced"] = [one.model_dump() for one in found.unpriced]
    if found.notes:
        told["notes"] = found.notes
    return told


def short_tags(row: TagResponse) -> dict[str, Any]:
    """Objects, tags, colours, kind and text of a photo."""
    return {
        "photo": {"width": row.width, "height": row.height},
        "kind": row.kind,
        "tags": [tag.name for tag in row.tags],
        "colours": [colour.name for colour in row.colours],
        "objects": [
            {
                "label": found.label,
                "confidence": found.confidence,
                "box": [round(side) for side in found.box],
                "position": found.position,
                "colours": [colour.name for colour in found.colours],
            }
            for found in row.objects
        ],
        "text": [line.text for line in row.text],
    }


def _matches(matches: Sequence[SentMatch]) -> list[dict[str, Any]]:
    return [
        {
            "item_id": match.item_id,
            "score": match.score,
            "verdict": match.verdict,
            **{name: match.attributes[name] for name in SHOWN if name in match.attributes},
        }
        for match in matches
    ]
