"""Parquet manifests, through pyarrow, in small batches."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scenesearch.catalog.columns import ColumnMap, Namer
from scenesearch.catalog.records import MAX_COLUMNS, Packed, RawRow, RowError, shown
from scenesearch.core.errors import CatalogError
from scenesearch.core.extras import extra

_BATCH_ROWS = 128
_BATCH_PHOTOS = 8
_PHOTOS = frozenset({"jpg", "jpeg", "png", "webp", "image", "img", "photo", "picture"})
"""Binary columns of these names hold encoded photos."""
# Text of a chunk up to this size is kept as a dictionary: a small file that repeats one huge
# value a million times then costs that value once.
_DICTIONARY_BYTES = 4 << 20
_MAX_CHUNK_BYTES = 1 << 30
_INDEX_PREFIX = "__index_level_"  # written by pandas


class ParquetSource:
    """Rows of one Parquet file, numbered from 1; null is no value.

    Decimals become floats; dates, times and timestamps ISO text (to the microsecond); durations,
    binary columns and nested ones other than lists of scalars are refused. Pictures are read as
    Hugging Face writes them: structs of ``bytes`` and ``path``, lists of those, and binary columns
    that hold photos; class labels by their names.

    Args:
        path: the file.
        columns: our name to the file's column.
        max_rows: refuses a file that says it has more.
        ignored: columns that are left out.

    Attributes:
        named: each column of the file and its name.

    Raises:
        CatalogError: the file is not Parquet, is broken or encrypted, has too many rows or
            columns, or a column of a type that no attribute can have.
    """

    typed = True

    def __init__(
        self,
        path: Path,
        *,
        columns: ColumnMap | None = None,
        max_rows: int | None = None,
        ignored: Iterable[str] = (),
    ) -> None:
        self._path = path
        namer = Namer(columns, ignored)
        with self._reading():
            file = self._open(())
        with file, self._reading():
            meta = file.metadata
            schema = file.schema_arrow
            if max_rows is not None and meta.num_rows > max_rows:
                raise CatalogError(
                    f"{path} has {meta.num_rows:,} rows: expected at most {max_rows:,}; split the "
                    f"file, or raise max_rows",
                    code="too_many_rows",
                )
            if len(schema.names) > MAX_COLUMNS:
                raise CatalogError(
                    f"{path} has {len(schema.names):,} columns: expected at most {MAX_COLUMNS:,}; "
                    f"leave out the ones that searches do not need",
                    code="too_many_columns",
                )
            # The index a DataFrame was saved with is no attribute.
            headers = ["" if name.startswith(_INDEX_PREFIX) else name for name in schema.names]
            self.header = namer.header(headers)
            namer.check_found()
            for name, field in zip(self.header, schema, strict=True):
                if name and not _is_picture(field):
                    _check_type(path, field.name, field.type)
            self._labels = _class_names(schema)
            self._batch_rows = _BATCH_ROWS
            if any(_is_picture(field) for field in schema):
                self._batch_rows = _BATCH_PHOTOS
            self._as_dictionary = self._small_text_columns(meta, schema)
        self.named = namer.named
        self.notes = namer.notes

    def rows(self) -> Iterator[RawRow | RowError]:
        """Walk over the rows; see :class:`scenesearch.catalog.records.Source`."""
        named = [(index, name) for index, name in enumerate(self.header) if name]
        row = 0
        with self._reading():
            file = self._open(self._as_dictionary)
        with file:
            batches = file.iter_batches(batch_size=self._batch_rows, use_threads=False)
            while True:
                with self._reading():
                    batch = next(batches, None)
                    if batch is None:
                        return
                    values = [
                        _named(_as_python(batch.column(index)), self._labels.get(index))
                        for index, _ in named
                    ]
                for cells in zip(*values, strict=True):
                    row += 1
                    pairs = zip(named, cells, strict=True)
                    yield RawRow(row, {name: cell for (_, name), cell in pairs if cell is not None})

    def _open(self, as_dictionary: tuple[str, ...]) -> Any:
        with extra("parquet", f"{self._path}: reading Parquet"):
            from pyarrow.parquet import ParquetFile

        return ParquetFile(
            self._path,
            read_dictionary=list(as_dictionary),
            pre_buffer=False,  # else a whole row group is held
            buffer_size=1 << 20,
        )

    @contextmanager
    def _reading(self) -> Iterator[None]:
        from pyarrow.lib import ArrowException

        try:
            yield
        except (ArrowException, OSError, ValueError, OverflowError) as error:
            reason = " ".join(str(error).split())[:200]
            raise CatalogError(
                f"{self._path} cannot be read as Parquet: {reason}; expected a whole, unencrypted "
                f"Parquet file; write it again",
                code="bad_parquet",
            ) from error

    def _small_text_columns(self, meta: Any, schema: Any) -> tuple[str, ...]:
        import pyarrow.types as kinds

        largest: dict[str, int] = {}
        for group in range(meta.num_row_groups):
            for index in range(meta.num_columns):
                chunk = meta.row_group(group).column(index)
                size = chunk.total_uncompressed_size
                if size > _MAX_CHUNK_BYTES:
                    raise CatalogError(
                        f"{self._path}: column {shown(chunk.path_in_schema)} has {size:,} bytes in "
                        f"one row group: expected at most {_MAX_CHUNK_BYTES:,}; write the file "
                        f"with smaller row groups",
                        code="row_group_too_large",
                    )
                path = chunk.path_in_schema
                largest[path] = max(size, largest.get(path, 0))
        return tuple(
            field.name
            for field in schema
            if (kinds.is_string(field.type) or kinds.is_large_string(field.type))
            and largest.get(field.name, 0) <= _DICTIONARY_BYTES
        )


def _check_type(path: Path, name: str, kind: Any) -> None:
    import pyarrow.types as kinds

    scalars = (kinds.is_null, kinds.is_decimal, kinds.is_date, kinds.is_time, kinds.is_timestamp)
    whole = kind.value_type if kinds.is_dictionary(kind) else kind
    is_list = kinds.is_list(whole) or kinds.is_large_list(whole)
    inner = whole.value_type if is_list else whole
    inner = inner.value_type if kinds.is_dictionary(inner) else inner
    if not _is_plain(inner) and (is_list or not any(is_kind(inner) for is_kind in scalars)):
        raise CatalogError(
            f"{path}: column {shown(name)} is {shown(str(kind))}: expected text, numbers, "
            f"booleans, dates, or lists of these; convert it, or leave it out",
            code="unsupported_type",
        )


def _is_plain(kind: Any) -> bool:
    import pyarrow.types as kinds

    return bool(
        kinds.is_string(kind)
        or kinds.is_large_string(kind)
        or kinds.is_string_view(kind)
        or kinds.is_integer(kind)
        or kinds.is_floating(kind)
        or kinds.is_boolean(kind)
    )


def _is_picture(field: Any) -> bool:
    """Whether a column holds photos: a struct of bytes and path, a list of those, or binary."""
    return _is_pictures(field.type) or (_is_binary(field.type) and field.name.lower() in _PHOTOS)


def _is_pictures(kind: Any) -> bool:
    import pyarrow.types as kinds

    is_list = kinds.is_list(kind) or kinds.is_large_list(kind)
    return _is_photo_struct(kind.value_type if is_list else kind)


def _is_binary(kind: Any) -> bool:
    import pyarrow.types as kinds

    return bool(kinds.is_binary(kind) or kinds.is_large_binary(kind))


def _is_photo_struct(kind: Any) -> bool:
    import pyarrow.types as kinds

    return bool(kinds.is_struct(kind)) and {field.name for field in kind} == {"bytes", "path"}


def _class_names(schema: Any) -> dict[int, list[str]]:
    """The names of class labels, by place of their column; from what Hugging Face writes."""
    try:
        info = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = info["info"]["features"]
        return {
            index: [str(name) for name in features[field]["names"]]
            for index, field in enumerate(schema.names)
            if features.get(field, {}).get("_type") == "ClassLabel"
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _named(values: list[Any], names: list[str] | None) -> list[Any]:
    """Numbers of classes as their names; -1 is none."""
    if names is None:
        return values
    return [
        names[value] if isinstance(value, int) and 0 <= value < len(names) else None
        for value in values
    ]


def _photo(value: Any) -> Any:
    """A picture of Hugging Face: its bytes, else where it is."""
    if isinstance(value, list):
        return [photo for one in value if (photo := _photo(one)) is not None]
    if isinstance(value, bytes):
        return Packed(value, "photo")
    if not isinstance(value, dict):
        return None
    path = str(value.get("path") or "photo")
    data = value.get("bytes")
    return Packed(data, path) if data else value.get("path")


def _as_python(array: Any) -> list[Any]:
    """An array as str, int, float, bool, list, photo or None."""
    import pyarrow as pa
    import pyarrow.types as kinds

    kind = array.type
    if _is_pictures(kind) or _is_binary(kind):
        return [_photo(value) for value in array.to_pylist()]
    if kinds.is_dictionary(kind):
        # Each value is made once, however often the batch names it.
        used = array.indices.unique().drop_null()
        texts = _as_python(array.dictionary.take(used))
        value_of = dict(zip(used.to_pylist(), texts, strict=True))
        return [value_of.get(index) for index in array.indices.to_pylist()]
    if kinds.is_decimal(kind):
        return list(array.cast(pa.float64()).to_pylist())
    if kinds.is_timestamp(kind):
        zone = "UTC" if kind.tz else None
        array = array.cast(pa.timestamp("us", zone), safe=False)
    elif kinds.is_time64(kind):
        array = array.cast(pa.time64("us"), safe=False)
    if kinds.is_temporal(kind):
        return [None if value is None else value.isoformat() for value in array.to_pylist()]
    return list(array.to_pylist())
