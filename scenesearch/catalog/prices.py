"""Prices as shops write them: ``1.299,00 €``, ``USD 12.50``, ``15EUR``, ``CHF 1'299.-``.

Pure. A separator with three digits behind it (``1.299``) is read by what the other prices of the
file show, or by the currency (12.500 KWD has three decimals, 2,500 JPY none), and refused where
neither tells: a price that is a thousand times too high or too low is worse than none. No library
does that: price-parser takes three digits for thousands always.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from scenesearch.catalog.records import CellError, shown
from scenesearch.core.errors import CatalogError
from scenesearch.core.sales import moment

Decimal = Literal[".", ","]
MAX_PRICE_CHARS = 1000

_CURRENCIES_TEXT = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL "
    "BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP "
    "ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS "
    "INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD "
    "LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK "
    "NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK "
    "SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH "
    "UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWL"
)
CURRENCIES = frozenset(_CURRENCIES_TEXT.split())
"""Codes of ISO 4217 that shops use."""
_DECIMALS = {
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"), 0),
    **dict.fromkeys(("RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"), 0),
}
_SIGNS = {
    "€": "EUR",
    "£": "GBP",
    "$": "USD",
    "us$": "USD",
    "¥": "JPY",
    "₹": "INR",
    "₩": "KRW",
    "₺": "TRY",
    "₽": "RUB",
    "₴": "UAH",
    "₪": "ILS",
    "₫": "VND",
    "r$": "BRL",
    "zł": "PLN",
    "kč": "CZK",
    "ft": "HUF",
    "fr.": "CHF",
    "fr": "CHF",
    "kr": "",  # of four countries
    "kr.": "",
}
_PARTS = re.compile(r"(?P<before>[^0-9]*)(?P<number>[0-9](?:[0-9.,]*[0-9])?)(?P<after>[^0-9]*)")
_GROUPS = re.compile(r"(?<=[0-9])['\u2019\u00a0\u202f\u2009 ](?=[0-9]{3}(?![0-9]))")
_ROUND = re.compile(r"[.,][-\u2013]{1,2}")  # 1299.- and 1299,--


class Price(NamedTuple):
    """An amount, and the currency that stood beside it, where one did."""

    amount: float
    currency: str | None


class Offer(NamedTuple):
    """What a feed says of the price of one item, cells as they stand there.

    Attributes:
        regular: the price without a sale.
        sale: the price of a sale; empty or 0 where there is none.
        start: when the sale begins, as :func:`scenesearch.core.sales.moment` reads it; None where
            it always holds.
        end: likewise, when it ends.
    """

    regular: Any
    sale: Any = None
    start: str | None = None
    end: str | None = None

    @property
    def cells(self) -> tuple[Any, ...]:
        """The amounts."""
        return tuple(one for one in (self.regular, self.sale) if one is not None)

    @property
    def dated(self) -> bool:
        """Whether the sale begins or ends; a date that is none says nothing."""
        return moment(self.start) is not None or moment(self.end) is not None


class PriceStyle:
    """Which separator stands before the decimals in one file. Show it every price, then ask.

    Args:
        decimal: the separator, where somebody said so.

    Attributes:
        named: whether a price named its currency.
    """

    def __init__(self, decimal: Decimal | None = None) -> None:
        self._given = decimal
        self.named = False
        self._seen = {".": 0, ",": 0}

    def look(self, cell: Any) -> None:
        """Note what a price shows."""
        if isinstance(cell, str) and len(cell) <= MAX_PRICE_CHARS:
            parts = _split(cell)
            if parts is not None:
                self.named = self.named or bool(parts[1])
                if mark := _decimal(*parts):
                    self._seen[mark] += 1

    @property
    def decimal(self) -> Decimal | None:
        """The separator; None where no price showed it, or they disagree."""
        dots, commas = self._seen["."], self._seen[","]
        if self._given is not None or bool(dots) == bool(commas):
            return self._given
        return "." if dots else ","

    def read(self, cell: Any) -> Price | None:
        """A price; None where the cell is empty.

        Raises:
            CellError: ``bad_price``; ``ambiguous_price``, it can be two.
        """
        if isinstance(cell, str):
            return self._of_text(cell)
        number = math.nan
        if isinstance(cell, int | float) and not isinstance(cell, bool):
            try:
                number = float(cell)
            except OverflowError:
                number = math.inf
        if not math.isfinite(number) or number < 0:
            raise _bad(cell)
        return Price(number, None)

    def _of_text(self, cell: str) -> Price | None:
        text = cell.strip()
        if not text:
            return None
        parts = _split(text) if len(text) <= MAX_PRICE_CHARS else None
        if parts is None:
            raise _bad(cell)
        number, currency = parts
        mark = _decimal(number, currency)
        if mark is None:
            mark = self.decimal
            if mark is None:
                raise CellError(
                    "ambiguous_price",
                    f"{shown(cell)} can be two prices: {number.replace('.', '').replace(',', '')} "
                    f"or {number.replace(',', '.')}; no other price of the file tells which: say "
                    f"it with --price-locale en or --price-locale de",
                )
        whole, _, rest = number.rpartition(mark) if mark and mark in number else (number, "", "")
        digits = re.sub("[.,]", "", whole)
        amount = float(f"{digits}.{rest or 0}")
        if not math.isfinite(amount):
            raise _bad(cell)
        return Price(amount, currency or None)


def decimal_of(locale: str) -> Decimal:
    """The decimal separator of a language: ``de``, ``de_DE``, ``en-US``; or ``.`` or ``,`` itself.

    Raises:
        CatalogError: it is neither.
    """
    if locale in (".", ","):
        return locale  # type: ignore[return-value]
    found = re.fullmatch(r"([a-z]{2,3})(?:[_-]([A-Za-z]{2}))?", locale)
    if found is None:
        raise CatalogError(
            f"the price locale is {shown(locale)}: expected a language such as en, de or pt_BR",
            code="bad_option",
        )
    if found[2] and found[2].upper() in _POINT_LANDS:
        return "."
    return "." if found[1] in _POINT_LANGUAGES else ","


_POINT_LANGUAGES_TEXT = "en zh ja ko he th hi bn ur ta te ms fil ga cy mt sw"
_POINT_LANGUAGES = frozenset(_POINT_LANGUAGES_TEXT.split())
_POINT_LANDS_TEXT = "CH LI MX US GB IE AU NZ IN JP KR CN TW HK SG TH IL PH MY"
_POINT_LANDS = frozenset(_POINT_LANDS_TEXT.split())


def _split(text: str) -> tuple[str, str] | None:
    """Number and currency (``""`` where none is named) of a price; None where it is none."""
    match = _PARTS.fullmatch(_ROUND.sub("", _GROUPS.sub("", text.strip())))
    if match is None:
        return None
    found = ""
    for part in (match["before"], match["after"]):
        word = part.strip("\u00a0\u202f\u2009 \t")
        if not word:
            continue
        code = word.upper() if word.upper() in CURRENCIES else _SIGNS.get(word.casefold())
        if code is None or (found and code and code != found):
            return None
        found = found or code
    number = match["number"]
    separators = [one for one in number if one in ".,"]
    if len(separators) > 1:
        last = separators[-1]
        grouped = last if len(set(separators)) == 1 else "." if last == "," else ","
        whole = number if grouped == last else number.rpartition(last)[0]
        if not re.fullmatch(rf"[0-9]{{1,3}}(?:\{grouped}[0-9]{{3}})+", whole):
            return None
    return number, found


def _decimal(number: str, currency: str) -> Literal[".", ",", ""] | None:
    """What stands before the decimals: a separator, nothing, or None where it can be either."""
    separators: Sequence[str] = [one for one in number if one in ".,"]
    if not separators:
        return ""
    last: Literal[".", ","] = "." if separators[-1] == "." else ","
    if len(separators) > 1:
        return last if len(set(separators)) > 1 else ""
    before, _, after = number.partition(last)
    if len(after) != 3 or before == "0" or len(before) > 3 or _DECIMALS.get(currency) == 3:
        return last
    return "" if _DECIMALS.get(currency) == 0 else None


def _bad(cell: Any) -> CellError:
    return CellError(
        "bad_price",
        f"{shown(cell)} is not a price: expected an amount such as 1299.00, 12,50 or 129.00 EUR, "
        f"without a sign; leave it empty where there is none",
    )
