"""PrestaShop's product file, as its import template has it: ``;`` between cells, ``,`` in them."""

from __future__ import annotations

from collections.abc import Iterator

from scenesearch.catalog.feeds.layout import Layout, Reading, Sample
from scenesearch.catalog.feeds.row import FeedRow
from scenesearch.catalog.records import RawRow, RowError
from scenesearch.catalog.values import split_addresses

_IMAGES = ("image_urls_x_y_z", "image_urls")


def _recognises(sample: Sample) -> bool:
    return sample.has("product_id") and sample.any(*_IMAGES) and sample.any("name", "active_0_1")


def _take(row: FeedRow) -> bool:
    number = row.get("id", "product_id")
    reference = row.get("id", "reference")
    row.put("id", reference or number)
    row.text("title", "name")
    row.text("description", "description", "summary")
    row.drop("summary")
    row.take("brand", "manufacturer")
    row.categories(split_addresses(str(row.get("category", *_CATEGORIES) or ""), ","))
    row.take("tags", "tags_x_y_z", "tags")
    row.offer(row.get("price", "price_tax_included", "price_tax_excluded", "price"))
    quantity = row.get("in_stock", "quantity")
    if quantity is not None:
        enough = str(quantity).strip().isdecimal() and int(quantity) > 0
        row.stock("in_stock" if enough else "out_of_stock")
    row.photos(row.get("image", *_IMAGES), separators=",")
    row.drop("on_sale_0_1", "tax_rules_id", "delete_existing_images_0_no_1_yes", "meta_title")
    row.drop("meta_keywords", "meta_description", "url_rewritten", "image_alt_texts_x_y_z")
    return str(row.get("", "active_0_1") or "1") != "0"


_CATEGORIES = ("categories_x_y_z", "category")


def _convert(reading: Reading) -> Iterator[RawRow | RowError]:
    return reading.each(_take)


PRESTASHOP = Layout(("prestashop",), "a PrestaShop product file", _recognises, _convert)
