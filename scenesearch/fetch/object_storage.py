"""Photos in object storage, through fsspec: which there are, and reading them with limits.

Bytes are read in the main process, or in workers of a cluster, because not every file system
(``memory://``, an open session) can be taken to another.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from scenesearch.core.errors import CatalogError, ImageError, MissingDependencyError

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_STAMPS = ("ETag", "etag", "LastModified", "mtime", "updated", "last_modified", "created")
"""Where file systems keep what changes with the content; the first that is there counts."""
_CHUNK = 1 << 20

Stamp = tuple[int, str] | None


def is_remote(text: str) -> bool:
    """Whether a text is an address (``s3://...``) rather than a path."""
    return _ADDRESS.match(text) is not None


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
    try:
        data, stamp = _read(address, max_bytes, time.monotonic() + timeout_s)
    except FileNotFoundError as error:
        raise ImageError(
            f"{address}: there is no such file; check the address", code="not_found"
        ) from error
    except MissingDependencyError:
        raise
    except Exception as error:
        # every kind of store has errors of its own
        raise ImageError(_unreadable(address, error), code="unreadable") from error
    if data is None:
        raise ImageError(
            f"{address}: not read within {timeout_s:g} s; try again, or raise the timeout",
            code="timed_out",
        )
    return data, stamp


def _read(address: str, max_bytes: int, until: float) -> tuple[bytes | None, Stamp]:
    """None for what takes too long."""
    fs, path = open_fs(address)
    stamp = stamp_of(fs.info(path))
    parts, room = [], max_bytes + 1
    with fs.open(path, "rb") as stream:
        while room > 0 and (part := stream.read(min(_CHUNK, room))):
            parts.append(part)
            room -= len(part)
            if time.monotonic() > until:
                return None, stamp
    return b"".join(parts), stamp


def open_fs(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it.

    Raises:
        CatalogError: there is none.
        MissingDependencyError: fsspec has no package for this kind of store.
    """
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


def stamp_of(info: Any) -> Stamp:
    """Size and what changes with the content, of what a store says of a file; None for nothing."""
    stamp = next((info[name] for name in _STAMPS if info.get(name)), None)
    size = info.get("size")
    return None if stamp is None or size is None else (int(size), str(stamp))


AT_ONCE = 16
"""Photos that are asked for, or read, at the same time."""


class Known(NamedTuple):
    """A photo as it is, or why it cannot be read.

    Attributes:
        sha256: of its content; empty where it cannot be read.
        stamp: what will change with it; empty where the store says nothing of the kind.
        problem: why not; empty where it can.
    """

    sha256: str = ""
    stamp: str = ""
    problem: str = ""


def stamps(photos: Sequence[str]) -> list[Known]:
    """What the store says of photos, in order: their stamps, and nothing of their content.

    Raises:
        MissingDependencyError: fsspec has no package for this kind of store.
    """

    def one(address: str) -> Known:
        try:
            fs, path = open_fs(address)
            return Known(stamp=_text(stamp_of(fs.info(path))))
        except FileNotFoundError:
            return Known(problem=f"{address}: there is no such file; check the address")
        except MissingDependencyError:
            raise
        except Exception as error:  # noqa: BLE001 - every kind of store has its own
            return Known(problem=_unreadable(address, error))

    with ThreadPoolExecutor(AT_ONCE, "scenesearch-stamps") as pool:
        return list(pool.map(one, photos))


def contents(photos: Sequence[str], *, max_bytes: int, timeout_s: float) -> list[Known]:
    """Photos read to know their content, in order; see :func:`read_remote`.

    Raises:
        MissingDependencyError: fsspec has no package for this kind of store.
    """

    def one(address: str) -> Known:
        try:
            data, stamp = read_remote(address, max_bytes=max_bytes, timeout_s=timeout_s)
        except ImageError as error:
            return Known(problem=str(error))
        return Known(hashlib.sha256(data).hexdigest(), _text(stamp))

    with ThreadPoolExecutor(AT_ONCE, "scenesearch-contents") as pool:
        return list(pool.map(one, photos))


def _text(stamp: Stamp) -> str:
    return "" if stamp is None else f"{stamp[0]} {stamp[1]}"


def _unreadable(address: str, error: Exception) -> str:
    return f"{address}: reading it failed ({error}); check the address and the credentials"
