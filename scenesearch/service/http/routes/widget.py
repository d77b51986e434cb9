"""``/widget.js``: what a shop's own page loads, one script made of the parts in ``page/widget``."""

from __future__ import annotations

import json
from functools import cache

from fastapi import APIRouter, Request, Response

from scenesearch.service.http.routes.page import PAGE, Asset, answer_asset, read_asset

FOLDER = PAGE / "widget"
PARTS = ("service.js", "texts.js", "products.js", "elements.js", "start.js")
"""In the order in which they stand in the script."""
A_WHILE = "public, max-age=300, stale-while-revalidate=86400"
"""It stands in the head of a shop's pages: most views must not wait for it."""

router = APIRouter(include_in_schema=False)


@cache
def _widget() -> Asset:
    style = json.dumps((FOLDER / "style.css").read_text(encoding="utf-8"))
    parts = "\n".join((FOLDER / name).read_text(encoding="utf-8") for name in PARTS)
    script = f'(() => {{\n"use strict";\nconst CSS_TEXT = {style};\n{parts}}})();\n'
    return read_asset(script.encode(), ".js")


@router.api_route("/widget.js", methods=["GET", "HEAD"])
def widget(request: Request) -> Response:
    """The widget; it needs no key, what it asks for does."""
    answer = answer_asset(request, _widget(), A_WHILE)
    # it is for pages of other origins, also those that check its hash
    answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    answer.headers["Access-Control-Allow-Origin"] = "*"
    return answer
