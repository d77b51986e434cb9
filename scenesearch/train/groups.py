"""Items, and boxes of products in rooms, to groups of photos of one thing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scenesearch.core.errors import CatalogError
from scenesearch.core.types import BoxTuple, Item


@dataclass(frozen=True, slots=True)
class Photo:
    """One picture of a group.

    Attributes:
        path: the file.
        box: pixels, xyxy, of the product in a photo of more; None where it is all there is.
    """

    path: str
    box: BoxTuple | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """All photos of one thing.

    Attributes:
        key: of an item, its id; else the value that its items share.
        photos: at least one.
        family: groups of one family are held out together, or not at all.
    """

    key: str
    photos: tuple[Photo, ...]
    family: str


def make_groups(
    items: Sequence[Item],
    crops: Mapping[str, Sequence[Photo]] | None = None,
    *,
    group_field: str | None = None,
    family_field: str | None = None,
) -> tuple[Group, ...]:
    """Group the photos of a catalogue.

    Args:
        items: of the catalogue.
        crops: further photos by item id; those of unknown items are left out.
        group_field: items that share this attribute are one group; one without it is its own.
        family_field: groups whose first items share this attribute are one family: variants of
            a product in training would make the held-out ones too easy.

    Returns:
        In the order of the catalogue; a photo occurs once in a group.

    Raises:
        CatalogError: no item has ``group_field`` or ``family_field``.
    """
    for name in (group_field, family_field):
        if name is not None and not any(name in item.attributes for item in items):
            known = sorted({key for item in items for key in item.attributes})
            raise CatalogError(
                f"No item has the field {name!r} to group by; the catalogue has: "
                f"{', '.join(known) or 'no fields'}"
            )
    photos: dict[str, dict[Photo, None]] = {}
    families: dict[str, str] = {}
    for item in items:
        key = _value(item, group_field)
        families.setdefault(key, _value(item, family_field) if family_field else key)
        of_group = photos.setdefault(key, {})
        found = [Photo(path) for path in item.photos]
        of_group.update(dict.fromkeys([*found, *(crops or {}).get(item.id, ())]))
    return tuple(Group(key, tuple(own), families[key]) for key, own in photos.items())


def _value(item: Item, name: str | None) -> str:
    if name is None or name not in item.attributes:
        return item.id
    value = item.attributes[name]
    return "|".join(value) if isinstance(value, tuple) else str(value)


def read_crops(path: Path, *, image_root: Path | None = None) -> dict[str, list[Photo]]:
    """Boxes of products in photos: JSONL with ``image`` and ``boxes`` of ``item`` and ``box``.

    The form of ``scenesearch eval``; lines and boxes that name no item are passed over.

    Returns:
        By item id.

    Raises:
        CatalogError: the file cannot be read, a line is not of that form, or no box names an item.
    """
    root = image_root or path.parent
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogError(f"{path}: cannot be read as scenes: {error}") from error
    found: dict[str, list[Photo]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            image = str(root / str(row["image"]))
            for one in row.get("boxes", ()):
                if isinstance(one, dict) and one.get("item") is not None:
                    found.setdefault(str(one["item"]), []).append(Photo(image, _box(one["box"])))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CatalogError(
                f'{path}, line {number}: expected {{"image": "...", "boxes": [{{"item": "id", '
                f'"box": [x1, y1, x2, y2]}}]}}, got {error!r}'
            ) from error
    if not found:
        raise CatalogError(
            f'{path}: none of its boxes names an item; expected {{"item": "id", "box": [...]}}'
        )
    return found


def _box(sides: Any) -> BoxTuple:
    x1, y1, x2, y2 = (float(side) for side in sides)
    if not (x1 < x2 and y1 < y2):
        raise ValueError(f"the box {[x1, y1, x2, y2]} is empty")
    return x1, y1, x2, y2


@dataclass(frozen=True, slots=True)
class Split:
    """Groups that are trained on, and groups the model never sees."""

    train: tuple[Group, ...]
    held_out: tuple[Group, ...]


def split(groups: Sequence[Group], share: float, seed: int) -> Split:
    """Hold out whole families, chosen by a hash of their name: order and additions change little.

    Args:
        groups: all of them.
        share: of the families, 0 to 1; above 0 at least one is held out, and one never is.
        seed: another one holds out others.

    Returns:
        Both in the order of ``groups``.

    Raises:
        CatalogError: there is only one family, and a share of it is to be held out.
    """
    families = sorted(
        {group.family for group in groups},
        key=lambda family: (hashlib.sha256(f"{seed}:{family}".encode()).hexdigest(), family),
    )
    count = min(max(round(share * len(families)), 1), len(families) - 1) if share else 0
    if share and not count:
        raise CatalogError(
            f"{len(families)} group of photos: nothing can be held out of it; give more products, "
            f"or a holdout of 0"
        )
    out = frozenset(families[:count])
    return Split(
        tuple(group for group in groups if group.family not in out),
        tuple(group for group in groups if group.family in out),
    )


def flatten(groups: Sequence[Group]) -> tuple[list[Photo], list[int]]:
    """The photos one after another, and the number of the group of each."""
    photos = [photo for group in groups for photo in group.photos]
    labels = [number for number, group in enumerate(groups) for _ in group.photos]
    return photos, labels


def fingerprint(groups: Split) -> str:
    """A hash of which photos of which group are trained on and which are held out.

    Paths count by their name only, so that a run can be resumed where a folder moved.
    """
    text = json.dumps(
        [
            [[group.key, [[Path(p.path).name, p.box] for p in group.photos]] for group in part]
            for part in (groups.train, groups.held_out)
        ]
    )
    return hashlib.sha256(text.encode()).hexdigest()
