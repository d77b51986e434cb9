"""Checks of single cells: ids, texts, prices, stock, links. Pure; a bad cell is a CellError."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from scenesearch.catalog.prices import PriceStyle
from scenesearch.catalog.records import MAX_FIELD_CHARS, CellError, shown
from scenesearch.core.sales import moment
from scenesearch.core.types import Value

SPACE = " \t\r\n"
"""Stripped from both ends of every cell; other white space (U+00A0, ...) is kept."""
MAX_ID_BYTES = 512
MAX_KEYWORD_CHARS = 1000
MAX_URL_CHARS = 8192

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_YES_TEXT = "y ja oui si sí sim tak lieferbar vorrätig auflager enstock disponible"
_NO_TEXT = "n nein non não nao nie nichtlieferbar vergriffen ausverkauft agotado epuise épuisé"
_STOCK = {
    **dict.fromkeys(("true", "yes", "1", "instock", "available", "availablefororder"), True),
    **dict.fromkeys(_YES_TEXT.split(), True),
    **dict.fromkeys(_NO_TEXT.split(), False),
    **dict.fromkeys(("limitedavailability", "onlineonly", "instoreonly"), True),
    **dict.fromkeys(("false", "no", "0", "outofstock", "soldout", "discontinued"), False),
    # can be ordered, but nobody has it yet; ``availability`` keeps the word
    **dict.fromkeys(("preorder", "presale", "backorder", "onbackorder", "madetoorder"), False),
}
_BETWEEN = re.compile(r"(?:\s*[,;|]\s*|\s+)(?=[a-z][a-z0-9+.-]+://|//)", re.IGNORECASE)
_NESTED_FIX = "write its parts as columns of their own"


def text_of(value: Any) -> str:
    """A scalar as stripped text.

    >>> text_of(" red "), text_of(True), text_of(1.5)
    ('red', 'true', '1.5')

    Raises:
        CellError: it is nested, not finite, too long, or has characters that cannot be stored.
    """
    match value:
        case str():
            text = value.strip(SPACE)
            if len(text) > MAX_FIELD_CHARS:
                raise CellError(
                    "field_too_long",
                    f"{len(text):,} characters: expected at most {MAX_FIELD_CHARS:,}; shorten it",
                )
            if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
                raise CellError(
                    "bad_text",
                    f"{shown(text)} has half of a surrogate pair, which is not a character: "
                    f"expected valid Unicode; write the row again as UTF-8",
                )
            if "\0" in text:
                raise CellError(
                    "bad_text", f"{shown(text)} has a NUL character: expected text; remove it"
                )
            return text
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            if not math.isfinite(value):
                raise CellError(
                    "bad_number",
                    f"{value} is not a number: expected a finite one; use null, or leave it out",
                )
            return repr(value)
        case _:
            kind = "an object" if isinstance(value, dict) else f"a {type(value).__name__}"
            raise CellError(
                "nested_value",
                f"{kind} in one cell: expected text, a number, true or false, or a list of texts; "
                f"{_NESTED_FIX}",
            )


def keywords(values: list[Any]) -> tuple[str, ...]:
    """A list as keywords: stripped, empty ones and repeats left out, order kept.

    Raises:
        CellError: an entry is nested, too long, or cannot be stored.
    """
    texts = (_short(text_of(value)) for value in values if value is not None)
    return tuple(dict.fromkeys(text for text in texts if text))


def id_of(value: Any) -> str:
    """An id as text, verbatim but for surrounding spaces. Integers are written out.

    Raises:
        CellError: it is empty, longer than 512 bytes of UTF-8, has control characters, or is
            neither text nor an integer.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | None):
        raise CellError(
            "bad_id",
            f"the id is {shown(value)} ({type(value).__name__}): expected text or an integer; "
            f"write it as text",
            column="id",
        )
    try:
        text = "" if value is None else text_of(value)
    except CellError as error:
        raise CellError("bad_id", str(error), column="id") from None
    if not text:
        raise CellError("empty_id", "the id is empty: expected one for each row", column="id")
    size = len(text) if text.isascii() else len(text.encode())
    if size > MAX_ID_BYTES:
        raise CellError(
            "long_id",
            f"the id has {size:,} bytes: expected at most {MAX_ID_BYTES}; shorten it",
            column="id",
        )
    if _has_controls(text):
        raise CellError(
            "bad_id",
            f"the id {shown(text)} has control characters: expected none; remove them",
            column="id",
        )
    return text


