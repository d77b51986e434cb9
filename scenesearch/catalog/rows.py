"""Raw rows to items: the id, the photos, the attributes. The first bad cell costs the row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scenesearch.catalog.columns import Plan
from scenesearch.catalog.field_types import value_of_cell, value_of_text
from scenesearch.catalog.records import CellError, PhotoNames, RawRow, shown
from scenesearch.catalog.values import KNOWN_VALUES, SPACE, split_list
from scenesearch.core.types import FieldType, Item, Value

MAX_PHOTOS = 1000
"""An item with more photos is refused."""


class RowBuilder:
    """Builds the items of one manifest.

    Args:
        plan: what each column is for.
        fields: the type of each attribute.
        paths: where photos may be.
        typed: whether cells have types of their own.
        split_photos: whether a text cell can name several photos (``a.jpg|b.jpg``, or JSON).
    """

    def __init__(
        self,
        plan: Plan,
        fields: Mapping[str, FieldType],
        paths: PhotoNames,
        *,
        typed: bool,
        split_photos: bool = True,
    ) -> None:
        self._plan = plan
        self._fields = fields
        self._paths = paths
        self._typed = typed
        self._split_photos = split_photos

    def build(self, raw: RawRow, item_id: str) -> Item:
        """The item of a row.

        Raises:
            CellError: a cell is bad; ``column`` says which.
        """
        column = self._plan.image
        try:
            photos = self._photos(raw.cells.get(column))
            attributes: dict[str, Value] = {}
            for column, name in self._plan.attributes.items():
                cell = raw.cells.get(column)
                if cell is not None:
                    value = self._value(name, cell)
                    # Empty text and an empty list are no value; 0 and False are.
                    if value is not None and value not in ("", ()):
                        attributes[name] = value
        except CellError as error:
            raise CellError(error.code, str(error), column=column) from error
        return Item(item_id, photos, attributes)

    def _value(self, name: str, cell: Any) -> Value | None:
        known = KNOWN_VALUES.get(name)
        if known is not None:
            return known(cell)
        kind = self._fields[name]
        return value_of_cell(cell, kind) if self._typed else value_of_text(cell, kind)

    def _photos(self, cell: Any) -> tuple[str, ...]:
        if isinstance(cell, str) and self._split_photos:
            values = split_list(cell, "|")
        else:
            values = cell if isinstance(cell, list) else [cell]
        texts = []
        for value in values:
            if not isinstance(value, str | None):
                raise CellError(
                    "bad_path",
                    f"{shown(value)} is not a path: expected text, or a list of texts",
                )
            if value is not None and (text := value.strip(SPACE)):
                texts.append(text)
        if not texts:
            raise CellError(
                "missing_image", "the row names no photo: expected the path of at least one"
            )
        if len(texts) > MAX_PHOTOS:
            raise CellError(
                "too_many_photos",
                f"the row names {len(texts):,} photos: expected at most {MAX_PHOTOS:,}",
            )
        return tuple(dict.fromkeys(self._paths.resolve(text) for text in texts))
