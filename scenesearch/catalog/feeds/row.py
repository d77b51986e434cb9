"""One row of a feed on its way to a row of ours.

What a layout takes goes under our names; what it leaves stays an attribute under its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from scenesearch.catalog.columns import proposed_name
from scenesearch.catalog.html_text import text_of_html
from scenesearch.catalog.prices import Offer
from scenesearch.catalog.records import RawRow
from scenesearch.catalog.values import split_addresses

_COLOUR_NAMES_TEXT = (
    "color colour colors colours farbe couleur colore kleur farg farve vari cor kolor"
)
COLOUR_NAMES = frozenset(_COLOUR_NAMES_TEXT.split())
"""What shops call the colour, in the languages they write; as :func:`proposed_name` gives it."""
_LEGAL = re.compile(r"[a-z_][a-z0-9_]*")
_LEVELS = re.compile(r"\s*(?:>|»|›)\s*")


class FeedRow:
    """Cells of one row, of which a layout takes what it knows.

    Args:
        row: where it stands.
        cells: by normalised column name.
        became: filled with what each column became, for whoever asks.

    Attributes:
        row: where it stands.
        out: what was made so far, by our names.
    """

    def __init__(self, row: int, cells: Mapping[str, Any], became: dict[str, str]) -> None:
        self.row = row
        self.out: dict[str, Any] = {}
        self._cells = dict(cells)
        self._became = became

    def get(self, field: str, *columns: str) -> Any:
        """The first of some cells that has a value, or None; all of them are taken."""
        found = None
        for column in columns:
            value = self._cells.pop(column, None)
            if value is not None:
                self._became.setdefault(column, field)
                found = value if found is None or found == "" else found
        return None if found in ("", []) else found

    def one(self, field: str, *columns: str) -> Any:
        """As :meth:`get`; of an element that stands there several times, the last."""
        found = self.get(field, *columns)
        return found[-1] if isinstance(found, list) and found else found

    def look(self, column: str) -> Any:
        """A cell, which is not taken."""
        return self._cells.get(column)

    def family(self, field: str, pattern: str) -> list[tuple[str, Any]]:
        """All cells whose column matches a pattern, in the order of the file, taken."""
        names = [name for name in self._cells if re.fullmatch(pattern, name)]
        return [(name, self.get(field, name)) for name in names]

    def drop(self, *columns: str) -> None:
        """Leave cells out that say nothing to a search."""
        for column in columns:
            if self._cells.pop(column, None) is not None:
                self._became.setdefault(column, "")

    def put(self, field: str, value: Any) -> None:
        """Set one of our cells, where there is a value."""
        if value is not None and value not in ("", []):
            self.out[field] = value

    def take(self, field: str, *columns: str) -> None:
        """The first of some cells with a value becomes a field."""
        self.put(field, self.one(field, *columns))

    def text(self, field: str, *columns: str) -> None:
        """Likewise, as plain text where it is HTML."""
        value = self.one(field, *columns)
        self.put(field, text_of_html(value) if isinstance(value, str) else value)

    def categories(self, paths: Iterable[str]) -> None:
        """Paths such as ``Garden > Chairs``: the last level of the first, and every level."""
        levels = [split for path in paths if (split := _levels(path))]
        if levels:
            self.put("category", levels[0][-1])
            self.put("categories", list(dict.fromkeys(level for path in levels for level in path)))

    def photos(self, *cells: Any, separators: str = ",|;") -> None:
        """Photos of some cells, in their order, each once."""
        found: list[Any] = list(self.out.get("image", ()))
        for cell in cells:
            for one in cell if isinstance(cell, list) else [cell]:
                found += split_addresses(one, separators) if isinstance(one, str) else [one]
        self.put("image", list(dict.fromkeys(one for one in found if one)))

    def offer(self, regular: Any, sale: Any = None, start: Any = None, end: Any = None) -> None:
        """The price, and when that of a sale holds."""
        if regular is not None or sale is not None:
            self.put("price", Offer(regular, sale, _text(start), _text(end)))
            if sale is not None:
                self.put("sale_start", _text(start))
                self.put("sale_end", _text(end))

    def stock(self, word: Any) -> None:
        """A word for how an item can be had: the word itself, and whether it is there now."""
        if word is None:
            return
        self.put("in_stock", word)
        if isinstance(word, str):
            # https://schema.org/InStock, in stock, IN_STOCK
            name = proposed_name(word.rpartition("/")[2].strip())
            self.put("availability", {"instock": "in_stock", "soldout": "sold_out"}.get(name, name))

    def option(self, name: str, value: str) -> None:
        """What a variant is in one respect: ``Farbe``, ``Eiche``."""
        key = proposed_name(name)
        if value and key not in ("", "title"):
            self.put("colour" if key in COLOUR_NAMES else _free(key), text_of_html(value))

    def done(self) -> RawRow:
        """The row as ours: what was taken, then what was left."""
        rest = {
            name: value
            for column, value in self._cells.items()
            if value not in (None, "", [])
            and (name := column if _LEGAL.fullmatch(column) else proposed_name(column))
            and name not in self.out
        }
        return RawRow(self.row, self.out | rest)


@lru_cache(maxsize=4096)
def _levels(path: str) -> tuple[str, ...]:
    """A shop has few categories, and names one in every row."""
    return tuple(level for one in _LEVELS.split(path) if (level := text_of_html(one)))


def _free(key: str) -> str:
    """A name that is none of ours with another meaning."""
    taken = {"id", "image", "group", "price", "url", "in_stock", "tags"}
    return f"option_{key}" if key in taken else key


def _text(value: Any) -> str | None:
    return value.strip() or None if isinstance(value, str) else None
