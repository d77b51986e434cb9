"""Values put aside on disk and read again in order, so that none stays in memory.

Numbers of classes are known only when every label was seen, which is after the last row.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class Spool:
    """A file without a name, in the folder of the export; it is gone when closed or killed."""

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(  # noqa: SIM115
            "w+", dir=folder, encoding="utf-8", newline="\n"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def put(self, value: Any) -> None:
        """Add one JSON value."""
        self._file.write(json.dumps(value, ensure_ascii=False, allow_nan=False))
        self._file.write("\n")

    def read(self) -> Iterator[Any]:
        """Everything that was put aside, from the first; adding ends with this."""
        self._file.seek(0)
        for line in self._file:
            yield json.loads(line)
