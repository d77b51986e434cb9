"""Physical lines of a text file, numbered, bounded in memory, and able to go back in a record."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TextIO

from scenesearch.catalog.records import MAX_RECORD_CHARS, CellError


class Lines(Iterator[str]):
    """Lines with their ends, as ``csv.reader`` wants them.

    Several lines can make one record. :meth:`begin` starts a record, :meth:`retry` gives all of
    its lines but the first back, so that a stray quote costs one row and not all that follow.

    Args:
        stream: opened with the ``newline`` that suits the format.
        limit: how many characters a record may have.
    """

    def __init__(self, stream: TextIO, limit: int = MAX_RECORD_CHARS) -> None:
        self._stream = stream
        self._limit = limit
        self._next_number = 1
        self._again: deque[tuple[int, str | None]] = deque()
        self._taken: list[tuple[int, str | None]] = []
        self._chars = 0

    @property
    def number(self) -> int:
        """The number, from 1, of the line the record starts on."""
        return self._taken[0][0] if self._taken else self._next_number

    @property
    def text(self) -> str:
        """The first line of the record, empty where it was too long to keep."""
        return (self._taken[0][1] or "") if self._taken else ""

    def begin(self) -> None:
        """Start a record with the line that comes next."""
        self._taken.clear()
        self._chars = 0

    def retry(self) -> None:
        """Give the lines of the record back, but not its first, and start another."""
        self._again.extendleft(reversed(self._taken[1:]))
        self.begin()

    def __next__(self) -> str:
        """The next line of the record.

        Raises:
            CellError: ``row_too_long``, with the line skipped.
        """
        number, line = self._again.popleft() if self._again else self._read()
        self._taken.append((number, line))
        if line is not None:
            self._chars += len(line)
            if self._chars <= self._limit:
                return line
        raise CellError(
            "row_too_long",
            f"the row has more than {self._limit:,} characters: expected fewer; shorten it",
        )

    def _read(self) -> tuple[int, str | None]:
        line: str | None = self._stream.readline(self._limit + 1)
        if not line:
            raise StopIteration
        number = self._next_number
        self._next_number += 1
        if len(line) > self._limit and not line.endswith(("\n", "\r")):
            # Walk to the end of the line in pieces; none of it is kept.
            line = None
            while piece := self._stream.readline(1 << 16):
                if piece.endswith(("\n", "\r")):
                    break
        return number, line
