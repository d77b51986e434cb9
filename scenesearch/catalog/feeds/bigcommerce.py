"""BigCommerce's product export: a row for a product, rows for its SKUs below it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scenesearch.catalog.feeds.layout import Layout, Reading, Sample
from scenesearch.catalog.feeds.row import FeedRow
from scenesearch.catalog.records import RawRow, RowError

_CODE = ("product_code_sku", "product_sku", "product_id")
_SILENT = (
    r"(item_type|product_type|product_id|product_visible|track_inventory|low_stock_level|"
    r"product_image_.*|product_availability|sort_order|minimum_purchase.*|maximum_purchase.*|"
    r"product_weight|allow_purchases.*|product_tax.*|page_title|meta_.*|search_keywords|"
    r"free_shipping|fixed_shipping_price|option_set.*|stop_processing_rules|product_not_visible|"
    r"cost_price|event_date.*|product_condition|show_product_condition|current_stock_level)"
)


def _recognises(sample: Sample) -> bool:
    return sample.has("item_type", "product_name") and not sample.has("handle")


def _convert(reading: Reading) -> Iterator[RawRow | RowError]:
    product: RawRow | None = None
    skus: list[RawRow] = []
    for raw in reading.rows():
        if isinstance(raw, RowError):
            yield raw
            continue
        kind = str(raw.cells.get("item_type", "")).strip().lower()
        if kind == "sku" and product is not None:
            skus.append(raw)
        elif kind == "product":
            yield from _items(reading, product, skus)
            product, skus = raw, []
    yield from _items(reading, product, skus)


def _items(
    reading: Reading, product: RawRow | None, skus: Sequence[RawRow]
) -> Iterator[RawRow | RowError]:
    if product is None:
        return
    if str(product.cells.get("product_visible", "Y")).strip().upper() == "N":
        reading.hidden += 1
        return
    group = next((str(product.cells[name]) for name in _CODE if name in product.cells), None)
    if not skus:
        row = reading.row(product.row, product.cells)
        _take(row, product.cells, ())
        yield row.done()
    for raw in skus:
        own = {name: cell for name, cell in raw.cells.items() if name != "product_name"}
        row = reading.row(raw.row, {**product.cells, **own})
        _take(row, raw.cells, _photos(product.cells))
        row.put("group", group)
        # [S]Colour=Ash,[RT]Size=Large
        for name, value in re.findall(r"\]([^=\[\]]+)=([^,]+)", raw.cells.get("product_name", "")):
            row.option(name, value.split(":")[0])
        yield row.done()


def _take(row: FeedRow, own: Mapping[str, Any], shared: Sequence[str]) -> None:
    row.put("id", row.get("id", *_CODE))
    row.text("title", "product_name")
    row.take("brand", "brand_name", "brand")
    row.text("description", "product_description")
    row.offer(row.get("price", "price"), row.get("price", "sale_price"))
    if "sale_price" not in own:
        row.take("list_price", "retail_price")
    row.drop("retail_price")
    row.categories(_paths(str(row.get("category", "category") or "")))
    row.put("image", list(dict.fromkeys([*_photos(own), *shared])))
    row.family("image", r"product_image_(file|url).*")
    level = row.get("in_stock", "current_stock_level")
    tracked = str(own.get("track_inventory", "none")).lower() not in ("none", "", "0")
    if level is not None and tracked:
        row.stock("in_stock" if str(level).lstrip("-") != "0" and level[0] != "-" else "sold_out")
    row.take("url", "product_url")
    row.take("sku", "product_sku")
    row.family("", _SILENT)


def _paths(cell: str) -> list[str]:
    r"""``A; B/C`` with ``\/`` for a slash in a name."""
    return [
        " > ".join(level.replace("\\/", "/") for level in re.split(r"(?<!\\)/", path))
        for path in cell.split(";")
        if path.strip()
    ]


def _photos(cells: Mapping[str, Any]) -> list[str]:
    """Photos by their numbers; the address where there is one, else the file."""
    found: dict[tuple[int, int], str] = {}
    for name, cell in cells.items():
        match = re.fullmatch(r"product_image_(?:file_|url_)?_?(file|url)?_*(\d+)(?:_\d+)?", name)
        if match and isinstance(cell, str):
            number = int(match[2])
            found.setdefault((number, 0 if "url" in name else 1), cell)
    best = {number: min(kind for n, kind in found if n == number) for number, _ in found}
    return [found[number, best[number]] for number in sorted(best)]


BIGCOMMERCE = Layout(("bigcommerce",), "a BigCommerce export", _recognises, _convert)
