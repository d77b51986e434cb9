"""What a path can name: a scene by its sha256, an item by any id that is no word of the API."""

from __future__ import annotations

from starlette.convertors import PathConvertor, register_url_convertor

SHA256 = "sha256"
ITEM_ID = "item_id"
RESERVED = ("delete", "bulk")
"""Words that come where an id would: such an item is listed and searched, but has no path."""


class Sha256Convertor(PathConvertor):
    """64 hex digits, so that ``/v1/scenes/facets`` names no scene."""

    regex = "[0-9a-f]{64}"


class ItemIdConvertor(PathConvertor):
    """Any text, with slashes too; to a word of the API its own methods answer."""

    regex = f"(?!(?:{'|'.join(RESERVED)})$)[^\\x00]+"


def register_paths() -> None:
    """Make the forms known to the framework, which keeps them by name for the whole process."""
    register_url_convertor(SHA256, Sha256Convertor())
    register_url_convertor(ITEM_ID, ItemIdConvertor())
