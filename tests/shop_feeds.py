"""One small shop, written as the files that twelve systems make of it; nothing in it is real.

The structures are those of public samples. Every odd thing that real files have is in one of them:
remarks and help above the header, headers of another language, blank handles, ``~`` between cells,
a header that stands there twice, no id column.
"""

from __future__ import annotations

import csv
import io
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
from PIL import Image, ImageDraw

COLOURS = {"Oak": "#b08850", "Black": "#202020", "White": "#fafafa", "Red": "#c02020"}
KINDS = ("Chair", "Table", "Lamp", "Shelf", "Rug", "Vase")


@dataclass(frozen=True)
class Product:
    """What a shop sells: one item, and what a person expects of it."""

    id: str
    title: str
    colour: str
    kind: str
    price: float
    list_price: float | None
    in_stock: bool
    photos: tuple[str, ...]
    group: str | None = None
    shared: tuple[str, ...] = ()

    @property
    def paid(self) -> str:
        return f"{self.price:.2f}"

    @property
    def regular(self) -> str:
        return f"{self.list_price or self.price:.2f}"

    @property
    def path(self) -> tuple[str, ...]:
        return ("Home", f"{self.kind}s & more")

    @property
    def html(self) -> str:
        return f"<p>A <b>{self.kind.lower()}</b> in {self.colour.lower()} &amp;amp; more.</p>"

    @property
    def description(self) -> str:
        return f"A {self.kind.lower()} in {self.colour.lower()} & more."

    @property
    def all_photos(self) -> tuple[str, ...]:
        return (*self.photos, *self.shared)


def products() -> list[Product]:
    """Twenty: fourteen that stand alone, and two with three variants each."""
    found = []
    names = list(COLOURS)
    for i in range(14):
        photos = tuple(f"p{i}{letter}.jpg" for letter in "ab"[: 1 + i % 2])
        price = 19.5 + 10 * i + (i % 3) * 1000
        found.append(
            Product(
                f"SKU-{i:03}",
                f"{KINDS[i % 6]} No. {i}",
                names[i % 4],
                KINDS[i % 6],
                price,
                price + 30 if i % 4 == 1 else None,
                i % 5 != 0,
                photos,
            )
        )
    for group, kind in (("chair-tor", "Chair"), ("lamp-ano", "Lamp")):
        for i, colour in enumerate(("Oak", "Black", "Red")):
            found.append(
                Product(
                    f"{group}-{colour.lower()}",
                    f"{kind} {group}",
                    colour,
                    kind,
                    129.0 + i,
                    159.0 if i == 1 else None,
                    i != 2,
                    (f"{group}-{colour.lower()}.jpg",),
                    group,
                    (f"{group}-room.jpg",),
                )
            )
    return found


def draw_photos(folder: Path) -> list[str]:
    """A photo file for each name, all different; returns the names."""
    folder.mkdir(parents=True, exist_ok=True)
    names = sorted({name for one in products() for name in one.all_photos})
    rng = np.random.default_rng(5)
    for name in names:
        colour = next((c for n, c in COLOURS.items() if n.lower() in name), "#4080c0")
        picture = Image.new("RGB", (96, 96), "white")
        draw = ImageDraw.Draw(picture)
        left, top = (int(v) for v in rng.integers(8, 30, 2))
        draw.rectangle((left, top, left + 40, top + 50), fill=colour, outline="#888888")
        draw.ellipse((left + 5, top + 5, left + 20, top + 20), fill="#777777")
        picture.save(folder / name, quality=90)
    return names


@dataclass(frozen=True)
class Feed:
    """A file of one layout.

    Attributes:
        name: of the layout, as ``--feed`` has it.
        file: its name.
        data: its bytes.
        says: fields of which it tells; the others are not compared.
        ids: the id of an item in this layout, where it is another.
    """

    name: str
    file: str
    data: bytes
    says: frozenset[str]
    ids: Mapping[str, str]


