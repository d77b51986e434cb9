"""Long sequences outside of memory: in a file without a name, which goes with the process."""

from __future__ import annotations

import json
import os
import tempfile
import weakref
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, TypeVar, overload

from scenesearch.core.errors import NoSpaceError

T = TypeVar("T")
HELD = 10_000
"""So many values are held in memory; of more, none is."""
_READ = 1 << 18


def spooled(
    values: Iterable[T],
    to_json: Callable[[T], Any],
    of_json: Callable[[Any], T],
    *,
    held: int = HELD,
) -> Sequence[T]:
    """All of ``values`` in their order: a tuple while they are few, else in a temporary file.

    Args:
        values: taken one by one.
        to_json: a value as JSON has it.
        of_json: the same value back.
        held: the most that are a tuple.

    Raises:
        NoSpaceError: the temporary file cannot be written.
    """
    stream = iter(values)
    few = list(islice(stream, held + 1))
    return tuple(few) if len(few) <= held else _Spool(chain(few, stream), to_json, of_json)


class _Spool(Sequence[T]):
    """Values as lines of a file: 8 bytes of memory each. Safe to read from several threads."""

    def __init__(
        self, values: Iterable[T], to_json: Callable[[T], Any], of_json: Callable[[Any], T]
    ) -> None:
        self._of_json = of_json
        self._starts = array("q", [0])
        self._file = tempfile.TemporaryFile(prefix="scenesearch-")  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        end = 0
        try:
            for value in values:
                # ASCII: what is no Unicode, as file names may be, comes back as it was
                end += self._file.write(json.dumps(to_json(value)).encode("ascii") + b"\n")
                self._starts.append(end)
            self._file.flush()
        except OSError as error:
            raise NoSpaceError(
                f"the folder for temporary files ({tempfile.gettempdir()}) cannot be written: "
                f"{error.strerror or error}; a catalogue of so many items is kept there while it "
                f"is worked on: free some space, or name another folder with TMPDIR"
            ) from error

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __iter__(self) -> Iterator[T]:
        done = 0
        while done < len(self):
            last = done + 1
            while last < len(self) and self._starts[last + 1] - self._starts[done] <= _READ:
                last += 1
            yield from self._read(done, last)
            done = last

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[T]: ...
    def __getitem__(self, place: int | slice) -> T | Sequence[T]:
        if isinstance(place, slice):
            first, last, step = place.indices(len(self))
            if step == 1:
                return tuple(self._read(first, last))
            return tuple(self[one] for one in range(first, last, step))
        first = place + len(self) if place < 0 else place
        if not 0 <= first < len(self):
            raise IndexError(place)
        return next(self._read(first, first + 1))

    def _read(self, first: int, last: int) -> Iterator[T]:
        if first >= last:
            return
        start, end = self._starts[first], self._starts[last]
        lines = os.pread(self._file.fileno(), end - start, start).splitlines()
        for line in lines:
            yield self._of_json(json.loads(line))
