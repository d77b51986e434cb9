"""Opening a catalogue: which format a source is in, and everything wrong with it as a whole."""

from __future__ import annotations

import difflib
import os
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from scenesearch.catalog.columns import ColumnMap
from scenesearch.catalog.compressed import is_packed, suffix_inside
from scenesearch.catalog.csv_source import CsvSource
from scenesearch.catalog.deduplication import OnDuplicate
from scenesearch.catalog.feed_options import FeedOptions
from scenesearch.catalog.feeds.layout import CODES, FeedSource
from scenesearch.catalog.feeds.recognise import as_feed
from scenesearch.catalog.folder_source import FolderSource
from scenesearch.catalog.jsonl_source import PAGES, JsonlSource
from scenesearch.catalog.parquet_source import ParquetSource
from scenesearch.catalog.paths import PhotoPaths
from scenesearch.catalog.prices import decimal_of
from scenesearch.catalog.reader import CatalogReader
from scenesearch.catalog.records import Packed, Source, shown, unreadable
from scenesearch.catalog.tar_source import TarSource
from scenesearch.catalog.text_file import text_kind
from scenesearch.catalog.xlsx_source import XlsxSource
from scenesearch.catalog.xml_source import XmlSource
from scenesearch.core.errors import CatalogError
from scenesearch.core.types import FieldType

DEFAULTS = FeedOptions()
MAX_ROWS = 10_000_000
"""A source with more rows is refused, unless the caller raises it."""
CSV = (".csv", ".tsv", ".tab", ".txt")
JSONL = (".jsonl", ".ndjson", ".json")
_PARQUET = (".parquet", ".pq")
_XML = (".xml", ".rss", ".atom")
_XLSX = (".xlsx", ".xlsm")
_TAR = (".tar", ".tgz", ".tar.gz", ".tar.bz2")
_SUFFIXES = (*CSV, *JSONL, *PAGES, *_XML, *_PARQUET, *_XLSX, *_TAR)


def read_catalog(
    source: str | Path,
    *,
    image_root: str | Path | None = None,
    columns: ColumnMap | None = None,
    on_duplicate: OnDuplicate = "error",
    encoding: str | None = None,
    delimiter: str | None = None,
    max_rows: int = MAX_ROWS,
    feed: FeedOptions = DEFAULTS,
    keep: Callable[[Packed], str] | None = None,
    stored: Mapping[str, FieldType] | None = None,
    spaces: Mapping[str, int] | None = None,
    site: str | None = None,
    doubt: str | None = None,
) -> CatalogReader:
    """Open a catalogue: a table, a shop's feed or export, a set of pictures, a folder of photos.

    The whole source is looked at once before this returns, so that everything wrong with it as
    a whole is known before any work; iterating over the result gives the items, and an error
    for each bad row.

    Args:
        source: the file or folder.
        image_root: the folder photos are in; the manifest's own folder where None. Absolute
            paths are accepted only when it is given, and only inside it.
        columns: our name of a column to its header in the file, ``{"id": "SKU"}``.
        on_duplicate: what a later row with the same id and other content means: ``error``
            refuses it, ``first`` and ``last`` keep one, ``merge`` joins their photos.
        encoding: of a CSV or JSONL file that is neither UTF-8 nor marked UTF-16 or UTF-32.
        delimiter: of a CSV file; found among ``,``, ``;``, tab and ``|`` where None.
        max_rows: a source with more is refused.
        feed: its layout, its types, how its prices are written, whether photos may be addresses.
        keep: where photos go that lie inside the file; what it gives is where they are. Without
            it they are only named.
        stored: types that the attributes have in the collection the items go into.
        spaces: dimensions of the vectors of catalogues that it has, whose columns are read as
            vectors again; None where there is no collection yet.
        site: the address that the file came from: photos without one start there, unless an
            ``image_root`` is given.
        doubt: why the file may be a part of the catalogue only.

    Raises:
        CatalogError: the source is missing, empty, too large or not of these formats, its
            encoding or header is bad, or it has no id or no photo column.
        ValueError: ``on_duplicate`` is none of the above, or ``max_rows`` is below 1.
    """
    if on_duplicate not in ("error", "first", "last", "merge"):
        raise ValueError(
            f"on_duplicate is {on_duplicate!r}: expected 'error', 'first', 'last' or 'merge'"
        )
    if max_rows < 1:
        raise ValueError(f"max_rows is {max_rows}: expected at least 1")
    path = Path(source)
    is_folder = _check_source(path)
    own = path if is_folder else path.parent
    root = own if image_root is None else Path(image_root)
    if not root.is_dir():
        raise CatalogError(
            f"image_root {root} is not a folder: expected the folder of the photos",
            code="bad_image_root",
        )
    opened = (
        _folder(path)
        if is_folder
        else open_rows(
            path,
            columns=columns,
            encoding=encoding,
            delimiter=delimiter,
            max_rows=max_rows,
            feed=feed,
        )
    )
    paths = PhotoPaths(
        own if is_folder else root,
        root,
        allow_absolute=image_root is not None and not is_folder,
        addresses=feed.fetch,
        buckets=feed.buckets,
        keep=keep,
        site=site if image_root is None else None,
    )
    return CatalogReader(
        path,
        opened,
        paths,
        policy=on_duplicate,
        max_rows=max_rows,
        split_photos=not is_folder,
        types={**(CODES if isinstance(opened, FeedSource) else {}), **feed.types},
        stored=stored,
        decimal=None if feed.price_locale is None else decimal_of(feed.price_locale),
        doubt=doubt,
        vectors=feed.vectors,
        spaces=spaces,
    )