_ALL = frozenset({"title", "description", "category", "price", "list_price", "in_stock", "group"})


def feeds(base: str) -> list[Feed]:
    """All of them; photos are addresses below ``base``, but where a layout has files."""
    shop = products()
    return [
        Feed(name, file, made if isinstance(made, bytes) else made.encode(), says, ids)
        for name, file, made, says, ids in _feeds(shop, lambda name: f"{base}/{name}")
    ]


Made = tuple[str, str, str | bytes, frozenset[str], Mapping[str, str]]


def _feeds(shop: Sequence[Product], url: Callable[[str], str]) -> Iterator[Made]:
    money = _ALL | {"currency", "colour"}
    yield "google", "google.tsv", google_text(shop, url), money, {}
    yield "google", "google.csv", google_tilde(shop, url), money, {}
    yield "google", "google-rss.xml", google_rss(shop, url), money, {}
    yield "google", "google-atom.xml", google_atom(shop, url), money, {}
    yield "meta", "meta.csv", meta(shop, url), money, {}
    yield "tiktok", "tiktok.csv", tiktok(shop, url), money, {}
    yield "shopify", "shopify-old.csv", shopify_old(shop, url), _ALL | {"colour"}, {}
    yield "shopify", "shopify-new.csv", shopify_new(shop, url), _ALL | {"colour"}, {}
    ids = {one.id: str(7000 + place) for place, one in enumerate(shop)}
    yield "shopify-json", "products.json", shopify_json(shop, url), _ALL | {"colour"}, ids
    yield "woocommerce", "woo.csv", woocommerce(shop, url), _ALL | {"colour"}, {}
    yield "magento", "magento.csv", magento(shop, url), _ALL | {"colour"}, {}
    yield "bigcommerce", "bigcommerce.csv", bigcommerce(shop, url), _ALL, {}
    flat = _ALL - {"group", "list_price"}
    yield "prestashop", "prestashop.csv", prestashop(shop, url), flat, {}
    yield "schema.org", "schema.html", schema_org(shop, url), _ALL - {"list_price"}, {}
    yield "plain", "plain.csv", plain(shop, url), _ALL - {"group", "category"}, {}


def table(rows: Sequence[Sequence[object]], delimiter: str = ",", bom: bool = False) -> str:
    """Rows as a CSV."""
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return ("\ufeff" if bom else "") + stream.getvalue()


def _google_cells(one: Product, url: Callable[[str], str]) -> dict[str, str]:
    sale = f"{one.paid} EUR" if one.list_price else ""
    return {
        "id": one.id,
        "title": one.title,
        "description": one.html,
        "link": f"https://shop.test/{one.id}",
        "image_link": url(one.photos[0]),
        "additional_image_link": ",".join(map(url, one.all_photos[1:])),
        "price": f"{one.regular} EUR",
        "sale_price": sale,
        "availability": "in_stock" if one.in_stock else "out of stock",
        "product_type": " > ".join(one.path),
        "google_product_category": "436",
        "item_group_id": one.group or "",
        "color": one.colour,
    }


def google_text(shop: Sequence[Product], url: Callable[[str], str]) -> str:
    """Tabs, and the header of further photos twice."""
    rows = [list(_google_cells(shop[0], url))]
    rows += [list(_google_cells(one, url).values()) for one in shop]
    for place, row in enumerate(rows):
        row.append("additional image link" if not place else "")
    return table(rows, "\t")


def google_tilde(shop: Sequence[Product], url: Callable[[str], str]) -> str:
    """``~`` between cells, blanks in headers, prices without a blank."""
    rows = [[name.replace("_", " ") for name in _google_cells(shop[0], url)]]
    rows += [[c.replace(" EUR", "EUR") for c in _google_cells(one, url).values()] for one in shop]
    return table(rows, "~")


