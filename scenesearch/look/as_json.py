"""What a look is as JSON values: the one form that Python, the command line and REST share.

A score is rounded to 6 decimals, a box to 2, milliseconds to 3; numbers that are not finite become
None. Pictures are files here and addresses where a service shows them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from scenesearch.attributes.lab import lab_to_rgb
from scenesearch.attributes.placement import placement
from scenesearch.core.json_values import json_object
from scenesearch.core.types import Colour
from scenesearch.look.values import LookData, Match, RegionMatches

_AS_THEY_ARE = frozenset({str, int, bool, type(None)})

PhotoUrl = Callable[[str], str]
"""The address of the picture of a point, by the point's id."""


def look_values(
    look: LookData, *, offset: int = 0, photo_url: PhotoUrl | None = None
) -> dict[str, Any]:
    """A look as JSON values; ``LookResponse`` in docs/openapi.json says what each is.

    Args:
        look: the answer.
        offset: matches of the fused list that come before its first.
        photo_url: pictures are named by it, as ``photo_url``, and no path of a file is told. None
            for paths: ``photo`` of matches and of evidence, and the scene's ``source``.
    """
    scene = look.scene
    size = None if scene is None else scene.size
    shades = iter(hex_colours([colour for found in look.regions for colour in found.colours]))
    return {
        "box_format": "xyxy_px",
        "scene": None
        if scene is None
        else {
            **({"source": scene.source} if photo_url is None else {}),
            "sha256": scene.sha256,
            "width": scene.size[0],
            "height": scene.size[1],
            "warnings": list(scene.warnings),
        },
        "regions": [
            _region(number, found, size, shades, photo_url)
            for number, found in enumerate(look.regions, 1)
        ],
        "matches": [
            _match(rank, match, photo_url) for rank, match in enumerate(look.matches, offset + 1)
        ],
        "facets": {
            str(name): [{"value": plain(value), "count": int(count)} for value, count in values]
            for name, values in look.facets.items()
        },
        "timings_ms": _rounded(look.timings_ms, 3),
        "notes": list(look.notes),
        "parsed": None if look.parsed is None else look.parsed.to_dict(),
        "refined": [
            {**json_object(one), "to": {str(number): item for number, item in one.to.items()}}
            for one in look.refined
        ],
        "suggestions": [json_object(one) for one in look.suggestions],
    }


def hex_colours(colours: Sequence[Colour]) -> list[str]:
    """Colours as ``#rrggbb``, the nearest that a screen has."""
    if not colours:
        return []
    lab = np.array([colour.lab for colour in colours])
    rgb = lab_to_rgb(np.nan_to_num(lab, nan=0.0, posinf=0.0, neginf=0.0))
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in rgb.tolist()]


def plain(value: Any) -> Any:
    """Anything as JSON values: no number that is not finite; what JSON does not know is text."""
    # first what nearly all of a catalogue is made of
    if type(value) in _AS_THEY_ARE:
        return value
    if type(value) is float:
        return value if math.isfinite(value) else None
    if isinstance(value, (list, tuple)):
        return [one if type(one) in _AS_THEY_ARE else plain(one) for one in value]
    if isinstance(value, (dict, Mapping)):
        return {
            str(key): one if type(one) in _AS_THEY_ARE else plain(one) for key, one in value.items()
        }
    if isinstance(value, (set, frozenset)):
        return [plain(one) for one in sorted(value, key=str)]
    if isinstance(value, np.ndarray):
        return [plain(one) for one in value] if value.ndim else plain(value[()])
    if isinstance(value, np.floating):
        # Through the shortest text: a float32 of 19.99 is not 19.989999771118164.
        return plain(float(str(value)))
    if isinstance(value, (np.integer, np.bool_)):
        return value.item()
    if isinstance(value, (int, float)):
        return plain(int(value) if isinstance(value, int) else float(value))
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else str(value)


def _region(
    number: int,
    found: RegionMatches,
    size: tuple[int, int] | None,
    shades: Iterator[str],
    photo_url: PhotoUrl | None,
) -> dict[str, Any]:
    region = found.region
    where = None if size is None else placement(region.box, size)
    return {
        "number": number,
        "key": region.key,
        "kind": region.kind,
        "box": [_number(side, 2) for side in region.box],
        "area_share": None if where is None else _number(where.area_share, 4),
        "position": None if where is None else where.position,
        "label": region.label,
        "confidence": _number(region.confidence),
        "weight": _number(region.weight),
        "has_mask": region.mask is not None,
        "cutout_method": found.cutout_method,
        "cutout_reason": found.cutout_reason,
        "colours": [
            {
                "name": colour.name,
                "lab": [_number(value, 2) for value in colour.lab],
                "share": _number(colour.share, 4),
                "hex": shade,
            }
            # as many as there are colours: the other shades are of the next regions
            for colour, shade in zip(found.colours, shades, strict=False)
        ],
        "notes": list(found.notes),
        "matches": [_match(rank, match, photo_url) for rank, match in enumerate(found.matches, 1)],
    }


def _match(rank: int, match: Match, photo_url: PhotoUrl | None) -> dict[str, Any]:
    name = "photo" if photo_url is None else "photo_url"
    best = match.evidence[0].point_id if match.evidence else ""
    return {
        "rank": rank,
        "item_id": match.item_id,
        "score": _number(match.score),
        "verdict": match.verdict,
        "parts": _rounded(match.parts),
        "evidence": [
            {
                "region": one.region,
                name: _picture(one.photo, one.point_id, photo_url),
                "point_id": one.point_id,
                "scores": _rounded(one.scores),
                "contribution": _number(one.contribution),
            }
            for one in match.evidence
        ],
        "attributes": plain(match.attributes),
        name: _picture(match.photo, best, photo_url),
        "variants": list(match.variants),
    }


def _picture(path: str | None, point_id: str, photo_url: PhotoUrl | None) -> str | None:
    if photo_url is None:
        return path
    return photo_url(point_id) if path and point_id else None


def _number(value: float, digits: int = 6) -> float | None:
    return round(float(value), digits) if math.isfinite(value) else None


def _rounded(values: Mapping[str, float], digits: int = 6) -> dict[str, float | None]:
    return {name: _number(value, digits) for name, value in values.items()}


def to_json(values: Any) -> str:
    """ASCII text of JSON values; numbers that are not finite become null."""
    try:
        return json.dumps(values, allow_nan=False, separators=(",", ":"))
    except ValueError:
        # only attributes can hold such a number, and hardly any catalogue has one
        return json.dumps(plain(values), allow_nan=False, separators=(",", ":"))
