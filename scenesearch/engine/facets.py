"""Values of the fields of a collection, counted; ranges of its numbers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from threading import Lock
from typing import Any

from cachetools import TTLCache

from scenesearch.api.opened import Opened
from scenesearch.core.batches import scroll_all
from scenesearch.core.conditions import Between, Condition, all_of
from scenesearch.core.errors import QueryError
from scenesearch.core.points import FIELDS, is_ours
from scenesearch.core.protocols import Store
from scenesearch.core.types import FieldType
from scenesearch.engine.tasks import FacetTask
from scenesearch.look.as_json import to_json

COUNTED = frozenset({"keyword", "integer", "bool"})
FIRST = ("category", "colour_names")
FEW = 100
"""Values above which a field is none to choose from, unless it is asked for by name."""
MAX_FIELDS = 32
MAX_VALUES = 1000
PAGE = 1000
IDS = 5000
COUNTED_POINTS = 250_000
"""Points of which the items are counted; about a second of work for 100,000."""
FRESH_S = 60.0
"""How long an answer is given again; writes through the same engine end it at once."""
KEPT = 64
"""Answers that are remembered."""


class FacetTasks:
    """Answers :class:`FacetTask`, and remembers what it counted; safe to use from threads.

    Counting 100,000 items takes seconds, and everyone who opens a page asks for the same.

    Args:
        opened: the collection.
        clock: seconds that never go back.
    """

    def __init__(self, opened: Opened, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._opened = opened
        self._counted: TTLCache[FacetTask, str] = TTLCache(KEPT, FRESH_S, timer=clock)
        self._lock = Lock()
        self._changes = 0

    def facets(self, task: FacetTask) -> str:
        """JSON text of what :func:`facets` gives; at most :data:`FRESH_S` old.

        Raises:
            QueryError: an unknown field, or too many.
            StoreError: there is no collection.
        """
        with self._lock:
            known = self._counted.get(task)
            changes = self._changes
        if known is not None:
            return known
        text = to_json(facets(self._opened, task))
        with self._lock:
            # what was counted before a write is not kept after it
            if changes == self._changes:
                self._counted[task] = text
        return text

    def forget(self) -> None:
        """To be called when the collection was written to."""
        with self._lock:
            self._changes += 1
            self._counted.clear()


def facets(opened: Opened, task: FacetTask) -> dict[str, Any]:
    """What :class:`FacetTask` asks for.

    Returns:
        ``facets`` (by field a list of ``{"value", "count"}``, or ``{"min", "max"}`` of a float
        field; counts are of points), ``items`` (None above :data:`COUNTED_POINTS` points),
        ``points`` and ``fields`` (types of all that can be filtered by).

    Raises:
        QueryError: an unknown field, or too many.
        StoreError: there is no collection.
    """
    fields = opened.fields()
    if not 1 <= task.limit <= MAX_VALUES:
        raise QueryError(f"limit is {task.limit}, expected 1 to {MAX_VALUES}", code="out_of_range")
    if len(task.fields) > MAX_FIELDS:
        raise QueryError(
            f"{len(task.fields)} fields, expected at most {MAX_FIELDS}", code="too_many"
        )
    store = opened.store
    only = opened.only(task.only)
    where = all_of(only, opened.parse(task.where))
    points = store.count(where)
    if task.fields:
        found = {
            name: _field(store, name, _kind(name, fields), where, task.limit)
            for name in dict.fromkeys(task.fields)
        }
    else:
        found = dict(_usual(store, fields, where, only, task.limit))
    return {
        "facets": found,
        "items": _items(store, where, points),
        "points": points,
        "fields": dict(sorted(fields.items())),
    }


def _items(store: Store, where: Condition | None, points: int) -> int | None:
    """How many items have these points; None where counting them takes longer than it is worth.

    In pages, so that others are answered in between: a facet of all ids holds the engine for
    seconds.
    """
    if points > COUNTED_POINTS:
        return None
    records = scroll_all(store, where=where, fields=("item_id",), page=IDS)
    return len({r.payload["item_id"] for r in records if is_ours(r.payload)})


def _kind(name: str, fields: Mapping[str, FieldType]) -> FieldType:
    kind = fields.get(name)
    if kind is None or kind == "text":
        known = [one for one, its in fields.items() if its != "text"]
        raise QueryError(
            f"No field {name!r} to count; expected one of {', '.join(sorted(known))}",
            code="unknown_field",
        )
    return kind


def _usual(
    store: Store,
    fields: Mapping[str, FieldType],
    where: Condition | None,
    only: Condition | None,
    limit: int,
) -> Iterator[tuple[str, Any]]:
    """The fields people choose by: few values of all that the caller may see, or a range."""
    for name in (*FIRST, *sorted(set(fields) - set(FIRST))):
        kind = fields.get(name)
        if kind is None or kind == "text" or (name in FIELDS and name not in FIRST):
            continue
        if kind == "float":
            yield name, _range(store, name, where)
            continue
        values = store.facet(name, where=only, limit=FEW + 1)
        if name in FIRST or len(values) <= FEW:
            yield name, _field(store, name, kind, where, limit)
        elif kind == "integer":
            yield name, _range(store, name, where)


def _field(
    store: Store, name: str, kind: FieldType, where: Condition | None, limit: int
) -> list[dict[str, Any]] | dict[str, float | None]:
    if kind not in COUNTED:
        return _range(store, name, where)
    values = store.facet(name, where=where, limit=limit)
    return [{"value": value, "count": count} for value, count in values]


def _range(store: Store, name: str, where: Condition | None) -> dict[str, float | None]:
    return {"min": _least(store, name, where), "max": _least(store, name, where, sign=-1)}


def _least(store: Store, name: str, where: Condition | None, sign: int = 1) -> float | None:
    """The smallest value of a field, or the largest one for a ``sign`` of -1.

    A page of points is a random sample, since ids are hashes; what is beyond the best of a page
    is asked for next, and each page leaves about a thousandth.
    """
    best: float | None = None
    while True:
        beyond = Between(name, lt=best) if sign > 0 else Between(name, gt=best)
        page = store.scroll(where=all_of(where, beyond), limit=PAGE, fields=(name,))
        values = (record.payload.get(name) for record in page)
        known = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
        if not known:
            return best
        best = min(known) if sign > 0 else max(known)
        if page.cursor is None:
            return best