def google_rss(shop: Sequence[Product], url: Callable[[str], str]) -> str:
    """With and without prefix, further photos as elements and once as a list in one."""
    items = []
    for place, one in enumerate(shop):
        cells = _google_cells(one, url)
        plain = ("title", "link", "item_group_id", "sale_price")
        parts = [
            f"<{name if name in plain else 'g:' + name}>{escape(text)}"
            f"</{name if name in plain else 'g:' + name}>"
            for name, text in cells.items()
            if text and name != "additional_image_link"
        ]
        more = [url(name) for name in one.all_photos[1:]]
        if place % 2:
            parts += [f"<g:additional_image_link>{link}</g:additional_image_link>" for link in more]
        elif more:
            parts.append(
                f"<g:additional_image_link><![CDATA[{','.join(more)}]]></g:additional_image_link>"
            )
        parts.append(
            "<g:shipping><g:country>DE</g:country><g:price>4.90 EUR</g:price></g:shipping>"
        )
        items.append(f"<item>{''.join(parts)}</item>")
    return (
        '<?xml version="1.0"?><rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel>'
        f"<title>Shop</title><link>https://shop.test</link>{''.join(items)}</channel></rss>"
    )


def google_atom(shop: Sequence[Product], url: Callable[[str], str]) -> str:
    entries = []
    for one in shop:
        cells = _google_cells(one, url)
        parts = [f"<id>{one.id}</id><title>{escape(one.title)}</title>"]
        parts.append(f'<link href="{cells["link"]}"/><summary>{escape(one.html)}</summary>')
        for name, text in cells.items():
            if text and name not in ("id", "title", "link", "description", "additional_image_link"):
                parts.append(f"<g:{name}>{escape(text)}</g:{name}>")
        for name in one.all_photos[1:]:
            parts.append(f"<g:additional_image_link>{url(name)}</g:additional_image_link>")
        entries.append(f"<entry>{''.join(parts)}</entry>")
    return (
        '<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom" '
        f'xmlns:g="http://base.google.com/ns/1.0"><title>S</title>{"".join(entries)}</feed>'
    )


def meta(shop: Sequence[Product], url: Callable[[str], str]) -> str:
    """A remark, help for each column over two lines and without quotes, photos as paths."""
    rows = []
    for one in shop:
        cells = _google_cells(one, url)
        cells["image[0].url"] = cells.pop("image_link")
        for place, name in enumerate(one.all_photos[1:3], 1):
            cells[f"image[{place}].url"] = url(name)
        for place in (1, 2):
            cells.setdefault(f"image[{place}].url", "")
        del cells["additional_image_link"]
        cells["fb_product_category"] = "212"
        cells["availability"] = "in stock" if one.in_stock else "out of stock"
        rows.append(dict(sorted(cells.items())))
    remark = "# ref_application_id 1\n"
    help_row = "# Required | A unique id, 100 characters,# Required | A title\nof at most, 200\n"
    return remark + help_row + table([list(rows[0]), *(list(row.values()) for row in rows)])


def tiktok(shop: Sequence[Product], url: Callable[[str], str]) -> str:
    """The template: a column of labels, rows of help above the header."""
    rows = []
    for one in shop:
        cells = {"sku_id": one.id, **_google_cells(one, url)}
        del cells["id"]
        cells["availability"] = "In stock" if one.in_stock else "Discontinued"
        rows.append(cells)
    width = len(rows[0])
    labels = ["example", *[""] * (len(rows) - 1)]
    return table(
        [
            ["", *["Required"] * width],
            ["context", *["what this column is for,\nin words"] * width],
            ["columns", *rows[0]],
            *([label, *row.values()] for label, row in zip(labels, rows, strict=True)),
        ]
    )


def _by_product(shop: Sequence[Product]) -> list[list[Product]]:
    found: dict[str, list[Product]] = {}
    for one in shop:
        found.setdefault(one.group or one.id, []).append(one)
    return list(found.values())


