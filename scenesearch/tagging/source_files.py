"""Photos in folders and by globs: sorted, one folder's names in memory at a time."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator
from pathlib import Path, PurePath

from scenesearch.catalog.folder_source import IMAGE_SUFFIXES, FolderSource
from scenesearch.catalog.records import RawRow

_MAGIC = frozenset("*?[")


def is_glob(text: str) -> bool:
    """Whether a text has the signs of a glob: ``*``, ``?`` or ``[``."""
    return not _MAGIC.isdisjoint(text)


def has_image_suffix(name: str) -> bool:
    """Whether a name ends as photos do."""
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122 - a million calls


def photos_below(folder: str) -> Iterator[str]:
    """Files with an image suffix, at any depth, hidden ones left out, sorted within a folder."""
    for row in FolderSource(Path(folder)).rows():
        if isinstance(row, RawRow):
            yield os.path.join(folder, row.cells["image"])  # noqa: PTH118 - a million calls


def expand_glob(pattern: str) -> Iterator[str]:
    """What a glob names; folders among it stand for the photos below them.

    ``**`` stands for any number of folders. Hidden names are matched only by a pattern that
    begins with a dot. Where the last part of the pattern gives a suffix (``*.dat``), every match
    is taken; otherwise (``*``) the ones with an image suffix.
    """
    pure = PurePath(pattern)
    parts = list(pure.parts[1:] if pure.anchor else pure.parts)
    wanted = "." in parts[-1].lstrip(".")
    for path in _expand(pure.anchor, parts):
        if os.path.isdir(path):  # noqa: PTH112 - a million calls
            # ** already went into every folder
            if "**" not in parts:
                yield from photos_below(path)
        elif wanted or has_image_suffix(path):
            yield path


def _expand(folder: str, parts: list[str]) -> Iterator[str]:
    part, *rest = parts
    if part == "**":
        # at the end it stands for all files below
        yield from _expand(folder, rest or ["*"])
        for name, is_folder in _entries(folder):
            if is_folder and not name.startswith("."):
                yield from _expand(os.path.join(folder, name), parts)  # noqa: PTH118
        return
    if not is_glob(part):
        path = os.path.join(folder, part)  # noqa: PTH118
        if rest or os.path.lexists(path):
            yield from _expand(path, rest) if rest else [path]
        return
    for name, is_folder in _entries(folder):
        hidden = name.startswith(".") and not part.startswith(".")
        if hidden or not fnmatch.fnmatchcase(name, part):
            continue
        path = os.path.join(folder, name)  # noqa: PTH118
        if not rest:
            yield path
        elif is_folder:
            yield from _expand(path, rest)


def _entries(folder: str) -> list[tuple[str, bool]]:
    """Names and whether they are folders, sorted; links to folders are not followed."""
    try:
        with os.scandir(folder or ".") as entries:
            return sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
    except OSError:
        return []
