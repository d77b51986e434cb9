"""Feeds as RSS and Atom: an item an entry, in memory that does not grow with the file.

Expat is used directly: it never looks anything up, and a document type, the way in for entities
that grow or name files, is refused. Repeated elements become a list, nested ones are joined
(``shipping_price``; ``images`` of an ``image`` within it), attributes are only read of the item
itself (``<product id="7">``) and of Atom's links.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from xml.parsers import expat

from scenesearch.catalog.columns import ColumnMap, Namer
from scenesearch.catalog.compressed import open_bytes
from scenesearch.catalog.records import MAX_FIELD_CHARS, CellError, RawRow, RowError, unreadable
from scenesearch.core.errors import CatalogError

_ENTRIES = frozenset({"item", "entry", "product"})
_CHUNK_BYTES = 1 << 16
_MAX_DEPTH = 40
_WORDS_TEXT = "a b big em font i s small span strong sub sup u"
_WORDS = frozenset(_WORDS_TEXT.split())
_BLOCKS_TEXT = "br div h1 h2 h3 h4 h5 h6 hr li ol p table tbody td th tr ul"
_BLOCKS = frozenset(_BLOCKS_TEXT.split())
"""Elements of HTML inside of a text: the text goes on, on another line after a block."""


class XmlSource:
    """Items of one RSS or Atom file, numbered from 1; cells are texts, or lists of texts.

    Args:
        path: the file.
        columns: our name to the file's element.
        ignored: elements that are left out.

    Attributes:
        named: each element of an item and its name, as far as the file was read.
    """

    header = None
    typed = False

    def __init__(
        self, path: Path, *, columns: ColumnMap | None = None, ignored: Iterable[str] = ()
    ) -> None:
        self._path = path
        self._namer = Namer(columns, ignored)
        self.named = self._namer.named

    @property
    def notes(self) -> tuple[str, ...]:
        """See :class:`scenesearch.catalog.records.Source`."""
        return self._namer.notes

    def rows(self) -> Iterator[RawRow | RowError]:
        """Walk over the items; a file that breaks off gives the items before, and an error."""
        entries = _Entries(self._namer)
        parser = expat.ParserCreate()  # no name spaces: some feeds never declare their g:
        parser.buffer_text = True
        parser.StartElementHandler = entries.start
        parser.EndElementHandler = entries.end
        parser.CharacterDataHandler = entries.text
        parser.StartDoctypeDeclHandler = self._refuse
        try:
            with open_bytes(self._path) as stream:
                while chunk := stream.read(_CHUNK_BYTES):
                    parser.Parse(chunk, False)
                    yield from entries.take()
                parser.Parse(b"", True)
                yield from entries.take()
        except expat.ExpatError as error:
            yield from entries.take()
            if not entries.count:
                raise CatalogError(
                    f"{self._path} is not XML: {error}; expected an RSS or Atom feed",
                    code="bad_catalog",
                ) from error
            yield CellError(
                "bad_xml",
                f"the feed cannot be read any further: {error}; expected whole XML; fetch or "
                f"write it again",
            ).at(entries.count + 1)
        except OSError as error:
            raise unreadable(self._path, error) from error
        self._namer.check_found()

    def _refuse(self, *_: Any) -> None:
        raise CatalogError(
            f"{self._path} has a document type (<!DOCTYPE): expected a feed, which has none; is it "
            f"a web page?",
            code="bad_catalog",
        )


class _Entries:
    """What the parser tells, as rows."""

    def __init__(self, namer: Namer) -> None:
        self.count = 0
        self._namer = namer
        self._ready: list[RawRow | RowError] = []
        self._cells: dict[str, Any] | None = None
        self._own: dict[str, str] = {}
        self._path: list[str] = []
        self._depth = 0
        self._parts: list[str] = []
        self._chars = self._inside = 0
        self._error: CellError | None = None

    def take(self) -> Iterator[RawRow | RowError]:
        """The rows that are complete."""
        ready, self._ready = self._ready, []
        yield from ready

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition(":")[2]
        if self._path and tag.lower() in _WORDS | _BLOCKS:
            self._inside += 1
            self._parts.append("\n" if tag.lower() in _BLOCKS else "")
            return
        if self._cells is None:
            self._depth += 1
            if name.lower() in _ENTRIES:
                self.count += 1
                self._cells, self._path, self._error = {}, [], None
                self._own = {key: text for key, text in attributes.items() if ":" not in key}
            return
        if len(self._path) == _MAX_DEPTH:
            self._error = CellError("nested_value", f"elements within {_MAX_DEPTH} others")
        self._path.append(name)
        self._parts, self._chars = [], 0
        if name == "link" and attributes.get("rel", "alternate") == "alternate":
            self._parts = [address] if (address := attributes.get("href")) else []

    def text(self, data: str) -> None:
        if self._path:
            self._chars += len(data)
            if self._chars > MAX_FIELD_CHARS:
                self._error = CellError(
                    "field_too_long",
                    f"an element has more than {MAX_FIELD_CHARS:,} characters: expected fewer",
                )
            else:
                self._parts.append(data)

    def end(self, tag: str) -> None:
        if self._inside:
            self._inside -= 1
            self._parts.append("\n" if tag.lower() in _BLOCKS else "")
            return
        if self._cells is None:
            self._depth -= 1
            return
        if not self._path:
            for key, text in self._own.items():
                if key != "xmlns" and text.strip() and (name := self._namer.name(key)):
                    self._cells.setdefault(name, text.strip())
            self._ready.append(
                RawRow(self.count, self._cells)
                if self._error is None
                else self._error.at(self.count)
            )
            self._cells = None
            return
        text = "".join(self._parts).strip()
        if text:
            # <images><image>: the images
            listed = len(self._path) > 1 and self._path[-2] == f"{self._path[-1]}s"
            name = self._namer.name("_".join(self._path[:-1] if listed else self._path))
            known = self._cells.get(name)
            if name == "":
                pass
            elif known is None:
                self._cells[name] = text
            elif isinstance(known, list):
                known.append(text)
            elif known != text:
                # Google's title and RSS's own may both be there
                self._cells[name] = [known, text]
        self._path.pop()
        self._parts, self._chars = [], 0
