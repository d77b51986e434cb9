"""Where a photo is: a file of this machine, or an address elsewhere."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit


def local_path(source: str) -> Path | None:
    """The absolute path of a photo of this machine; None for any other address.

    Args:
        source: a path, or an address such as ``s3://shop/1.jpg``, as it was tagged.

    >>> local_path("s3://shop/1.jpg") is None
    True
    >>> local_path("file:///photos/a%20b.jpg").as_posix()
    '/photos/a b.jpg'
    """
    scheme, separator, _ = source.partition("://")
    if not separator:
        return Path(source).absolute()
    return Path(unquote(urlsplit(source).path)) if scheme == "file" else None
