"""Rows that share an id: which of them give an item, with memory only for ids that do repeat."""

from __future__ import annotations

import hashlib
import unicodedata
from array import array
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scenesearch.catalog.hashing import item_hash
from scenesearch.catalog.records import RowError, shown
from scenesearch.core.types import Item

OnDuplicate = Literal["error", "first", "last", "merge"]


def id_key(text: str) -> str:
    """Ids with the same key are the same id: composed and decomposed letters do not differ."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


class IdCounts:
    """How often each id stands in the manifest: 8 bytes a row until it is asked.

    It goes by 64-bit hashes. Two ids that share one are only treated as candidates; whether they
    are equal is decided on the ids themselves.
    """

    def __init__(self) -> None:
        self._hashes = array("q")

    def add(self, key: str) -> None:
        """Note one row."""
        self._hashes.append(hash(key))

    def repeated(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Sorted hashes that occur more than once, shape (n,), and how often, shape (n,)."""
        if not self._hashes:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        hashes = np.sort(np.frombuffer(self._hashes, np.int64))
        starts = np.flatnonzero(np.r_[True, hashes[1:] != hashes[:-1]])
        counts = np.diff(np.r_[starts, len(hashes)])
        again = counts > 1
        return hashes[starts[again]], counts[again]


class Duplicates:
    """Decides, item by item, what a repeated id means.

    A row that repeats an earlier one exactly is always left out. Otherwise ``error`` refuses the
    later row, ``first`` and ``last`` keep one of them, and ``merge`` joins their photos, with
    attributes that must agree. ``last`` and ``merge`` hold an item back until its last row.

    Args:
        policy: one of these.
        repeated: from :meth:`IdCounts.repeated`.
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
        place = self._place(key)
        if place is None:
            yield item
            return
        self._left[place] -= 1
        if self._policy in ("error", "first"):
            yield from self._keep_first(row, key, item)
        else:
            yield from self._hold(row, key, item)
        if self._left[place] == 0:
            yield from self._finish(key)

    def refused(self, key: str) -> Iterator[Item | RowError]:
        """A row of this id was bad; what was held back for it, if it was the last."""
        place = self._place(key)
        if place is not None:
            self._left[place] -= 1
            if self._left[place] == 0:
                yield from self._finish(key)

    def finish(self) -> Iterator[Item | RowError]:
        """What is still held back at the end."""
        for item, _ in self._held.values():
            yield item
        self._held.clear()

    def notes(self) -> tuple[str, ...]:
        """How many rows were left out without an error."""
        notes = []
        if self.same:
            notes.append(f"{self.same:,} row(s) that repeat another exactly were left out")
        if self.replaced:
            kept = "first" if self._policy == "first" else "last"
            notes.append(f"{self.replaced:,} row(s) were left out for the {kept} of the same id")
        return tuple(notes)

    def _place(self, key: str) -> int | None:
        if not len(self._hashes):
            return None
        wanted = hash(key)
        place = int(np.searchsorted(self._hashes, wanted))
        found = place < len(self._hashes) and self._hashes[place] == wanted
        return place if found else None

    def _finish(self, key: str) -> Iterator[Item]:
        self._seen.pop(key, None)
        if key in self._held:
            yield self._held.pop(key)[0]

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
            self._held[key] = (replace(held, photos=photos, attributes=attributes), first_row)


def _content(item: Item) -> bytes:
    text = "\0".join((item_hash(item), *item.photos))
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).digest()


def _error(row: int, column: str, message: str) -> RowError:
    return RowError(row, column, "duplicate_id", message)
