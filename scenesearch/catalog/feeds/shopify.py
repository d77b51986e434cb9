"""Shopify's product export, with its old column names and its new ones, column by column.

Several rows make a product: the first has what all share, every row may be a variant, a photo, or
both by accident of place. A variant's own photo is ``Variant Image``, not the row's ``Image Src``.
https://help.shopify.com/en/manual/products/import-export/using-csv
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scenesearch.catalog.columns import proposed_name
from scenesearch.catalog.feeds.layout import Layout, Reading, Sample
from scenesearch.catalog.feeds.variants import options_of, photos_of, variant_id
from scenesearch.catalog.records import RawRow, RowError

_HANDLE = ("handle", "url_handle")
_SKU = ("variant_sku", "sku")
_PRICE = ("variant_price", "price")
_SRC = ("image_src", "product_image_url")
_OWN = ("variant_image", "variant_image_url")
_SHARED = (
    *("title", "body_html", "description", "vendor", "product_category", "type", "tags"),
    *("published", "published_on_online_store", "status"),
)
_SILENT = (
    *("gift_card", "seo_title", "seo_description", "image_alt_text", "image_position"),
    *("variant_fulfillment_service", "fulfillment_service", "variant_requires_shipping"),
    *("requires_shipping", "variant_taxable", "charge_tax", "variant_tax_code", "tax_code"),
    *("variant_inventory_tracker", "inventory_tracker", "cost_per_item", "variant_weight_unit"),
    *("weight_unit_for_display", "published", "published_on_online_store"),
)


def _recognises(sample: Sample) -> bool:
    old = sample.any("body_html", "variant_price", "image_src")
    new = sample.any("product_image_url", "option1_name", "variant_image_url")
    return sample.any(*_HANDLE) and sample.has("title") and (old or new)


def _convert(reading: Reading) -> Iterator[RawRow | RowError]:
    repeated = _repeated_skus(reading)
    product: list[RawRow] = []
    for raw in reading.rows():
        if isinstance(raw, RowError):
            yield raw
            continue
        handle = _first(raw.cells, _HANDLE)
        if handle is None and "title" in raw.cells:
            # a title stands in the first row of a product only
            handle = _handle(raw.cells)
        if product and (handle is None or handle == _handle(product[0].cells)):
            product.append(raw)
            continue
        yield from _variants(reading, product, repeated)
        product = [raw]
    yield from _variants(reading, product, repeated)


def _handle(cells: Mapping[str, Any]) -> str:
    """The handle of a product; of one without, what the shop makes of its title."""
    title = str(cells.get("title", ""))
    return _first(cells, _HANDLE) or proposed_name(title).replace("_", "-")


def _repeated_skus(reading: Reading) -> set[int]:
    """Hashes of SKUs that several rows have: those are no ids."""
    seen: set[int] = set()
    repeated: set[int] = set()
    for raw in reading.rows():
        sku = _first(raw.cells, _SKU) if isinstance(raw, RawRow) else None
        if sku is not None:
            key = hash(sku)
            (repeated if key in seen else seen).add(key)
    return repeated


def _variants(
    reading: Reading, product: Sequence[RawRow], repeated: set[int]
) -> Iterator[RawRow | RowError]:
    if not product:
        return
    head = product[0].cells
    if str(head.get("status", "active")).lower() in ("draft", "archived"):
        reading.hidden += 1
        return
    names = [str(head.get(f"option{i}_name", "")) for i in (1, 2, 3)]
    # a row with nothing but a photo is no variant
    variants = [raw for raw in product if _first(raw.cells, (*_PRICE, *_SKU, "option1_value"))]
    gallery = _gallery(product)
    own = [photo for raw in product if (photo := _first(raw.cells, _OWN))]
    shared = {name: head[name] for name in _SHARED if name in head}
    for raw in variants or product[:1]:
        row = reading.row(raw.row, shared | dict(raw.cells))
        handle = _handle(head)
        row.get("group", *_HANDLE)
        values = [str(row.get("options", f"option{i}_value") or "") for i in (1, 2, 3)]
        row.family("options", r"option\d_(name|linked_to)")
        options = options_of(names, values)
        sku = row.get("id", *_SKU)
        own_id = sku and hash(sku) not in repeated
        row.put("id", _unquoted(sku) if own_id else variant_id(handle, options))
        if sku:
            row.put("sku", _unquoted(sku))
        row.put("group", handle)
        row.get("image", *_SRC)
        row.put("image", photos_of(row.get("image", *_OWN), gallery, own))
        row.text("title", "title")
        row.text("description", "body_html", "description")
        row.take("brand", "vendor")
        row.take("tags", "tags")
        row.categories(
            [path for path in (row.get("category", "product_category", "type"),) if path]
        )
        row.offer(row.get("price", *_PRICE))
        row.take("list_price", "variant_compare_at_price", "compare_at_price")
        row.stock(_stock(row.look, row.get("in_stock", *_POLICY), row.get("in_stock", *_QUANTITY)))
        barcode = row.get("barcode", "variant_barcode", "barcode")
        row.put("barcode", _unquoted(barcode) if barcode else None)
        row.drop(*_SILENT)
        for name, value in options.items():
            row.option(name, value)
        yield row.done()


_POLICY = ("variant_inventory_policy", "continue_selling_when_out_of_stock")
_QUANTITY = ("variant_inventory_qty", "inventory_quantity")


def _stock(look: Any, policy: Any, quantity: Any) -> str | None:
    tracked = look("variant_inventory_tracker") or look("inventory_tracker")
    try:
        count = int(str(quantity))
    except ValueError:
        return None if quantity is None else str(quantity)
    if count > 0 or not tracked:
        return "in_stock"
    return "backorder" if str(policy).lower() in ("continue", "true") else "out_of_stock"


def _gallery(product: Sequence[RawRow]) -> list[str]:
    """Photos of all rows, by their position, else in their order."""
    placed: list[tuple[float, int, str]] = []
    for place, raw in enumerate(product):
        if src := _first(raw.cells, _SRC):
            position = str(raw.cells.get("image_position", ""))
            placed.append((float(position) if position.isdecimal() else place + 1, place, src))
    return list(dict.fromkeys(src for *_, src in sorted(placed)))


def _unquoted(code: Any) -> str:
    """A code without the quote by which spreadsheets leave its zeros alone."""
    return str(code).removeprefix("'")


def _first(cells: Mapping[str, Any], names: Sequence[str]) -> str | None:
    return next((str(cells[name]) for name in names if cells.get(name)), None)


SHOPIFY = Layout(("shopify",), "a Shopify product export", _recognises, _convert)
