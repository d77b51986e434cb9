"""Meta (Facebook, Instagram) catalogues: Google's columns, and paths such as ``image[0].url``.

https://developers.facebook.com/docs/marketing-api/catalog/reference/
"""

from __future__ import annotations

from collections.abc import Iterator

from scenesearch.catalog.feeds.google import take_google
from scenesearch.catalog.feeds.layout import Layout, Reading, Sample
from scenesearch.catalog.feeds.row import FeedRow
from scenesearch.catalog.records import RawRow, RowError


def _recognises(sample: Sample) -> bool:
    return sample.has("id", "title") and sample.any(
        "fb_product_category", "quantity_to_sell_on_facebook", "image_0_url"
    )


def _take(row: FeedRow) -> bool:
    row.take("id", "id")
    nested = [cell for _, cell in row.family("image", r"image_\d+_url")]
    row.photos(row.get("image", "image_link"), *nested)
    row.family("", r"(image|video)_\d+_tag_\d+|video_\d+_url")
    if row.look("product_type") is None and row.look("google_product_category") is None:
        own = row.get("category", "fb_product_category")
        row.categories([own] if isinstance(own, str) and not own.isdigit() else [])
    # color:Red/Blue:Red,size:S/M:S
    for part in str(row.get("variants", "variant") or "").split(","):
        name, _, rest = part.partition(":")
        row.option(name, rest.rpartition(":")[2])
    take_google(row)
    shown = str(row.look("status") or row.look("visibility") or "active").lower()
    return shown not in ("archived", "hidden", "staging")


def _convert(reading: Reading) -> Iterator[RawRow | RowError]:
    return reading.each(_take)


META = Layout(("meta", "facebook"), "a Meta catalogue", _recognises, _convert)
