"""Manifests to items, with errors by row."""

from scenesearch.catalog.columns import RESERVED, ColumnMap
from scenesearch.catalog.deduplication import OnDuplicate, item_hash
from scenesearch.catalog.feed_options import FeedOptions
from scenesearch.catalog.opening import read_catalog
from scenesearch.catalog.reader import BrokenRows, Catalog, CatalogReader
from scenesearch.catalog.records import LostCells, RowError

__all__ = [
    "RESERVED",
    "BrokenRows",
    "Catalog",
    "CatalogReader",
    "ColumnMap",
    "FeedOptions",
    "LostCells",
    "OnDuplicate",
    "RowError",
    "item_hash",
    "read_catalog",
]
