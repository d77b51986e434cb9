"""A shoppable picture as one HTML file: pictures inside, no scripts, and its data for crawlers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from scenesearch.core.errors import QueryError
from scenesearch.look.render import words
from scenesearch.look.render.html import SCENE_SIDE, THUMB_SIDE
from scenesearch.look.render.pictures import data_uri, fit, photo
from scenesearch.look.render.templates import template
from scenesearch.look.values import Match

Values = Mapping[str, Any]
_WEB = ("http://", "https://")


def render_shoppable(picture: Values, linked: Values, root: Path) -> str:
    """Draw it as a page; the only things it loads are pictures that have an address.

    Args:
        picture: as :meth:`~scenesearch.look.shoppable.Shoppable.to_dict` gives it.
        linked: its JSON-LD.
        root: where paths of pictures start.

    Raises:
        QueryError: the photo cannot be read.
    """
    spots = [
        {
            "number": number,
            "name": words.clean(spot.get("label", ""), 60) or f"{number}",
            "left": f"{100 * spot['x']:.2f}",
            "top": f"{100 * spot['y']:.2f}",
            "cards": [_card(one, root) for one in spot["products"]],
        }
        for number, spot in enumerate(picture["hotspots"], 1)
    ]
    # inside a script element only this could end it
    data = json.dumps(linked).replace("<", "\\u003c")
    return template("shoppable").render(
        title=words.clean(picture.get("title", ""), 120) or "Shop this look",
        src=_scene(picture["photo"], root),
        width=picture["width"],
        height=picture["height"],
        spots=spots,
        data=data,
    )


def _scene(path: str, root: Path) -> str:
    if path.startswith(_WEB):
        return path
    found = photo(str(root / path))
    if found is None:
        raise QueryError(
            f"the photo {path!r:.200} cannot be read from {root}; write its address or where it "
            f"lies into the file",
            code="unreadable",
        )
    side = fit(found.size, (SCENE_SIDE, SCENE_SIDE))
    return data_uri(found.resize(side, Image.Resampling.LANCZOS, reducing_gap=2.0))


def _card(product: Values, root: Path) -> dict[str, Any]:
    shown = Match(product["id"], 0.0, {}, (), product, None)
    return {
        "title": words.title(shown),
        "subtitle": words.subtitle(shown),
        "price": words.price(shown),
        "sold_out": product.get("in_stock") is False,
        "url": words.link(shown),
        "image": _thumbnail(product.get("image"), root),
    }


def _thumbnail(path: str | None, root: Path) -> str:
    if path is None or path.startswith(_WEB):
        return path or ""
    found = photo(str(root / path))
    if found is None:
        return ""
    side = fit(found.size, (THUMB_SIDE, THUMB_SIDE))
    return data_uri(found.resize(side, Image.Resampling.LANCZOS, reducing_gap=2.0))
