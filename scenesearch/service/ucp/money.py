"""Prices as the protocol has them: whole minor units of an ISO 4217 currency."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

_NO_DECIMALS = frozenset(
    "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split()  # noqa: SIM905
)
_THREE_DECIMALS = frozenset(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"))
_MOST = 2**53 - 1


def decimals(currency: str) -> int:
    """Of a currency's unit."""
    if currency in _NO_DECIMALS:
        return 0
    return 3 if currency in _THREE_DECIMALS else 2


def price(value: Any, currency: Any) -> dict[str, Any] | None:
    """A price, or None where there is none that the protocol can say.

    >>> price(19.99, "EUR"), price(500, "JPY"), price(3.5, "euro")
    ({'amount': 1999, 'currency': 'EUR'}, {'amount': 500, 'currency': 'JPY'}, None)
    """
    if not isinstance(currency, str) or re.fullmatch("[A-Z]{3}", currency) is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    amount = Decimal(str(value)).scaleb(decimals(currency)).quantize(Decimal(1), ROUND_HALF_UP)
    return {"amount": int(amount), "currency": currency} if 0 <= amount <= _MOST else None


def bounds(asked: Mapping[str, int | None], currency: str) -> str:
    """A filter text for amounts in minor units; empty for none.

    >>> bounds({"min": 1000, "max": 2550}, "EUR")
    'price >= 10.00 and price <= 25.50'
    """
    signs = {"min": ">=", "max": "<="}
    terms = [
        f"price {sign} {Decimal(amount).scaleb(-decimals(currency)):f}"
        for name, sign in signs.items()
        if (amount := asked.get(name)) is not None
    ]
    return " and ".join(terms)
