"""The files a tagging run gives: JSON lines, CSV or Parquet, whole or not at all.

Written beside the place they belong to, synced, then renamed. Rows come one after another from
the ledger, so that no number of photos is too large.
"""

from __future__ import annotations

import codecs
import csv
import errno
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, Any, Literal

from scenesearch.core.errors import ConfigError, DamagedError, NoSpaceError, StoreError
from scenesearch.core.extras import extra
from scenesearch.system.whole_file import replacing
from scenesearch.tagging.ledger import Ledger
from scenesearch.tagging.rows import Row, TaggedObject, TagRow

Texts = Iterator[str]
"""Rows as JSON texts."""
Cell = Literal["text", "real", "whole", "reals"]
"""What a column of a flat table holds."""

_PHOTO_COLUMNS = tuple(field.name for field in fields(TagRow) if field.name != "objects")
_OBJECT_COLUMNS = tuple(field.name for field in fields(TaggedObject))
SUFFIXES = (".jsonl", ".parquet", ".csv")
GROUP_ROWS = 1024
"""Rows of a group."""
_CONVERTED_ROWS = 64
"""Rows held as Python values, which take many times the memory of columns."""


@dataclass(frozen=True, slots=True)
class Table:
    """What rows are, and how they become a file.

    Attributes:
        kind: of the rows.
        columns: of a Parquet file, as :class:`pyarrow.Schema`.
        write_csv: rows to a file.
        lines: a row to lines of a table, where it is not one as it is.
    """

    kind: type[Row]
    columns: Callable[[], Any]
    write_csv: Callable[[Texts, IO[bytes]], None]
    lines: Callable[[Texts], Texts] = iter

    def write(self, suffix: str, texts: Texts, file: IO[bytes]) -> None:
        """Write rows as the suffix says."""
        match suffix:
            case ".csv":
                self.write_csv(texts, file)
            case ".parquet":
                write_parquet(self.lines(texts), file, self.columns())
            case _:
                write_jsonl(self.lines(texts), file)


def check_output(out: Path, table: Table | None = None) -> None:
    """Refuse an output that could not be written at the end, before any work.

    Args:
        out: the output.
        table: what will be written; rows of tags by default.

    Raises:
        ConfigError: the suffix names no format, or there is a folder of that name.
        MissingDependencyError: Parquet without pyarrow.
    """
    if out.suffix.lower() not in SUFFIXES:
        raise ConfigError(
            f"the output {str(out)!r} ends in {out.suffix!r}: expected {', '.join(SUFFIXES)}, or "
            f"'-' for JSON lines on standard output",
            code="bad_output",
        )
    if out.is_dir():
        raise ConfigError(f"the output {out} is a folder: expected a file", code="bad_output")
    if out.suffix.lower() == ".parquet":
        (table or TAGS).columns()


def failures_path(out: Path) -> Path:
    """Where the rows with an error are repeated."""
    return out.with_name(f"{out.name}.failures.jsonl")


def write_outputs(ledger: Ledger, out: Path, rows: int, table: Table | None = None) -> None:
    """Assemble the output, and the list of failures where there are any.

    Args:
        ledger: has the rows.
        out: the output.
        rows: that there must be, one for each source.
        table: how they are written; as tags by default.

    Raises:
        DamagedError: there are more or fewer; the output of the run before is still there.
        NoSpaceError: the disk is full; the output of the run before is still there.
        StoreError: the files cannot be written.
    """
    with _replacing(out) as file:
        (table or TAGS).write(out.suffix.lower(), _counted(ledger, rows), file)
    failures = failures_path(out)
    first = next(ledger.texts(failed_only=True), None)
    if first is None:
        for earlier in (failures, _temporary(failures)):
            with _explained(earlier):
                earlier.unlink(missing_ok=True)
    else:
        with _replacing(failures) as file:
            write_jsonl(ledger.texts(failed_only=True), file)


def _counted(ledger: Ledger, expected: int) -> Texts:
    written = 0
    for text in ledger.texts():
        written += 1
        yield text
    if written != expected:
        raise DamagedError(
            f"{ledger.path}: the ledger has {written} rows for {expected} photos, so it is "
            f"damaged; scenesearch verify {ledger.path} --repair takes out what is, and the next "
            "run tags those photos again"
        )


