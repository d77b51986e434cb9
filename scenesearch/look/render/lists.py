"""Lists of products below each other, with their photos: one HTML file that loads nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from scenesearch.look.render import pictures
from scenesearch.look.render.templates import template

SIDE = 96


def render_lists(title: str, names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """Draw a page.

    Args:
        title: of the page.
        names: of the lists of each row.
        rows: each with ``item``, ``overlap`` and ``lists`` of ``id`` and ``photo`` (a path).

    Returns:
        HTML; everything from the catalogue is escaped.
    """

    @cache
    def thumbnail(path: str | None) -> str | None:
        found = pictures.photo(path)
        return None if found is None else pictures.data_uri(pictures.letterboxed(found, SIDE))

    drawn = [
        {
            **row,
            "lists": [
                [{"id": one["id"], "picture": thumbnail(one["photo"])} for one in found]
                for found in row["lists"]
            ],
        }
        for row in rows
    ]
    return template("lists").render(title=title, names=names, rows=drawn)
