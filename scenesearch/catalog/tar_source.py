"""WebDataset tars: members that share a name up to its first dot are one sample.

Read in place and in order; a member is never written under the name it has, links and devices are
passed over. https://github.com/webdataset/webdataset
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from scenesearch.catalog.columns import proposed_name
from scenesearch.catalog.records import CellError, Packed, RawRow, RowError
from scenesearch.core.errors import CatalogError

MAX_MEMBER_BYTES = 100_000_000
MAX_RATIO = 50
"""A compressed tar that grows more is refused: photos hardly do."""
MAX_ENTRIES = 50_000_000
"""A tar with more members is refused, whatever they are."""
_PHOTOS_TEXT = "jpg jpeg png webp gif bmp tif tiff avif heic"
PHOTOS = frozenset(_PHOTOS_TEXT.split())
_TEXTS_TEXT = "txt text cls caption id"
_TEXTS = frozenset(_TEXTS_TEXT.split())


class TarSource:
    """Samples of tars, numbered from 1 over all of them.

    Args:
        paths: the tars, in order.
    """

    header = None
    typed = True

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = tuple(paths)
        self._passed_over = 0
        self.notes: tuple[str, ...] = ()

    def rows(self) -> Iterator[RawRow | RowError]:
        """Walk over the samples; see :class:`scenesearch.catalog.records.Source`."""
        row = self._passed_over = 0
        for path in self._paths:
            for cells in self._samples(path):
                row += 1
                yield cells.at(row) if isinstance(cells, CellError) else RawRow(row, cells)

    def _samples(self, path: Path) -> Iterator[dict[str, Any] | CellError]:
        room = path.stat().st_size * MAX_RATIO + MAX_MEMBER_BYTES
        key, cells, error = None, dict[str, Any](), None
        entries = 0
        try:
            with tarfile.open(path, "r:*") as tar:
                for member in tar:
                    tar.members = []  # type: ignore[attr-defined] # else every name is kept
                    entries += 1
                    # also what is passed over has to be unpacked
                    room -= member.size
                    if room < 0 or entries > MAX_ENTRIES:
                        raise CatalogError(
                            f"{path} grows more than {MAX_RATIO} times, or has more than "
                            f"{MAX_ENTRIES:,} members: expected a tar of photos",
                            code="bad_catalog",
                        )
                    if not (member.isreg() or member.isdir()):
                        self._passed_over += 1
                        count = f"{self._passed_over:,}"
                        self.notes = (f"{count} link(s) or devices were passed over",)
                    folder, slash, base = member.name.removeprefix("./").rpartition("/")
                    stem, dot, field = base.partition(".")
                    if not member.isreg() or not dot or not stem or base.startswith("__"):
                        continue
                    if folder + slash + stem != key:
                        if cells:
                            yield error or cells
                        key, cells, error = folder + slash + stem, {}, None
                        cells["key"] = key
                    try:
                        self._add(cells, field.lower(), tar, member)
                    except CellError as found:
                        error = found
                if cells:
                    yield error or cells
        except (tarfile.TarError, EOFError, OSError) as broken:
            reason = " ".join(str(broken).split())[:120]
            if key is None:
                raise CatalogError(
                    f"{path} is no tar that can be read: {reason}; expected a WebDataset tar",
                    code="bad_catalog",
                ) from broken
            yield CellError("bad_tar", f"{path.name} breaks off: {reason}; copy it again")

    @staticmethod
    def _add(
        cells: dict[str, Any], field: str, tar: tarfile.TarFile, member: tarfile.TarInfo
    ) -> None:
        last = field.rpartition(".")[2]
        if last not in PHOTOS and last not in _TEXTS and last != "json":
            return
        if member.size > MAX_MEMBER_BYTES:
            raise CellError(
                "field_too_long",
                f"{member.name!r} has {member.size:,} bytes: expected at most {MAX_MEMBER_BYTES:,}",
            )
        stream = tar.extractfile(member)
        data = b"" if stream is None else stream.read()
        if last in PHOTOS:
            cells.setdefault(proposed_name(field), Packed(data, member.name))
            return
        text = data.decode("utf-8", "replace").strip()
        if last == "json":
            try:
                value = json.loads(text)
            except (ValueError, RecursionError) as error:
                raise CellError("bad_json", f"{member.name!r} is not JSON: {error}") from error
            if isinstance(value, dict):
                for name, cell in value.items():
                    if cell is not None and not isinstance(cell, dict):
                        cells.setdefault(proposed_name(str(name)), cell)
        else:
            cells.setdefault(proposed_name(field), text)