def _shopify(
    shop: Sequence[Product], url: Callable[[str], str], names: Mapping[str, str], blank: bool
) -> str:
    rows: list[dict[str, object]] = []
    for variants in _by_product(shop):
        head = variants[0]
        gallery = [p for one in variants for p in one.photos] + list(head.shared)
        lines: list[dict[str, object]] = []
        for place, one in enumerate(variants):
            cells: dict[str, object] = {"handle": (head.group or head.id).lower()}
            if not place:
                cells |= {
                    "title": one.title,
                    "body": one.html,
                    "vendor": "Nord",
                    "category": " > ".join(one.path),
                    "tags": "new, wood",
                    "published": "true",
                    "status": "active",
                    "option": "Colour",
                }
            cells |= {
                "value": one.colour,
                "sku": one.id,
                "tracker": "shopify",
                "qty": 5 if one.in_stock else 0,
                "policy": "deny",
                "price": one.paid,
                "compare": f"{one.list_price:.2f}" if one.list_price else "0.00",
                "barcode": "'9009518582030",
                "own": url(one.photos[0]) if one.group else "",
            }
            lines.append(cells)
        # the photo of a row is the next of the product, not the variant's own
        for place, name in enumerate(reversed(gallery)):
            if place == len(lines):
                lines.append({"handle": (head.group or head.id).lower()})
            lines[place] |= {"src": url(name), "position": len(gallery) - place}
        rows += lines
    columns = list(names)
    made = [[names[name] for name in columns]]
    for place, cells in enumerate(rows):
        later = place and rows[place - 1]["handle"] == cells["handle"]
        if blank and later:
            cells = {**cells, "handle": ""}  # noqa: PLW2901
        made.append([str(cells.get(name, "")) for name in columns])
    return table(made)


def shopify_old(shop: Sequence[Product], url: Callable[[str], str]) -> str:
    """Old names, and handles left blank on later rows."""
    names = {
        "handle": "Handle",
        "title": "Title",
        "body": "Body (HTML)",
        "vendor": "Vendor",
        "category": "Type",
        "tags": "Tags",
        "published": "Published",
        "option": "Option1 Name",
        "value": "Option1 Value",
        "sku": "Variant SKU",
        "tracker": "Variant Inventory Tracker",
        "qty": "Variant Inventory Qty",
        "policy": "Variant Inventory Policy",
        "price": "Variant Price",
        "compare": "Variant Compare At Price",
        "barcode": "Variant Barcode",
        "src": "Image Src",
        "position": "Image Position",
        "own": "Variant Image",
        "status": "Status",
    }
    return _shopify(shop, url, names, blank=True)


def shopify_new(shop: Sequence[Product], url: Callable[[str], str]) -> str:
    names = {
        "title": "Title",
        "handle": "URL handle",
        "body": "Description",
        "vendor": "Vendor",
        "category": "Product category",
        "tags": "Tags",
        "published": "Published on online store",
        "status": "Status",
        "sku": "SKU",
        "barcode": "Barcode",
        "option": "Option1 name",
        "value": "Option1 value",
        "price": "Price",
        "compare": "Compare-at price",
        "tracker": "Inventory tracker",
        "qty": "Inventory quantity",
        "policy": "Continue selling when out of stock",
        "src": "Product image URL",
        "position": "Image position",
        "own": "Variant image URL",
    }
    return _shopify(shop, url, names, blank=False)


def shopify_json(shop: Sequence[Product], url: Callable[[str], str]) -> str:
    place = {one.id: 7000 + i for i, one in enumerate(shop)}
    made = []
    for number, variants in enumerate(_by_product(shop)):
        head = variants[0]
        gallery = [p for one in variants for p in one.photos] + list(head.shared)
        own = {one.photos[0]: place[one.id] for one in variants}
        made.append(
            {
                "id": number + 1,
                "title": head.title,
                "handle": head.group or head.id.lower(),
                "body_html": head.html,
                "vendor": "Nord",
                "product_type": " > ".join(head.path),
                "tags": ["new"],
                "options": [{"name": "Colour", "position": 1, "values": []}],
                "variants": [
                    {
                        "id": place[one.id],
                        "title": one.colour,
                        "option1": one.colour,
                        "sku": one.id,
                        "price": one.paid,
                        "compare_at_price": f"{one.list_price:.2f}" if one.list_price else None,
                        "available": one.in_stock,
                        "featured_image": None,
                    }
                    for one in variants
                ],
                "images": [
                    {
                        "src": url(name),
                        "position": i + 1,
                        "variant_ids": [own[name]] if head.group and name in own else [],
                    }
                    for i, name in enumerate(gallery)
                ],
            }
        )
    return json.dumps({"products": made})


