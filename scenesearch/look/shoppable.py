"""A picture with products on it, as data that an editor keeps: hotspots and what they sell.

Made from a look, changed by whoever fixes it, read back strictly, and rendered as a page or as
JSON-LD. Places are shares (0 to 1) of the upright photo, so that they hold at every size.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scenesearch.core.errors import QueryError
from scenesearch.look.as_json import plain
from scenesearch.look.render.marks import place_badges, scaled_boxes
from scenesearch.look.render.pictures import fit
from scenesearch.look.values import LookData, Match
from scenesearch.system.whole_file import write_whole

SUFFIXES = (".json", ".jsonld", ".html")
"""What :meth:`Shoppable.save` can write."""
_SHOWN = ("title", "category", "brand", "price", "currency", "url", "in_stock", "availability")
"""Attributes that a product takes from the catalogue."""
_NARROWEST = 340
"""Width in CSS pixels at which hotspots are still apart."""
_RADIUS = 16
_AVAILABILITY = {True: "https://schema.org/InStock", False: "https://schema.org/OutOfStock"}

ShareOf = Annotated[float, Field(ge=0, le=1)]
FindItem = Callable[[str], Mapping[str, Any] | None]
"""The attributes of an item by its id, as they are stored; None where it is gone."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Product(_Part):
    """What a hotspot sells.

    Attributes:
        id: of the item.
        image: address or path of its picture.
    """

    id: str = Field(min_length=1)
    title: str | None = None
    category: str | list[str] | None = None
    brand: str | None = None
    price: float | int | None = Field(None, ge=0)
    currency: str | None = None
    url: str | None = None
    in_stock: bool | None = None
    availability: str | None = None
    image: str | None = None


class Hotspot(_Part):
    """A place of the picture.

    Attributes:
        x: of its middle, from the left.
        y: of its middle, from the top.
        box: of the object, x1, y1, x2, y2; None where there is none.
        label: what is there.
        products: best first.
    """

    x: ShareOf
    y: ShareOf
    box: Annotated[list[ShareOf], Field(min_length=4, max_length=4)] | None = None
    label: str | None = None
    products: list[Product] = []


