"""Products with variants, as shops of Shopify have them: photos and ids of each variant. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from scenesearch.catalog.columns import proposed_name


def photos_of(own: str | None, gallery: Sequence[str], of_variants: Iterable[str]) -> list[str]:
    """The photos of one variant: its own first, then those of the product that show no other one.

    Args:
        own: the variant's own photo, where it has one.
        gallery: the product's, in order.
        of_variants: own photos of all variants of the product.
    """
    others = set(of_variants) - {own}
    shared = [photo for photo in gallery if photo not in others]
    found = list(dict.fromkeys([*([own] if own else []), *shared]))
    return found or list(gallery)


def variant_id(handle: str, options: Mapping[str, str]) -> str:
    """An id made of what tells variants apart: ``stool-ano/ash/large``.

    >>> variant_id("stool", {"Colour": "Ash grey", "Size": "L"}), variant_id("stool", {})
    ('stool/ash-grey/l', 'stool')
    """
    parts = (proposed_name(value).replace("_", "-") or value for value in options.values())
    return "/".join((handle, *parts))


def options_of(names: Sequence[str], values: Sequence[str]) -> dict[str, str]:
    """Options with a value; ``Title: Default Title`` means that a product has no variants."""
    pairs = zip(names, values, strict=True)
    return {
        name: value
        for name, value in pairs
        if name and value and (name.lower(), value.lower()) != ("title", "default title")
    }