def write_jsonl(texts: Texts, file: IO[bytes]) -> None:
    """A row a line."""
    for text in texts:
        file.write(text.encode() + b"\n")


def write_csv(texts: Texts, file: IO[bytes]) -> None:
    """A line for each object, its photo's columns repeated; nested values are JSON texts.

    A photo without objects has one line whose object columns are empty.
    """
    # a csv writer wants text; the lines go out as they come
    writer = csv.writer(codecs.getwriter("utf-8")(file), lineterminator="\n")
    writer.writerow([*_PHOTO_COLUMNS, *(f"object_{name}" for name in _OBJECT_COLUMNS)])
    for text in texts:
        row = json.loads(text)
        photo = [_cell(row[name]) for name in _PHOTO_COLUMNS]
        for one in row["objects"] or [{}]:
            writer.writerow([*photo, *(_cell(one.get(name)) for name in _OBJECT_COLUMNS)])


def _cell(value: Any) -> Any:
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else value


def schema() -> Any:
    """The columns, as :class:`pyarrow.Schema`; the fields of a row, in its order.

    Numbers are 64 bits wide, so that what is read is what JSON lines would say.
    """
    with extra("parquet", "Writing Parquet"):
        import pyarrow as pa

    real, text, whole = pa.float64(), pa.string(), pa.int32()
    tag = pa.struct([("name", text), ("score", real), ("source", text)])
    colour = pa.struct([("name", text), ("lab", pa.list_(real)), ("share", real)])
    line = pa.struct([("text", text), ("confidence", real), ("box", pa.list_(real))])
    mask = pa.struct([("size", pa.list_(whole)), ("counts", text)])
    one = pa.struct(
        [
            *(("key", text), ("box", pa.list_(real)), ("label", text), ("confidence", real)),
            *(("area_share", real), ("position", text), ("colours", pa.list_(colour))),
            *(("tags", pa.list_(tag)), ("phash", text), ("mask", mask)),
        ]
    )
    return pa.schema(
        [
            *(("source", text), ("sha256", text), ("width", whole), ("height", whole)),
            *(("phash", text), ("kind", text), ("kind_score", real), ("tags", pa.list_(tag))),
            *(("colours", pa.list_(colour)), ("text", pa.list_(line))),
            *(("objects", pa.list_(one)), ("warnings", pa.list_(text)), ("models", text)),
            *(("error", text), ("message", text)),
        ]
    )


def flat_schema(columns: Mapping[str, Cell]) -> Any:
    """Columns by name, as :class:`pyarrow.Schema`."""
    with extra("parquet", "Writing Parquet"):
        import pyarrow as pa

    kinds = {
        "text": pa.string(),
        "real": pa.float64(),
        "whole": pa.int32(),
        "reals": pa.list_(pa.float64()),
    }
    return pa.schema([(name, kinds[kind]) for name, kind in columns.items()])


def write_parquet(texts: Iterator[str], file: IO[bytes], columns: Any) -> None:
    """A row each.

    Args:
        texts: rows as JSON.
        file: open for writing.
        columns: their schema.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    with ParquetWriter(file, columns, compression="zstd") as writer:
        while group := list(_batches(itertools.islice(texts, GROUP_ROWS), columns)):
            writer.write_table(pa.Table.from_batches(group))


def _batches(texts: Iterator[str], columns: Any) -> Iterator[Any]:
    import pyarrow as pa

    while some := [json.loads(text) for text in itertools.islice(texts, _CONVERTED_ROWS)]:
        yield pa.RecordBatch.from_pylist(some, schema=columns)


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes the place of ``path`` when the body is done.

    Its name is always the same: the ledger's lock lets one run in, and what a kill leaves is
    overwritten by the next.
    """
    with _explained(path), replacing(path, _temporary(path)) as file:
        yield file


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise NoSpaceError(
                f"{path}: the disk is full; every row is kept in the ledger, free some space and "
                f"run again to write it"
            ) from error
        raise StoreError(
            f"{path} cannot be written: {error.strerror or error}; check that the folder is there "
            f"and writable, then run again"
        ) from error


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.tmp")


TAGS = Table(TagRow, schema, write_csv)
"""A row a photo; in CSV a line an object."""
