"""Columns of vectors: embeddings that a shop has of its products, each a space of the collection.

A vector is kept as bytes, float32, little-endian: a catalogue of a million of them goes through a
temporary file, and two items are equal where these are.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from scenesearch.catalog.columns import normalise, proposed_name
from scenesearch.catalog.records import CellError, shown
from scenesearch.core.errors import CatalogError
from scenesearch.core.points import SPACES
from scenesearch.core.protocols import WORDS

SHORTEST, LONGEST = 2, 65_536
"""Numbers of a vector."""
_FORM = f"expected a list of {SHORTEST} to {LONGEST:,} numbers"
_FIX = "embed the product again, or leave the cell empty"
_BETWEEN = re.compile(r"[\s,;]+")


class VectorColumn:
    """The cells of a column that is to be a space. Feed it every cell, then ask."""

    def __init__(self) -> None:
        self._sizes: Counter[int] = Counter()
        self._fault: CellError | None = None

    def look(self, cell: Any) -> None:
        """Note the length of a cell."""
        if is_empty(cell):
            return
        try:
            self._sizes[len(vector_of(cell)) // 4] += 1
        except CellError as error:
            self._fault = self._fault or error

    def size(self, name: str, stored: int | None) -> int:
        """How many numbers its vectors have: as many as those of the collection, or as most have.

        Raises:
            CatalogError: there is none, or none of the collection's length.
        """
        if stored is not None and (stored in self._sizes or not self._sizes):
            return stored
        if not self._sizes:
            why = f": {self._fault}" if self._fault else ", its cells are empty"
            raise CatalogError(
                f"column {name!r} holds no vector{why}; leave --vectors {name} out",
                code="bad_vector",
            )
        size = min(self._sizes, key=lambda one: (-self._sizes[one], one))
        if stored is not None:
            raise CatalogError(
                f"column {name!r} holds vectors of {size:,} numbers, expected {stored:,} as in the "
                f"collection: they are of another model; index into a new --collection",
                code="bad_vector",
            )
        return size


def is_empty(cell: Any) -> bool:
    """Whether a cell says that there is no vector."""
    return not cell.strip(" []") if isinstance(cell, str) else cell is None or cell == []


def vector_of(cell: Any, size: int | None = None) -> bytes:
    """A cell as a vector: a list of numbers, or a text of them, as JSON, NumPy and pgvector write.

    Args:
        cell: not None.
        size: the length it must have, if any.

    Raises:
        CellError: ``bad_vector``.
    """
    row, given = None, cell
    if isinstance(cell, str):
        cell = _BETWEEN.split(cell.strip().removeprefix("[").removesuffix("]").strip())
    with suppress(TypeError, ValueError, OverflowError):
        row = np.array(cell if isinstance(cell, list) else None, np.float64)
    if row is None or row.ndim != 1 or not SHORTEST <= len(row) <= LONGEST:
        raise CellError("bad_vector", f"{shown(given)} is no vector: {_FORM}; {_FIX}")
    if size is not None and len(row) != size:
        raise CellError(
            "bad_vector",
            f"a vector of {len(row):,} numbers: expected {size:,}, as the others have; {_FIX}",
        )
    # as they are stored
    with np.errstate(over="ignore"):
        narrow = row.astype("<f4")
    if not np.isfinite(narrow).all():
        raise CellError(
            "bad_vector", f"a vector with a number that is not finite: expected none; {_FIX}"
        )
    if not np.abs(narrow).max() > np.finfo(np.float32).tiny:
        raise CellError("bad_vector", f"a vector of zeros points nowhere: {_FIX}")
    return narrow.tobytes()


def vector_columns(asked: Iterable[str], stored: Mapping[str, int] | None) -> dict[str, str]:
    """The columns that hold vectors, by normalised name, each with what the caller called it.

    Args:
        asked: headers, or names of columns.
        stored: dimensions of the vectors that the collection has; None where there is none yet.

    Raises:
        CatalogError: a name that cannot be a space, or that the collection lacks.
    """
    wanted = {_legal(header): header for header in asked}
    for name, header in wanted.items():
        if name in SPACES or name in ("id", "image", WORDS):
            raise CatalogError(
                f"--vectors {shown(header)}: {name!r} is a name of scenesearch's own; keep the "
                f"column under another one: --column my_{name}={header} --vectors my_{name}",
                code="bad_column",
            )
        if stored is not None and name not in stored:
            has = ", ".join(stored) or "none"
            raise CatalogError(
                f"--vectors {shown(header)}: the collection was made without such vectors (it has "
                f"{has}); index into a new --collection, for which no photo is embedded again",
                code="bad_column",
            )
    return {**{name: name for name in stored or ()}, **wanted}


def check_there(wanted: Mapping[str, str], asked: Iterable[str], found: Collection[str]) -> None:
    """Whether the columns that were asked for are in the file.

    Raises:
        CatalogError: one is not.
    """
    headers = set(asked)
    for name, header in wanted.items():
        if header in headers and name not in found:
            near = difflib.get_close_matches(name, found, n=3, cutoff=0.5)
            hint = f" (near: {', '.join(near)})" if near else ""
            raise CatalogError(
                f"--vectors {shown(header)}: no column is called that{hint}: expected one of "
                f"{', '.join(sorted(found)[:20])}",
                code="missing_column",
            )


def _legal(header: str) -> str:
    try:
        return normalise(header)
    except CatalogError:
        return proposed_name(header)
