"""WooCommerce's product export, in any language: what its columns are is told by their places.

Parents (``variable``) are not sold; their photos, texts and categories go to their variations,
which may stand anywhere. github.com/woocommerce/woocommerce, class-wc-product-csv-exporter.php
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scenesearch.catalog.feeds.layout import Layout, Reading, Sample
from scenesearch.catalog.feeds.row import FeedRow
from scenesearch.catalog.html_text import text_of_html
from scenesearch.catalog.records import RawRow, RowError

_COLUMNS = (
    *("id", "type", "sku", "gtin", "name", "published", "is_featured", "visibility_in_catalog"),
    *("short_description", "description", "date_sale_price_starts", "date_sale_price_ends"),
    *("tax_status", "tax_class", "in_stock", "stock", "low_stock_amount", "backorders_allowed"),
    *("sold_individually", "weight", "length", "width", "height", "allow_customer_reviews"),
    *("purchase_note", "sale_price", "regular_price", "categories", "tags", "shipping_class"),
    *("images", "download_limit", "download_expiry_days", "parent", "grouped_products"),
    *("upsells", "cross_sells", "external_url", "button_text", "position"),
)
"""The columns every export begins with; ``gtin`` since version 9.2."""
_TYPES = frozenset({"simple", "variable", "variation", "grouped", "external"})
_INHERITED = ("name", "description", "short_description", "categories", "tags", "images", "brands")
_SILENT = (
    *("published", "visibility_in_catalog", "tax_status", "tax_class", "low_stock_amount"),
    *("backorders_allowed", "sold_individually", "allow_customer_reviews", "purchase_note"),
    *("shipping_class", "download_limit", "download_expiry_days", "grouped_products", "upsells"),
    *("cross_sells", "button_text", "position", "type", "stock"),
)
_COMMA = re.compile(r"(?<!\\), *")
_ATTRIBUTE = re.compile(r"[a-z_]*?_(\d+)(?:_|$).*|.*?_(\d+)_[a-z_]*")


def _recognises(sample: Sample) -> bool:
    if sample.has("type", "sku", "name") and sample.any("regular_price", "in_stock"):
        return not sample.any("handle")
    # of another language: the second column tells, whatever it is called
    kinds = [_second(row) for row in sample.rows]
    known = [kind for kind in kinds if kind and kind.split(",")[0].strip() in _TYPES]
    return len(sample.names) >= 30 and len(known) >= max(1, len(kinds) // 2)


def _second(row: Mapping[str, Any]) -> str | None:
    values = list(row.values())
    return values[1] if len(values) > 1 and isinstance(values[1], str) else None


def _renamed(header: Sequence[str]) -> dict[str, str]:
    """The columns of an export by their English names, where the header has others."""
    if {"type", "name"} <= set(header):
        return {}
    columns = [name for name in _COLUMNS if name != "gtin" or "gtin" in header[3]]
    names = dict(zip(header, columns, strict=False))
    # then, for each attribute, its name, its value, whether it is seen, whether it is shared
    places: dict[str, int] = {}
    for name in header[len(columns) :]:
        found = re.search(r"_(\d+)(?:_|$)", name)
        if found and not name.startswith("meta_"):
            part = places[found[1]] = places.get(found[1], -1) + 1
            kinds = ("name", "value_s", "visible", "global", "default")
            if part < len(kinds):
                names[name] = f"attribute_{found[1]}_{kinds[part]}"
    return names


def _convert(reading: Reading) -> Iterator[RawRow | RowError]:
    header = reading.source.header
    names = _renamed([name for name in header if name]) if header is not None else {}
    reading.renamed.update(names)
    parents = _parents(reading, names)
    for raw in reading.rows():
        if isinstance(raw, RowError):
            yield raw
            continue
        cells = _cells(raw, names)
        kinds = _kinds(cells)
        if "variable" in kinds or "grouped" in kinds:
            continue
        parent = parents.get(str(cells.get("parent", "")), {}) if "variation" in kinds else {}
        shown = str((parent or cells).get("published", "1"))
        if shown in ("0", "-1", "2") or cells.get("visibility_in_catalog") == "hidden":
            reading.hidden += 1
            continue
        row = reading.row(raw.row, {**{k: parent[k] for k in _INHERITED if k in parent}, **cells})
        _take(row, cells, parent)
        yield row.done()


def _take(row: FeedRow, cells: Mapping[str, Any], parent: Mapping[str, Any]) -> None:
    number = row.get("id", "id")
    sku = row.get("id", "sku")
    row.put("id", sku or number)
    row.get("group", "parent")
    row.put("group", parent.get("sku") or parent.get("id"))
    row.text("title", "name")
    texts = [row.get("description", name) for name in ("short_description", "description")]
    row.put("description", "\n".join(_plain(text) for text in texts if text))
    own = _parts(cells.get("images"))
    row.get("image", "images")
    row.put("image", list(dict.fromkeys([*own, *_parts(parent.get("images"))])))
    row.categories(_parts(row.get("category", "categories")))
    row.put("tags", _parts(row.get("tags", "tags")))
    row.offer(
        row.get("price", "regular_price"),
        row.get("price", "sale_price"),
        row.get("sale_start", "date_sale_price_starts"),
        row.get("sale_end", "date_sale_price_ends"),
    )
    row.stock(_STOCK.get(str(row.get("in_stock", "in_stock"))))
    row.take("url", "external_url")
    row.take("brand", "brands")
    for place in range(1, 30):
        name = row.get("attributes", f"attribute_{place}_name")
        value = row.get("attributes", f"attribute_{place}_value_s")
        row.family("", rf"attribute_{place}_(visible|global|default)")
        if name and value:
            row.option(str(name), " / ".join(_parts(value)))
    row.drop(*_SILENT)


def _plain(text: str) -> str:
    written = text.replace("\\n", "\n")
    return text_of_html(written[1:] if re.match(r"'[=+\-@]", written) else written)


_STOCK = {"1": "in_stock", "0": "out_of_stock", "backorder": "backorder"}


def _parents(reading: Reading, names: Mapping[str, str]) -> dict[str, Mapping[str, Any]]:
    """What variations take over, by the parent's SKU and as ``id:123``."""
    found: dict[str, Mapping[str, Any]] = {}
    kept = (*_INHERITED, "sku", "id", "published")
    for raw in reading.rows():
        if isinstance(raw, RawRow):
            cells = _cells(raw, names)
            if "variable" in _kinds(cells):
                parent = {name: cells[name] for name in kept if name in cells}
                found[f"id:{cells.get('id')}"] = parent
                if "sku" in cells:
                    found[str(cells["sku"])] = parent
    return found


def _cells(raw: RawRow, names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(name, name): cell for name, cell in raw.cells.items()}


def _kinds(cells: Mapping[str, Any]) -> set[str]:
    return {kind.strip() for kind in str(cells.get("type", "")).split(",")}


def _parts(cell: Any) -> list[str]:
    if not isinstance(cell, str):
        return []
    parts = (part.replace("\\,", ",").strip() for part in _COMMA.split(cell))
    return [part for part in parts if part]


WOOCOMMERCE = Layout(("woocommerce", "woo"), "a WooCommerce export", _recognises, _convert)