def _folder(path: Path) -> Source:
    """Photos in a folder, or the shards that img2dataset wrote there."""
    shards = sorted(path.glob("[0-9]*.tar"))
    if shards and any(path.glob("[0-9]*_stats.json")):
        return as_feed(TarSource(shards), None)
    return FolderSource(path)


def open_rows(
    path: Path,
    *,
    columns: ColumnMap | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    max_rows: int | None = None,
    feed: FeedOptions = DEFAULTS,
) -> Source:
    """The rows of a file under our names; arguments as for `read_catalog`.

    Raises:
        CatalogError: the file as a whole cannot be read, or is of no format.
    """
    try:
        suffix = suffix_inside(path)
        file = _file(path, suffix, columns, encoding, delimiter, max_rows, feed.ignore_columns)
        return as_feed(file, feed.layout)
    except OSError as error:
        raise unreadable(path, error) from error


def _file(
    path: Path,
    suffix: str,
    columns: ColumnMap | None,
    encoding: str | None,
    delimiter: str | None,
    max_rows: int | None,
    ignored: tuple[str, ...],
) -> Source:
    """A file as rows of its own names: what its first bytes say it is, else its suffix."""
    if path.name.lower().endswith(_TAR):
        return TarSource([path])
    if suffix not in _SUFFIXES or (is_packed(path) and suffix in (*_PARQUET, *_XLSX)):
        raise CatalogError(
            f"{path} ends in {shown(suffix)}: expected {', '.join(_SUFFIXES)}, or a folder of "
            f"photos; unpack or convert it",
            code="unsupported_catalog",
        )
    if suffix in _PARQUET:
        return ParquetSource(path, columns=columns, max_rows=max_rows, ignored=ignored)
    if suffix in _XLSX:
        return XlsxSource(path, columns=columns, ignored=ignored)
    kind = "" if suffix in PAGES else text_kind(path, encoding)
    if kind == "xml":
        return XmlSource(path, columns=columns, ignored=ignored)
    if suffix in JSONL + PAGES or (kind == "json" and suffix in _XML):
        return JsonlSource(path, columns=columns, encoding=encoding, ignored=ignored)
    if suffix in _XML:
        return XmlSource(path, columns=columns, ignored=ignored)
    own = "\t" if suffix in (".tsv", ".tab") else None
    return CsvSource(
        path,
        columns=columns,
        encoding=encoding,
        delimiter=own if delimiter is None else delimiter,
        ignored=ignored,
    )


def _check_source(path: Path) -> bool:
    """Whether it is a folder."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        names: list[str] = []
        with suppress(OSError, ValueError):
            names = sorted(os.listdir(path.parent))[:5000]  # noqa: PTH208 - compared as names
        near = difflib.get_close_matches(path.name, names, n=3, cutoff=0.6)
        hint = f" (near: {', '.join(shown(name) for name in near)})" if near else ""
        raise CatalogError(
            f"there is no catalogue {shown(str(path), 200)}{hint}: expected a file or a folder",
            code="catalog_not_found",
        ) from error
    if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
        raise CatalogError(
            f"{path} is a device or a pipe: expected a file or a folder; save it as a file first",
            code="unsupported_catalog",
        )
    return stat.S_ISDIR(mode)
