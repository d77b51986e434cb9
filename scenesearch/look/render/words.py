"""The words of a look: titles, prices, scores, names of regions. Pure text, no drawing."""

from __future__ import annotations

import math
import unicodedata
from typing import Any
from urllib.parse import urlsplit

from scenesearch.core.types import Colour
from scenesearch.look.values import LookData, Match, RegionMatches

_LONGEST = 200
_KINDS = {"whole": "whole photo", "object": "object", "tile": "part of photo"}
_JOINERS = {"\u200c", "\u200d"}
"""Invisible, but Persian, Hindi and emoji are misspelt without them."""


def clean(text: Any, limit: int = _LONGEST) -> str:
    r"""One line of printable text of at most ``limit`` characters.

    >>> clean("two\n lines\x00")
    'two lines'
    """
    head = str(text)[: 4 * limit]
    line = " ".join("".join(_printable(char) for char in head).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def title(match: Match) -> str:
    """The product's title, or its id where it has none."""
    return clean(match.attributes.get("title") or "") or clean(match.item_id) or "(no id)"


def subtitle(match: Match) -> str:
    """Category and brand, as far as they are known."""
    known = (clean(_joined(match.attributes.get(name))) for name in ("category", "brand"))
    return " · ".join(word for word in known if word)


def price(match: Match) -> str:
    """``49 EUR``, ``1,299.50 EUR``; empty without a price. The code is never guessed."""
    value = match.attributes.get("price")
    if value is None or isinstance(value, bool):
        return ""
    currency = clean(match.attributes.get("currency") or "", 12)
    try:
        number = float(value)
    except (TypeError, ValueError):
        return f"{clean(value, 40)} {currency}".strip()
    if not math.isfinite(number):
        return ""
    amount = f"{number:,.0f}" if number == int(number) else f"{number:,.2f}"
    return f"{amount} {currency}".strip()


def score(value: float) -> str:
    """Two decimals, or a dash for what is not a number."""
    return f"{value:.2f}" if math.isfinite(value) else "–"


def share(value: float) -> str:
    """A share of 0 to 1 in per cent.

    >>> share(0.625)
    '62 %'
    """
    return f"{100 * value:.0f} %" if math.isfinite(value) else "–"


def region_name(found: RegionMatches) -> str:
    """The label, or what kind of region it is."""
    return clean(found.region.label or "", 60) or _KINDS[found.region.kind]


def certainty(found: RegionMatches) -> str:
    """The detector's confidence; empty where nothing was detected."""
    region = found.region
    if region.kind != "object" or region.label is None:
        return ""
    return f"confidence {score(region.confidence)}"


def cutout_note(found: RegionMatches) -> str:
    """Why an object was searched with its background on; empty otherwise."""
    if found.cutout_method != "plain" or not found.cutout_reason:
        return ""
    return f"not cut out: {clean(found.cutout_reason)}"


def colour(dominant: Colour) -> str:
    """``dark red 62 %``."""
    return f"{clean(dominant.name, 30)} {share(dominant.share)}"


def heading(look: LookData) -> str:
    """The photo's name, or what the look is about without one."""
    if look.scene is None:
        return "Search results"
    name = look.scene.source.replace("\\", "/").rsplit("/", 1)[-1]
    return clean(name, 120) or "Photo"


def summary(look: LookData) -> str:
    """How much was found: ``5 regions, 40 matches``."""
    parts = [_counted(len(look.regions), "region")] if look.regions else []
    return ", ".join([*parts, _counted(len(look.matches), "match", "matches")])


def link(match: Match) -> str:
    """The product's page, or empty where it is not a plain http(s) address.

    Anything else (``javascript:``, ``data:``, a relative path) is text of the catalogue that must
    not become a link.
    """
    url = match.attributes.get("url")
    if not isinstance(url, str) or len(url) > 2000:
        return ""
    # Browsers skip tabs and line ends inside a scheme, so none may be there to skip.
    if any(char <= " " or char in "\\\x7f" for char in url):
        return ""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in {"http", "https"} and parts.hostname else ""


def _printable(char: str) -> str:
    category = unicodedata.category(char)
    if char in _JOINERS or category not in {"Cc", "Cf", "Cs", "Co", "Cn"}:
        return char
    # A line end or a tab parts words; a soft hyphen or a bidirectional mark stands inside one.
    return "" if category == "Cf" else " "


def _joined(value: Any) -> str:
    if value is None:
        return ""
    return ", ".join(str(v) for v in value) if isinstance(value, (list, tuple)) else str(value)


def _counted(n: int, one: str, many: str | None = None) -> str:
    return f"{n} {one}" if n == 1 else f"{n} {many or one + 's'}"
