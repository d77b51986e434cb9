#!/bin/sh
# extruct, asked for the JSON-LD of a page with errors="log", returns nothing at all where one of several
# script blocks is not JSON: the good blocks before and after it are lost with it. A block whose type
# has a charset parameter, which HTML allows, is not seen either.
# Seen with extruct 0.18.0, Python 3.11. Ends with 1 where that has changed.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet extruct==0.18.0
"$work/venv/bin/python" - 2> "$work/log" <<'PY'
import sys
from importlib.metadata import version
import extruct

def names(*blocks, kind="application/ld+json"):
    scripts = "".join(f'<script type="{kind}">{block}</script>' for block in blocks)
    found = extruct.extract(f"<html><head>{scripts}</head></html>", syntaxes=["json-ld"], errors="log")
    return [one.get("name") for one in found.get("json-ld", [])]

lamp, chair = '{"@type": "Product", "name": "lamp"}', '{"@type": "Product", "name": "chair"}'
seen = (
    names(lamp, chair),
    names(lamp, '{"@type": "Product", "name": }', chair),
    names(lamp, kind="application/ld+json; charset=utf-8"),
)
print("extruct", version("extruct"), seen)
sys.exit(seen != (["lamp", "chair"], [], []))
PY
