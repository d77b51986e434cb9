"""JSON manifests: one object a line, one document, or the JSON-LD of a page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, TextIO

from scenesearch.catalog.columns import ColumnMap, Namer
from scenesearch.catalog.compressed import open_text, suffix_inside
from scenesearch.catalog.records import CellError, RawRow, RowError, shown
from scenesearch.catalog.text_file import Lines, check_encoding
from scenesearch.core.errors import CatalogError

_ONE_OBJECT = 'one object a line, such as {"id": "1", "image": "photos/1.jpg"}'
MAX_DOCUMENT_BYTES = 200_000_000
"""A larger file has to be JSONL: a document is held whole."""


class JsonlSource:
    """Rows of a file of JSON objects; null is the same as leaving the key out.

    One object a line, or one document: an array of objects, an object with ``products`` (or
    ``items``, ``data``, ``results``, ...), or one product. A page (``.html``) gives the objects of
    its JSON-LD.

    Args:
        path: the file.
        columns: our name to the file's key.
        encoding: forces one; see :func:`scenesearch.catalog.text_file.check_encoding`.
        ignored: keys that are left out.

    Attributes:
        named: each key of the file and its name, as far as it was read.

    Raises:
        CatalogError: the encoding does not work, or the document is none or too large.
    """

    header = None
    typed = True

    def __init__(
        self,
        path: Path,
        *,
        columns: ColumnMap | None = None,
        encoding: str | None = None,
        ignored: Iterable[str] = (),
    ) -> None:
        self._path = path
        self._encoding = check_encoding(path, encoding)
        self._namer = Namer(columns, ignored)
        self.named = self._namer.named
        with self._open() as stream:
            lines = (line for line in Lines(stream).each() if isinstance(line, str))
            starts = [line for line, _ in zip(filter(None, map(str.strip, lines)), "ab")]  # noqa: B905
        first = starts[0] if starts else ""
        self._is_page = suffix_inside(path) in PAGES
        self._is_document = self._is_page or _is_document(first, more=len(starts) > 1)
        # JSON-LD has names of its own, which its layout knows
        self._is_linked = self._is_page or '"@' in "".join(starts)[:10_000]
        if self._is_document and path.stat().st_size > MAX_DOCUMENT_BYTES:
            raise self._too_large(path.stat().st_size)

    @property
    def notes(self) -> tuple[str, ...]:
        """See :class:`scenesearch.catalog.records.Source`."""
        return self._namer.notes

    def rows(self) -> Iterator[RawRow | RowError]:
        """Walk over the rows; see :class:`scenesearch.catalog.records.Source`."""
        for row, found in self._documents() if self._is_document else self._lines():
            try:
                if isinstance(found, CellError):
                    raise found
                yield RawRow(row, self._cells(found))
            except CellError as error:
                yield error.at(row)
        self._namer.check_found()

    def _too_large(self, size: int) -> CatalogError:
        return CatalogError(
            f"{self._path} is one JSON document of {size:,} bytes: expected at most "
            f"{MAX_DOCUMENT_BYTES:,}, or {_ONE_OBJECT}; convert it with jq -c '.[]' "
            f"{self._path.name} > lines.jsonl",
            code="json_document",
        )

    def _lines(self) -> Iterator[tuple[int, dict[str, Any] | CellError]]:
        with self._open() as stream:
            lines = Lines(stream)
            for line in lines.each():
                try:
                    if isinstance(line, CellError):
                        raise line
                    if line.strip():
                        yield lines.number, _parse(line)
                except CellError as error:
                    yield lines.number, error

    def _documents(self) -> Iterator[tuple[int, dict[str, Any] | CellError]]:
        with self._open() as stream:
            text = stream.read(MAX_DOCUMENT_BYTES + 1)
        if len(text) > MAX_DOCUMENT_BYTES:
            raise self._too_large(len(text))
        row = 0
        for block in blocks_of(text) if self._is_page else [text]:
            try:
                document = _loaded(block, self._path)
            except CatalogError as error:
                # one bad block does not cost the others of a page
                if not self._is_page:
                    raise
                row += 1
                yield row, CellError("bad_json", str(error))
                continue
            for one in _objects(document):
                row += 1
                wrong = f"entry {row} is {shown(one, 40)}: expected an object"
                yield row, one if isinstance(one, dict) else CellError("not_an_object", wrong)

    def _open(self) -> TextIO:
        # Only \n ends a line: \r stands before it at most, and U+2028 may stand in a string.
        return open_text(self._path, self._encoding, newline="\n")

    def _cells(self, found: dict[str, Any]) -> dict[str, Any]:
        if self._is_linked:
            return {key: value for key, value in found.items() if value is not None}
        cells: dict[str, Any] = {}
        for key, value in found.items():
            name = self._namer.name(key)
            if not name:
                continue
            if name in cells:
                raise CellError(
                    "duplicate_key",
                    f"two keys are both named {name!r}: expected different names; remove one",
                    column=name,
                )
            if value is not None:
                cells[name] = value
        return cells


PAGES = (".html", ".htm")
_WRAPPERS = ("items", "data", "results", "entries", "rows", "catalog")
"""What an object may call the products in it, beside ``products``."""
_AROUND = re.compile(r"\A\s*(?:<!--|(?://)?\s*<!\[CDATA\[)|(?:-->|(?://)?\s*\]\]>)\s*\Z")
"""What hid a block from browsers that knew no scripts."""


def _is_document(first: str, *, more: bool) -> bool:
    if first.startswith("["):
        return True
    if not first.startswith("{"):
        return False
    if first == "{":
        return True
    try:
        value = json.loads(first)
    except (ValueError, RecursionError):
        return False  # a bad line, which is said as one
    return not more and isinstance(value, dict) and _wrapped(value) is not None


def _loaded(text: str, path: Path) -> Any:
    try:
        return json.loads(
            text, object_pairs_hook=_unique, parse_constant=_no_constant, strict=False
        )
    except (ValueError, RecursionError, CellError) as error:
        raise CatalogError(
            f"{path} is one JSON document that cannot be read: {str(error)[:200]}; expected an "
            f"array of objects, or {_ONE_OBJECT}; write it again",
            code="bad_catalog",
        ) from error


def _objects(document: Any) -> list[Any]:
    if isinstance(document, dict):
        products = _wrapped(document)
        return [document] if products is None else products
    return document if isinstance(document, list) else [document]


def _wrapped(document: dict[str, Any]) -> list[Any] | None:
    """The products within an object that is none itself, whatever they are called."""
    if isinstance(products := document.get("products"), list):
        return products
    if "id" not in document:
        for name in _WRAPPERS:
            found = document.get(name)
            if isinstance(found, list) and found and isinstance(found[0], dict):
                return found
    return None


def blocks_of(page: str) -> list[str]:
    """The JSON-LD of a page, a text for each block."""
    finder = _Blocks()
    finder.feed(page)
    finder.close()
    return [text for block in finder.blocks if (text := _AROUND.sub("", block).strip())]


class _Blocks(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.blocks: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        kind = (dict(attrs).get("type") or "").split(";")[0].strip().lower()
        self._inside = tag == "script" and kind == "application/ld+json"
        if self._inside:
            self.blocks.append("")

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.blocks[-1] += data


def _parse(line: str) -> dict[str, Any]:
    text = line.strip()
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        if not line.endswith("\n") and not text.endswith("}"):
            raise CellError(
                "truncated_line",
                f"the last line is cut off at {shown(text[-40:])}: expected a whole object; write "
                f"the file again",
            ) from error
        fix = "remove the comma at its end" if text.endswith("},") else f"expected {_ONE_OBJECT}"
        raise CellError(
            "bad_json", f"the line is not JSON ({error.msg} at column {error.colno}): {fix}"
        ) from error
    except RecursionError as error:
        raise CellError(
            "bad_json", f"the line is nested too deeply: expected {_ONE_OBJECT}"
        ) from error
    except ValueError as error:  # an integer of thousands of digits
        raise CellError(
            "bad_json", "the line has a number of thousands of digits: expected it as text"
        ) from error
    if not isinstance(value, dict):
        raise CellError("not_an_object", f"the line is {shown(value, 40)}: expected {_ONE_OBJECT}")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise CellError(
                "duplicate_key", f"the key {shown(key)} stands there twice: expected it once"
            )
        found[key] = value
    return found


def _no_constant(name: str) -> Any:
    raise CellError(
        "bad_number", f"{name} is not JSON: expected a finite number; use null, or leave it out"
    )
