"""Long runs taken in parts: values, and the points of a store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from scenesearch.core.conditions import Condition
from scenesearch.core.protocols import Store
from scenesearch.core.types import Record

T = TypeVar("T")


def batches(values: Iterable[T], size: int) -> Iterator[list[T]]:
    """Consecutive parts of at most ``size`` values, taken as they are needed.

    >>> list(batches("abcde", 2))
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    stream = iter(values)
    while part := list(islice(stream, size)):
        yield part


def scroll_all(
    store: Store,
    *,
    where: Condition | None = None,
    fields: Sequence[str] | None = None,
    spaces: Sequence[str] = (),
    page: int = 5000,
) -> Iterator[Record]:
    """Every point of which a condition holds, in the store's order; asked for as it is taken.

    Args:
        store: the collection.
        where: the condition; None for all points.
        fields: payload fields to bring; None for the whole payload.
        spaces: vector spaces to bring.
        page: points of one request. An embedded engine is held for as long as one takes.
    """
    cursor: str | None = None
    while True:
        found = store.scroll(where=where, limit=page, cursor=cursor, fields=fields, spaces=spaces)
        yield from found
        cursor = found.cursor
        if cursor is None:
            return
