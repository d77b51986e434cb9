"""The duplicate audit: new items with photos that another item already has.

Equal files are found by their sha256. Nearly equal photos (re-encoded, resized) are found by the
perceptual hash of the product, and must also agree in colour: the hash sees grey values only, and
the red and the blue variant of a chair are two items.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenesearch.attributes.hamming import near_pairs
from scenesearch.core.points import colours_of, is_ours
from scenesearch.core.types import Colour, Record
from scenesearch.index.plan import IndexPlan
from scenesearch.sync.plan import Finding
from scenesearch.system.spool import spooled

FIELDS = ("item_id", "photo", "photo_sha256", "phash", "region", "colours", "group")
"""What is read of each stored point."""
COLOUR_LIMIT = 10.0
"""Mean colours further apart than this (CIE76, Lab) are those of two variants."""
_UNKNOWN = (float("nan"),) * 3

Lab = tuple[float, float, float]


class Seen(NamedTuple):
    """What a photo looks like: 16 hex digits, and the mean colour of the product if known."""

    phash: str
    colour: Lab | None


class _Known(NamedTuple):
    item_id: str
    photo: str
    group: object


Looks = Callable[[Sequence[str]], Iterable[Seen | None]]
"""Paths of photos to what they look like, in order; None for one that cannot be read."""


def mean_colour(colours: Sequence[Colour]) -> Lab | None:
    """The mean of dominant colours by their shares, in Lab; None without colours."""
    weights = np.array([colour.share for colour in colours])
    if not weights.sum():
        return None
    lightness, a, b = np.average([colour.lab for colour in colours], axis=0, weights=weights)
    return float(lightness), float(a), float(b)


def find_duplicates(
    plan: IndexPlan, stored: Iterable[Record], look: Looks, *, near: int
) -> tuple[Finding, ...]:
    """Compare the photos of new items with those stored and with each other.

    Items of one ``group`` are variants, and may share photos. What this very plan removes (a
    deleted item, a photo that an item no longer has) is no duplicate, so a renamed item is none.

    Args:
        plan: what is about to be done.
        stored: every point, with :data:`FIELDS`.
        look: called with photos of new items only, whose files are no other item's.
        near: bits in which the hashes of nearly equal photos may differ.

    Returns:
        At most one for each photo of a new item, in the order of the plan.
    """
    if all(item.known for item in plan.items):
        return ()
    table = _Table(plan, stored)
    same = dict(_same(table))
    # of two million photos, a list of numbers would take more than all that is known of them
    rest = np.delete(np.arange(table.new, len(table)), np.array(list(same), np.int64) - table.new)
    paths = spooled((table.known[row].photo for row in map(int, rest)), str, str)
    for row, seen in zip(map(int, rest), look(paths), strict=True):
        table.see(row, seen)
    found = same | dict(_near(table, rest, near))
    return tuple(found[row] for row in sorted(found))


def doubled(plan: IndexPlan, findings: Sequence[Finding]) -> tuple[str, ...]:
    """New items all of whose photos were found with another item, in the order of the plan."""
    found = {(finding.item_id, finding.photo) for finding in findings}
    return tuple(
        item.item.id
        for item in plan.items
        if not item.known and item.write
        if all((item.item.id, ref.path) in found for ref in item.write)
    )


class _Table:
    """Every photo that will be there when the plan is done, a row each.

    First what is stored, then what known items are about to get, then those of new items. Memory
    is some 40 bytes a row: what is only needed to name a photo waits in a file.

    Attributes:
        known: whose photo it is.
        files: of its sha256, shape (rows,).
        phash: shape (rows,); 0 is a flat picture's, and one that was not looked at.
        colours: shape (rows, 3), Lab; not a number where it is not known.
        new: the first row of a new item.
    """

    def __init__(self, plan: IndexPlan, records: Iterable[Record]) -> None:
        files, hashes, colours = array("q"), array("Q"), array("f")

        def of_stored() -> Iterator[_Known]:
            gone = set(plan.gone)
            stale = {(item.item.id, sha256) for item in plan.items for sha256 in item.stale}
            for record in records:
                payload = record.payload
                if not is_ours(payload):
                    continue
                item_id, sha256 = str(payload["item_id"]), str(payload.get("photo_sha256"))
                # other regions are parts of the same photo
                if payload.get("region") != "whole" or item_id in gone:
                    continue
                if (item_id, sha256) in stale:
                    continue
                files.append(hash(sha256))
                hashes.append(int(str(payload.get("phash", "0")), 16))
                colours.extend(mean_colour(colours_of(payload)) or _UNKNOWN)
                yield _Known(item_id, str(payload.get("photo")), payload.get("group"))

        def of_plan(*, known: bool) -> Iterator[_Known]:
            for item in plan.items:
                for ref in item.write if item.known == known else ():
                    files.append(hash(ref.sha256))
                    hashes.append(0)
                    colours.extend(_UNKNOWN)
                    yield _Known(item.item.id, ref.path, item.item.attributes.get("group"))

        def rows() -> Iterator[_Known]:
            yield from of_stored()
            yield from of_plan(known=True)
            self.new = len(files)
            yield from of_plan(known=False)

        self.new = 0
        self.known: Sequence[_Known] = spooled(rows(), list, lambda row: _Known(*row))
        self.files = np.frombuffer(files, np.int64)
        self.phash = np.frombuffer(hashes, np.uint64)
        self.colours = np.frombuffer(colours, np.float32).reshape(-1, 3)

    def __len__(self) -> int:
        return len(self.files)

    def see(self, row: int, seen: Seen | None) -> None:
        """Note what a photo looks like."""
        if seen is not None:
            self.phash[row] = int(seen.phash, 16)
            self.colours[row] = seen.colour or _UNKNOWN

    def apart(self, row: int, other: int) -> bool:
        """Whether two photos are of different items that are no variants of each other."""
        one, two = self.known[row], self.known[other]
        return one.item_id != two.item_id and (two.group is None or one.group != two.group)

    def alike(self, row: int, other: int) -> bool:
        """Whether two photos agree in colour, as far as that is known."""
        distance = float(np.linalg.norm(self.colours[row] - self.colours[other]))
        return not distance > COLOUR_LIMIT

    def finding(self, row: int, other: int, distance: int | None = None) -> Finding:
        """That a photo of a new item is another's, too."""
        one, two = self.known[row], self.known[other]
        found = Finding(one.item_id, one.photo, two.item_id, two.photo, same=distance is None)
        return found if distance is None else replace(found, distance=distance)


