"""Photos in object storage, through fsspec: listing, and reading with limits.

Bytes are read in the main process, because not every file system (``memory://``, an open
session) can be taken to another; they are decoded where all photos are.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

from scenesearch.catalog.folder_source import is_left_out
from scenesearch.core.errors import CatalogError, ImageError, MissingDependencyError
from scenesearch.tagging.source_files import has_image_suffix, is_glob

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_STAMPS = ("ETag", "etag", "LastModified", "mtime", "updated", "last_modified", "created")
"""Where file systems keep what changes with the content; the first that is there counts."""
_CHUNK = 1 << 20

Stamp = tuple[int, str] | None


def is_remote(text: str) -> bool:
    """Whether a text is an address (``s3://...``) rather than a path."""
    return _ADDRESS.match(text) is not None


def remote_photos(address: str) -> Iterator[tuple[str, Stamp]]:
    """Addresses of photos, and (size, stamp) where the store says it.

    Args:
        address: of one photo, of a folder (everything below it with an image suffix), or a glob.

    Raises:
        CatalogError: the store cannot be asked.
        MissingDependencyError: fsspec has no package for this kind of store.
    """
    fs, path = _open_fs(address)
    try:
        # the name itself comes first: [ and * may stand in one
        info = _info(fs, path) if is_glob(path) else fs.info(path)
        if info is None:
            yield from _matches(fs, path)
        elif info.get("type") == "directory":
            yield from _below(fs, path)
        else:
            yield address, _stamp(info)
    except FileNotFoundError as error:
        raise CatalogError(
            f"there is nothing at {address}: expected a photo, a folder or a glob; check the "
            f"address and the credentials",
            code="no_photos",
        ) from error
    except (OSError, ValueError) as error:
        raise CatalogError(
            f"{address} cannot be listed: {error}; check the address and the credentials",
            code="catalog_not_readable",
        ) from error


def _info(fs: Any, path: str) -> Any:
    try:
        return fs.info(path)
    except (FileNotFoundError, ValueError):
        return None


def _matches(fs: Any, pattern: str) -> Iterator[tuple[str, Stamp]]:
    """What a glob names, by the rules of globs of files; folders stand for what is below them."""
    parts = pattern.split("/")
    wanted = "." in parts[-1].lstrip(".")
    hidden = any(part.startswith(".") for part in parts)
    found = fs.glob(pattern, detail=True)
    for name in sorted(found):
        if not hidden and any(map(is_left_out, name.removeprefix(_fixed(pattern)).split("/"))):
            continue
        if found[name].get("type") != "file":
            # ** already went into every folder
            if "**" not in parts:
                yield from _below(fs, name)
        elif wanted or has_image_suffix(name):
            yield fs.unstrip_protocol(name), _stamp(found[name])


def _fixed(pattern: str) -> str:
    """The folders of a pattern before its first sign."""
    parts = pattern.split("/")
    first = next(place for place, part in enumerate(parts) if is_glob(part))
    return "".join(f"{part}/" for part in parts[:first])


def _below(fs: Any, path: str) -> Iterator[tuple[str, Stamp]]:
    """The photos below a folder; one folder's listing in memory at a time."""
    for folder, _, files in fs.walk(path, detail=True):
        if any(map(is_left_out, filter(None, folder.removeprefix(path).split("/")))):
            continue
        # p//b.jpg is below p, and no folder that can be gone into
        unnamed = files.pop("", None)
        if unnamed is not None and unnamed.get("type") == "directory":
            below = fs.find(folder, detail=True, prefix="/")
            files |= {
                name.removeprefix(f"{folder}/"): one
                for name, one in below.items()
                if name.startswith(f"{folder}//")
            }
        for name in sorted(files):
            if has_image_suffix(name) and not any(map(is_left_out, name.split("/"))):
                yield fs.unstrip_protocol(f"{folder}/{name}"), _stamp(files[name])


def read_remote(address: str, *, max_bytes: int, timeout_s: float) -> tuple[bytes, Stamp]:
    """The bytes of a photo.

    Args:
        address: of one photo.
        max_bytes: one byte more is read at most, so that who decodes it can refuse it.
        timeout_s: checked between parts; a part that never comes is the file system's to end.

    Raises:
        ImageError: it is not there (``not_found``), cannot be read (``unreadable``), or takes too
            long (``timed_out``).
        MissingDependencyError: fsspec has no package for this kind of store.
    """
    end = time.monotonic() + timeout_s
    try:
        fs, path = _open_fs(address)
        stamp = _stamp(fs.info(path))
        parts, room = [], max_bytes + 1
        with fs.open(path, "rb") as stream:
            while room > 0 and (part := stream.read(min(_CHUNK, room))):
                parts.append(part)
                room -= len(part)
                if time.monotonic() > end:
                    raise ImageError(
                        f"{address}: not read within {timeout_s:g} s; try again, or raise the "
                        f"timeout",
                        code="timed_out",
                    )
    except FileNotFoundError as error:
        raise ImageError(
            f"{address}: there is no such file; check the address", code="not_found"
        ) from error
    except (OSError, ValueError, CatalogError) as error:
        raise ImageError(
            f"{address}: reading it failed ({error}); check the address and the credentials",
            code="unreadable",
        ) from error
    return b"".join(parts), stamp


def _open_fs(address: str) -> tuple[Any, str]:
    try:
        import fsspec
    except ImportError as error:
        raise MissingDependencyError(
            f"{address}: reading object storage needs fsspec; install it with `pip install fsspec`"
        ) from error
    protocol = address.partition("://")[0]
    try:
        # a listing that is remembered hides what was replaced, added and removed since
        fs, path = fsspec.core.url_to_fs(address, use_listings_cache=False)
    except ImportError as error:
        raise MissingDependencyError(
            f"{address}: fsspec needs a further package for {protocol}:// ({error}); s3:// needs "
            f"`pip install s3fs`, gs:// needs `pip install gcsfs`"
        ) from error
    except (ValueError, OSError) as error:
        raise CatalogError(
            f"{address}: fsspec cannot open {protocol}:// ({error}); expected s3://, gs://, "
            f"file:// or another kind it knows",
            code="unsupported_catalog",
        ) from error
    return fs, path


def _stamp(info: Any) -> Stamp:
    stamp = next((info[name] for name in _STAMPS if info.get(name)), None)
    size = info.get("size")
    return None if stamp is None or size is None else (int(size), str(stamp))
