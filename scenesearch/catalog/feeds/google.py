"""Google Merchant Center: text, RSS and Atom; Pinterest and Microsoft take the same columns.

One row a variant, joined by ``item_group_id``. https://support.google.com/merchants/answer/7052112
"""

from __future__ import annotations

from collections.abc import Iterator

from scenesearch.catalog.feeds.layout import Layout, Reading, Sample
from scenesearch.catalog.feeds.row import FeedRow
from scenesearch.catalog.records import RawRow, RowError


def _recognises(sample: Sample) -> bool:
    return sample.has("id", "title", "image_link") and sample.any("link", "price", "availability")


def take_google(row: FeedRow) -> None:
    """The columns that all feeds of this family share."""
    row.take("group", "item_group_id")
    row.text("title", "title")
    row.text("description", "description", "summary", "rich_text_description")
    row.take("url", "link")
    row.drop("canonical_link", "mobile_link", "link_template", "ads_redirect")
    main = row.get("image", "image_link")
    more = [cell for _, cell in row.family("image", r"additional_image_link(_\d+)?")]
    row.photos(main, *more)
    row.offer(*_offer(row))
    row.stock(row.one("availability", "availability"))
    row.take("brand", "brand")
    own = row.get("category", "product_type")
    google = row.look("google_product_category")
    if own is None and isinstance(google, str) and not google.isdigit():
        own = row.get("category", "google_product_category")
    row.categories(own if isinstance(own, list) else [own] if own else [])
    colour = row.one("colour", "color", "colour")
    if isinstance(colour, str):
        row.put("colour", [part for one in colour.split("/") if (part := one.strip())])
    labels = [cell for _, cell in row.family("tags", r"custom_label_[0-4]")]
    row.put("tags", [label for label in labels if isinstance(label, str)])


def _offer(row: FeedRow) -> tuple[object, object, object, object]:
    regular, sale = row.one("price", "price"), row.one("price", "sale_price")
    dates = row.one("sale_start, sale_end", "sale_price_effective_date")
    start, _, end = str(dates or "").partition("/")
    return regular, sale, start, end


def _take(row: FeedRow) -> bool:
    row.take("id", "id")
    take_google(row)
    return True


def _convert(reading: Reading) -> Iterator[RawRow | RowError]:
    return reading.each(_take)


GOOGLE = Layout(
    ("google", "pinterest", "microsoft"),
    "a Google Merchant feed (Pinterest and Microsoft have the same)",
    _recognises,
    _convert,
)
