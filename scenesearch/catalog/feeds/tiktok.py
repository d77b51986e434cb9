"""TikTok catalogues: Google's columns with ``sku_id`` for the id.

The template's first column labels its rows; the header is the row labelled ``columns``.
"""

from __future__ import annotations

from collections.abc import Iterator

from scenesearch.catalog.feeds.google import take_google
from scenesearch.catalog.feeds.layout import Layout, Reading, Sample
from scenesearch.catalog.feeds.row import FeedRow
from scenesearch.catalog.records import RawRow, RowError


def _recognises(sample: Sample) -> bool:
    return sample.has("sku_id", "image_link") and not sample.has("id")


def _take(row: FeedRow) -> bool:
    row.drop("columns")
    row.take("id", "sku_id")
    take_google(row)
    return True


def _convert(reading: Reading) -> Iterator[RawRow | RowError]:
    return reading.each(_take)


TIKTOK = Layout(("tiktok",), "a TikTok catalogue", _recognises, _convert)
