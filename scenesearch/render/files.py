"""Writing a file whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write_whole(path: Path, data: bytes) -> Path:
    """Write ``data`` beside ``path`` and rename it into place.

    A reader sees the old file or the new one, never half of one; a failure leaves the old one.
    A symbolic link is followed, so that the link itself stays.

    Args:
        path: where to; its folder must exist.
        data: the content.

    Returns:
        ``path``.

    Raises:
        FileNotFoundError: the folder does not exist.
        OSError: the file cannot be written.
    """
    target = path.resolve()
    if not target.parent.is_dir():
        raise FileNotFoundError(
            f"cannot write {str(path)!r}: there is no folder {str(target.parent)!r}; "
            f"create it first"
        )
    # Not tempfile: its files are private (0600), and the rename would keep that. The short name
    # also fits where the target's own name is already as long as the file system allows.
    temporary = target.parent / f".look-{secrets.token_hex(8)}.tmp"
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return path
