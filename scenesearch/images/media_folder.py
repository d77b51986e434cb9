"""Photos that are no files of ours: kept by content, written whole, swept when nobody uses them.

Callers gave them, an address did, or they lay inside a catalogue.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from threading import RLock

from scenesearch.core.errors import NoSpaceError, StoreError
from scenesearch.images.sniff import require_supported, sniff
from scenesearch.system.disk import MIN_FREE_BYTES, check_free_space
from scenesearch.system.whole_file import sync_directory, write_whole

log = logging.getLogger(__name__)

EXTENSIONS = {
    "JPEG": "jpg",
    "PNG": "png",
    "WebP": "webp",
    "GIF": "gif",
    "BMP": "bmp",
    "TIFF": "tif",
    "AVIF": "avif",
    "HEIC": "heic",
}
"""By what the content is; a name that came with a photo is never part of a path."""
YOUNG_S = 3600.0
"""Files younger than this are never swept: another process may be about to name them."""

GONE = ".gone"
"""Behind the name of a photo that was removed for room: it was there, and can be had again."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_DRAFT = re.compile(r"\.draft-[0-9a-f]+\.tmp")


class MediaFolder:
    """Encoded photos as ``ab/SHA256.ext`` in one folder, which belongs to one shop.

    Args:
        root: made with the first photo. Two shops need two folders: each would sweep the
            other's photos.
        min_free_bytes: writes are refused when less disk than this is free.

    Attributes:
        lock: held while sweeping, and by who makes a photo young again.
    """

    def __init__(self, root: str | Path, *, min_free_bytes: int = MIN_FREE_BYTES) -> None:
        self.root = Path(root).absolute()
        self._min_free = min_free_bytes
        self.lock = RLock()

    def keep(self, data: bytes) -> Path:
        """Keep a photo that was decoded once; the same content again is the same file.

        Returns:
            Where it is; it survives a power cut.

        Raises:
            ImageError: the content is no photo format of this package.
            NoSpaceError: too little free disk.
            StoreError: the folder cannot be written.
        """
        kind = sniff(data)
        require_supported(kind)
        sha256 = hashlib.sha256(data).hexdigest()
        path = self.root / sha256[:2] / f"{sha256}.{EXTENSIONS[kind]}"
        try:
            with self.lock:
                # young again: what sweeps after this leaves it until something durable names it
                if path.is_file():
                    os.utime(path)
                    return path
            check_free_space(self.root, 2 * len(data), self._min_free)
            if not path.parent.is_dir():
                path.parent.mkdir(parents=True, exist_ok=True)
                sync_directory(self.root)
            write_whole(path, data)
            _gone(path).unlink(missing_ok=True)
        except OSError as error:
            raise _failed(path, error) from error
        return path

    def find(self, sha256: str) -> Path | None:
        """The photo with this content, or None."""
        if not _SHA256.fullmatch(sha256):
            return None
        folder = self.root / sha256[:2]
        paths = (folder / f"{sha256}.{extension}" for extension in EXTENSIONS.values())
        return next((path for path in paths if path.is_file()), None)

    def place(self, sha256: str) -> Path | None:
        """Where the photo with this content is, or was before it was removed for room."""
        found = self.find(sha256)
        if found is not None or not _SHA256.fullmatch(sha256):
            return found
        folder = self.root / sha256[:2]
        paths = (folder / f"{sha256}.{extension}" for extension in EXTENSIONS.values())
        return next((path for path in paths if _gone(path).is_file()), None)

    def sha256_of(self, path: str | Path) -> str | None:
        """The content of a photo of this folder, by its name; None for any other file."""
        place = Path(path)
        return place.stem if place.parent.parent == self.root and _is_photo(place) else None

    def touch(self, path: Path) -> None:
        """Note that a photo was used now; one that is gone is left so."""
        with suppress(OSError):
            os.utime(path)

    def shrink(self, most_bytes: int, may_go: Callable[[Sequence[str]], Collection[str]]) -> int:
        """Remove photos, those used longest ago first, until the rest fits; returns how many.

        Args:
            most_bytes: what may stay.
            may_go: which of some photos, by sha256, are needed no more; asked for a part at a time.

        Raises:
            StoreError: a file cannot be removed.
        """
        found: list[tuple[int, int, Path]] = []
        for path in self.root.glob("??/*"):
            with suppress(FileNotFoundError):
                if _is_photo(path):
                    about = path.stat()
                    found.append((about.st_mtime_ns, about.st_size, path))
        beyond = sum(size for _, size, _ in found) - most_bytes
        removed = 0
        oldest = iter(sorted(found) if beyond > 0 else ())
        while beyond > 0 and (part := list(islice(oldest, 500))):
            free = may_go([path.stem for *_, path in part])
            for _, size, path in part:
                if beyond > 0 and path.stem in free:
                    try:
                        _gone(path).touch()
                        path.unlink()
                    except OSError as error:
                        raise _failed(path, error) from error
                    beyond, removed = beyond - size, removed + 1
        return removed

    def sweep(
        self, used: Callable[[Sequence[str]], Collection[str]], *, young_s: float = YOUNG_S
    ) -> int:
        """Remove photos that nothing names, and drafts of killed writes; returns how many.

        The caller holds :attr:`lock`.

        Args:
            used: which of some photos, by sha256, something names; asked for a part at a time.
            young_s: younger files stay.

        Raises:
            StoreError: a file cannot be removed.
        """
        before = time.time() - young_s
        removed = 0
        with self.lock:
            for folder in sorted(self.root.glob("??")):
                paths = sorted(folder.glob("*"))
                photos = [path.with_suffix("") if path.suffix == GONE else path for path in paths]
                named = used([path.stem for path in photos if _is_photo(path)])
                for path in paths:
                    ours = _is_photo(path) or path.suffix == GONE or _DRAFT.fullmatch(path.name)
                    if path.name.partition(".")[0] in named or not ours:
                        continue
                    try:
                        if path.stat().st_mtime <= before:
                            path.unlink()
                            removed += 1
                    except FileNotFoundError:
                        continue
                    except OSError as error:
                        raise _failed(path, error) from error
        if removed:
            log.info("removed %d photos that nothing uses from %s", removed, self.root)
        return removed


def _gone(path: Path) -> Path:
    return path.with_name(path.name + GONE)


def _is_photo(path: Path) -> bool:
    return path.suffix[1:] in EXTENSIONS.values() and bool(_SHA256.fullmatch(path.stem))


def _failed(path: Path, error: OSError) -> StoreError:
    import errno

    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpaceError(f"{path}: the disk is full; nothing was kept, free some space")
    return StoreError(
        f"{path}: cannot be written: {error.strerror or error}; check the folder's permissions"
    )
