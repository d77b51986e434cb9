"""What an answer holds, as values, JSON and a table; :class:`Look` adds how it is shown.

Takes what the searcher worked out. It knows nothing of models, stores, ranking or drawing.

Region numbers: ``Evidence.region`` and the ``region`` column count from 0 and index
``Look.regions``; the pictures and the ``number`` key count from 1, as people do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from scenesearch.attributes.placement import placement
from scenesearch.core.types import Colour, Region, Scene
from scenesearch.words import ParsedWords

if TYPE_CHECKING:
    import pandas as pd

NO_REGION = -1
"""``Evidence.region`` of what no region earned: the text of a query, or an example product."""

_SCORE_DIGITS = 6
_BOX_DIGITS = 2
_TIME_DIGITS = 3
_FIRST_COLUMNS = (
    *("list", "region", "region_key", "label", "rank", "item_id", "score"),
    *("title", "category", "brand", "price", "currency", "url"),
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one region of the query, and one stored photo, gave to a match.

    Attributes:
        region: index in ``Look.regions``, or :data:`NO_REGION`.
        photo: the catalogue photo that answered.
        point_id: the stored point that answered.
        scores: by part (``cutout``, ``context``, ``colour``, ...): cosine in that space.
        contribution: what it added to the score of the match.
    """

    region: int
    photo: str
    point_id: str
    scores: Mapping[str, float]
    contribution: float


@dataclass(frozen=True, slots=True)
class Match:
    """One product of an answer.

    Attributes:
        item_id: the catalogue's id.
        score: higher is better; comparable inside one list.
        parts: what each part of the ranking gave to the score.
        evidence: which regions earned it, best first.
        attributes: title, category, price, ... as they are stored.
        photo: path of the picture to show, or None.
        variants: ids of the near-duplicates that this match stands for.
    """

    item_id: str
    score: float
    parts: Mapping[str, float]
    evidence: tuple[Evidence, ...]
    attributes: Mapping[str, Any]
    photo: str | None
    variants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class RegionMatches:
    """One region of the photo, what was seen in it, and its own ranked products.

    Attributes:
        region: the region itself.
        matches: best first; empty is an honest "no good match".
        colours: dominant colours, by falling share.
        cutout_method: where the mask came from; ``plain`` is an unmasked crop.
        cutout_reason: why it is ``plain``, empty otherwise.
        notes: what the reader should know about this region.
    """

    region: Region
    matches: tuple[Match, ...]
    colours: tuple[Colour, ...] = ()
    cutout_method: str = "plain"
    cutout_reason: str = ""
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"RegionMatches({self.region!r}: {len(self.matches)} matches)"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LookData:
    """The whole answer to one query, without the ways to show it.

    Attributes:
        scene: the photo, or None for a query by text or by product.
        regions: what was searched, each with its own matches.
        matches: the fused list over all regions, best first.
        facets: by field, values with counts.
        timings_ms: by step.
        notes: what the reader should know, such as filters understood from the text.
        parsed: what was understood of the query's words, or None where it had none.
    """

    scene: Scene | None
    regions: tuple[RegionMatches, ...]
    matches: tuple[Match, ...]
    facets: Mapping[str, tuple[tuple[Any, int], ...]] = field(default_factory=dict)
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    parsed: ParsedWords | None = None

    def __post_init__(self) -> None:
        lists = (self.matches, *(found.matches for found in self.regions))
        for match in (match for matches in lists for match in matches):
            for evidence in match.evidence:
                if not NO_REGION <= evidence.region < len(self.regions):
                    raise ValueError(
                        f"Evidence.region of item {match.item_id!r} is {evidence.region}, expected "
                        f"an index into the {len(self.regions)} regions of the look, or "
                        f"{NO_REGION} for none"
                    )

    def __repr__(self) -> str:
        source = self.scene.source if self.scene else "no photo"
        return f"Look({source!r}: {len(self.regions)} regions, {len(self.matches)} matches)"

    def to_dict(self) -> dict[str, Any]:
        """Everything but the pixels, as JSON values.

        Scores are rounded to 6 decimals and boxes to 2; numbers that are not finite become None;
        values JSON does not know (dates, decimals) become text.

        Returns:
            ``box_format`` (always ``xyxy_px``), ``scene``, ``regions``, ``matches``, ``facets``,
            ``timings_ms``, ``notes``, ``parsed``.
        """
        scene = self.scene
        return {
            "box_format": "xyxy_px",
            "scene": None
            if scene is None
            else {
                "source": scene.source,
                "sha256": scene.sha256,
                "width": scene.size[0],
                "height": scene.size[1],
                "warnings": list(scene.warnings),
            },
            "regions": [_region_dict(i, found, scene) for i, found in enumerate(self.regions)],
            "matches": [_match_dict(rank, match) for rank, match in enumerate(self.matches, 1)],
            "facets": {
                str(name): [{"value": _plain(value), "count": int(n)} for value, n in values]
                for name, values in self.facets.items()
            },
            "timings_ms": _rounded(self.timings_ms, _TIME_DIGITS),
            "notes": list(self.notes),
            "parsed": None if self.parsed is None else self.parsed.to_dict(),
        }

    def to_pandas(self) -> pd.DataFrame:
        """One row for each match of the fused list, then of each region's list.

        Returns:
            Columns ``list`` (``fused`` or ``region``), ``region`` (index from 0; missing in the
            fused list), ``region_key``, ``label``, ``rank`` (from 1), ``item_id``, ``score``;
            then the attributes (``attr_`` in front of a name that is taken) and ``part_*``.
        """
        import pandas as pd

        rows = [_row("fused", None, rank, match) for rank, match in enumerate(self.matches, 1)]
        for i, found in enumerate(self.regions):
            rows += [
                _row("region", (i, found.region), rank, match)
                for rank, match in enumerate(found.matches, 1)
            ]
        seen = {name: None for row in rows for name in row}
        columns = [*_FIRST_COLUMNS, *(name for name in seen if name not in _FIRST_COLUMNS)]
        return pd.DataFrame(rows, columns=columns).astype({"region": "Int64", "rank": "Int64"})


