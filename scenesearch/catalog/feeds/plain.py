"""A table of one's own: columns have our names already, or names that say as much."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from typing import Any

from scenesearch.catalog.columns import ID_COLUMNS, IMAGE_COLUMNS
from scenesearch.catalog.feeds.layout import joined, listed
from scenesearch.catalog.folder_source import IMAGE_SUFFIXES
from scenesearch.catalog.prices import Offer
from scenesearch.catalog.records import CellError, RawRow, RowError, Source
from scenesearch.catalog.values import KNOWN_VALUES

_NUMBERED = re.compile(
    rf"(?:{'|'.join(IMAGE_COLUMNS)})_?(?P<number>\d{{1,3}})(?:_(?:url|link|src))?"
)
_FURTHER = re.compile(r"(?:additional|further|more|other|extra)_(?:image|photo|picture)\w*")
_PHOTO = re.compile(
    rf"://|^//|(?:{'|'.join(map(re.escape, IMAGE_SUFFIXES))})(?:[?#|,;\s]|$)", re.IGNORECASE
)
_DATES = ("sale_start", "sale_end", "sale_price_effective_date")
_PLACES = ("src", "url", "href", "link", "path")
"""Where an object that stands for a photo has its address."""
_AMOUNTS, _CURRENCIES = ("amount", "value", "price"), ("currency", "currencyCode", "currency_code")
"""Likewise of a price."""


class PlainSource:
    """Rows of a plain table: what its names and cells say in more than one way, said in ours.

    Args:
        inner: the file.
        names: of its columns, where its first rows have to tell them.

    Attributes:
        inner: the file.
        became: what columns became that are kept under another name.
    """

    def __init__(self, inner: Source, names: Collection[str] = ()) -> None:
        self.inner = inner
        self.typed = inner.typed
        header = inner.header
        there = tuple(names) if header is None else header
        others = () if "id" in there else ID_COLUMNS
        self._id = next((name for name in others if name in there), "id")
        numbered = [(name, _NUMBERED.fullmatch(name)) for name in there]
        photos = sorted((int(found["number"]), name) for name, found in numbered if found)
        further = [name for name in there if _FURTHER.fullmatch(name)]
        self._further = (*(name for _, name in photos), *further)
        self._image = next((name for name in IMAGE_COLUMNS if name in there), "image")
        self._stock = "availability" in there and "in_stock" not in there
        self.became = {} if self._id == "id" else {self._id: "id"}
        self.header = header and (
            *(self._kept(name) for name in header),
            *((self._image,) if self._further and self._image not in header else ()),
        )

    def _kept(self, name: str) -> str:
        return "id" if name == self._id else name

    @property
    def notes(self) -> tuple[str, ...]:
        """See :class:`scenesearch.catalog.records.Source`."""
        renamed = (f"the ids are read from column {self._id!r}",) if self._id != "id" else ()
        return (*self.inner.notes, *renamed)

    def rows(self) -> Iterator[RawRow | RowError]:
        """Walk over the rows; see :class:`scenesearch.catalog.records.Source`."""
        return joined(
            RawRow(raw.row, self._meant(raw.cells)) if isinstance(raw, RawRow) else raw
            for raw in self.inner.rows()
        )

    def _meant(self, cells: Mapping[str, Any]) -> Mapping[str, Any]:
        if self._id != "id" and "id" not in cells:
            cells = {self._kept(name): cell for name, cell in cells.items()}
        changed: dict[str, Any] = {}
        image = cells.get(self._image)
        if isinstance(image, list | dict):
            changed[self._image] = _photos(image)
        taken = [name for name in self._further if name in cells and _are_photos(cells[name])]
        if taken:
            first = changed.get(self._image, image)
            cell = [] if first is None else listed(first)
            for name in taken:
                self.became[name] = "image"
                cell = [*cell, *listed(_photos(cells[name]))]
            changed[self._image] = cell
            cells = {name: cell for name, cell in cells.items() if name not in taken}
        price, sale = cells.get("price"), cells.get("sale_price")
        if isinstance(price, dict):
            price = changed["price"] = _price(price)
        if sale is not None and price is not None and cells.keys().isdisjoint(_DATES):
            # without dates it holds now
            self.became["sale_price"] = "price"
            changed["price"] = Offer(price, _price(sale))
            cells = {name: cell for name, cell in cells.items() if name != "sale_price"}
        if isinstance(dates := cells.get("sale_price_effective_date"), str):
            start, _, end = dates.partition("/")
            changed |= {"sale_start": start, "sale_end": end}
        if self._stock and "availability" in cells:
            with suppress(CellError):
                changed["in_stock"] = KNOWN_VALUES["in_stock"](cells["availability"])
        return {**cells, **changed} if changed else cells


def _are_photos(cell: Any) -> bool:
    if isinstance(cell, str):
        return bool(_PHOTO.search(cell))
    return isinstance(cell, list | dict) and bool(cell)


def _photos(cell: Any) -> Any:
    """Objects that stand for photos as their addresses; anything else as it is."""
    if isinstance(cell, list):
        return [_photos(one) for one in cell]
    if isinstance(cell, dict):
        return next((cell[name] for name in _PLACES if isinstance(cell.get(name), str)), cell)
    return cell


def _price(cell: Any) -> Any:
    """An object that stands for a price as text; anything else as it is."""
    if not isinstance(cell, dict):
        return cell
    amount = next((cell[name] for name in _AMOUNTS if cell.get(name) is not None), None)
    currency = next((cell[name] for name in _CURRENCIES if isinstance(cell.get(name), str)), "")
    return cell if amount is None or isinstance(amount, dict) else f"{amount} {currency}".strip()
