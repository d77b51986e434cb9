"""Magento's (Adobe Commerce's) product export.

A configurable product names its children; they are the items, and take over what they have not.
Rows of a store view only repeat what differs there, and are left out. Photos are paths below
``pub/media/catalog/product``, which is what ``--image-root`` has to name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from scenesearch.catalog.feeds.layout import Layout, Reading, Sample
from scenesearch.catalog.feeds.row import FeedRow
from scenesearch.catalog.records import RawRow, RowError

_INHERITED = ("name", "description", "short_description", "categories", "base_image")
_KEPT = (*_INHERITED, "additional_images", "sku")
_SILENT = re.compile(
    r"(meta|small_image|thumbnail_image|swatch_image|base_image_label|additional_image_labels|"
    r"configurable|bundle|associated|related|crosssell|upsell|custom_|page_layout|gift_|map_|msrp_|"
    r"use_config|store_view_code|website_id|product_websites|tax_class_name|display_product|"
    r"hide_from|created_at|updated_at|new_from|new_to|min_|max_|qty_|notify_|backorders|"
    r"allow_backorders|is_qty|enable_qty|is_decimal|manage_stock|out_of_stock_qty|visibility|"
    r"product_online|product_options|options_container|country_of|attribute_set_code|product_type)"
    r".*"
)
_PAIR = re.compile(r",(?=[a-z][a-z0-9_]*=)")


def _recognises(sample: Sample) -> bool:
    return (
        sample.has("sku", "product_type")
        and sample.any("attribute_set_code", "base_image")
        and not sample.has("handle")
    )


def _convert(reading: Reading) -> Iterator[RawRow | RowError]:
    parents = _parents(reading)
    for raw in reading.rows():
        if isinstance(raw, RowError):
            yield raw
            continue
        cells = {k: v for k, v in raw.cells.items() if v != "__EMPTY__VALUE__"}
        kind = cells.get("product_type")
        if cells.get("store_view_code") or kind in ("configurable", "grouped", "bundle"):
            continue
        if str(cells.get("product_online", "1")) == "2":
            reading.hidden += 1
            continue
        parent = parents.get(str(cells.get("sku")), {})
        row = reading.row(raw.row, {**{k: parent[k] for k in _INHERITED if k in parent}, **cells})
        _take(row, cells, parent)
        yield row.done()


def _take(row: FeedRow, cells: Mapping[str, Any], parent: Mapping[str, Any]) -> None:
    row.take("id", "sku")
    row.put("group", parent.get("sku"))
    row.text("title", "name")
    row.text("description", "description", "short_description")
    row.categories(_paths(str(row.get("category", "categories") or "")))
    row.offer(
        row.get("price", "price"),
        row.get("price", "special_price"),
        row.get("sale_start", "special_price_from_date", "special_from_date"),
        row.get("sale_end", "special_price_to_date", "special_to_date"),
    )
    row.stock({"1": "in_stock", "0": "out_of_stock"}.get(str(row.get("in_stock", "is_in_stock"))))
    row.get("image", "base_image", "additional_images")
    row.put("image", list(dict.fromkeys([*_images(cells), *_images(parent)])))
    row.take("url", "url") if row.look("url") else None
    row.drop("qty")
    for pair in _PAIR.split(str(row.get("attributes", "additional_attributes") or "")):
        name, found, value = pair.partition("=")
        if found and value and value != "__EMPTY__VALUE__":
            if name == "manufacturer":
                row.put("brand", value)
            else:
                row.option(name, " / ".join(value.split("|")))
    row.family("", _SILENT.pattern)


def _parents(reading: Reading) -> dict[str, Mapping[str, Any]]:
    """Of each child, by its SKU, what its configurable product has."""
    found: dict[str, Mapping[str, Any]] = {}
    for raw in reading.rows():
        if isinstance(raw, RawRow) and not raw.cells.get("store_view_code"):
            parent = {name: raw.cells[name] for name in _KEPT if name in raw.cells}
            for part in str(raw.cells.get("configurable_variations", "")).split("|"):
                if match := re.match(r"sku=([^,]+)", part):
                    found[match[1]] = parent
    return found


def _paths(cell: str) -> list[str]:
    """``Default Category/Gear/Bags`` as ``Gear > Bags``; several, by ``|`` or by a comma."""
    root = cell.partition("/")[0]
    separator = re.escape(root)
    parts = re.split(rf"[|,](?={separator}(?:/|,|\||$))", cell) if root else []
    below = (part.partition("/")[2] for part in parts)
    return [" > ".join(part.split("/")) for part in below if part]


def _images(cells: Mapping[str, Any]) -> list[str]:
    """The photos of a row: the base image is in the gallery again."""
    cell = ",".join(str(cells.get(name, "")) for name in ("base_image", "additional_images"))
    paths = (path.strip() for path in cell.split(","))
    # a path of Magento begins with a slash, and is none from the root of a disk
    return [
        path if "://" in path else path.lstrip("/") for path in paths if path not in ("", _NONE)
    ]


_NONE = "no_selection"


MAGENTO = Layout(("magento",), "a Magento export", _recognises, _convert)
