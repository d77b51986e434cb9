"""Whole files or none: what a killed run leaves behind is never mistaken for finished work."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

from PIL import Image


def save_bytes(data: bytes, path: Path) -> None:
    """Write beside the place and move it there, so that a reader sees all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_bytes(data)
    part.replace(path)


def save_jpeg(image: Image.Image, path: Path, *, quality: int) -> None:
    """Encode and write."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, optimize=True)
    save_bytes(buffer.getvalue(), path)


def save_json(value: Any, path: Path) -> None:
    """Encode compactly and write."""
    save_bytes(json.dumps(value, separators=(",", ":")).encode() + b"\n", path)


def save_text(text: str, path: Path) -> None:
    """Write as UTF-8 with plain newlines."""
    save_bytes(text.encode(), path)
