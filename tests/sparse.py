"""Copies without the zeros: an embedded store preallocates 290 MB and fills one of them."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from scenesearch.system.whole_file import copy_sparse


def copy_tree(source: Path, target: Path) -> Path:
    """What is in a folder, but pipes and sockets; gives the copy, which may exist already."""
    return shutil.copytree(source, target, symlinks=True, copy_function=_copy, dirs_exist_ok=True)


def _copy(source: str, target: str) -> None:
    if stat.S_ISREG(os.lstat(source).st_mode):
        copy_sparse(source, target)
