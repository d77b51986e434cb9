"""Rows that share an id: which of them give an item, with memory only for ids that do repeat."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from array import array
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scenesearch.catalog.records import RowError, shown
from scenesearch.core.types import Item

OnDuplicate = Literal["error", "first", "last", "merge"]


def id_key(text: str) -> str:
    """Ids with the same key are the same id: composed and decomposed letters do not differ."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def item_hash(item: Item) -> str:
    """The sha256 of an item's attributes and vectors, as 64 hex digits, whatever their order.

    The id and the photos are not part of it, so two items differ in it exactly when writing one's
    payload over the other's would change something. ``1``, ``1.0``, ``"1"`` and True differ.

    >>> one = Item("1", ("a.jpg",), {"price": 9.5, "tags": ("x", "y")})
    >>> item_hash(one) == item_hash(Item("2", ("b.jpg",), {"tags": ("x", "y"), "price": 9.5}))
    True
    """
    text = json.dumps(dict(item.attributes), sort_keys=True, separators=(",", ":"), allow_nan=False)
    digest = hashlib.sha256(text.encode())
    if item.vectors is not None:
        digest.update(b"\0vectors")  # having none is something else than nothing being said
    for space, vector in sorted((item.vectors or {}).items()):
        digest.update(f"\0{space}\0".encode() + vector)
    return digest.hexdigest()


def repeated_hashes(hashes: array[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The hashes of ids that occur more than once, sorted, shape (n,), and how often, shape (n,).

    Two ids that share a 64-bit hash are only treated as candidates; whether they are equal is
    decided on the ids themselves.

    Args:
        hashes: of the :func:`id_key` of each row: 8 bytes a row is all that is remembered.
    """
    if not hashes:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    ordered = np.sort(np.frombuffer(hashes, np.int64))
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    counts = np.diff(np.r_[starts, len(ordered)])
    again = counts > 1
    return ordered[starts[again]], counts[again]


class Duplicates:
    """Decides, item by item, what a repeated id means.

    A row that repeats an earlier one exactly is always left out. Otherwise ``error`` refuses the
    later row, ``first`` and ``last`` keep one of them, and ``merge`` joins their photos, with
    attributes that must agree. ``last`` and ``merge`` hold an item back until its last row.

    Args:
        policy: one of these.
        repeated: from :func:`repeated_hashes`.
    """

    def __init__(
        self, policy: OnDuplicate, repeated: tuple[NDArray[np.int64], NDArray[np.int64]]
    ) -> None:
        self._policy = policy
        self._hashes, counts = repeated
        self._left = counts.copy()
        self._seen: dict[str, tuple[bytes, int]] = {}
        self._held: dict[str, tuple[Item, int]] = {}
        self.same = 0
        self.replaced = 0

    def add(self, row: int, key: str, item: Item) -> Iterator[Item | RowError]:
        """What a good row gives: an item (its own or one held back), an error, or nothing."""
        if self._place(key) is None:
            yield item
            return
        keep = self._keep_first if self._policy in ("error", "first") else self._hold
        yield from keep(row, key, item)
        yield from self.done(key)

    def done(self, key: str) -> Iterator[Item]:
        """A row of this id was read, good or bad: what was held back, if it was the last."""
        place = self._place(key)
        if place is not None:
            self._left[place] -= 1
            if self._left[place] == 0:
                self._seen.pop(key, None)
                if key in self._held:
                    yield self._held.pop(key)[0]

    def finish(self) -> Iterator[Item | RowError]:
        """What is still held back at the end."""
        for item, _ in self._held.values():
            yield item
        self._held.clear()

    def notes(self) -> tuple[str, ...]:
        """How many rows were left out without an error."""
        kept = "first" if self._policy == "first" else "last"
        notes = (
            (self.same, "that repeat another exactly were left out"),
            (self.replaced, f"were left out for the {kept} of the same id"),
        )
        return tuple(f"{count:,} row(s) {why}" for count, why in notes if count)

    def _place(self, key: str) -> int | None:
        if not len(self._hashes):
            return None
        wanted = hash(key)
        place = int(np.searchsorted(self._hashes, wanted))
        found = place < len(self._hashes) and self._hashes[place] == wanted
        return place if found else None

    def _keep_first(self, row: int, key: str, item: Item) -> Iterator[Item | RowError]:
        content = _content(item)
        known = self._seen.get(key)
        if known is None:
            self._seen[key] = (content, row)
            yield item
        elif known[0] == content:
            self.same += 1
        elif self._policy == "first":
            self.replaced += 1
        else:
            yield _error(
                row,
                "id",
                f"the id {shown(item.id)} is already that of row {known[1]}, which differs: "
                f"expected different ids; correct one, or pass on_duplicate='first', 'last' or "
                f"'merge'",
            )

    def _hold(self, row: int, key: str, item: Item) -> Iterator[RowError]:
        held, first_row = self._held.get(key, (None, row))
        if held is None:
            self._held[key] = (item, row)
        elif _content(held) == _content(item):
            self.same += 1
        elif self._policy == "last":
            self.replaced += 1
            self._held[key] = (item, row)
        else:
            for name, value in item.attributes.items():
                other = held.attributes.get(name, value)
                if other != value:
                    yield _error(
                        row,
                        name,
                        f"{shown(value)} is not the {shown(other)} of row {first_row} with the "
                        f"same id {shown(item.id)}: expected rows that are merged to agree, or "
                        f"to leave the cell empty",
                    )
                    return
            photos = tuple(dict.fromkeys(held.photos + item.photos))
            attributes = {**held.attributes, **item.attributes}
            vectors = None if item.vectors is None else {**(held.vectors or {}), **item.vectors}
            merged = replace(held, photos=photos, attributes=attributes, vectors=vectors)
            self._held[key] = (merged, first_row)


def _content(item: Item) -> bytes:
    text = "\0".join((item_hash(item), *item.photos))
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).digest()


def _error(row: int, column: str, message: str) -> RowError:
    return RowError(row, column, "duplicate_id", message)