def _region_dict(index: int, found: RegionMatches, scene: Scene | None) -> dict[str, Any]:
    region = found.region
    where = placement(region.box, scene.size) if scene is not None else None
    return {
        "number": index + 1,
        "key": region.key,
        "kind": region.kind,
        "box": [_number(side, _BOX_DIGITS) for side in region.box],
        "area_share": _number(where.area_share, 4) if where else None,
        "position": where.position if where else None,
        "label": region.label,
        "confidence": _number(region.confidence, _SCORE_DIGITS),
        "weight": _number(region.weight, _SCORE_DIGITS),
        "has_mask": region.mask is not None,
        "cutout_method": found.cutout_method,
        "cutout_reason": found.cutout_reason,
        "colours": [
            {
                "name": colour.name,
                "lab": [_number(value, 2) for value in colour.lab],
                "share": _number(colour.share, 4),
            }
            for colour in found.colours
        ],
        "notes": list(found.notes),
        "matches": [_match_dict(rank, match) for rank, match in enumerate(found.matches, 1)],
    }


def _match_dict(rank: int, match: Match) -> dict[str, Any]:
    return {
        "rank": rank,
        "item_id": match.item_id,
        "score": _number(match.score, _SCORE_DIGITS),
        "parts": _rounded(match.parts, _SCORE_DIGITS),
        "evidence": [
            {
                "region": evidence.region,
                "photo": evidence.photo,
                "point_id": evidence.point_id,
                "scores": _rounded(evidence.scores, _SCORE_DIGITS),
                "contribution": _number(evidence.contribution, _SCORE_DIGITS),
            }
            for evidence in match.evidence
        ],
        "attributes": _plain(match.attributes),
        "photo": match.photo,
        "variants": list(match.variants),
    }


def _row(kind: str, where: tuple[int, Region] | None, rank: int, match: Match) -> dict[str, Any]:
    row: dict[str, Any] = {
        "list": kind,
        "region": None if where is None else where[0],
        "region_key": None if where is None else where[1].key,
        "label": None if where is None else where[1].label,
        "rank": rank,
        "item_id": match.item_id,
        "score": match.score,
    }
    taken = frozenset(row)
    for name, value in match.attributes.items():
        row[f"attr_{name}" if name in taken or name.startswith("part_") else name] = value
    return row | {f"part_{name}": value for name, value in match.parts.items()}


def _number(value: float, digits: int) -> float | None:
    return round(float(value), digits) if math.isfinite(value) else None


def _rounded(values: Mapping[str, float], digits: int) -> dict[str, float | None]:
    return {str(name): _number(value, digits) for name, value in values.items()}


def _plain(value: Any) -> Any:
    """An attribute as JSON values; what JSON does not know becomes text."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, np.ndarray):
        return [_plain(entry) for entry in value] if value.ndim else _plain(value[()])
    if isinstance(value, np.floating):
        # Through the shortest text: a float32 of 19.99 is not 19.989999771118164.
        return _plain(float(str(value)))
    if isinstance(value, (np.integer, np.bool_)):
        return value.item()
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (set, frozenset)):
        return [_plain(entry) for entry in sorted(value, key=str)]
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return str(value)