class Shoppable(_Part):
    """A picture with products on it.

    Attributes:
        photo: address of the picture, or its path from the file's folder.
        width: of the upright photo, in pixels.
        height: likewise.
        title: what the page is called.
        hotspots: in the order they are numbered.
    """

    format: Literal["scenesearch-shoppable/1"] = "scenesearch-shoppable/1"
    photo: str = Field(min_length=1)
    width: int = Field(ge=1)
    height: int = Field(ge=1)
    title: str | None = None
    hotspots: list[Hotspot] = []

    @classmethod
    def of(
        cls,
        look: LookData,
        *,
        picks: Mapping[int, Sequence[str]] | None = None,
        products: int = 1,
        photo: str | None = None,
        title: str | None = None,
    ) -> Self:
        """Hotspots for the objects of a look.

        Args:
            look: of a photo.
            picks: item ids by number of the object, from 1, where the first matches are not
                wanted; none leaves the object out. Each must be in the object's list.
            products: first matches of an object that is not picked for.
            photo: where the picture lies for whoever shows it; by default where it came from.
            title: what the page is called.

        Raises:
            QueryError: there is no photo, or no such object or match.
        """
        if look.scene is None:
            raise QueryError("a look without a photo has no hotspots", code="no_photo")
        wanted = dict(picks or {})
        numbers = range(1, len(look.regions) + 1)
        for number in wanted.keys() - set(numbers):
            raise QueryError(
                f"there is no object {number}, expected 1 to {len(look.regions)}",
                code="unknown_object",
            )
        width, height = look.scene.size
        narrow = fit(look.scene.size, (_NARROWEST, 10 * _NARROWEST))
        middles = place_badges(scaled_boxes(look, narrow), narrow, _RADIUS)
        spots: list[Hotspot] = []
        for number, (x, y), box in zip(numbers, middles, scaled_boxes(look, (1, 1)), strict=True):
            found = look.regions[number - 1]
            matches = _picked(number, found.matches, wanted.get(number), products)
            if matches:
                spots.append(
                    Hotspot(
                        x=_share(x / narrow[0]),
                        y=_share(y / narrow[1]),
                        box=[_share(side) for side in box],
                        label=found.region.label,
                        products=[_product(m.item_id, m.attributes, m.photo) for m in matches],
                    )
                )
        source = photo or look.scene.source
        return cls(photo=source, width=width, height=height, title=title, hotspots=spots)

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """What :meth:`save` wrote as .json, and an editor changed since.

        Raises:
            QueryError: it cannot be read, or is none.
        """
        try:
            return cls.model_validate_json(Path(path).read_bytes())
        except OSError as error:
            raise QueryError(
                f"{path} cannot be read: {error.strerror}", code="unreadable"
            ) from error
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"])) or "the file"
            raise QueryError(
                f"{path} is no shoppable picture: {where}: {first['msg']}; docs/whole-look.md says "
                f"what it holds",
                code="bad_shoppable",
            ) from error

    def refreshed(self, find: FindItem) -> tuple[Self, tuple[str, ...]]:
        """With titles, prices and stock as they are now.

        Args:
            find: of the catalogue.

        Returns:
            the picture, and the ids that the catalogue does not have any more: they are left
            out, and so is a hotspot without a product.
        """
        gone: list[str] = []
        spots: list[Hotspot] = []
        for spot in self.hotspots:
            products: list[Product] = []
            for one in spot.products:
                attributes = find(one.id)
                if attributes is None:
                    gone.append(one.id)
                else:
                    products.append(_product(one.id, attributes, one.image))
            if products:
                spots.append(spot.model_copy(update={"products": products}))
        return self.model_copy(update={"hotspots": spots}), tuple(gone)

    def to_dict(self) -> dict[str, Any]:
        """As JSON values; what is not known is left out."""
        return self.model_dump(mode="json", exclude_none=True)

    def to_json_ld(self) -> dict[str, Any]:
        """As schema.org has it: an ImageObject about Products, each with its place.

        Pictures of products are named where they have an address.
        """
        about = [
            _thing(one, f"{spot.x:g} {spot.y:g}") for spot in self.hotspots for one in spot.products
        ]
        return _known(
            {
                "@context": "https://schema.org",
                "@type": "ImageObject",
                "name": self.title,
                "contentUrl": self.photo,
                "width": self.width,
                "height": self.height,
                "about": about,
            }
        )

    def save(self, path: str | Path, *, root: str | Path = ".") -> Path:
        """Write it as data or as a page, replaced whole or not at all.

        Args:
            path: ends in ``.json``, ``.jsonld`` or ``.html`` (one file, pictures inside).
            root: where paths of pictures start.

        Raises:
            ValueError: another suffix.
            OSError: the file cannot be written.
        """
        target = Path(path)
        match target.suffix.lower():
            case ".json":
                text = json.dumps(self.to_dict(), ensure_ascii=False, indent=2)
            case ".jsonld":
                text = json.dumps(self.to_json_ld(), ensure_ascii=False, indent=2)
            case ".html":
                from scenesearch.look.render.shoppable import render_shoppable

                text = render_shoppable(self.to_dict(), self.to_json_ld(), Path(root))
            case suffix:
                raise ValueError(
                    f"cannot save a shoppable picture to {str(path)!r}: got the suffix {suffix!r}, "
                    f"expected one of {', '.join(SUFFIXES)}"
                )
        write_whole(target, text.encode("utf-8", "backslashreplace"))
        return target


def _picked(
    number: int, matches: Sequence[Match], ids: Sequence[str] | None, products: int
) -> list[Match]:
    if ids is None:
        return list(matches[:products])
    by_id = {one.item_id: one for one in matches}
    for item_id in ids:
        if item_id not in by_id:
            raise QueryError(
                f"the list of the object {number} has no {item_id!r:.100}; ask for a longer one "
                f"with per_region, or write the product into the file",
                code="unknown_item",
            )
    return [by_id[item_id] for item_id in ids]


def _product(item_id: str, attributes: Mapping[str, Any], image: str | None) -> Product:
    known = {name: plain(attributes[name]) for name in _SHOWN if attributes.get(name) is not None}
    try:
        return Product(id=item_id, image=image, **known)
    except ValidationError as error:
        # a catalogue may call something else by one of these names
        odd = {str(one["loc"][0]) for one in error.errors()}
        kept = {name: value for name, value in known.items() if name not in odd}
        return Product(id=item_id, image=image, **kept)


def _thing(product: Product, place: str) -> dict[str, Any]:
    offer = None
    if product.price is not None:
        offer = _known(
            {
                "@type": "Offer",
                "price": product.price,
                "priceCurrency": product.currency,
                "availability": None
                if product.in_stock is None
                else _AVAILABILITY[product.in_stock],
                "url": product.url,
            }
        )
    image = product.image if (product.image or "").startswith(("http://", "https://")) else None
    return _known(
        {
            "@type": "Product",
            "sku": product.id,
            "name": product.title,
            "category": product.category,
            "brand": product.brand and {"@type": "Brand", "name": product.brand},
            "url": product.url,
            "image": image,
            "offers": offer,
            "additionalProperty": {"@type": "PropertyValue", "name": "hotspot", "value": place},
        }
    )


def _known(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _share(value: float) -> float:
    return round(min(max(float(value), 0.0), 1.0), 4)
