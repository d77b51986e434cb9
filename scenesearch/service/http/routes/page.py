"""``/`` and ``/assets``: the web page, its parts and the sample photos, all out of the package.

Only files that are in the package's own two folders when the first one is asked for are ever
answered, under the names they have there: no path of a request reaches the file system.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from fastapi import APIRouter, Request, Response

from scenesearch.service.http.compress import accepts_gzip, is_text, packed
from scenesearch.service.http.problems import ProblemError
from scenesearch.service.http.routes.replies import is_current
from scenesearch.system.resources import resource_dir

PAGE = Path(__file__).resolve().parents[2] / "page"
INDEX = "index.html"
MEDIA_TYPES: Mapping[str, str] = MappingProxyType(
    {
        ".html": "text/html; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".svg": "image/svg+xml",
        ".jpg": "image/jpeg",
        ".md": "text/plain; charset=utf-8",
        ".txt": "text/plain; charset=utf-8",
    }
)
"""What is served, by suffix: a file of another kind is not."""
CHECKED = "no-cache"
"""May be kept, and is asked for again with its tag before it is used."""
FOREVER = "public, max-age=31536000, immutable"
ASSET_LEVEL = 9
"""Each part is compressed once in the life of a service."""

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Asset:
    """One file.

    Attributes:
        data: as it is.
        zipped: the same compressed, once and as far as it goes; None where that gains nothing.
        media_type: what it is.
        tag: in quotes; changes with it. The compressed form has one of its own.
    """

    data: bytes
    zipped: bytes | None
    media_type: str
    tag: str

    @property
    def zipped_tag(self) -> str:
        """Of the compressed form: a strong tag names bytes, and those are others."""
        return f'{self.tag[:-1]}-gzip"'


@dataclass(frozen=True, slots=True)
class Assets:
    """Every file of the page.

    Attributes:
        files: by name under ``/assets/``.
        version: changes when any file does. What is asked for as ``/assets/VERSION/NAME`` never
            changes, so it may be kept for ever; the page names its parts so, and they, by
            relative addresses, each other.
        index: the page, naming its parts by version.
    """

    files: Mapping[str, Asset]
    version: str
    index: Asset


def read_assets(page: Path, samples: Path) -> Assets:
    """Read the page and the sample photos.

    Args:
        page: a folder with ``index.html``, which names its parts as ``assets/...``.
        samples: a folder with ``rooms`` and the credits for them.
    """
    files = {path.relative_to(page).as_posix(): path for path in page.rglob("*")}
    files |= {f"samples/{path.name}": path for path in (samples / "rooms").glob("*.jpg")}
    files |= {f"samples/{path.name}": path for path in samples.glob("CREDITS.md")}
    read = {
        name: read_asset(path.read_bytes(), path.suffix)
        for name, path in sorted(files.items())
        # the widget is a script of its own
        if path.suffix in MEDIA_TYPES and path.is_file() and not name.startswith("widget/")
    }
    index = read.pop(INDEX)
    tags = "".join(f"{name}\n{asset.tag}\n" for name, asset in read.items())
    version = f"v-{_digest(tags.encode())[:16]}"
    versioned = index.data.replace(b'="assets/', f'="assets/{version}/'.encode())
    return Assets(MappingProxyType(read), version, read_asset(versioned, ".html"))


def read_asset(data: bytes, suffix: str) -> Asset:
    """A file to be answered.

    Args:
        data: as it is.
        suffix: says what it is.
    """
    media_type = MEDIA_TYPES[suffix]
    zipped = packed(data, ASSET_LEVEL) if is_text(media_type) else data
    smaller = zipped if len(zipped) < len(data) else None
    return Asset(data, smaller, media_type, f'"{_digest(data)[:32]}"')


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@cache
def _assets() -> Assets:
    return read_assets(PAGE, resource_dir("sample"))


@router.api_route("/", methods=["GET", "HEAD"])
def page(request: Request) -> Response:
    """The page; it needs no key, what it asks for does."""
    return answer_asset(request, _assets().index, CHECKED)


@router.api_route("/assets/{name:path}", methods=["GET", "HEAD"])
def asset(request: Request, name: str) -> Response:
    """A part of the page, or a sample photo.

    Raises:
        ProblemError: there is none of that name.
    """
    assets = _assets()
    plain = name.removeprefix(f"{assets.version}/")
    found = assets.files.get(plain)
    if found is None:
        raise ProblemError("not_found", "The page has no part of this name")
    return answer_asset(request, found, CHECKED if plain == name else FOREVER)


def answer_asset(request: Request, found: Asset, cache_control: str) -> Response:
    """A file, compressed where that is accepted, or that it is still the same.

    Args:
        request: may name the tag it has.
        found: the file.
        cache_control: how long it may be kept.
    """
    data, tag = found.data, found.tag
    headers = {"Cache-Control": cache_control}
    if found.zipped is not None:
        headers["Vary"] = "Accept-Encoding"
        if accepts_gzip(request.headers.getlist("accept-encoding")):
            data, tag = found.zipped, found.zipped_tag
            headers["Content-Encoding"] = "gzip"
    headers["ETag"] = tag
    if is_current(request, tag):
        headers.pop("Content-Encoding", None)
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=found.media_type, headers=headers)
