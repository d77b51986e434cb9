"""Pages of items in the order of their ids: where a cursor is, and what was there when it began.

Points lie in the order of their own ids, and an item's points are spread and change with its
photos, so a place among the points is no place among the items. A listing works out the sorted
ids once and a cursor names the last one given; after a restart, or when too many listings are
under way, the ids are worked out again and the listing goes on behind that name. Either way an
item that was there all the time is given once.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import secrets
import threading
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

from cachetools import TTLCache

from scenesearch.core.errors import QueryError

HELD = 16
"""Listings whose ids are remembered."""
TTL_S = 600.0
"""For so long; then they are worked out again."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a listing is.

    Attributes:
        listing: its name here.
        after: the last id that was given.
    """

    listing: str
    after: str


def write_cursor(place: Place, where: str | None) -> str:
    """A place as opaque text, bound to the filter of its listing."""
    text = json.dumps([place.listing, place.after, _digest(where)], ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(cursor: str, where: str | None) -> Place:
    """The place that a cursor names.

    Raises:
        QueryError: no page gave this cursor, or one with another filter did.
    """
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        found = json.loads(data)
        listing, after, digest = found
        good = all(isinstance(part, str) for part in (listing, after, digest))
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise _bad() from error
    if not good:
        raise _bad()
    if digest != _digest(where):
        raise QueryError(
            "This cursor is of a listing with another filter; give the same filter with each "
            "page, or start without a cursor",
            code="bad_cursor",
        )
    return Place(listing, after)


class Listings:
    """The sorted ids of the latest listings; safe to use from several threads."""

    def __init__(self) -> None:
        self._held: TTLCache[str, list[str]] = TTLCache(HELD, TTL_S)
        self._lock = threading.Lock()

    def begin(self, ids: list[str]) -> tuple[str, list[str]]:
        """A new listing of sorted ids: its name, and all of them."""
        name = secrets.token_hex(6)
        with self._lock:
            self._held[name] = ids
        return name, ids

    def go_on(self, place: Place, find: Callable[[], list[str]]) -> tuple[str, list[str]]:
        """A listing from its place on.

        Args:
            place: from a cursor.
            find: works out the sorted ids, where they are not remembered any more.
        """
        with self._lock:
            held = self._held.get(place.listing)
        name, ids = self.begin(find()) if held is None else (place.listing, held)
        return name, ids[bisect_right(ids, place.after) :]


def _digest(where: str | None) -> str:
    return hashlib.sha256((where or "").encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _bad() -> QueryError:
    return QueryError(
        "This is no cursor of a listing; pass the cursor of the page before, or none to start",
        code="bad_cursor",
    )
