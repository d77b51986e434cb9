"""Tables of public benchmarks: Parquet, some columns as values, pictures one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scenesearch.core.errors import CatalogError
from scenesearch.core.extras import extra
from scenesearch.evaluation.public.task import Picture

_BATCH = 32


def read_columns(path: Path, wanted: Sequence[str], optional: Sequence[str] = ()) -> dict[str, Any]:
    """Columns of a table, each as a list; an optional one that is not there as Nones.

    Raises:
        CatalogError: it is no such table; names the columns that are missing.
        MissingDependencyError: pyarrow is not installed.
    """
    with extra("parquet", f"{path}: a Parquet file"):
        import pyarrow as pa
        import pyarrow.parquet as pq
    try:
        names = pq.read_schema(path).names
        missing = [name for name in wanted if name not in names]
        if missing:
            raise CatalogError(
                f"{path}: has no column {' and '.join(missing)} (it has {', '.join(names[:12])})",
                code="missing_column",
            )
        there = [name for name in (*wanted, *optional) if name in names]
        table = pq.read_table(path, columns=there)
    except (pa.ArrowException, OSError) as error:
        raise CatalogError(f"{path}: cannot be read as Parquet: {error}") from error
    rows = table.num_rows
    return {
        name: table[name].to_pylist() if name in there else [None] * rows
        for name in (*wanted, *optional)
    }


@dataclass(frozen=True, slots=True)
class TablePictures:
    """Pictures of a column of Parquet files, as Hugging Face writes them: ``bytes`` and ``path``.

    Args:
        paths: of the files, one after the other.
        rows: how many there are in all.
        column: of the pictures.
    """

    paths: tuple[Path, ...]
    rows: int
    column: str = "image"

    def __len__(self) -> int:
        """How many."""
        return self.rows

    def __iter__(self) -> Iterator[Picture]:
        """Each with its bytes; a few are read at a time."""
        import pyarrow.parquet as pq

        for path in self.paths:
            with pq.ParquetFile(path) as file:
                number = 0
                for batch in file.iter_batches(_BATCH, columns=[self.column]):
                    for value in batch.column(0).to_pylist():
                        number += 1
                        data = value.get("bytes") if isinstance(value, dict) else value
                        is_bytes = isinstance(data, bytes)
                        yield Picture(f"{path}, row {number}", data if is_bytes else None)
