"""What an earlier YOLO export left: whether a folder is one, and may be replaced whole."""

from __future__ import annotations

import os
from pathlib import Path

from scenesearch.core.errors import ConfigError

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
