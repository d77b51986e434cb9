"""A folder of photos as a catalogue: one item a photo, the sub-folder its category."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from scenesearch.catalog.records import RawRow, RowError

IMAGE_SUFFIXES = frozenset(
    {
        ".avif",
        ".bmp",
        ".gif",
        ".heic",
        ".heif",
        ".jfif",
        ".jpe",
        ".jpeg",
        ".jpg",
        ".png",
        ".tif",
        ".tiff",
        ".webp",
    }
)
# copies that archives and file servers leave, and what was thrown away
_NOT_PHOTOS = frozenset({"__MACOSX", "@eaDir", "#recycle", "#snapshot", "$RECYCLE.BIN"})


def is_left_out(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or holds what was thrown away or made."""
    return name.startswith(".") or name in _NOT_PHOTOS


class FolderSource:
    """Photos below a folder, in the order of their names.

    The id is the path from the folder with ``/`` and without its ending, the category the name
    of the first sub-folder. Hidden files and folders are left out, and links to folders are not
    followed.

    Args:
        path: the folder.
    """

    header = ("id", "image", "category")
    typed = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self.notes: tuple[str, ...] = ()

    def rows(self) -> Iterator[RawRow | RowError]:
        """Walk over the photos; see :class:`scenesearch.catalog.records.Source`."""
        row = 0
        others: list[str] = []
        skipped = 0
        for relative in _files(self._path, ""):
            stem, suffix = os.path.splitext(relative)  # noqa: PTH122 - a million calls
            if suffix.lower() not in IMAGE_SUFFIXES:
                skipped += 1
                others = others if len(others) == 3 else [*others, relative]
                continue
            row += 1
            cells = {"id": stem, "image": relative}
            folder, slash, _ = relative.partition("/")
            if slash:
                cells["category"] = folder
            yield RawRow(row, cells)
        if skipped:
            examples = ", ".join(repr(name) for name in others)
            self.notes = (f"{skipped:,} file(s) that are not photos were left out: {examples}",)


def _files(folder: Path | str, prefix: str) -> Iterator[str]:
    """Paths of the files below ``folder``, relative to the first one."""
    try:
        with os.scandir(folder) as entries:
            found = sorted(
                (entry.name, entry.is_dir(follow_symlinks=False), entry.is_dir())
                for entry in entries
                if not is_left_out(entry.name)
            )
    except OSError:
        # Said as a file that is not a photo, so that it shows in the notes.
        yield prefix
        return
    for name, is_folder, leads_to_folder in found:
        if is_folder:
            yield from _files(os.path.join(folder, name), f"{prefix}{name}/")  # noqa: PTH118
        elif not leads_to_folder:
            yield prefix + name