_WOO_GERMAN = (
    "ID;Typ;Artikelnummer;GTIN, UPC, EAN oder ISBN;Name;Veröffentlicht;Ist hervorgehoben?;"
    "Sichtbarkeit im Katalog;Kurzbeschreibung;Beschreibung;Datum, an dem Angebotspreis beginnt;"
    "Datum, an dem Angebotspreis endet;Steuerstatus;Steuerklasse;Vorrätig?;Lager;"
    "Geringe Lagermenge;Lieferrückstande erlaubt?;Nur einzeln verkaufen?;Gewicht (kg);Länge (cm);"
    "Breite (cm);Höhe (cm);Kundenrezensionen erlauben?;Hinweis zum Kauf;Angebotspreis;"
    "Regulärer Preis;Kategorien;Schlagwörter;Versandklasse;Bilder;Downloadlimit;"
    "Ablauftage des Downloads;Übergeordnetes Produkt;Gruppierte Produkte;Zusatzverkäufe;"
    "Cross-Sells (Querverkäufe);Externe URL;Button-Text;Position;Attribut 1 Name;"
    "Attribut 1 Wert(e);Attribut 1 Sichtbar;Attribut 1 Global"
)


def woocommerce(shop: Sequence[Product], url: Callable[[str], str]) -> str:
    """German headers, commas before decimals, variations before their parents."""
    header = _WOO_GERMAN.split(";")
    rows: list[list[str]] = []

    def row(place: int, kind: str, **cells: str) -> None:
        where = {
            "sku": 2, "name": 4, "short": 8, "text": 9, "stock": 14, "sale": 25, "price": 26,
            "categories": 27, "tags": 28, "images": 30, "parent": 33, "colour": 41,
        }  # fmt: skip
        line = [""] * len(header)
        line[0], line[1], line[5], line[7], line[40] = str(place), kind, "1", "visible", "Farbe"
        for name, text in cells.items():
            line[where[name]] = text
        rows.append(line)

    for place, one in enumerate(shop, 100):
        low = one.paid.replace(".", ",") if one.list_price else ""
        row(
            place,
            "variation" if one.group else "simple",
            sku=one.id,
            name=one.title,
            text="" if one.group else one.html,
            stock="1" if one.in_stock else "0",
            sale=low,
            price=one.regular.replace(".", ","),
            categories="" if one.group else " > ".join(one.path) + ", Sale\\, now",
            images=", ".join(map(url, one.photos)),
            parent=one.group or "",
            colour=one.colour,
        )
    for place, variants in enumerate(v for v in _by_product(shop) if v[0].group):
        head = variants[0]
        row(
            900 + place,
            "variable",
            sku=str(head.group),
            name=head.title,
            text=head.html.replace(head.colour.lower(), "oak"),
            categories=" > ".join(head.path),
            images=", ".join(map(url, head.shared)),
            colour=", ".join(one.colour for one in variants),
        )
    return table([header, *rows], ",", bom=True)


