"""Tagging rows as a folder that ultralytics trains on: https://docs.ultralytics.com/datasets.

::

    FOLDER/data.yaml       classes, and where the photos are
    FOLDER/images/NAME.jpg links to the photos of this machine
    FOLDER/labels/NAME.txt a line for each object
    FOLDER/sources.csv     name,source
"""

from __future__ import annotations

import contextlib
import csv
import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from scenesearch.core.errors import ConfigError
from scenesearch.tagging.exports.files import dump, spool, spooled, whole_folder
from scenesearch.tagging.exports.links import link_photo, names_for
from scenesearch.tagging.masks import outline
from scenesearch.tagging.rows import TaggedObject, TagRow

log = logging.getLogger(__name__)

MARK = "# Written by scenesearch"
"""The first line of ``data.yaml``: the folder is ours."""
IMAGES, LABELS, DATA, SOURCES = "images", "labels", "data.yaml", "sources.csv"

_OURS = frozenset({IMAGES, LABELS, DATA, SOURCES, f"{LABELS}.cache"})
"""With what ultralytics puts beside the labels when it reads the folder."""


def check_replaceable(folder: Path) -> None:
    """Nothing, when there is no such folder, it is empty, or an export made by us and left alone.

    Raises:
        ConfigError: something is there that would be lost.
    """
    if not folder.exists() and not folder.is_symlink():
        return
    if not folder.is_dir():
        raise ConfigError(
            f"export: {str(folder)!r} is a file; expected a folder that is new, empty, or an "
            f"earlier export",
            code="bad_export",
        )
    strange = _strange(folder)
    if strange is not None:
        raise ConfigError(
            f"export: {str(folder)!r} holds {strange}, which an export would remove; expected a "
            f"folder that is new, empty, or an earlier export as it was written; name another "
            f"folder, or move it away",
            code="bad_export",
        )


def _strange(folder: Path) -> str | None:
    names = {entry.name for entry in os.scandir(folder)}
    if not names:
        return None
    data = folder / DATA
    if not data.is_file():
        return repr(min(names))
    with data.open(encoding="utf-8", errors="replace") as file:
        if not file.readline().startswith(MARK):
            return f"a {DATA} that is not ours"
    if names - _OURS:
        return repr(min(names - _OURS))
    if IMAGES not in names:
        return None
    # ours are links; a photo that was put there may be the only copy
    with os.scandir(folder / IMAGES) as images:
        own = next((e.name for e in images if not e.is_symlink()), None)
    return None if own is None else repr(f"{IMAGES}/{own}")


def write_yolo(folder: Path, rows: Iterable[TagRow], *, outlines: bool) -> None:
    """Labels, links and ``data.yaml``; classes are numbered from 0 in alphabetical order.

    A folder holds boxes or outlines, never both: ultralytics throws a label file away that mixes
    them, and the outlines of a folder whose files differ.

    Args:
        folder: is made, or replaced where it is an earlier export.
        rows: without errors; read once. Objects wait in a spool until all labels are known.
        outlines: a polygon for each object instead of its box: the outline of the largest part
            of its mask, the corners of its box where it has none.

    Raises:
        ConfigError: the folder holds something else.
        NoSpaceError: the disk is full.
    """
    check_replaceable(folder)
    labels: set[str] = set()
    unlinked = 0
    with whole_folder(folder) as made, spool(made.parent) as aside:
        for row in rows:
            labels.update(one.label for one in row.objects)
            objects = [_object(row, one, outlines) for one in row.objects]
            aside.write(dump([row.source, objects]) + "\n")
        numbers = {label: number for number, label in enumerate(sorted(labels))}
        (made / IMAGES).mkdir()
        (made / LABELS).mkdir()
        with (made / SOURCES).open("w", encoding="utf-8", newline="") as file:
            sources = csv.writer(file)
            sources.writerow(["name", "source"])
            for source, objects in spooled(aside):
                name = _write_labels(made / LABELS, source, objects, numbers)
                unlinked += link_photo(made / IMAGES, name, source) is None
                sources.writerow([name, source])
        (made / DATA).write_text(_data(numbers), encoding="utf-8")
    if unlinked:
        log.info("%s: %d photos are not linked; put them there yourself", folder, unlinked)


def _object(row: TagRow, one: TaggedObject, outlines: bool) -> tuple[str, list[float]]:
    x1, x2 = (_share(value, row.width) for value in one.box[0::2])
    y1, y2 = (_share(value, row.height) for value in one.box[1::2])
    if not outlines:
        return one.label, [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]
    points = None if one.mask is None else outline(one.mask)
    if points is None:
        return one.label, [x1, y1, x2, y1, x2, y2, x1, y2]
    shares = [(_share(x, row.width), _share(y, row.height)) for x, y in points.tolist()]
    return one.label, [value for point in shares for value in point]


def _share(value: float, side: int) -> float:
    return min(max(float(value) / side, 0.0), 1.0)


def _write_labels(
    folder: Path, source: str, objects: Iterable[Any], numbers: Mapping[str, int]
) -> str:
    """One label file under a name of its own; returns the name."""
    lines = [
        " ".join([str(numbers[label]), *(f"{value:.6f}" for value in values)])
        for label, values in objects
    ]
    names = names_for(source)
    while True:
        name = next(names)
        # the file system says which names are the same to it
        with (
            contextlib.suppress(FileExistsError),
            (folder / f"{name}.txt").open("x", encoding="ascii", newline="\n") as file,
        ):
            file.writelines(f"{line}\n" for line in lines)
            return name


def _data(numbers: Mapping[str, int]) -> str:
    values = {
        "train": IMAGES,
        "val": IMAGES,
        "names": {number: label for label, number in numbers.items()},
    }
    return (
        f"{MARK}: photos and objects as they were tagged, all of them in both sets.\n"
        + yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
    )
