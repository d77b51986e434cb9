"""Checks of single cells: ids, texts, prices, stock, links. Pure; a bad cell is a CellError."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from scenesearch.catalog.records import MAX_FIELD_CHARS, CellError, shown
from scenesearch.core.types import Value

SPACE = " \t\r\n"
"""Stripped from both ends of every cell; other white space (U+00A0, ...) is kept."""
MAX_ID_BYTES = 512
MAX_KEYWORD_CHARS = 1000
MAX_URL_CHARS = 8192

_PRICE = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_STOCK = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
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
    number = math.nan
    if isinstance(value, str):
        text = value.strip(SPACE)
        if not text:
            return None
        if len(text) <= MAX_KEYWORD_CHARS and _PRICE.fullmatch(text):
            number = float(text)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
    if not math.isfinite(number) or number < 0:
        raise CellError(
            "bad_price",
            f"{shown(value)} is not a price: expected digits with an optional decimal point, such "
            f"as 1299.00, without signs, thousands separators or a currency (that is a column of "
            f"its own); leave it empty where there is none",
        )
    return number


def _in_stock(value: Any) -> bool | None:
    text = "" if isinstance(value, list | dict) else text_of(value).lower()
    if not text and isinstance(value, str):
        return None
    if text not in _STOCK:
        raise CellError(
            "bad_in_stock",
            f"{shown(value)} is not a stock state: expected true, false, yes, no, 1 or 0; put a "
            f"quantity into a column of its own",
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
    "price": _price,
    "currency": _keyword,
    "brand": _keyword,
    "url": _url,
    "in_stock": _in_stock,
    "group": _keyword,
    "colour": _colour,
    "tags": _tags,
}
"""The check of each column of :data:`scenesearch.catalog.columns.KNOWN`."""
