"""Photos under names of their own in a folder of an export, as links to where they are."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from scenesearch.tagging.exports.files import disk_is_full, local_path

_LONGEST_STEM = 180
"""In bytes: file systems allow 255 for a name, and a digest and an extension are added."""
_UNSAFE = re.compile(r"[^\w.,+=@() -]")


def names_for(source: str) -> Iterator[str]:
    """Names for a photo's files: its own, then with a digest of where it is, then numbered."""
    stem = Path(re.split(r"[\\/]", source.rstrip("\\/"))[-1]).stem
    safe = _UNSAFE.sub("_", stem).strip(". ").encode()[:_LONGEST_STEM].decode(errors="ignore")
    name = safe or "photo"
    yield name
    name = f"{name}-{hashlib.sha256(source.encode()).hexdigest()[:8]}"
    yield name
    for number in itertools.count(2):
        yield f"{name}-{number}"


def link_photo(folder: Path, name: str, source: str, *, hard: bool = False) -> Path | None:
    """A link to a photo of this machine; None where none could be made.

    Args:
        folder: of the links.
        name: of this one, without a suffix.
        source: the photo.
        hard: try a hard link first, for readers that follow no others.

    Raises:
        FileExistsError: something else has the name.
        OSError: the disk is full.
    """
    photo = local_path(source)
    if photo is None or not photo.is_file():
        return None
    link = folder / f"{name}{photo.suffix}"
    try:
        if not hard or not _hard_link(link, photo):
            link.symlink_to(photo)
    except FileExistsError:
        if link.exists() and link.samefile(photo):
            return link
        raise
    except OSError as error:
        if disk_is_full(error):
            raise
        return None  # not every file system has links, and Windows asks for a privilege
    return link


def _hard_link(link: Path, photo: Path) -> bool:
    try:
        link.hardlink_to(photo.resolve())
    except FileExistsError:
        raise
    except OSError:
        return False  # another disk, or a file system without them
    return True
