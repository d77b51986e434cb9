"""Products of schema.org as JSON-LD, of a page or of a file.

https://schema.org/Product:
``offers``, ``image`` and ``brand`` may each be a text, an object or a list; a ``ProductGroup`` has
its variants in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scenesearch.catalog.columns import proposed_name
from scenesearch.catalog.feeds.layout import Layout, Reading, Sample
from scenesearch.catalog.feeds.row import FeedRow
from scenesearch.catalog.records import RawRow, RowError

_PRODUCTS = frozenset({"Product", "IndividualProduct", "ProductModel", "SomeProducts"})
_PLAIN = (str, int, float, bool)


def _recognises(sample: Sample) -> bool:
    return any(
        _kinds(row) & (_PRODUCTS | {"ProductGroup"}) or "@graph" in row for row in sample.rows
    )


def _convert(reading: Reading) -> Iterator[RawRow | RowError]:
    for raw in reading.rows():
        if isinstance(raw, RowError):
            yield raw
        else:
            for product, group in _products(raw.cells, {}):
                row = reading.row(raw.row, product)
                _take(row, group)
                yield row.done()


def _products(
    thing: Mapping[str, Any], group: Mapping[str, Any]
) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """The products in a thing, each with the group it is of."""
    kinds = _kinds(thing)
    if "ProductGroup" in kinds:
        for variant in _objects(thing.get("hasVariant") or thing.get("has_variant")):
            shared = {k: thing[k] for k in _INHERITED if k in thing}
            yield {**shared, **variant}, thing
    elif kinds & _PRODUCTS:
        yield thing, group
    for name in ("@graph", "itemListElement", "item", "mainEntity"):
        for inner in _objects(thing.get(name)):
            yield from _products(inner, group)


_INHERITED = ("name", "description", "brand", "image", "category", "material", "offers", "url")


def _take(row: FeedRow, group: Mapping[str, Any]) -> None:
    url = row.get("url", "url", "@id")
    key = row.get("id", "sku", "productID", "mpn", "gtin13", "gtin", "gtin12", "gtin8", "gtin14")
    row.put("id", str(key) if key is not None else url)
    parents = _objects(row.get("group", "isVariantOf"))
    parent = next(iter(parents), group)
    row.put(
        "group", _word(parent.get("productGroupID") or row.get("group", "inProductGroupWithID"))
    )
    row.text("title", "name")
    row.text("description", "description")
    row.put("brand", _word(row.get("brand", "brand", "manufacturer")))
    row.photos([address for one in _all(row.get("image", "image")) if (address := _address(one))])
    row.categories([word for one in _all(row.get("category", "category")) if (word := _word(one))])
    row.put("colour", _word(row.get("colour", "color")))
    offers = _objects(row.get("price", "offers"))
    if offers:
        offer = offers[0]
        specification = next(iter(_objects(offer.get("priceSpecification"))), {})
        price = offer.get("price", offer.get("lowPrice", specification.get("price")))
        row.offer(price)
        lists = [s for s in _objects(offer.get("priceSpecification")) if "ListPrice" in str(s)]
        row.put("list_price", lists[0].get("price") if lists else None)
        row.put("currency", offer.get("priceCurrency") or specification.get("priceCurrency"))
        row.stock(offer.get("availability"))
        url = url or offer.get("url")
    row.put("url", url if isinstance(url, str) and url.startswith("http") else None)
    for name, value in row.family("", r"[@a-zA-Z].*"):
        if isinstance(value, _PLAIN) and not name.startswith("@") and name not in row.out:
            row.put(proposed_name(name), value)
        elif isinstance(value, dict) and isinstance(value.get("name"), str):
            row.put(proposed_name(name), value["name"])


def _kinds(thing: Mapping[str, Any]) -> set[str]:
    return {str(kind).rpartition("/")[2] for kind in _all(thing.get("@type"))}


def _all(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in _all(value) if isinstance(one, dict)]


def _word(value: Any) -> str | None:
    """A text, or the name of an object; of several the first."""
    first = next(iter(_all(value)), None)
    found = first.get("name") if isinstance(first, dict) else first
    return str(found) if isinstance(found, str | int) else None


def _address(image: Any) -> str | None:
    found = (image.get("url") or image.get("contentUrl")) if isinstance(image, dict) else image
    if not isinstance(found, str):
        return None
    return f"https:{found}" if found.startswith("//") else found


SCHEMA_ORG = Layout(("schema.org", "json-ld"), "schema.org JSON-LD", _recognises, _convert)
