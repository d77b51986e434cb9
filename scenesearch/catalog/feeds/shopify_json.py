"""Shopify's public ``products.json``: products with their variants and photos nested.

And ``/products/HANDLE.js``, which has prices in cents, and photos as texts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scenesearch.catalog.feeds.layout import Layout, Reading, Sample
from scenesearch.catalog.feeds.variants import options_of, photos_of
from scenesearch.catalog.records import RawRow, RowError

_SILENT = (
    *("created_at", "updated_at", "published_at", "published_scope", "template_suffix"),
    *("admin_graphql_api_id", "status"),
)
_OF_SCRIPTS = (
    *("available", "price", "price_min", "price_max", "price_varies", "compare_at_price"),
    *("compare_at_price_min", "compare_at_price_max", "compare_at_price_varies", "featured_image"),
    *("media", "requires_selling_plan", "selling_plan_groups"),
)
"""What a product's script says of all of its variants."""


def _recognises(sample: Sample) -> bool:
    return sample.has("handle", "variants", "images")


def _convert(reading: Reading) -> Iterator[RawRow | RowError]:
    for raw in reading.rows():
        if isinstance(raw, RowError):
            yield raw
        elif str(raw.cells.get("status", "active")).lower() in ("draft", "archived"):
            reading.hidden += 1
        else:
            yield from _variants(reading, raw)


def _variants(reading: Reading, raw: RawRow) -> Iterator[RawRow]:
    product = raw.cells
    options = _objects(product.get("options"))
    names = [str(one.get("name") or "") for one in options][:3]
    names += [""] * (3 - len(names))
    images = sorted(_objects(product.get("images")), key=lambda one: one.get("position") or 0)
    gallery = [str(one["src"]) for one in images if one.get("src")]
    gallery += [one for one in product.get("images") or () if isinstance(one, str)]
    in_cents = "body_html" not in product and "type" in product
    by_variant = {
        variant: str(one["src"])
        for one in images
        for variant in one.get("variant_ids") or ()
        if one.get("src")
    }
    variants = _objects(product.get("variants")) or [{}]
    own = [_own(variant, by_variant) for variant in variants]
    for variant, photo in zip(variants, own, strict=True):
        row = reading.row(raw.row, product)
        row.get("id", "id")
        row.get("variants", "variants", "options")
        row.get("image", "images", "image")
        row.put("id", str(variant.get("id") or product.get("id") or ""))
        row.put("sku", variant.get("sku"))
        row.put("group", str(row.get("group", "handle")))
        row.put("image", photos_of(photo, gallery, [one for one in own if one]))
        row.text("title", "title")
        row.text("description", "body_html", "description")
        row.take("brand", "vendor")
        tags = row.get("tags", "tags")
        row.put("tags", tags.split(",") if isinstance(tags, str) else tags)
        kind = row.get("category", "product_type", "type")
        row.categories([kind] if kind else [])
        row.offer(_amount(variant.get("price"), in_cents))
        row.put("list_price", _amount(variant.get("compare_at_price"), in_cents))
        if (available := variant.get("available")) is None:
            quantity = variant.get("inventory_quantity")
            available = None if quantity is None else quantity > 0
        row.put("in_stock", available)
        row.put("barcode", variant.get("barcode"))
        values = [str(variant.get(f"option{i}") or "") for i in (1, 2, 3)]
        for name, value in options_of(names, values).items():
            row.option(name, value)
        row.drop(*_SILENT, *(_OF_SCRIPTS if in_cents else ()))
        yield row.done()


def _amount(price: Any, in_cents: bool) -> Any:
    return price / 100 if in_cents and type(price) is int else price


def _own(variant: Mapping[str, Any], by_variant: Mapping[Any, str]) -> str | None:
    featured = variant.get("featured_image")
    src = featured.get("src") if isinstance(featured, dict) else None
    return src or by_variant.get(variant.get("id"))


def _objects(value: Any) -> Sequence[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


SHOPIFY_JSON = Layout(("shopify-json",), "products.json of a Shopify shop", _recognises, _convert)
