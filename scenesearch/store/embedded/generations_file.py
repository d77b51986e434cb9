"""The record of the generations of an embedded collection: a file beside their folders."""

from __future__ import annotations

from pathlib import Path

from scenesearch.core.errors import StoreError
from scenesearch.store.checks import check_name
from scenesearch.system.whole_file import write_whole

END = ".generations.json"


class GenerationsFile:
    """Reads and replaces it, whole; takes no lock.

    Args:
        root: folder of the store.
        collection: its name.
    """

    def __init__(self, root: Path, collection: str) -> None:
        self._file = root / (check_name(collection) + END)

    def __str__(self) -> str:
        return str(self._file)

    def read(self) -> str | None:
        """The text, or None where there is none.

        Raises:
            StoreError: it cannot be read.
        """
        try:
            return self._file.read_text("utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(f"cannot read {self._file}: {error}") from error

    def write(self, text: str | None) -> None:
        """Replace it, from one moment to the next; None removes it.

        Raises:
            StoreError: it cannot be written.
        """
        try:
            if text is None:
                self._file.unlink(missing_ok=True)
            else:
                write_whole(self._file, text.encode())
        except OSError as error:
            raise StoreError(f"cannot write {self._file}: {error}") from error

    def close(self) -> None:
        """Nothing is open."""
