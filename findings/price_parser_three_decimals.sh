#!/bin/sh
# price-parser takes three digits after a lone separator for thousands whatever the currency is. Prices that
# Babel writes for currencies of three decimals (Kuwait, Tunisia) are read a thousand times too high, though
# both know the currency.
# Seen with price-parser 0.4.0, babel 2.17.0, Python 3.11. Ends with 1 where that has changed.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet price-parser==0.4.0 babel==2.17.0
"$work/venv/bin/python" - <<'PY'
import sys
from importlib.metadata import version
from babel.numbers import format_currency
from price_parser import Price

seen = []
for currency, locale in (("KWD", "en"), ("TND", "fr"), ("EUR", "de")):
    text = format_currency(12.5, currency, locale=locale)
    read = Price.fromstring(text)
    seen.append((text.replace("\xa0", " "), str(read.amount), read.currency))
print("price-parser", version("price-parser"), "babel", version("babel"), seen)
sys.exit([amount for _, amount, _ in seen] != ["12500", "12500", "12.50"])
PY
