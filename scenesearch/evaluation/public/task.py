"""What a public benchmark asks: pictures that are searched, pictures that are asked with.

Values only: readers make them, :mod:`scenesearch.evaluation.public.run` answers them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.errors import CatalogError
from scenesearch.core.types import BoxTuple

Ranking = NDArray[np.int64]
"""Shape (n,): numbers of gallery pictures, best first."""
Judge = Callable[[int, Ranking], Mapping[str, float]]
"""The number of a query and its ranking to figures, 0 to 1; a figure it has not is left out."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of a benchmark.

    Attributes:
        name: what messages call it.
        data: the file; None where it is not there.
        box: the part that is meant, pixels, xyxy; None for all of it.
    """

    name: str
    data: bytes | None
    box: BoxTuple | None = None


class Pictures(Protocol):
    """Pictures in a fixed order, read one after the other."""

    def __len__(self) -> int:
        """How many."""

    def __iter__(self) -> Iterator[Picture]:
        """Each with its bytes."""


@dataclass(frozen=True, slots=True)
class Files:
    """Pictures that are files.

    Args:
        paths: of each.
        boxes: of each, where parts are meant.
    """

    paths: Sequence[Path]
    boxes: Sequence[BoxTuple] = ()

    def __len__(self) -> int:
        """How many."""
        return len(self.paths)

    def __iter__(self) -> Iterator[Picture]:
        """Each with its bytes; None for one that cannot be read."""
        for number, path in enumerate(self.paths):
            try:
                data = path.read_bytes()
            except OSError:
                data = None
            yield Picture(str(path), data, self.boxes[number] if self.boxes else None)


@dataclass(frozen=True, slots=True)
class Query:
    """One question.

    Attributes:
        pictures: numbers of the pictures that are asked with, which count alike.
        words: that are asked with beside them.
        without: number of the gallery picture that must not be found, the query itself.
    """

    pictures: tuple[int, ...]
    words: str = ""
    without: int | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """One gallery and what is asked of it.

    Attributes:
        name: of a benchmark's part; empty where it is the whole.
        gallery: pictures that are searched.
        asked: pictures that are asked with; may be the gallery itself.
        queries: over ``asked``.
        depth: how many of a ranking the judge looks at; 0 for all.
        judge: of one ranking.
        over_all: further figures of all queries that were asked, from those of each.
    """

    name: str
    gallery: Pictures
    asked: Pictures
    queries: Sequence[Query]
    depth: int
    judge: Judge
    over_all: Callable[[Sequence[Mapping[str, float]]], Mapping[str, float]] | None = None


def find_file(folder: Path, names: Iterable[str], what: str) -> Path:
    """The first of some files that is in a folder.

    Args:
        folder: of the benchmark.
        names: of the file, where it may lie.
        what: the benchmark and how its folder looks, for the message.

    Raises:
        CatalogError: none is.
    """
    tried = list(names)
    for name in tried:
        if (folder / name).is_file():
            return folder / name
    state = "has none of them" if folder.is_dir() else "is no folder"
    raise CatalogError(
        f"{folder} {state}: expected {what}, with {' or '.join(tried)}", code="not_found"
    )


def read_lines(path: Path) -> list[str]:
    """The lines of a text file.

    Raises:
        CatalogError: it cannot be read, or is no text.
    """
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogError(f"{path}: cannot be read as text: {error}") from error


def inside(folder: Path, written: str, where: str) -> Path:
    """A path that a list names, which must stay in the folder of the benchmark.

    Raises:
        CatalogError: it leads out.
    """
    path = Path(written)
    if path.is_absolute() or ".." in path.parts or "\0" in written:
        raise CatalogError(f"{where}: {written!r} leads out of {folder}: expected a path in it")
    return folder / path


def hits_at(depths: Iterable[int], right: NDArray[np.bool_]) -> dict[str, float]:
    """``recall@K`` of product benchmarks: whether any of the first K is right."""
    return {f"recall@{k}": float(right[:k].any()) for k in depths}
