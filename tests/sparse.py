"""Copies without the zeros: an embedded store preallocates 290 MB and fills one of them."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

ZEROS = bytes(1 << 18)


def copy_tree(source: Path, target: Path) -> Path:
    """What is in a folder, but pipes and sockets; gives the copy, which may exist already."""
    return shutil.copytree(source, target, symlinks=True, copy_function=_copy, dirs_exist_ok=True)


def _copy(source: str, target: str) -> None:
    if not stat.S_ISREG(os.lstat(source).st_mode):
        return
    with Path(source).open("rb", 0) as read, Path(target).open("wb", 0) as write:
        while block := read.read(len(ZEROS)):
            if block == ZEROS:
                write.seek(len(block), os.SEEK_CUR)
            else:
                write.write(block)
        write.truncate()
