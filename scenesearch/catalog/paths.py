"""Photo paths of a manifest: what may be opened, and the absolute path of it.

A manifest is data from elsewhere. Whatever it says, only regular files inside one folder are
named, also when symbolic links are in the way.
"""

from __future__ import annotations

import difflib
import functools
import os
import re
import stat
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urljoin

from scenesearch.catalog.records import CellError, Packed, shown
from scenesearch.core.addresses import in_buckets, in_object_storage
from scenesearch.core.errors import ImageError

_REMOTE = re.compile(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]+://")
_ADDRESS = re.compile(r"https?://", re.IGNORECASE)
_SCHEME_OR_DRIVE = re.compile(r"[A-Za-z]:|file:|data:", re.IGNORECASE)
_MAX_PATH_CHARS = 4096
_MAX_HINTS = 20
_MAX_LISTED = 5000


class PhotoPaths:
    """Resolves the photo paths of one manifest.

    Args:
        base: what relative paths start from.
        root: the folder no photo may be outside of.
        allow_absolute: whether absolute paths inside ``root`` are accepted.
        addresses: whether ``http:`` and ``https:`` addresses are accepted, as they are.
        buckets: object storage that photos may lie in, whose addresses are accepted as they are.
        keep: where photos go that lie inside the manifest.
        site: the address the manifest came from: what relative paths start from instead.
    """

    def __init__(
        self,
        base: Path,
        root: Path,
        *,
        allow_absolute: bool,
        addresses: bool = False,
        buckets: Sequence[str] = (),
        keep: Callable[[Packed], str] | None = None,
        site: str | None = None,
    ) -> None:
        self._site = site
        self._addresses = addresses
        self._buckets = tuple(buckets)
        self._keep = keep
        self._base = os.path.abspath(base)  # noqa: PTH100 - keeps links, which resolve() follows
        self._root = os.path.realpath(root)
        self._allow_absolute = allow_absolute
        self._hints_left = _MAX_HINTS
        # A catalogue has many photos in few folders: each folder is resolved once.
        self._real_folder = functools.lru_cache(maxsize=4096)(os.path.realpath)

    def resolve(self, text: str) -> str:
        """The absolute path of a photo, with links followed.

        Raises:
            CellError: ``bad_path``, ``remote_image``, ``image_outside_root``,
                ``image_not_found`` or ``image_not_file``.
        """
        if text.startswith("//") and "." in text.split("/", 3)[2]:
            text = f"https:{text}"  # as pages write addresses
        elif self._site is not None and not _REMOTE.match(text):
            text = urljoin(self._site, text)
        if self._addresses and _ADDRESS.match(text):
            return _checked_address(text).replace(" ", "%20")
        if in_buckets(text, self._buckets):
            return _checked_address(text)
        self._check_form(text)
        path = os.path.normpath(os.path.join(self._base, text))  # noqa: PTH118 - a million calls
        if os.path.isabs(text) and not self._allow_absolute:  # noqa: PTH117
            raise CellError(
                "image_outside_root",
                f"{shown(text)} is an absolute path: expected one relative to {self._base}; "
                f"make it relative, or give the folder of the photos with --image-root",
            )
        # Said before the disk is touched, so that an answer tells nothing about other folders.
        if not _inside(path, self._base) and not _inside(path, self._root):
            raise self._outside(text)
        try:
            real, mode = self._look_up(path)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise CellError(
                "image_not_found",
                f"there is no file {shown(path, 300)}{self._hint(path)}: expected a photo; correct "
                f"the path, or say with --image-root where the photos lie",
            ) from error
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise CellError(
                "bad_path", f"{shown(text)} cannot be opened: {reason}; correct the path"
            ) from error
        if not _inside(real, self._root):
            raise self._outside(text)
        if not stat.S_ISREG(mode):
            raise CellError(
                "image_not_file",
                f"{shown(path, 300)} is a folder or a device: expected a photo file; correct the "
                f"path",
            )
        return real

    def keep(self, photo: Packed) -> str:
        """Where a photo is that lay inside the manifest; see :class:`PhotoNames`."""
        if self._keep is None:
            return photo.name
        try:
            return self._keep(photo)
        except ImageError as error:
            raise CellError("bad_photo", f"{shown(photo.name)}: {error}") from error

    @staticmethod
    def _check_form(text: str) -> None:
        problem = None
        if in_object_storage(text):
            raise CellError(
                "unfetched_address",
                f"{shown(text)} is in object storage, and in no bucket that photos may be read "
                f"from: name its bucket in the settings, fetch: {{buckets: [...]}}",
            )
        if _REMOTE.match(text) and not _ADDRESS.match(text):
            raise CellError(
                "unfetched_address",
                f"{shown(text)} is an address that is not fetched: expected http://... or "
                f"https://...; download the photo and give its path",
            )
        if _REMOTE.match(text):
            raise CellError(
                "remote_image",
                f"{shown(text)} is a web address, and nothing is fetched unless asked for: fetch "
                f"photos with --fetch (fetch=True), or download them and give their paths",
            )
        if len(text) > _MAX_PATH_CHARS:
            problem = f"has {len(text):,} characters, more than {_MAX_PATH_CHARS:,}"
        elif not text.isprintable() and any(unicodedata.category(c) == "Cc" for c in text):
            problem = "has control characters"
        elif text.startswith("~"):
            problem = "starts with '~', which is not expanded"
        elif _SCHEME_OR_DRIVE.match(text):
            problem = "has a drive or a scheme"
        elif "\\" in text:
            problem = "has backslashes; write '/' between folders"
        if problem:
            raise CellError(
                "bad_path",
                f"the photo path {shown(text)} {problem}: expected a relative path such as "
                f"photos/1.jpg",
            )

    def _look_up(self, path: str) -> tuple[str, int]:
        forms = [path]
        if not path.isascii():
            # A photo named on a Mac may be stored decomposed, and the manifest composed.
            forms += [unicodedata.normalize(form, path) for form in ("NFC", "NFD")]
        for form in forms[:-1]:
            try:
                return self._look_up_one(form)
            except FileNotFoundError:
                continue
        return self._look_up_one(forms[-1])

    def _look_up_one(self, path: str) -> tuple[str, int]:
        folder, name = os.path.split(path)
        real = os.path.join(self._real_folder(folder), name)  # noqa: PTH118
        mode = os.lstat(real).st_mode
        if stat.S_ISLNK(mode):
            real = os.path.realpath(real)
            # What is outside is not looked at further, not even to see whether it is there.
            mode = os.stat(real).st_mode if _inside(real, self._root) else mode  # noqa: PTH116
        return real, mode

    def _folders_below(self) -> list[str]:
        """Folders beside the manifest, where photos may lie."""
        try:
            with os.scandir(self._root) as entries:
                some = [entry for entry, _ in zip(entries, range(_MAX_LISTED), strict=False)]
        except OSError:
            return []
        return sorted(entry.path for entry in some if entry.is_dir(follow_symlinks=False))[:50]

    def _outside(self, text: str) -> CellError:
        return CellError(
            "image_outside_root",
            f"{shown(text)} leads out of {self._root}: expected a photo inside that folder; move "
            f"the photo, or give a folder that holds all photos with --image-root",
        )

    def _hint(self, path: str) -> str:
        """Similar names in the folder; only for the first errors, since it lists the folder."""
        folder, name = os.path.split(path)
        for below in self._folders_below() if self._hints_left else ():
            if os.path.lexists(os.path.join(below, name)):  # noqa: PTH118
                self._hints_left -= 1
                return f" (there is one in {shown(below, 200)})"
        if not self._hints_left or not _inside(self._real_folder(folder), self._root):
            return ""
        self._hints_left -= 1
        try:
            with os.scandir(folder) as entries:
                names = [entry.name for entry, _ in zip(entries, range(_MAX_LISTED), strict=False)]
        except OSError:
            return " (nor its folder)"
        same = sorted(other for other in names if other.casefold() == name.casefold())
        near = same or difflib.get_close_matches(name, sorted(names), n=3, cutoff=0.8)
        return f" (near: {', '.join(shown(other) for other in near)})" if near else ""


def _checked_address(text: str) -> str:
    if len(text) > _MAX_PATH_CHARS or not text.isprintable():
        raise CellError(
            "bad_url",
            f"the photo's address {shown(text)} cannot be one: expected at most "
            f"{_MAX_PATH_CHARS:,} printable characters",
        )
    return text


def _inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder if folder.endswith(os.sep) else folder + os.sep)
