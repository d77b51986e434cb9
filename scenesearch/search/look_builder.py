"""A ranking and the stored payloads to a :class:`~scenesearch.look.look.Look`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from scenesearch.config.search import SearchOptions
from scenesearch.core.types import POINT_FIELDS, Hit, Record
from scenesearch.look.values import Evidence, Match, RegionMatches
from scenesearch.models.encode import EncodedRegion
from scenesearch.search.rank.candidates import Answer, Candidates
from scenesearch.search.rank.pipeline import Ranking
from scenesearch.search.shown import ShownPoints

EVIDENCE = 3
"""Regions named as evidence of a match, at most."""


class LookBuilder:
    """Fetches what is shown, once, and puts matches together.

    Args:
        ranking: the outcome.
        answers: the engine's hits, for the ids of the points.
        photo_regions: whether the rows of the ranking are regions of a photo.
        options: how many to show.
    """

    def __init__(
        self,
        ranking: Ranking,
        answers: Sequence[Answer],
        *,
        photo_regions: bool,
        options: SearchOptions,
    ) -> None:
        self._ranking = ranking
        self._photo_regions = photo_regions
        rows = range(len(ranking.scores)) if photo_regions else ()
        self._lists = [ranking.region_groups(row, options.per_region) for row in rows]
        shown = {group[0] for row in self._lists for group in row} | set(ranking.ordered)
        self._points = best_points(ranking.candidates, answers, shown)
        self._records: dict[str, Record] = {}

    def fetch(self, points: ShownPoints) -> None:
        """Bring the payloads of everything shown, in one call at most."""
        self._records = points.read(self._points.values())

    def fused(self) -> tuple[Match, ...]:
        """The fused list."""
        ranking = self._ranking
        groups = ([i, *ranking.variants.get(i, ())] for i in ranking.ordered)
        return tuple(match for g in groups if (match := self._match(g, self._regions_of(g[0]))))

    def regions(
        self, encoded: Sequence[EncodedRegion], ood: Sequence[bool]
    ) -> tuple[RegionMatches, ...]:
        """Each region's own list; ``ood`` regions look like nothing in the catalogue."""
        return tuple(
            RegionMatches(
                region=one.region,
                matches=tuple(match for g in self._lists[row] if (match := self._match(g, [row]))),
                colours=one.description.colours,
                cutout_method=one.cutout.method,
                cutout_reason=one.cutout.reason,
                notes=self._notes(row, is_ood=ood[row]),
            )
            for row, one in enumerate(encoded)
        )

    def _notes(self, row: int, *, is_ood: bool) -> tuple[str, ...]:
        if is_ood:
            return ("no good match: it looks like nothing in the catalogue",)
        answered = (~np.isnan(self._ranking.scores[row])).any()
        return () if answered else ("no good match",)

    def _regions_of(self, item: int) -> list[int]:
        """Rows that speak for an item, the ones that earned its score first."""
        column = self._ranking.scores[:, item]
        if len(column) == 1:
            return [0]
        present = np.flatnonzero(~np.isnan(column))
        given = self._ranking.fused.contributions[present, item]
        picked = present[np.lexsort((-column[present], -given))][:EVIDENCE]
        return [int(row) for row in picked]

    def _match(self, group: Sequence[int], rows: Sequence[int]) -> Match | None:
        """The first of a group, standing for the others."""
        ranking, item = self._ranking, group[0]
        evidence = []
        spaces = {row: self._spaces(row, item) for row in rows}
        for row in rows:
            hit = self._points.get((row, item))
            record = None if hit is None else self._records.get(hit.id)
            if record is None:
                continue  # deleted since the engine answered
            evidence.append(
                Evidence(
                    region=row if self._photo_regions else None,
                    photo=str(record.payload.get("photo", "")),
                    point_id=record.id,
                    scores=spaces[row],
                    contribution=float(ranking.fused.contributions[row, item]),
                )
            )
        if not evidence:
            return None
        payload = self._records[evidence[0].point_id].payload
        names = ranking.candidates.items
        row = rows[0]
        named = 0.0 if ranking.named is None else float(ranking.named[row, item])
        gain = 0.0 if ranking.gains is None else float(ranking.gains[item])
        return Match(
            item_id=names[item],
            score=ranking.score(row, item),
            parts={
                "similarity": float(ranking.scores[row, item]) - named - gain,
                **self._steps(row, item),
                **spaces[row],
            },
            evidence=tuple(evidence),
            attributes=attributes_of(payload),
            photo=str(payload["photo"]) if payload.get("photo") else None,
            variants=tuple(names[j] for j in group[1:]),
        )

    def _steps(self, row: int, item: int) -> dict[str, float]:
        """What the steps said that were asked for."""
        ranking = self._ranking
        said: dict[str, float] = {}
        if ranking.again is not None and not np.isnan(ranking.again[row, item]):
            said["rerank"] = float(ranking.again[row, item])
        if ranking.named is not None:
            said["meaning"] = float(ranking.named[row, item])
        if ranking.gains is not None:
            said["boost"] = float(ranking.gains[item])
        return said

    def _spaces(self, row: int, item: int) -> dict[str, float]:
        scores = self._ranking.candidates.scores
        return {
            space: float(matrix[row, item])
            for space, matrix in scores.items()
            if not np.isnan(matrix[row, item])
        }


def attributes_of(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The item's own attributes, without what scenesearch keeps beside them."""
    return {name: value for name, value in payload.items() if name not in POINT_FIELDS}


def best_points(
    candidates: Candidates, answers: Sequence[Answer], shown: Collection[int]
) -> dict[tuple[int, int], Hit]:
    """The best point of each shown item for each region; the first space asked decides.

    Args:
        candidates: of ``answers``.
        answers: the engine's.
        shown: indices of items.

    Returns:
        Hits by (region, item).
    """
    wanted = np.zeros(len(candidates.items), np.bool_)
    wanted[list(shown)] = True
    points: dict[tuple[int, int], Hit] = {}
    for answer, column in zip(answers, candidates.columns, strict=True):
        for position in np.flatnonzero(wanted[column]).tolist():
            key = (answer.region, int(column[position]))
            points.setdefault(key, answer.hits[position])
    return points
