"""Any store, with the prices of the moment: sales begin and end without a write.

Filters on ``price`` and ``list_price`` are asked of what is stored of both, and every payload that
is read says what is paid now; see :mod:`scenesearch.core.sales`. A collection without dated sales
is passed on as it is, the objects of its payloads included.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from scenesearch.core.conditions import Condition
from scenesearch.core.protocols import Store, TextQuery, VectorQuery
from scenesearch.core.sales import BOUNDS, LIST_PRICE, NEEDED, PRICE, SALE_PRICE, as_of, priced
from scenesearch.core.types import (
    CollectionSchema,
    FieldType,
    Hit,
    Page,
    Point,
    Record,
    Scalar,
)

_NUMBERS = ("float", "integer")


def unwrapped(store: Store) -> Store:
    """The store itself, to be asked for what only some can do."""
    return store._inner if isinstance(store, PricedStore) else store


class PricedStore:
    """A store with the prices of the moment.

    Args:
        inner: holds the collection.
        clock: seconds since 1970.
    """

    def __init__(self, inner: Store, clock: Callable[[], float] = time.time) -> None:
        self._inner = inner
        self._clock = clock

    def __repr__(self) -> str:
        return repr(self._inner)

    @property
    def schema(self) -> CollectionSchema | None:
        """See :class:`scenesearch.core.protocols.Store`."""
        return self._inner.schema

    def query(self, queries: Sequence[VectorQuery | TextQuery]) -> list[list[Hit]]:
        """See :class:`scenesearch.core.protocols.Store`."""
        now = self._now()
        if now is None:
            return self._inner.query(queries)
        asked = [
            one._replace(where=as_of(one.where, now), fields=_needed(one.fields)) for one in queries
        ]
        answers = self._inner.query(asked)
        return [
            [hit._replace(payload=_read(hit.payload, one.fields, now)) for hit in hits]
            if _tells_prices(one.fields)
            else hits
            for one, hits in zip(queries, answers, strict=True)
        ]

    def retrieve(self, ids: Sequence[str], *, spaces: Sequence[str] = ()) -> list[Record]:
        """See :class:`scenesearch.core.protocols.Store`."""
        found = self._inner.retrieve(ids, spaces=spaces)
        now = self._now()
        return found if now is None else [_priced(record, None, now) for record in found]

    def scroll(
        self,
        *,
        where: Condition | None = None,
        limit: int = 1000,
        cursor: str | None = None,
        fields: Sequence[str] | None = None,
        spaces: Sequence[str] = (),
    ) -> Page:
        """See :class:`scenesearch.core.protocols.Store`."""
        now = self._now()
        page = self._inner.scroll(
            where=where if now is None else as_of(where, now),
            limit=limit,
            cursor=cursor,
            fields=fields if now is None or fields is None else _needed(tuple(fields)),
            spaces=spaces,
        )
        if now is None or not _tells_prices(fields):
            return page
        return Page(tuple(_priced(one, fields, now) for one in page.records), page.cursor)

    def count(self, where: Condition | None = None) -> int:
        """See :class:`scenesearch.core.protocols.Store`."""
        return self._inner.count(self._where(where))

    def facet(
        self, field: str, *, where: Condition | None = None, limit: int = 50
    ) -> list[tuple[Scalar, int]]:
        """See :class:`scenesearch.core.protocols.Store`."""
        return self._inner.facet(field, where=self._where(where), limit=limit)

    def set_payload(
        self,
        payload: Mapping[str, Any],
        *,
        ids: Sequence[str] | None = None,
        where: Condition | None = None,
    ) -> None:
        """See :class:`scenesearch.core.protocols.Store`."""
        self._inner.set_payload(payload, ids=ids, where=self._where(where))

    def delete(self, *, ids: Sequence[str] | None = None, where: Condition | None = None) -> None:
        """See :class:`scenesearch.core.protocols.Store`."""
        self._inner.delete(ids=ids, where=self._where(where))

    # --- passed on -------------------------------------------------------------------------

    def create(self, schema: CollectionSchema, blobs: Mapping[str, bytes] | None = None) -> bool:
        """See :class:`scenesearch.core.protocols.Store`."""
        return self._inner.create(schema, blobs)

    def add_fields(self, fields: Mapping[str, FieldType]) -> None:
        """See :class:`scenesearch.core.protocols.Store`."""
        self._inner.add_fields(fields)

    def upsert(self, points: Sequence[Point]) -> None:
        """See :class:`scenesearch.core.protocols.Store`."""
        self._inner.upsert(points)

    def batch_writes(self) -> AbstractContextManager[None]:
        """See :class:`scenesearch.core.protocols.Store`."""
        return self._inner.batch_writes()

    def read_blob(self, name: str) -> bytes | None:
        """See :class:`scenesearch.core.protocols.Store`."""
        return self._inner.read_blob(name)

    def write_blob(self, name: str, data: bytes) -> None:
        """See :class:`scenesearch.core.protocols.Store`."""
        self._inner.write_blob(name, data)

    def optimize(self) -> None:
        """See :class:`scenesearch.core.protocols.Store`."""
        self._inner.optimize()

    def close(self) -> None:
        """See :class:`scenesearch.core.protocols.Store`."""
        self._inner.close()

    # --- pieces ----------------------------------------------------------------------------

    def _now(self) -> int | None:
        """Seconds since 1970; None where the collection has no dated sales."""
        schema = self._inner.schema
        fields: Mapping[str, FieldType] = schema.fields if schema is not None else {}
        dated = all(fields.get(name) == kind for name, kind in BOUNDS.items())
        numbers = all(fields.get(name) in _NUMBERS for name in (PRICE, SALE_PRICE))
        return int(self._clock()) if dated and numbers else None

    def _where(self, where: Condition | None) -> Condition | None:
        now = None if where is None else self._now()
        return where if now is None else as_of(where, now)


def _tells_prices(fields: Sequence[str] | None) -> bool:
    return fields is None or PRICE in fields or LIST_PRICE in fields


def _needed(fields: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*fields, *NEEDED))) if _tells_prices(fields) else fields


def _priced(record: Record, fields: Sequence[str] | None, now: int) -> Record:
    return record._replace(payload=_read(record.payload, fields, now))


def _read(payload: Mapping[str, Any], fields: Sequence[str] | None, now: int) -> Mapping[str, Any]:
    """What was asked for of a payload."""
    found = priced(payload, now)
    if fields is None or found.keys() <= set(fields):
        return found
    return {name: found[name] for name in fields if name in found}