def magento(shop: Sequence[Product], url: Callable[[str], str]) -> str:
    """Children first, parents after; a row of a store view; the gallery with the main photo."""
    columns = [
        *("sku", "store_view_code", "attribute_set_code", "product_type", "categories", "name"),
        *("description", "price", "special_price", "is_in_stock", "product_online", "visibility"),
        *("base_image", "additional_images", "additional_attributes", "configurable_variations"),
    ]
    rows: list[list[str]] = [columns]

    def row(**cells: str) -> None:
        rows.append([cells.get(name, "") for name in columns])

    for one in shop:
        row(
            sku=one.id,
            attribute_set_code="Default",
            product_type="simple",
            categories=""
            if one.group
            else "Default Category,Default Category/" + "/".join(one.path),
            name=one.title,
            description=one.html,
            price=f"{float(one.regular):.4f}",
            special_price=f"{one.price:.4f}" if one.list_price else "",
            is_in_stock="1" if one.in_stock else "0",
            product_online="1",
            visibility="Not Visible Individually" if one.group else "Catalog, Search",
            base_image=url(one.photos[0]),
            additional_images=",".join(map(url, one.photos)),
            additional_attributes=f"color={one.colour},manufacturer=Nord, of Oslo",
        )
    row(sku=shop[0].id, store_view_code="de", name="Anders", product_type="simple")
    for variants in _by_product(shop):
        head = variants[0]
        if head.group:
            row(
                sku=head.group,
                attribute_set_code="Default",
                product_type="configurable",
                categories="Default Category/" + "/".join(head.path),
                name=head.title,
                base_image=url(head.shared[0]),
                configurable_variations="|".join(f"sku={v.id},color={v.colour}" for v in variants),
            )
    return table(rows)


def bigcommerce(shop: Sequence[Product], url: Callable[[str], str]) -> str:
    """The name of the first photo's column twice."""
    columns = [
        *("Item Type", "Product ID", "Product Name", "Product Type", "Product Code/SKU"),
        *("Brand Name", "Product Description", "Price", "Retail Price", "Sale Price"),
        *("Track Inventory", "Current Stock Level", "Product Visible?", "Category"),
        *("Product Image File - 1", "Product Image File - 1", "Product Image URL - 1"),
        *("Product Image File - 2", "Product Image URL - 2"),
    ]
    rows: list[list[str]] = [columns]

    def row(kind: str, name: str, sku: str, one: Product | None, photos: Sequence[str]) -> None:
        line = dict.fromkeys(range(len(columns)), "")
        line[0], line[2], line[4], line[12] = kind, name, sku, "Y"
        if one is not None:
            line[5], line[6], line[7] = "Nord", one.html, one.regular
            line[9] = one.paid if one.list_price else ""
            line[10], line[11] = "by product", "4" if one.in_stock else "0"
            line[13] = "/".join(one.path)
        for place, photo in zip((14, 17), photos, strict=False):
            line[place] = photo
            line[place + (2 if place == 14 else 1)] = url(photo)
        rows.append(list(line.values()))

    for variants in _by_product(shop):
        head = variants[0]
        if not head.group:
            row("Product", head.title, head.id, head, head.photos)
            continue
        row("Product", head.title, head.group, head, head.shared)
        for one in variants:
            row("  SKU", f"[S]Colour={one.colour}", one.id, one, one.photos)
    return table(rows)


def prestashop(shop: Sequence[Product], url: Callable[[str], str]) -> str:
    header = [
        *("Product ID", "Active (0/1)", "Name *", "Categories (x,y,z...)", "Price tax excluded"),
        *("Reference #", "Manufacturer", "Quantity", "Summary", "Description"),
        "Image URLs (x,y,z...)",
    ]
    rows = [
        [
            str(place),
            "1",
            one.title,
            ",".join(reversed(one.path)),
            one.paid,
            one.id,
            "Nord",
            "7" if one.in_stock else "0",
            "",
            one.html,
            ",".join(map(url, one.all_photos)),
        ]
        for place, one in enumerate(shop, 1)
    ]
    hidden = ["99", "0", "Hidden", "Home", "1.00", "H", "Nord", "1", "", "", url("p0a.jpg")]
    return table([header, *rows, hidden], ";")


