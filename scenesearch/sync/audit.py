"""The duplicate audit: new items with photos that another item already has.

Equal files are found by their sha256. Nearly equal photos (re-encoded, resized) are found by the
perceptual hash of the product, and must also agree in colour: the hash sees grey values only, and
the red and the blue variant of a chair are two items.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from scenesearch.attributes.hamming import as_bits, near_pairs
from scenesearch.core.points import colours_of, is_ours
from scenesearch.core.types import Colour, Record
from scenesearch.index.plan import IndexPlan, ItemPlan
from scenesearch.sync.plan import Finding

FIELDS = ("item_id", "photo", "photo_sha256", "phash", "region", "colours", "group")
"""What is read of each stored point."""
COLOUR_LIMIT = 10.0
"""Mean colours further apart than this (CIE76, Lab) are those of two variants."""
_FLAT = "0" * 16

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
    new = [item for item in plan.items if not item.known]
    if not new:
        return ()
    files, seen = _stored(plan, stored)
    # photos that known items are about to get
    for item, ref in ((one, ref) for one in plan.items if one.known for ref in one.write):
        files.setdefault(ref.sha256, []).append(_known(item, ref.path))
    pairs = [(item, ref) for item in new for ref in item.write]
    found: dict[tuple[str, str], Finding] = {}
    for item, ref in pairs:
        other = next((one for one in files.get(ref.sha256, ()) if _other(one, item)), None)
        if other is not None:
            found[item.item.id, ref.path] = Finding(
                item.item.id, ref.path, other.item_id, other.photo, same=True
            )
        files.setdefault(ref.sha256, []).append(_known(item, ref.path))
    rest = [(item, ref.path) for item, ref in pairs if (item.item.id, ref.path) not in found]
    for finding in _near(rest, list(look([path for _, path in rest])), seen, near):
        found[finding.item_id, finding.photo] = finding
    order = [(item.item.id, ref.path) for item, ref in pairs]
    return tuple(found[key] for key in order if key in found)


def doubled(plan: IndexPlan, findings: Sequence[Finding]) -> tuple[str, ...]:
    """New items all of whose photos were found with another item, in the order of the plan."""
    found = {(finding.item_id, finding.photo) for finding in findings}
    return tuple(
        item.item.id
        for item in plan.items
        if not item.known and item.write
        if all((item.item.id, ref.path) in found for ref in item.write)
    )


def _stored(
    plan: IndexPlan, records: Iterable[Record]
) -> tuple[dict[str, list[_Known]], list[tuple[_Known, Seen]]]:
    """By sha256, and by look, what will still be there when the plan is done."""
    gone = set(plan.gone)
    stale = {(item.item.id, sha256) for item in plan.items for sha256 in item.stale}
    files: dict[str, list[_Known]] = {}
    seen: list[tuple[_Known, Seen]] = []
    for record in records:
        payload = record.payload
        if not is_ours(payload):
            continue
        item_id, sha256 = str(payload["item_id"]), str(payload.get("photo_sha256"))
        # other regions are parts of the same photo
        if payload.get("region") != "whole" or item_id in gone or (item_id, sha256) in stale:
            continue
        known = _Known(item_id, str(payload.get("photo")), payload.get("group"))
        files.setdefault(sha256, []).append(known)
        look = Seen(str(payload.get("phash", _FLAT)), mean_colour(colours_of(payload)))
        seen.append((known, look))
    return files, seen


def _near(
    new: Sequence[tuple[ItemPlan, str]],
    looks: Sequence[Seen | None],
    stored: Sequence[tuple[_Known, Seen]],
    radius: int,
) -> Iterator[Finding]:
    asked = [
        (item, path, look)
        for (item, path), look in zip(new, looks, strict=True)
        # a flat picture's hash is all zeros, as is any other flat picture's
        if look is not None and look.phash != _FLAT
    ]
    rows = [(known, look) for known, look in stored if look.phash != _FLAT]
    already = len(rows)
    rows += [(_known(item, path), look) for item, path, look in asked]
    best: dict[int, Finding] = {}
    for query, row, distance in _pairs([look.phash for _, look in rows], already, radius):
        item, path, look = asked[query]
        known, other = rows[row]
        # of two new items the later one is the duplicate
        if row >= already + query or not _other(known, item) or not _alike(look, other):
            continue
        if query not in best or distance < best[query].distance:
            best[query] = Finding(
                item.item.id, path, known.item_id, known.photo, same=False, distance=distance
            )
    return iter(best.values())


def _pairs(hashes: Sequence[str], already: int, radius: int) -> Iterator[tuple[int, int, int]]:
    """Each hash from ``already`` on, counted from 0, with those near it, nearest first."""
    values, places = np.unique(as_bits(hashes), return_inverse=True)
    rows: dict[int, list[int]] = {}
    for row, place in enumerate(places.tolist()):
        rows.setdefault(place, []).append(row)
    near: dict[int, list[tuple[int, int]]] = {}
    for first, second, bits in zip(*(a.tolist() for a in near_pairs(values, radius)), strict=True):
        near.setdefault(first, []).append((bits, second))
        near.setdefault(second, []).append((bits, first))
    for query, place in enumerate(places[already:].tolist()):
        for bits, other in ((0, place), *sorted(near.get(place, ()))):
            yield from ((query, row, bits) for row in rows[other])


def _alike(first: Seen, second: Seen) -> bool:
    if first.colour is None or second.colour is None:
        return True
    return float(np.linalg.norm(np.subtract(first.colour, second.colour))) <= COLOUR_LIMIT


def _known(plan: ItemPlan, path: str) -> _Known:
    return _Known(plan.item.id, path, plan.item.attributes.get("group"))


def _other(known: _Known, plan: ItemPlan) -> bool:
    group = plan.item.attributes.get("group")
    return known.item_id != plan.item.id and (group is None or known.group != group)