def _groups(values: NDArray[Any]) -> Iterator[NDArray[np.int64]]:
    """The places of values that are there more than once, each value's in order."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    edges = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    starts, ends = np.concatenate([[0], edges]), np.concatenate([edges, [len(order)]])
    for place in np.flatnonzero(ends - starts > 1).tolist():
        yield order[starts[place] : ends[place]]


def _same(table: _Table) -> Iterator[tuple[int, Finding]]:
    """New photos whose files are another item's, by row."""
    for rows in _groups(table.files):
        for place, row in enumerate(rows.tolist()):
            if row < table.new:
                continue
            before = rows[:place].tolist()
            other = next((one for one in before if table.apart(one, row)), None)
            if other is not None:
                yield row, table.finding(row, other)


def _near(table: _Table, new: NDArray[np.int64], radius: int) -> Iterator[tuple[int, Finding]]:
    """Photos that nearly are another item's, of these rows; by row."""
    # a flat picture's hash is all zeros, as is any other flat picture's; photos whose file is
    # another's are no one's example
    looked = np.zeros(len(table), np.bool_)
    looked[: table.new] = True
    looked[new] = True
    rows = np.flatnonzero(looked & (table.phash != 0))
    values, places = np.unique(table.phash[rows], return_inverse=True)
    order = rows[np.argsort(places, kind="stable")]
    starts = np.searchsorted(np.sort(places), np.arange(len(values) + 1))
    near: dict[int, list[tuple[int, int]]] = {}
    for first, second, bits in zip(*(a.tolist() for a in near_pairs(values, radius)), strict=True):
        near.setdefault(first, []).append((bits, second))
        near.setdefault(second, []).append((bits, first))
    for row, place in zip(map(int, rows), map(int, places), strict=True):
        if row < table.new:
            continue
        for bits, other_place in ((0, place), *sorted(near.get(place, ()))):
            others = order[starts[other_place] : starts[other_place + 1]].tolist()
            # of two new items the later one is the duplicate
            found = next(
                (
                    other
                    for other in others
                    if other < row and table.alike(row, other) and table.apart(other, row)
                ),
                None,
            )
            if found is not None:
                yield row, table.finding(row, found, bits)
                break
