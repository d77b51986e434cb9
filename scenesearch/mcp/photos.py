"""What an agent calls a photo: a file on this machine, or its bytes in a data URL."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

from scenesearch.core.errors import ImageError
from scenesearch.core.limits import ImageLimits


def read_photo(photo: str, roots: tuple[Path, ...], limits: ImageLimits) -> bytes:
    """The encoded file; what it holds is checked by who decodes it.

    Args:
        photo: a path, or ``data:image/...;base64,...``.
        roots: folders that paths must lie in; none for any.
        limits: how large it may be.

    Raises:
        ImageError: there is no such file, it lies elsewhere, or it is too large.
    """
    if photo.startswith("data:"):
        return _inline(photo, limits)
    if photo.startswith(("http://", "https://")):
        raise ImageError(
            "An address is not fetched here; download the photo and give its path",
            code="fetch_disabled",
        )
    try:
        path = Path(photo).expanduser().resolve()
        inside = not roots or any(path.is_relative_to(root.resolve()) for root in roots)
        # a device or a pipe would never end
        if inside and path.is_file():
            if path.stat().st_size > limits.max_bytes:
                raise ImageError(
                    f"{photo!r:.200} has {path.stat().st_size:,} bytes, expected at most "
                    f"{limits.max_bytes:,}; save it smaller",
                    code="too_many_bytes",
                )
            return path.read_bytes()
    except (OSError, ValueError, RuntimeError) as error:
        raise ImageError(f"{photo!r:.200} cannot be read: {error}", code="unreadable") from error
    if not inside:
        allowed = ", ".join(str(root) for root in roots)
        raise ImageError(
            f"{photo!r:.200} lies outside {allowed}; copy the photo there", code="not_found"
        )
    raise ImageError(
        f"{photo!r:.200} is no file; expected the path of a photo on the machine of this server, "
        f"or a data URL",
        code="not_found",
    )


def _inline(photo: str, limits: ImageLimits) -> bytes:
    head, comma, text = photo.partition(",")
    if not comma or not head.endswith(";base64"):
        raise ImageError(
            f"{head!r:.60} is no data URL of a photo; expected data:image/jpeg;base64,...",
            code="bad_base64",
        )
    if len(text) > limits.max_bytes * 4 // 3 + 4:
        raise ImageError(
            f"The photo has about {len(text) * 3 // 4:,} bytes, expected at most "
            f"{limits.max_bytes:,}; save it smaller",
            code="too_many_bytes",
        )
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ImageError(f"The data URL is no base64: {error}", code="bad_base64") from error
