"""What an answer holds, as values, JSON and a table; :class:`Look` adds how it is shown.

Takes what the searcher worked out. It knows nothing of models, stores, ranking or drawing.

Region numbers: ``Evidence.region`` and the ``region`` column count from 0 and index
``Look.regions``; the pictures and the ``number`` key count from 1, as people do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scenesearch.core.extras import extra
from scenesearch.core.types import Colour, Region, Scene
from scenesearch.look.verdict import Verdict, verdict_of
from scenesearch.words import ParsedWords

if TYPE_CHECKING:
    import pandas as pd

_FIRST_COLUMNS = (
    *("list", "region", "region_key", "label", "rank", "item_id", "score"),
    *("title", "category", "brand", "price", "currency", "url"),
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one region of the query, and one stored photo, gave to a match.

    Attributes:
        region: index in ``Look.regions``; None for what no region earned: the text
            of a query, or an example product.
        photo: the catalogue photo that answered.
        point_id: the stored point that answered.
        scores: by part (``cutout``, ``context``, ``colour``, ...): cosine in that space.
        contribution: what it added to the match's place in the fused list.
    """

    region: int | None
    photo: str
    point_id: str
    scores: Mapping[str, float]
    contribution: float


@dataclass(frozen=True, slots=True)
class Match:
    """One product of an answer.

    Attributes:
        item_id: the catalogue's id.
        score: 0 for what is no more like the query than the catalogue as a whole, 1 for the same
            picture, or all that words asked for; the same number in every list. The order of the
            fused list is how the lists of the regions interleave, not this.
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

    @property
    def verdict(self) -> Verdict:
        """Whether it may be the very thing, is one like it, or something near."""
        named = self.parts.get("meaning", self.parts.get("words_category"))
        return verdict_of(self.score, named)


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


@dataclass(frozen=True, slots=True)
class Refined:
    """A turn of the question, as it was understood.

    Attributes:
        said: the turn in its own words.
        object: number of the object that it is about, from 1; None for every one.
        understood: one short text for each thing that it asks for; a comparison has one for each
            object, with its number before it; empty where it says nothing here.
        to: items that a comparison was with, by number of the object (0 without a photo).
    """

    said: str
    object: int | None = None
    understood: tuple[str, ...] = ()
    to: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A turn that would split a list of the answer.

    Attributes:
        text: of it, for people.
        where: the filter that it is.
        object: number of the object whose list it splits, from 1; None for the fused list.
        count: matches of that list that it keeps.
    """

    text: str
    where: str
    object: int | None
    count: int


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
        total: how long the fused list is, of which ``matches`` is a part; None: not counted.
        refined: the turns of the question, as they were understood.
        suggestions: turns that would split the lists well, those of the fused list first.
    """

    scene: Scene | None
    regions: tuple[RegionMatches, ...]
    matches: tuple[Match, ...]
    facets: Mapping[str, tuple[tuple[Any, int], ...]] = field(default_factory=dict)
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    parsed: ParsedWords | None = None
    total: int | None = None
    refined: tuple[Refined, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()

    def __post_init__(self) -> None:
        known = frozenset((None, *range(len(self.regions))))
        lists = (self.matches, *(found.matches for found in self.regions))
        for match in (match for matches in lists for match in matches):
            for evidence in match.evidence:
                if evidence.region not in known:
                    raise ValueError(
                        f"Evidence.region of item {match.item_id!r} is {evidence.region}, expected "
                        f"an index into the {len(self.regions)} regions of the look, or None"
                    )

    def __repr__(self) -> str:
        source = self.scene.source if self.scene else "no photo"
        return f"Look({source!r}: {len(self.regions)} regions, {len(self.matches)} matches)"

    def to_pandas(self) -> pd.DataFrame:
        """One row for each match of the fused list, then of each region's list.

        Returns:
            Columns ``list`` (``fused`` or ``region``), ``region`` (index from 0; missing in the
            fused list), ``region_key``, ``label``, ``rank`` (from 1), ``item_id``, ``score``;
            then the attributes (``attr_`` in front of a name that is taken) and ``part_*``.
        """
        with extra("pandas", "A look as a table of pandas"):
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