def schema_org(shop: Sequence[Product], url: Callable[[str], str]) -> str:
    """A page: a block for each product, of which one is broken, and one for the shop itself."""

    def product(one: Product) -> dict[str, Any]:
        stock = "InStock" if one.in_stock else "SoldOut"
        return {
            "@type": "Product",
            "sku": one.id,
            "name": one.title,
            "description": one.html,
            "category": " > ".join(one.path),
            "color": one.colour,
            "brand": {"@type": "Brand", "name": "Nord"},
            "image": [{"@type": "ImageObject", "url": url(name)} for name in one.all_photos],
            "offers": [
                {
                    "@type": "Offer",
                    "price": one.paid,
                    "priceCurrency": "EUR",
                    "availability": f"https://schema.org/{stock}",
                }
            ],
        }

    blocks = []
    for variants in _by_product(shop):
        head = variants[0]
        made = product(head)
        if head.group:
            made = {
                "@type": "ProductGroup",
                "productGroupID": head.group,
                "name": head.title,
                "hasVariant": [product(one) for one in variants],
            }
        blocks.append(json.dumps({"@context": "https://schema.org", **made}))
    blocks += ['{"@type": "Organization", "name": "Shop"}', '{"@type": "Product", "name": oops}']
    scripts = (
        f'<script type="application/ld+json; charset=utf-8">{block}</script>' for block in blocks
    )
    return f"<!DOCTYPE html><html><head>{''.join(scripts)}</head><body><p>x</p></body></html>"


def plain(shop: Sequence[Product], url: Callable[[str], str]) -> str:
    """A table of one's own: odd headers, no ``id``, a row for a further photo."""
    rows: list[list[str]] = [
        [
            "SKU",
            "Title",
            "Description",
            "Price",
            "List Price",
            "In stock?",
            "Größe (cm)",
            "image_url",
        ]
    ]
    for one in shop:
        former = f"{one.list_price:.2f}".replace(".", ",") if one.list_price else ""
        price = f"{one.price:,.2f} €".replace(",", "'").replace(".", ",")
        stock = "yes" if one.in_stock else "no"
        description = one.description
        rows.append(
            [one.id, one.title, description, price, former, stock, "80", url(one.photos[0])]
        )
        rows += [["", "", "", "", "", "", "", url(name)] for name in one.all_photos[1:]]
    return table(rows, ";")


# Sets of pictures, which hold them.


def hugging_face(path: Path, photos: Path, names: Sequence[str]) -> None:
    """Parquet as ``datasets`` writes it: structs of bytes and path, labels as numbers."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pictures = [{"bytes": (photos / name).read_bytes(), "path": name} for name in names]
    labels = [place % 3 - 1 for place in range(len(names))]
    features = {
        "image": {"_type": "Image"},
        "label": {"_type": "ClassLabel", "names": ["chair", "lamp"]},
    }
    table = pa.table(
        {
            "image": pa.array(pictures, pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            "label": pa.array(labels, pa.int64()),
            "text": [f"a picture of {name}" for name in names],
        }
    ).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, path)


def webdataset(path: Path, photos: Path, names: Sequence[str]) -> None:
    """A tar of samples: a photo, its caption, its attributes; and what is none of them."""
    with tarfile.open(path, "w") as tar:

        def add(name: str, data: bytes) -> None:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))

        add("__meta__", b"x")
        for name in names:
            stem = name.removesuffix(".jpg")
            add(f"set/{stem}.jpg", (photos / name).read_bytes())
            add(f"set/{stem}.txt", f"a picture of {stem}".encode())
            add(f"set/{stem}.json", json.dumps({"width": 96, "licence": "cc0"}).encode())
        link = tarfile.TarInfo("set/evil.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)


def img2dataset(folder: Path, photos: Path, names: Sequence[str]) -> None:
    """What img2dataset leaves: shards, and statistics beside them."""
    folder.mkdir()
    half = len(names) // 2
    for shard, part in enumerate((names[:half], names[half:])):
        webdataset(folder / f"{shard:05}.tar", photos, part)
        (folder / f"{shard:05}_stats.json").write_text("{}")
