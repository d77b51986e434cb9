"""Prices in a text: "under $50", "from 20 to 40", "50 eur or less"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from scenesearch.core.conditions import Between

PRICE = "price"
"""The field."""

FEW = 12
"""A number up to this, without a currency and with a word after it, counts things."""

ABOUT = 0.2
"""How far from it a price may be that was only named, as a share."""

_CODES = {
    "$": "USD",
    "us$": "USD",
    "usd": "USD",
    "dollar": "USD",
    "dollars": "USD",
    "bucks": "USD",
    "€": "EUR",
    "eur": "EUR",
    "euro": "EUR",
    "euros": "EUR",
    "£": "GBP",
    "gbp": "GBP",
    "pound": "GBP",
    "pounds": "GBP",
    "quid": "GBP",
    "¥": "JPY",
    "jpy": "JPY",
    "yen": "JPY",
    "₹": "INR",
    "inr": "INR",
    "rupees": "INR",
    "sek": "SEK",
    "nok": "NOK",
    "dkk": "DKK",
    "chf": "CHF",
    "pln": "PLN",
    "zł": "PLN",
    "cad": "CAD",
    "aud": "AUD",
    "czk": "CZK",
    "huf": "HUF",
    "cny": "CNY",
    "krw": "KRW",
}
_CURRENCY = "|".join(
    re.escape(word) for word in sorted(_CODES, key=lambda word: (-len(word), word))
)
_AMOUNT = (
    rf"(?:(?P<before{{n}}>{_CURRENCY})\s?)?"
    r"(?P<number{n}>\d{{1,9}}(?:[.,]\d{{1,3}}){{0,3}})(?P<kilo{n}>k(?!\w))?"
    rf"(?:\s?(?P<after{{n}}>{_CURRENCY})(?!\w))?"
)
# what comes after a number that is no price
_MEASURE = re.compile(
    r"[\s-]?(?:%|°|\"|'|″|′|[x×]\s?\d"
    r"|(?:(?:milli|centi|deci|kilo)?met(?:er|re)s?|cms|mms|(?:kilo)?grams?|kilos?|tons?|tonnes?"
    r"|gallons?|quarts?|pints?|kelvin|centigrade|celsius|decibels?"
    r"|mm|cm|dm|m|km|inch|inches|ft|feet|foot|yards?|g|kg|lbs?|oz|ounces?|ml|cl|dl|l|lit(?:er|re)s?"
    r"|w|watts?|v|volts?|lm|lumens?|k|mah|gb|tb|hz|db|bar|m2|cm2|sqm|hours?|hrs?|min|minutes?|days?"
    r"|weeks?|months?|years?|yrs?|persons?|people|seats?|seater|pieces?|pcs?|packs?|sets?|items?"
    r"|shelves|shelf|drawers?|doors?|legs?|lights?|bulbs?|hooks?|pockets?|stars?|ply|degrees?|threads?"
    r"|pairs?|rooms?|guests?|places?|sizes?|th|st|nd|rd|s)(?!\w))"
)
_LEAD = r"(?<![\w$€£])(?:(?:price[ds]?|costs?|costing|budget)\s?(?:[:=]|of|is|at)?\s*)?"
_BETWEEN = re.compile(
    _LEAD
    + r"(?P<word>(?:between|from)\s+)?"
    + _AMOUNT.format(n=1)
    + r"\s*(?:-|–|—|\bto\b|\band\b|\buntil\b)\s*"
    + _AMOUNT.format(n=2)
)
_BOUND = re.compile(
    _LEAD
    + r"(?:(?P<lte>(?:not|no) (?:more|higher) than|not (?:over|above)|at most|up to|max(?:imum|\.)?"
    r"(?: price)?(?: of)?|no more than|<=|≤)|(?P<gte>(?:not|no) (?:less|lower|cheaper) than"
    r"|not (?:under|below)|at least|min(?:imum|\.)?(?: price)?(?: of)?|starting (?:at|from)|>=|≥)"
    r"|(?P<lt>under|below|less than|lower than|cheaper than|beneath|<)"
    r"|(?P<gt>over|above|more than|higher than|greater than|upwards of|exceeding|>)"
    r"|(?P<from>from))\s*" + _AMOUNT.format(n=1)
)
_LESS, _MORE = "(?:under|below|less than|cheaper than|<)", "(?:over|above|more than|>)"
_EITHER = re.compile(
    _LEAD
    + rf"(?:{_LESS}|(?P<over>{_MORE}))\s*"
    + _AMOUNT.format(n=1)
    + rf"\s+or\s+(?(over){_LESS}|{_MORE})\s*"
    + _AMOUNT.format(n=2)
)
_TAIL = re.compile(
    r"(?<![\w$€£])"
    + _AMOUNT.format(n=1)
    + r"\s*(?:(?P<lte>(?:or|and) (?:less|under|below|cheaper)|max(?:imum)?(?!\w))"
    r"|(?P<gte>\+|(?:or|and) (?:more|up|over|above)|min(?:imum)?(?!\w)))(?!\w)"
)
_NAMED = re.compile(
    r"(?<![\w$€£])(?:(?:around|about|approximately|approx\.?|circa|roughly|~|for|at"
    r"|price[ds]?(?: at)?|costing|costs)\s*)?" + _AMOUNT.format(n=1)
)


Span = tuple[int, int]
"""Start and end of a part of the text that was understood."""


@dataclass(frozen=True, slots=True)
class Money:
    """What a text says about the price.

    Attributes:
        price: bounds, or None.
        currency: ISO code, or None.
        spans: what of the text said so.
        notes: how it was read, where it could be read otherwise.
    """

    price: Between | None = None
    currency: str | None = None
    spans: tuple[Span, ...] = ()
    notes: tuple[str, ...] = ()


def find_price(text: str) -> Money:
    """The price that a text asks for; several bounds all hold.

    Numbers that count or measure something ("under 80 cm", "over 3 seats") are no prices, and
    without a comparison or a currency no number is.

    Args:
        text: lower case.
    """
    either = _EITHER.search(text)
    if either is not None and not _MEASURE.match(text, either.end()):
        said = either.group().strip()
        note = f"'{said}' are two ranges of prices, and one can be asked: it is left out"
        return Money(spans=(either.span(),), notes=(note,))
    limits: dict[str, float] = {}
    codes: list[str] = []
    spans: list[Span] = []
    notes: list[str] = []
    for pattern in (_BETWEEN, _TAIL, _BOUND, _NAMED):
        for found in pattern.finditer(text):
            if any(low < found.end() and found.start() < high for low, high in spans):
                continue
            read = _read(found, pattern)
            if read is None:
                continue
            for name, value in read.items():
                low = name in ("gt", "gte")
                known = limits.get(name, value)
                limits[name] = max(known, value) if low else min(known, value)
            codes += _codes(found)
            spans.append(found.span())
            if pattern is _NAMED:
                said = found.group().strip()
                notes.append(f"'{said}' is read as about that, {ABOUT:.0%} up or down")
    if not spans:
        return Money()
    price = Between(PRICE, **limits)
    return Money(price, next(iter(codes), None), tuple(sorted(spans)), tuple(notes))


def _read(found: re.Match[str], pattern: re.Pattern[str]) -> dict[str, float] | None:
    """The bounds that a match says, or None where it is no price."""
    text, end = found.string, found.end()
    codes = _codes(found)
    # 50cm, 1.5.2023: a number that goes on is something else
    if re.match(r"\w|[.,]\d", text[end:]):
        return None
    if not codes and _MEASURE.match(text, end):
        return None
    first = _value(found, 1)
    said = bool(codes) or found.group().startswith(("price", "cost", "budget"))
    if not said and first <= FEW and re.match(r"\s+[^\W\d_]", text[end:]):
        return None
    if pattern is _BETWEEN:
        # without a word or a currency, 20-40 may be anything
        if not found["word"] and not said:
            return None
        if not codes and re.match(r"[\s-]?(?:mm|cm|m|kg|g|l|ml)\b", text[found.end("number1") :]):
            return None
        second = _value(found, 2)
        return {"gte": min(first, second), "lte": max(first, second)}
    if pattern is _NAMED:
        if not codes:
            return None
        return {"gte": round(first * (1 - ABOUT), 2), "lte": round(first * (1 + ABOUT), 2)}
    if pattern is _BOUND and found["from"]:
        return {"gte": first} if codes else None
    return {name: first for name in ("lt", "lte", "gt", "gte") if found.groupdict().get(name)}


def _codes(found: re.Match[str]) -> list[str]:
    groups = found.groupdict()
    names = ("before1", "after1", "before2", "after2")
    return [_CODES[groups[name]] for name in names if groups.get(name)]


def _value(found: re.Match[str], number: int) -> float:
    digits = amount(found[f"number{number}"])
    return digits * 1000 if found[f"kilo{number}"] else digits


def amount(digits: str) -> float:
    """A written number, with a comma or a point for decimals or for thousands.

    >>> amount("49,99"), amount("1.000"), amount("1,299.50"), amount("0.500")
    (49.99, 1000.0, 1299.5, 0.5)
    """
    marks = [char for char in digits if char in ".,"]
    if not marks:
        return float(digits)
    whole, _, rest = digits.rpartition(marks[-1])
    if len(rest) == 3 and whole != "0" and len(set(marks)) == 1:
        return float(re.sub(r"[.,]", "", digits))
    return float(f"{re.sub(r'[.,]', '', whole)}.{rest}")
