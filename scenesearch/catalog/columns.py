"""Column names: how a header becomes a name, which names mean something, which are taken."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from scenesearch.catalog.records import MAX_COLUMNS, shown
from scenesearch.core.errors import CatalogError
from scenesearch.core.types import POINT_FIELDS, FieldType

ColumnMap = Mapping[str, str]
"""Our name of a column to its header in the file: ``{"id": "SKU", "size_cm": "Size (cm)"}``."""

IMAGE_COLUMNS = (
    "image",
    "images",
    "photo",
    "photos",
    "image_path",
    "path",
    "filename",
    "file",
    "image_url",
    "image_urls",
    "image_link",
    "image_src",
    "img",
    "picture",
)
"""Headers that hold the photos; where a file has several, the first of this list does."""

ID_COLUMNS = ("sku", "product_id", "item_id")
"""Headers whose values are the ids, in this order, of a plain table that has no ``id``."""

KNOWN: Mapping[str, FieldType] = {
    "title": "text",
    "description": "text",
    "category": "keyword",
    "categories": "keyword",
    "price": "float",
    "list_price": "float",
    "sale_price": "float",
    "sale_start": "keyword",
    "sale_end": "keyword",
    "currency": "keyword",
    "brand": "keyword",
    "url": "keyword",
    "in_stock": "bool",
    "availability": "keyword",
    "group": "keyword",
    "colour": "keyword",
    "tags": "keyword",
}
"""Columns with a fixed meaning and type; every other column is typed by its values."""

RESERVED = POINT_FIELDS | {"ocr", "embedded", "sum:vectors", "sum:payload"}
"""Payload names that indexing writes itself; a column of such a name becomes ``attr_<name>``."""

_SYNONYMS = {"color": "colour"}
_HEADER = re.compile(r"[A-Za-z_][A-Za-z0-9_ -]{0,63}")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_GAP = re.compile(r"[ _-]+")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")


def normalise(header: str) -> str:
    """A header in lower snake case.

    >>> normalise(" Product Name"), normalise("inStock"), normalise("SKU")
    ('product_name', 'in_stock', 'sku')

    Raises:
        CatalogError: it has other characters than ASCII letters, digits, ``_``, ``-`` and spaces,
            does not start with a letter or ``_``, or is longer than 64.
    """
    text = header.strip()
    if not _HEADER.fullmatch(text):
        proposal = proposed_name(header) or "my_column"
        raise CatalogError(
            f"column {shown(header)} cannot be an attribute name: expected at most 64 letters, "
            f"digits, '_', '-' and spaces, starting with a letter; rename it, or map it with "
            f"columns={{{proposal!r}: {shown(header)}}}",
            code="bad_column",
        )
    return _GAP.sub("_", _HUMP.sub("_", text)).lower()


def proposed_name(header: str) -> str:
    """A legal name as near as there is to a header that is none, or ``""``.

    >>> proposed_name("Body (HTML)"), proposed_name("g:imageLink"), proposed_name("1st")
    ('body_html', 'image_link', 'column_1st')
    """
    text = _HUMP.sub("_", _INVISIBLE.sub("", header).removeprefix("g:"))
    plain = unicodedata.normalize("NFKD", text.casefold()).encode("ascii", "ignore").decode()
    name = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    return (f"column_{name}" if name[:1].isdigit() else name)[:60].rstrip("_")


class Namer:
    """Names the columns of one manifest, the caller's map first.

    Args:
        columns: our name to the file's header, or None.
        ignored: headers of the file that are left out.

    Attributes:
        named: each header and its name, as far as they were asked for.

    Raises:
        CatalogError: a name of the map is not a lower snake case name, or a header is named twice.
    """

    def __init__(self, columns: ColumnMap | None, ignored: Iterable[str] = ()) -> None:
        self._ignored = {header.strip().casefold() for header in ignored}
        self._mapped: dict[str, str] = {}
        for name, header in (columns or {}).items():
            if not _HEADER.fullmatch(name) or name != normalise(name):
                raise CatalogError(
                    f"the column map names {shown(name)}: expected a lower snake case name "
                    f"such as 'size_cm'",
                    code="bad_column_map",
                )
            if self._mapped.setdefault(header.strip().casefold(), name) != name:
                raise CatalogError(
                    f"the column map uses the header {shown(header)} twice: expected each header "
                    f"at most once",
                    code="bad_column_map",
                )
        self._targets = dict(columns or {})
        self.named: dict[str, str] = {}
        self._odd: list[str] = []
        self._notes: list[str] = []

    @property
    def notes(self) -> tuple[str, ...]:
        """What was renamed or left out."""
        if not self._odd:
            return tuple(self._notes)
        more = f" and {len(self._odd) - 3} more" if len(self._odd) > 3 else ""
        odd = f"columns are kept under other names: {', '.join(self._odd[:3])}{more}"
        return (odd, *self._notes)

    def name(self, header: str) -> str:
        """The normalised name of a header, ``""`` for one that is left out.

        Raises:
            CatalogError: there are more than 1,000 different headers.
        """
        known = self.named.get(header)
        if known is not None:
            return known
        name = self._mapped.get(header.strip().casefold())
        if name is None and header.strip().casefold() in self._ignored:
            name = ""
        elif name is None:
            name = self._legal(header)
            # The map gave this name to another column, which leaves this one an attribute.
            if name in self._targets:
                self._notes.append(
                    f"column {header!r} is kept as 'attr_{name}': the column map gives {name!r} to "
                    f"{self._targets[name]!r}"
                )
                name = f"attr_{name}"
        self.named[header] = name
        if len(self.named) > MAX_COLUMNS:
            raise CatalogError(
                f"more than {MAX_COLUMNS:,} different columns: expected at most {MAX_COLUMNS:,}; "
                f"leave out the ones that searches do not need",
                code="too_many_columns",
            )
        return name

    def header(self, headers: Iterable[str]) -> tuple[str, ...]:
        """The names of a whole header; a column without a name gets ``""``.

        Raises:
            CatalogError: as :meth:`name`.
        """
        found: list[str] = []
        unnamed = 0
        for header in headers:
            unnamed += not header.strip()
            name = self.name(header) if header.strip() else ""
            if name and name in found:
                self._notes.append(
                    f"column {shown(header)} is kept as {_numbered(name, found)!r}: another one "
                    f"is {name!r} already"
                )
                name = _numbered(name, found)
            found.append(name)
        if unnamed:
            self._notes.append(f"{unnamed} column(s) without a name were left out")
        return tuple(found)

    def _legal(self, header: str) -> str:
        """The name of a header that may be anything."""
        try:
            return normalise(header)
        except CatalogError:
            name = proposed_name(header) or f"column_{len(self.named) + 1}"
        name = _numbered(name, self.named.values())
        self._odd.append(f"{shown(header)} as {name!r}")
        return name

    def check_found(self) -> None:
        """Whether every column of the map was among the headers named so far.

        Raises:
            CatalogError: one was not; names the headers that were.
        """
        found = set(self.named.values())
        for name, header in self._targets.items():
            if name not in found:
                headers = sorted(self.named)
                raise CatalogError(
                    f"the column map gives {name!r} to the header {shown(header)}, which is not in "
                    f"the file: found {_listed(headers)}{_near(header, headers)}",
                    code="missing_column",
                )


@dataclass(frozen=True, slots=True)
class Plan:
    """What each column of a manifest is for.

    Attributes:
        image: the column with the photos.
        attributes: column to attribute name, in the order of the file.
        notes: what was renamed or left aside.
    """

    image: str
    attributes: Mapping[str, str]
    notes: tuple[str, ...]


def plan_columns(names: Iterable[str]) -> Plan:
    """Decide what each of the normalised ``names`` is for.

    Raises:
        CatalogError: there is no id or no photo column.
    """
    columns = [name for name in names if name]
    image = next((name for name in IMAGE_COLUMNS if name in columns), None)
    if "id" not in columns or image is None:
        missing = "id" if "id" not in columns else "image"
        also = "" if missing == "id" else f" (nor {', '.join(IMAGE_COLUMNS[1:])})"
        raise CatalogError(
            f"no column is named {missing!r}{also}: found {_listed(columns)}, expected 'id', "
            f"'image' and any others{_near(missing, columns)}; rename a column, or name it with "
            f"--column {missing}=HEADER (columns={{{missing!r}: HEADER}})",
            code="missing_column",
        )
    attributes: dict[str, str] = {}
    notes: list[str] = []
    for column in columns:
        if column in ("id", image):
            continue
        name = _SYNONYMS.get(column, column)
        if name in RESERVED:
            name = f"attr_{name}"
            notes.append(f"column {column!r} is kept as {name!r}: indexing uses that name itself")
        elif column in IMAGE_COLUMNS:
            notes.append(f"column {column!r} is an attribute: the photos are read from {image!r}")
        if name in attributes.values():
            taken, name = name, _numbered(name, attributes.values())
            notes.append(f"column {column!r} is kept as {name!r}: another one is {taken!r} already")
        attributes[column] = name
    return Plan(image, attributes, tuple(notes))


def _numbered(name: str, taken: Iterable[str]) -> str:
    """The name, with a number behind it where it is taken."""
    numbers = range(2, MAX_COLUMNS + 3)
    there = set(taken)
    return next(one for one in (name, *(f"{name}_{i}" for i in numbers)) if one not in there)


def _listed(names: list[str]) -> str:
    if not names:
        return "none"
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return ", ".join(shown(name, 40) for name in names[:20]) + more


def _near(wanted: str, names: list[str]) -> str:
    folded = {name.casefold(): name for name in names}
    near = difflib.get_close_matches(wanted.casefold(), folded, n=3, cutoff=0.5)
    near += [name for name in folded if wanted.casefold() in name.split("_") and name not in near]
    return f" (near: {', '.join(shown(folded[n], 40) for n in near[:3])})" if near else ""