def split_list(cell: str, separators: str) -> list[Any]:
    """A text cell as a list: a JSON list, or parts between the first separator it contains.

    >>> split_list("a|b, c", "|,"), split_list("a, c", "|,"), split_list('["a|b"]', "|,")
    (['a', 'b, c'], ['a', ' c'], ['a|b'])

    Raises:
        CellError: it looks like a JSON list and is none.
    """
    text = cell.strip(SPACE)
    if text.startswith("[") and text.endswith("]"):
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise CellError(
                "bad_list",
                f'{shown(text)} is not a JSON list: expected ["one", "two"], or one|two',
            ) from error
        return list(values)
    separator = next((char for char in separators if char in text), None)
    return text.split(separator) if separator else [text]


def split_addresses(cell: str, separators: str) -> list[str]:
    """The photos a text cell names.

    Addresses may hold commas and semicolons, so what stands between two of them separates them
    only where the next begins with ``https://``, ``s3://`` or ``//``; of paths, any separator does.

    >>> split_addresses("https://a.test/1,2.jpg, https://a.test/3.jpg", ",|")
    ['https://a.test/1,2.jpg', 'https://a.test/3.jpg']
    """
    if "//" in cell:
        parts = _BETWEEN.split(cell.strip())
    else:
        parts = re.split(f"[{re.escape(separators)}]", cell)
    return [part for one in parts if (part := one.strip(SPACE))]


def _has_controls(text: str) -> bool:
    # The quick test first: almost every text passes it.
    return not text.isprintable() and any(unicodedata.category(char) == "Cc" for char in text)


def _short(text: str) -> str:
    if len(text) > MAX_KEYWORD_CHARS:
        raise CellError(
            "field_too_long",
            f"{len(text):,} characters: expected at most {MAX_KEYWORD_CHARS:,} here; shorten it, "
            f"or move it to 'description'",
        )
    return text


def _one_text(value: Any) -> str:
    if isinstance(value, list):
        raise CellError(
            "bad_value", f"{shown(value)} is a list: expected one text; use 'tags' for several"
        )
    return text_of(value)


def _keyword(value: Any) -> str:
    return _short(_one_text(value))


def _colour(value: Any) -> str | tuple[str, ...]:
    return keywords(value) if isinstance(value, list) else _short(text_of(value))


def _tags(value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    return keywords(split_list(value, "|,") if isinstance(value, str) else values)


def _price(value: Any) -> float | None:
    """A price that comes alone, in a record or a request."""
    price = PriceStyle().read(value)
    return None if price is None else price.amount


def _date(value: Any) -> str | None:
    """When a sale begins or ends."""
    text = "" if isinstance(value, list | dict) else text_of(value).strip()
    if not text and isinstance(value, str):
        return None
    found = moment(text)
    if found is None:
        raise CellError(
            "bad_date",
            f"{shown(value)} is not a date: expected 2026-05-31 or 2026-05-31T08:00+02:00; leave "
            f"it empty where a sale has no end",
        )
    return text if text[:1].isdigit() and "/" not in text else found.isoformat()


def _in_stock(value: Any) -> bool | None:
    text = "" if isinstance(value, list | dict) else text_of(value).lower()
    if not text and isinstance(value, str):
        return None
    text = re.sub("(?<=[a-z])[ _-]", "", text.rpartition("/")[2] if "schema.org/" in text else text)
    if text not in _STOCK:
        raise CellError(
            "bad_in_stock",
            f"{shown(value)} is not a stock state: expected true, false, yes, no, 1, 0, or a word "
            f"of the feeds such as in_stock, out of stock or preorder; put a quantity into a "
            f"column of its own",
        )
    return _STOCK[text]


def _url(value: Any) -> str:
    text = _one_text(value)
    if len(text) > MAX_URL_CHARS:
        problem = (
            f"the link has {len(text):,} characters: expected at most {MAX_URL_CHARS:,}; shorten it"
        )
    elif _has_controls(text):
        problem = f"the link {shown(text)} has control characters: expected none; remove them"
    elif (scheme := _SCHEME.match(text)) and scheme[1].lower() not in ("http", "https"):
        # A page that shows a match makes this a link, and javascript: is one too.
        problem = f"the link {shown(text)} is not a web address: expected https://... or http://..."
    else:
        return text
    raise CellError("bad_url", problem)


KNOWN_VALUES: Mapping[str, Callable[[Any], Value | None]] = {
    "title": _one_text,
    "description": _one_text,
    "category": _keyword,
    "categories": _tags,
    "price": _price,
    "list_price": _price,
    "sale_price": _price,
    "sale_start": _date,
    "sale_end": _date,
    "currency": _keyword,
    "brand": _keyword,
    "url": _url,
    "in_stock": _in_stock,
    "availability": _keyword,
    "group": _keyword,
    "colour": _colour,
    "tags": _tags,
}
"""The check of each column of :data:`scenesearch.catalog.columns.KNOWN`."""
