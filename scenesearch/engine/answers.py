"""A look as the JSON text that is sent: pictures by address, colours as the web writes them.

Everything of :meth:`~scenesearch.look.look.Look.to_dict` but paths of files, which are nobody's
business outside this machine.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scenesearch.attributes.lab import lab_to_rgb
from scenesearch.attributes.placement import placement
from scenesearch.core.types import Colour, Scene
from scenesearch.look.look import Look
from scenesearch.look.values import Evidence, Match, RegionMatches

THUMBNAIL = 320
"""Pixels of the longer side of the pictures that answers point to."""


def photo_url(point_id: str, width: int = THUMBNAIL) -> str:
    """Where the service shows the catalogue photo of a point."""
    return f"/v1/photos/{point_id}?width={width}"


def look_json(
    look: Look, *, query_id: str | None, next_offset: int | None, offset: int, limit: int
) -> str:
    """A look as JSON text, ASCII only.

    Args:
        look: the answer.
        query_id: under which its photo can be asked again.
        next_offset: where the next part of the fused list starts; None at the end.
        offset: matches of the fused list to leave out.
        limit: matches of the fused list to show.
    """
    return to_json(look_values(look, query_id, next_offset, offset, limit))


def to_json(values: Any) -> str:
    """JSON text of JSON values; numbers that are not finite become null."""
    try:
        return json.dumps(values, allow_nan=False, separators=(",", ":"))
    except ValueError:
        # only attributes can hold such a number, and hardly any catalogue has one
        return json.dumps(_finite(values), allow_nan=False, separators=(",", ":"))


def look_values(
    look: Look, query_id: str | None, next_offset: int | None, offset: int, limit: int
) -> dict[str, Any]:
    """A look as JSON values; see :func:`look_json`."""
    scene = look.scene
    colours = [colour for found in look.regions for colour in found.colours]
    shades = iter(hex_colours(colours))
    shown = look.matches[offset : offset + limit]
    return {
        "query_id": query_id,
        "box_format": "xyxy_px",
        "scene": None if scene is None else _scene(scene),
        "regions": [
            _region(number, found, scene, [next(shades) for _ in found.colours])
            for number, found in enumerate(look.regions, 1)
        ],
        "matches": [_match(rank, match) for rank, match in enumerate(shown, offset + 1)],
        "next_offset": next_offset,
        "facets": {
            name: [{"value": value, "count": int(count)} for value, count in values]
            for name, values in look.facets.items()
        },
        "timings_ms": {name: round(ms, 3) for name, ms in look.timings_ms.items()},
        "notes": list(look.notes),
        "parsed": None if look.parsed is None else look.parsed.to_dict(),
    }


def hex_colours(colours: Sequence[Colour]) -> list[str]:
    """Colours as ``#rrggbb``, the nearest that a screen has."""
    if not colours:
        return []
    rgb = lab_to_rgb(np.array([colour.lab for colour in colours]))
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in rgb.tolist()]


def colour_values(colour: Colour, shade: str) -> dict[str, Any]:
    """One colour as JSON values; ``shade`` is its ``#rrggbb``."""
    return {
        "name": colour.name,
        "lab": [round(float(value), 2) for value in colour.lab],
        "share": round(float(colour.share), 4),
        "hex": shade,
    }


def _scene(scene: Scene) -> dict[str, Any]:
    return {
        "sha256": scene.sha256,
        "width": scene.size[0],
        "height": scene.size[1],
        "warnings": list(scene.warnings),
    }


def _region(
    number: int, found: RegionMatches, scene: Scene | None, shades: Sequence[str]
) -> dict[str, Any]:
    region = found.region
    where = None if scene is None else placement(region.box, scene.size)
    return {
        "number": number,
        "key": region.key,
        "kind": region.kind,
        "box": [round(float(side), 2) for side in region.box],
        "area_share": None if where is None else round(float(where.area_share), 4),
        "position": None if where is None else where.position,
        "label": region.label,
        "confidence": round(float(region.confidence), 6),
        "weight": round(float(region.weight), 6),
        "has_mask": region.mask is not None,
        "cutout_method": found.cutout_method,
        "cutout_reason": found.cutout_reason,
        "colours": [
            colour_values(colour, shade)
            for colour, shade in zip(found.colours, shades, strict=True)
        ],
        "notes": list(found.notes),
        "matches": [_match(rank, match) for rank, match in enumerate(found.matches, 1)],
    }


def _match(rank: int, match: Match) -> dict[str, Any]:
    best = match.evidence[0] if match.evidence and match.photo else None
    return {
        "rank": rank,
        "item_id": match.item_id,
        "score": _score(match.score),
        "parts": {name: _score(value) for name, value in match.parts.items()},
        "evidence": [_evidence(one) for one in match.evidence],
        # stored as JSON, so these are JSON values
        "attributes": match.attributes,
        "photo_url": None if best is None else photo_url(best.point_id),
        "variants": list(match.variants),
    }


def _evidence(one: Evidence) -> dict[str, Any]:
    return {
        "region": one.region,
        "photo_url": photo_url(one.point_id) if one.photo else None,
        "point_id": one.point_id,
        "scores": {name: _score(value) for name, value in one.scores.items()},
        "contribution": _score(one.contribution),
    }


def _score(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return value
