"""Which products are known to be in which photo: JSON lines of ``image`` and ``items``."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scenesearch.core.errors import CatalogError

MAX_LINE = 4_000_000
"""Characters of a line."""


@dataclass(frozen=True, slots=True)
class KnownItems:
    """A manifest of photos and their products.

    Attributes:
        items: ids by absolute path of the photo, in the order of the file.
        errors: what was wrong with the lines that were left out, each with its number.
    """

    items: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    errors: tuple[str, ...] = ()

    def of(self, source: str) -> tuple[str, ...]:
        """The products of a photo, however its path is written."""
        return self.items.get(os.path.abspath(source), ())  # noqa: PTH100 - keeps links


def read_known_items(path: Path) -> KnownItems:
    """Read a manifest: ``{"image": "rooms/1.jpg", "items": ["4711"]}`` a line.

    Paths start at the folder of the manifest. A photo that is there twice has the products of
    both lines.

    Raises:
        CatalogError: the file cannot be read.
    """
    items: dict[str, tuple[str, ...]] = {}
    errors = []
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    image, ids = _row(line)
                except ValueError as error:
                    errors.append(f"{path}, line {number}: {error}; correct the line")
                    continue
                key = os.path.abspath(path.parent / image)  # noqa: PTH100
                items[key] = tuple(dict.fromkeys((*items.get(key, ()), *ids)))
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogError(
            f"{path}: the known items cannot be read: {error}; give a UTF-8 file of JSON lines "
            f"with image and items"
        ) from error
    return KnownItems(items, tuple(errors))


def _row(line: str) -> tuple[str, list[str]]:
    if len(line) > MAX_LINE:
        raise ValueError(f"{len(line):,} characters, expected at most {MAX_LINE:,}")
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON ({error})") from error
    fields = row if isinstance(row, dict) else {}
    image, ids = fields.get("image"), fields.get("items")
    if not isinstance(image, str) or not image or "\0" in image:
        raise ValueError(f"expected an object whose image is a path, got {image!r:.80}")
    # True is an int to Python, and no id
    if not isinstance(ids, list) or not all(type(one) in (str, int) for one in ids):
        raise ValueError(f"items must be a list of ids, got {ids!r:.80}")
    return image, [str(one) for one in ids]
