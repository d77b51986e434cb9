"""Which columns of a table of one's own hold the ids and the photos, by their cells.

A guess is told, never acted upon: a wrong id makes items that no later file can find again.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

from scenesearch.catalog.columns import IMAGE_COLUMNS
from scenesearch.catalog.feeds.layout import sample_of
from scenesearch.catalog.folder_source import IMAGE_SUFFIXES
from scenesearch.catalog.records import Source

_MOSTLY = 0.8
"""Share of the cells that must look like photos."""
_LONGEST_ID = 64
_PHOTO = re.compile(
    rf"(?:{'|'.join(map(re.escape, IMAGE_SUFFIXES))})(?:[?#|,;\s]|$)", re.IGNORECASE
)
_ID = re.compile(r"[\w./:#+-]+")


_MEANT_TEXTS = {
    "price": "preis vk_preis prix precio prezzo prijs cena preco pris",
    "title": "titel titre titulo titolo bezeichnung artikelbezeichnung produktname produkt nom "
    "nombre nome naam nazwa name product_name",
    "description": "beschreibung descripcion descrizione omschrijving opis descricao beskrivning",
    "category": "kategorie warengruppe categorie categoria rubrik kategoria produktgruppe",
    "brand": "marke hersteller marque marca merk producent manufacturer",
}
_MEANT = {field: frozenset(text.split()) for field, text in _MEANT_TEXTS.items()}


def likely_columns(source: Source) -> str:
    """What to write on the command line, as the end of a sentence; empty where nothing shows it."""
    sample = sample_of(source)
    named: Mapping[str, str] = getattr(getattr(source, "inner", source), "named", {})
    headers = {name: header for header, name in named.items() if name}
    cells = {name: [row.get(name) for row in sample.rows] for name in headers or sample.names}
    found: dict[str, str] = {}
    if sample.names.isdisjoint(IMAGE_COLUMNS):
        photos = next((name for name, values in cells.items() if _are_photos(values)), None)
        if photos is not None:
            found["image"] = photos
    if "id" not in sample.names:
        ids = next((name for name, values in cells.items() if _are_ids(values)), None)
        if ids is not None and ids not in found.values():
            found["id"] = ids
    if not found:
        return ""
    told = sorted((field, headers.get(name, name)) for field, name in found.items())
    words = {"id": "the ids", "image": "the photos"}
    looks = " and ".join(f"{header!r} looks like {words[field]}" for field, header in told)
    flags = " ".join(f"--column {field}={shlex.quote(header)}" for field, header in told)
    return f"; by its cells {looks}: {flags} (columns={dict(told)})"


def likely_meanings(headers: Mapping[str, str], taken: Container[str]) -> Iterator[str]:
    """Columns of a table of one's own whose names mean one of ours in another language.

    Args:
        headers: of the file, and the name of each.
        taken: names of ours that columns have already.
    """
    for field, names in _MEANT.items():
        header = next((header for header, name in headers.items() if name in names), None)
        if header is not None and field not in taken:
            yield (
                f"column {header!r} is kept under its own name; if it is the {field}: "
                f"--column {field}={shlex.quote(header)}"
            )


def _are_photos(values: Sequence[Any]) -> bool:
    texts = [value for value in values if isinstance(value, str)]
    photos = sum(bool(_PHOTO.search(text)) for text in texts)
    return bool(texts) and photos >= _MOSTLY * len(texts)


def _are_ids(values: Sequence[Any]) -> bool:
    texts = [str(value) for value in values if isinstance(value, str | int)]
    return (
        len(texts) == len(values) > 0
        and len(set(texts)) == len(texts)
        and all(len(text) <= _LONGEST_ID and _ID.fullmatch(text) for text in texts)
        and not any("://" in text or _PHOTO.search(text) for text in texts)
    )
