"""Rows as Parquet, through pyarrow: nested lists, a row group at a time."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import IO, Any

GROUP_ROWS = 1024
"""Rows of a group."""
_CONVERTED_ROWS = 64
"""Rows held as Python values, which take many times the memory of columns."""


def schema() -> Any:
    """The columns, as :class:`pyarrow.Schema`; the fields of a row, in its order.

    Numbers are 64 bits wide, so that what is read is what JSON lines would say.
    """
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


def write_parquet(texts: Iterator[str], file: IO[bytes]) -> None:
    """One row a photo.

    Args:
        texts: rows as JSON.
        file: open for writing.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    columns = schema()
    with ParquetWriter(file, columns, compression="zstd") as writer:
        while group := list(_batches(itertools.islice(texts, GROUP_ROWS), columns)):
            writer.write_table(pa.Table.from_batches(group))


def _batches(texts: Iterator[str], columns: Any) -> Iterator[Any]:
    import pyarrow as pa

    while some := [json.loads(text) for text in itertools.islice(texts, _CONVERTED_ROWS)]:
        yield pa.RecordBatch.from_pylist(some, schema=columns)
