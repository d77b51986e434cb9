"""Photos in object storage, through fsspec: listing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scenesearch.catalog.folder_source import is_left_out
from scenesearch.core.errors import CatalogError, SceneSearchError
from scenesearch.fetch.object_storage import Stamp, open_fs, stamp_of
from scenesearch.tagging.source_files import has_image_suffix, is_glob


def remote_photos(address: str) -> Iterator[tuple[str, Stamp]]:
    """Addresses of photos, and (size, stamp) where the store says it.

    Args:
        address: of one photo, of a folder (everything below it with an image suffix), or a glob.

    Raises:
        CatalogError: the store cannot be asked.
        MissingDependencyError: fsspec has no package for this kind of store.
    """
    fs, path = open_fs(address)
    try:
        # the name itself comes first: [ and * may stand in one
        info = _info(fs, path) if is_glob(path) else fs.info(path)
        if info is None:
            yield from _matches(fs, path)
        elif info.get("type") == "directory":
            yield from _below(fs, path)
        else:
            yield address, stamp_of(info)
    except FileNotFoundError as error:
        raise CatalogError(
            f"there is nothing at {address}: expected a photo, a folder or a glob; check the "
            f"address and the credentials",
            code="no_photos",
        ) from error
    except SceneSearchError:
        raise
    except Exception as error:
        # every kind of store has errors of its own
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
            yield fs.unstrip_protocol(name), stamp_of(found[name])


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
                yield fs.unstrip_protocol(f"{folder}/{name}"), stamp_of(files[name])
