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
)
"""Headers that hold the photos; where a file has several, the first of this list does."""

KNOWN: Mapping[str, FieldType] = {
    "title": "text",
    "description": "text",
    "category": "keyword",
    "price": "float",
    "currency": "keyword",
    "brand": "keyword",
    "url": "keyword",
    "in_stock": "bool",
    "group": "keyword",
    "colour": "keyword",
    "tags": "keyword",
}
"""Columns with a fixed meaning and type; every other column is typed by its values."""

RESERVED = POINT_FIELDS | {"ocr", "embedded"}
"""Payload names that indexing writes itself; a column of such a name becomes ``attr_<name>``."""

_SYNONYMS = {"color": "colour"}
_HEADER = re.compile(r"[A-Za-z_][A-Za-z0-9_ -]{0,63}")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_GAP = re.compile(r"[ _-]+")


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
        plain = unicodedata.normalize("NFKD", text.casefold()).encode("ascii", "ignore").decode()
        proposal = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:64]
        if not proposal or not _HEADER.fullmatch(proposal):
            proposal = "my_column"
        raise CatalogError(
            f"column {shown(header)} cannot be an attribute name: expected at most 64 letters, "
            f"digits, '_', '-' and spaces, starting with a letter; rename it, or map it with "
            f"columns={{{proposal!r}: {shown(header)}}}",
            code="bad_column",
        )
    return _GAP.sub("_", _HUMP.sub("_", text)).lower()


class Namer:
    """Names the columns of one manifest, the caller's map first.

    Args:
        columns: our name to the file's header, or None.

    Attributes:
        notes: what was renamed because of the map, or left out for want of a name.

    Raises:
        CatalogError: a name of the map is not a lower snake case name, or a header is named twice.
    """

    def __init__(self, columns: ColumnMap | None) -> None:
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
        self._names: dict[str, str] = {}
        self.notes: list[str] = []

    def name(self, header: str) -> str:
        """The normalised name of a header.

        Raises:
            CatalogError: see :func:`normalise`; or there are more than 1,000 different headers.
        """
        known = self._names.get(header)
        if known is not None:
            return known
        name = self._mapped.get(header.strip().casefold())
        if name is None:
            name = normalise(header)
            # The map gave this name to another column, which leaves this one an attribute.
            if name in self._targets:
                self.notes.append(
                    f"column {header!r} is kept as 'attr_{name}': the column map gives {name!r} to "
                    f"{self._targets[name]!r}"
                )
                name = f"attr_{name}"
        self._names[header] = name
        if len(self._names) > MAX_COLUMNS:
            raise CatalogError(
                f"more than {MAX_COLUMNS:,} different columns: expected at most {MAX_COLUMNS:,}; "
                f"leave out the ones that searches do not need",
                code="too_many_columns",
            )
        return name

    def header(self, headers: Iterable[str]) -> tuple[str, ...]:
        """The names of a whole header; a column without a name gets ``""``.

        Raises:
            CatalogError: as :meth:`name`; or two columns have the same name.
        """
        names: dict[str, str] = {}
        found: list[str] = []
        for header in headers:
            name = self.name(header) if header.strip() else ""
            if name in names:
                raise CatalogError(
                    f"two columns are both named {name!r} ({shown(names[name])} and "
                    f"{shown(header)}): expected different names; rename or remove one",
                    code="duplicate_column",
                )
            if name:
                names[name] = header
            found.append(name)
        if unnamed := found.count(""):
            self.notes.append(f"{unnamed} column(s) without a name were left out")
        return tuple(found)

    def check_found(self) -> None:
        """Whether every column of the map was among the headers named so far.

        Raises:
            CatalogError: one was not; names the headers that were.
        """
        found = set(self._names.values())
        for name, header in self._targets.items():
            if name not in found:
                headers = sorted(self._names)
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
        CatalogError: there is no id or no photo column, or two columns end up with one name.
    """
    columns = [name for name in names if name]
    image = next((name for name in IMAGE_COLUMNS if name in columns), None)
    if "id" not in columns or image is None:
        missing = "id" if "id" not in columns else "image"
        also = "" if missing == "id" else f" (nor {', '.join(IMAGE_COLUMNS[1:])})"
        raise CatalogError(
            f"no column is named {missing!r}{also}: found {_listed(columns)}, expected 'id', "
            f"'image' and any others{_near(missing, columns)}; rename a column, or map it with "
            f"columns={{{missing!r}: <your header>}}",
            code="missing_column",
        )
    attributes: dict[str, str] = {}
    taken: dict[str, str] = {}
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
        if taken.setdefault(name, column) != column:
            raise CatalogError(
                f"columns {taken[name]!r} and {column!r} are both kept as {name!r}: expected one "
                f"of them; rename or remove the other",
                code="duplicate_column",
            )
        attributes[column] = name
    return Plan(image, attributes, tuple(notes))


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
