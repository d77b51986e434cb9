#!/bin/sh
# feedparser reads a product feed (Google Merchant RSS) into flat keys. Where an item has no price of its
# own, the price inside its g:shipping element is given as the price of the item; of two additional
# images, and of two product types, only the last is kept.
# Seen with feedparser 6.0.11, Python 3.11. Ends with 1 where that has changed.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet feedparser==6.0.11
"$work/venv/bin/python" - <<'PY'
import sys
import feedparser
from importlib.metadata import version

FEED = """<?xml version="1.0"?>
<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel><title>shop</title>
<item><g:id>A1</g:id><title>lamp</title>
 <g:additional_image_link>https://example.com/1.jpg</g:additional_image_link>
 <g:additional_image_link>https://example.com/2.jpg</g:additional_image_link>
 <g:product_type>Home > Lamps</g:product_type><g:product_type>Gifts</g:product_type>
 <g:shipping><g:country>DE</g:country><g:price>4.90 EUR</g:price></g:shipping></item>
</channel></rss>"""
entry = feedparser.parse(FEED).entries[0]
seen = entry.get("g_price"), entry.get("g_additional_image_link"), entry.get("g_product_type")
print("feedparser", version("feedparser"), seen)
expected = ("4.90 EUR", "https://example.com/2.jpg", "Gifts")
sys.exit(seen != expected)
PY
