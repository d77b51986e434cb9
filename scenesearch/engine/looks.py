"""Looks and searches: tasks to queries, and what was searched to be asked again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np

from scenesearch.api.baskets import baskets_of
from scenesearch.api.opened import Opened
from scenesearch.basket import LIST_LENGTH, budget_units
from scenesearch.config.search import MAX_NAMES, SearchOptions
from scenesearch.core.boxes import BoxFormat, pixel_boxes, pixel_point
from scenesearch.core.conditions import all_of
from scenesearch.core.errors import QueryError
from scenesearch.core.types import Scene
from scenesearch.engine.cancellation import CheckedTimes
from scenesearch.engine.decoding import Decoder
from scenesearch.engine.media import photo_url
from scenesearch.engine.permitted import check_items
from scenesearch.engine.queries import Queries
from scenesearch.engine.slim import KeptPhoto, SlimSeen
from scenesearch.engine.tasks import (
    Answer,
    BasketTask,
    LookTask,
    QueryPhoto,
    SearchTask,
    Sensitivity,
)
from scenesearch.engine.thumbnails import check_width, encode_jpeg
from scenesearch.look.as_json import look_values, to_json
from scenesearch.look.look import Look
from scenesearch.search.query import Query
from scenesearch.search.seen import Seen
from scenesearch.wiring import region_rules

MAX_DEPTH = 1000
"""Matches of a fused list that can be reached by paging."""
MAX_BOXES = 30
"""Boxes, and objects, of one look."""

SENSITIVITY: Mapping[Sensitivity | None, float] = {
    "low": 0.5,
    "medium": 0.25,
    "high": 0.0,
    None: 0.0,
}
"""How sure the detector must be; ``high``: all it says."""
NO_DETECTOR = (
    "no detector here: the photo is searched whole and in parts; for one object give its box (on "
    "the page: search an area)"
)
"""A note for those who did not say where to look."""


@dataclass(frozen=True, slots=True)
class Paging:
    """Which part of the fused list is shown.

    Attributes:
        offset: matches that are left out.
        limit: matches that are shown.

    Raises:
        QueryError: it begins outside the first :data:`MAX_DEPTH` matches.
    """

    offset: int
    limit: int

    def __post_init__(self) -> None:
        offset = self.offset
        if isinstance(offset, bool) or not isinstance(offset, int):
            raise QueryError(
                f"offset is {offset!r:.100}, expected a whole number", code="bad_option"
            )
        if not 0 <= offset <= MAX_DEPTH:
            raise QueryError(
                f"offset is {offset}, expected 0 to {MAX_DEPTH}; narrow the search by a filter",
                code="out_of_range",
            )

    def next_offset(self, total: int) -> int | None:
        """Where the next part starts; None at the end.

        Args:
            total: matches of the whole list.
        """
        end = self.offset + self.limit
        return end if total > end else None


class LookTasks:
    """Answers :class:`LookTask` and :class:`SearchTask`; safe to use from threads.

    Args:
        opened: the collection and its models.
        decoder: of photos.
        queries: photos that can be asked again.
    """

    def __init__(self, opened: Opened, decoder: Decoder, queries: Queries) -> None:
        self._opened = opened
        self._decoder = decoder
        self._queries = queries

    def look(self, task: LookTask, times: CheckedTimes) -> Answer:
        """Search the objects of a photo. Answer: JSON text."""
        return _answer(*self._looked(task, times), times)

    def basket(self, task: BasketTask, times: CheckedTimes) -> Answer:
        """Choose a product for each object of a photo. Answer: JSON text."""
        budget_units(task.budget)
        options = {"per_region": LIST_LENGTH, **task.look.options}
        look, _, query_id = self._looked(replace(task.look, options=options), times)
        with times.stage("basket"):
            baskets = baskets_of(
                self._opened,
                look,
                task.budget,
                currency=task.currency,
                keep=task.keep,
                same_category=task.same_category,
            )
            text = to_json({"query_id": query_id, **baskets.to_dict(photo_url=photo_url)})
        return Answer(text, dict(times.seconds))

    def _looked(self, task: LookTask, times: CheckedTimes) -> tuple[Look, Paging, str | None]:
        """The look, which part of it is asked for, and what it can be asked again by."""
        check_look(task)
        # what is wrong with the question is said before the photo costs anything
        options, paging = self._options(task)
        rules = {
            # a tapped object may be none of the first few
            "limit": MAX_BOXES if task.point is not None else task.detection_limit,
            "min_confidence": SENSITIVITY[task.detection_sensitivity],
        }
        if task.photo is not None:
            seen = SlimSeen(self._opened.parts)
            scene = self._decoder.scene(task.photo, times)
            kept = KeptPhoto.of(task.photo, scene)
            query = self._query(task, scene)
        else:
            kept, seen = self._kept(task.query_id or "", task.tenant)
            query = self._query(task, kept.blank())
            if self._is_new(query, rules, seen):
                query = replace(query, scene=self._decoder.scene(kept.photo, times))
        look = self._opened.searcher.look(
            query, options, regions=rules, seen=seen, offset=paging.offset, times=times
        )
        if self._opened.parts.detector is None and not task.boxes and task.point is None:
            look = replace(look, notes=(*look.notes, NO_DETECTOR))
        query_id = task.query_id
        if query_id is None:
            query_id = self._queries.add(kept, seen, task.tenant, task.keep_as)
        else:
            self._queries.weigh(query_id)
        return look, paging, query_id

    def _kept(self, query_id: str, tenant: str | None) -> tuple[KeptPhoto, SlimSeen]:
        """A photo that was searched, and what these models said of it."""
        kept, seen = self._queries.get(query_id, tenant)
        if seen.models is not self._opened.parts:
            # it was looked at by another generation
            seen = SlimSeen(self._opened.parts)
            self._queries.anew(query_id, kept, seen, tenant)
        return kept, seen

    def query_photo(self, task: QueryPhoto, times: CheckedTimes) -> bytes:
        """The photo of an earlier look as a small JPEG, upright and without metadata.

        Raises:
            QueryExpiredError: it is not kept any more.
            QueryError: the width is outside its range.
        """
        check_width(task.width)
        photo = task.photo or self._queries.get(task.query_id, task.tenant)[0].photo
        return encode_jpeg(self._decoder.scene(photo, times).image, task.width)

    def _is_new(self, query: Query, rules: Mapping[str, Any], seen: Seen) -> bool:
        """Whether a kept photo is asked for something that needs its pixels."""
        by_detector = not query.boxes and self._opened.parts.detector is not None
        if by_detector and not seen.detected:
            return True
        wanted = replace(region_rules(self._opened.settings), **rules)
        return bool(seen.missing(self._opened.searcher.regions(query, rules=wanted, seen=seen)))

    def search(self, task: SearchTask, times: CheckedTimes) -> Answer:
        """Search for one thing. Answer: JSON text."""
        for name in ("texts", "photos", "items", "vectors"):
            _check_count(name, getattr(task, name))
        options, paging = self._options(task)
        scenes = self._decoder.scenes([photo for photo, _ in task.photos], times)
        query = Query(
            products=tuple(zip(scenes, (weight for _, weight in task.photos), strict=True)),
            texts=_weighted(task.texts),
            items=_weighted(task.items),
            vectors=tuple(
                (np.array(one[0], np.float32), float(one[1]), one[2] if len(one) > 2 else None)
                for one in task.vectors
            ),
            words=task.words,
            refine=task.refine,
            within=self._opened.only(task.only),
        )
        look = self._opened.searcher.look(query, options, offset=paging.offset, times=times)
        return _answer(look, paging, None, times)

    def _options(self, task: LookTask | SearchTask) -> tuple[SearchOptions, Paging]:
        only = self._opened.only(task.only)
        compared = [item for turn in task.refine for item in turn.to.values()]
        check_items(self._opened, [*task.items, *compared], only)
        where = all_of(only, self._opened.parse(task.where))
        options = self._opened.options(where, task.options)
        paging = Paging(task.offset, options.limit)
        return options, paging

    def _query(self, task: LookTask, scene: Scene) -> Query:
        return Query(
            scene=scene,
            boxes=pixel_boxes(task.boxes, task.box_format, scene.size),
            point=pixel_point(task.point, task.box_format, scene.size),
            texts=_weighted(task.texts),
            items=_weighted(task.items),
            words=task.words,
            refine=task.refine,
            within=self._opened.only(task.only),
        )


def _answer(look: Look, paging: Paging, query_id: str | None, times: CheckedTimes) -> Answer:
    with times.stage("encode"):
        total = look.total or 0
        values = look_values(look, offset=paging.offset, photo_url=photo_url)
        paged = {"total": total, "next_offset": paging.next_offset(total)}
        text = to_json({"query_id": query_id, **values, **paged})
    return Answer(text, dict(times.seconds))


def check_look(task: LookTask) -> None:
    """Refuse a look that makes no sense, before anything is decoded.

    Raises:
        QueryError: names what was got and what was expected.
    """
    if (task.photo is None) == (task.query_id is None):
        raise QueryError(
            "Give either a photo or the query_id of an earlier look, not both and not neither",
            code="no_photo" if task.photo is None else "bad_option",
        )
    if task.boxes and task.point is not None:
        raise QueryError("Give boxes or a point, not both", code="bad_option")
    if len(task.boxes) > MAX_BOXES:
        raise QueryError(
            f"{len(task.boxes)} boxes, expected at most {MAX_BOXES}; ask for the others by "
            f"query_id",
            code="too_many_boxes",
        )
    limit = task.detection_limit
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MAX_BOXES:
        raise QueryError(
            f"detection_limit is {limit!r}, expected a whole number of 1 to {MAX_BOXES}",
            code="out_of_range",
        )
    if task.detection_sensitivity not in SENSITIVITY:
        raise QueryError(
            f"detection_sensitivity is {task.detection_sensitivity!r}, expected low, medium or "
            f"high",
            code="bad_option",
        )
    if task.box_format not in get_args(BoxFormat):
        raise QueryError(
            f"box_format is {task.box_format!r}, expected xyxy_px or xyxy_norm", code="bad_option"
        )
    _check_count("texts", task.texts)
    _check_count("items", task.items)


def _check_count(name: str, parts: Sequence[Any] | Mapping[str, float]) -> None:
    if len(parts) > MAX_NAMES:
        raise QueryError(f"{len(parts)} {name}, expected at most {MAX_NAMES}", code="too_many")


def _weighted(parts: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    return tuple((part, float(weight)) for part, weight in parts.items())
