"""Words about an answer that is there: "cheaper", "wider", "not that brand"."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from scenesearch.core.conditions import Between, Condition, Equals, Not
from scenesearch.core.types import FieldType

ITEM = "item_id"

_CHEAPER = (
    "cheaper|less expensive|lower priced?|lower in price|"
    "billiger|günstiger|preiswerter|moins ch[eè]re?s?|m[aá]s barat[oa]s?"
)
_DEARER = "more expensive|dearer|pricier|higher priced?|teurer|plus ch[eè]re?s?|m[aá]s car[oa]s?"
_SIZES: Mapping[str, tuple[str, bool]] = {
    **dict.fromkeys(("wider", "broader"), ("width", True)),
    "narrower": ("width", False),
    **dict.fromkeys(("taller", "higher"), ("height", True)),
    **dict.fromkeys(("shorter", "lower"), ("height", False)),
    "longer": ("length", True),
    "deeper": ("depth", True),
    "shallower": ("depth", False),
    **dict.fromkeys(("bigger", "larger"), ("size", True)),
    "smaller": ("size", False),
}
_SIDES: Mapping[str, tuple[str, ...]] = {
    "length": ("length", "width"),
    "size": ("width", "length", "height", "diameter"),
}
_FIELDS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("colour", "color"), ("colour", "color", "colour_names")),
    **dict.fromkeys(("kind", "type", "category", "sort"), ("category",)),
    **dict.fromkeys(
        ("brand", "make", "maker", "label"), ("brand", "vendor", "manufacturer", "designer")
    ),
    **dict.fromkeys(("one", "item", "product", "thing"), (ITEM,)),
}
_LEAD = re.compile(
    r"^(?:(?:and|but|then|now|something|anything|ones?|a|any|bit|little|much|even|make it|show me|"
    r"please|in)\s+)+"
)
_TAIL = re.compile(r"(?:\s+(?:ones?|please|again|than (?:that|this)(?: one)?))+$")
_OTHER = re.compile(
    r"(?:(?:not|no|never|avoid|without|other than|anything but|except|any but)\s+"
    r"(?:from\s+|by\s+|in\s+|of\s+)?(?:that|this|the same|these|those)"
    r"|another|(?:a\s+)?different|some other|other)\s+(?P<field>[^\W\d_]+)"
)
_SAME = re.compile(
    r"(?:(?:only|just|more)\s+)?(?:from\s+|by\s+|in\s+|of\s+)?(?:that|this|the same|same)\s+"
    r"(?P<field>[^\W\d_]+)"
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Something asked against what was shown first.

    Attributes:
        field: that is compared; None where the catalogue has no such field.
        how: ``less`` or ``more`` of a number, the ``same`` value, or any ``other``.
    """

    field: str | None
    how: Literal["less", "more", "same", "other"]

    def with_first(self, item_id: str, attributes: Mapping[str, Any]) -> Condition | None:
        """What must hold, given the item that is compared with; None where it has no value.

        Args:
            item_id: of the first match.
            attributes: its attributes.
        """
        if self.field is None:
            return None
        value = item_id if self.field == ITEM else attributes.get(self.field)
        if isinstance(value, list | tuple):
            value = value[0] if value else None
        if self.how in ("less", "more"):
            if isinstance(value, bool) or not isinstance(value, int | float):
                return None
            bound = {"lt" if self.how == "less" else "gt": float(value)}
            return Between(self.field, **bound)
        if value is None:
            return None
        same = Equals(self.field, value)
        return same if self.how == "same" else Not(same)


def read_comparison(text: str, fields: Mapping[str, FieldType]) -> Comparison | None:
    """A turn that compares with what was shown; None for words that say something by themselves.

    Args:
        text: of the turn.
        fields: of the collection, with their types.

    >>> read_comparison("a bit cheaper", {"price": "float"})
    Comparison(field='price', how='less')
    >>> read_comparison("not that brand", {"brand": "keyword"})
    Comparison(field='brand', how='other')
    >>> read_comparison("in walnut", {"price": "float"}) is None
    True
    """
    whole = " ".join(text.lower().strip(" .!?").split())
    if whole in ("something else", "anything else"):
        return Comparison(ITEM, "other")
    said = _TAIL.sub("", _LEAD.sub("", whole))
    if re.fullmatch(_CHEAPER, said):
        return Comparison(_number("price", fields), "less")
    if re.fullmatch(_DEARER, said):
        return Comparison(_number("price", fields), "more")
    if said in _SIZES:
        side, more = _SIZES[said]
        names = _SIDES.get(side, (side,))
        found = next((name for one in names if (name := _number(one, fields))), None)
        return Comparison(found, "more" if more else "less")
    # "not that one" ends as a filler would
    for pattern, how in ((_OTHER, "other"), (_SAME, "same")):
        match = pattern.fullmatch(whole) or pattern.fullmatch(said)
        if match:
            return _named(match["field"], "other" if how == "other" else "same", fields)
    return None


def _number(name: str, fields: Mapping[str, FieldType]) -> str | None:
    """The field of that name, or of a name that says its unit: ``width_cm``."""
    numbers = [field for field, kind in fields.items() if kind in ("float", "integer")]
    return next((field for field in numbers if field == name or field.startswith(f"{name}_")), None)


def _named(
    word: str, how: Literal["same", "other"], fields: Mapping[str, FieldType]
) -> Comparison | None:
    known = _FIELDS.get(word)
    there = [name for name in known or (word,) if name in fields or name == ITEM]
    if there:
        return Comparison(there[0], how)
    return Comparison(None, how) if known else None
