"""Manifests whose photos are addresses: the readers of catalogues, over rows of a job."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from scenesearch.catalog.opening import CSV, JSONL, open_rows
from scenesearch.catalog.reader import CatalogReader
from scenesearch.catalog.records import CellError, Packed, RowError, shown
from scenesearch.core.errors import CatalogError
from scenesearch.fetch.errors import FetchError
from scenesearch.fetch.urls import parse_url
from scenesearch.schemas.photos import MAX_PHOTOS
from scenesearch.service.state.records import JobRecord, Link, RecordError

MAX_ROWS = 100_000


class PhotoUrls:
    """Stands where a catalogue's reader looks photos up: here they are addresses."""

    def resolve(self, text: str) -> str:
        """The address in its one spelling; nothing is asked for it yet.

        Raises:
            CellError: it is none, or one that is never fetched.
        """
        try:
            return str(parse_url(text))
        except FetchError as error:
            raise CellError(error.code, str(error)) from error

    def keep(self, photo: Packed) -> str:
        """Refused: a manifest that is sent holds addresses."""
        raise CellError(
            "bad_path", f"{shown(photo.name)} lies inside the manifest: expected its address"
        )


def suffix_of(name: str) -> str:
    """How a manifest's name ends, in lower case.

    Raises:
        CatalogError: it says of no format that is read here.
    """
    suffix = PurePosixPath(name.replace("\\", "/")).suffix.lower()
    if suffix not in CSV + JSONL:
        raise CatalogError(
            f"the manifest's name ends in {shown(suffix, 20)}: expected .csv, .tsv or .jsonl",
            code="unsupported_catalog",
        )
    return suffix


def read_manifest(path: Path) -> tuple[list[JobRecord], list[RecordError]]:
    """The records of a manifest, and an error for each row that gives none.

    Args:
        path: a CSV, TSV or JSONL file, as its suffix says.

    Raises:
        CatalogError: the file as a whole cannot be read; no message names ``path``.
    """
    try:
        return _records(
            CatalogReader(
                path,
                open_rows(path),
                PhotoUrls(),
                policy="error",
                max_rows=MAX_ROWS,
                split_photos=True,
            )
        )
    except CatalogError as error:
        text = str(error).replace(str(path), "the manifest").replace(path.name, "the manifest")
        raise CatalogError(text, code=error.code) from error


def _records(reader: CatalogReader) -> tuple[list[JobRecord], list[RecordError]]:
    records: list[JobRecord] = []
    errors: list[RecordError] = []
    place = -1
    for place, found in enumerate(reader):
        # with this policy the reader gives each item before it reads the next row
        line = reader.row
        if isinstance(found, RowError):
            named = f"{found.column}: {found.message}" if found.column else found.message
            errors.append(RecordError(place, found.code, named, None, found.row))
        elif len(found.photos) > MAX_PHOTOS:
            message = f"the row names {len(found.photos)} photos: expected at most {MAX_PHOTOS}"
            errors.append(RecordError(place, "too_many_photos", message, found.id, line))
        else:
            photos = tuple(Link(url) for url in found.photos)
            attributes = {
                name: list(value) if isinstance(value, tuple) else value
                for name, value in found.attributes.items()
            }
            records.append(JobRecord(place, found.id, photos, attributes, line))
    # cells that were left out, of records that are stored: said once for each column and reason
    for more, lost in enumerate(reader.lost, place + 1):
        errors.append(RecordError(more, lost.code, str(lost), None, lost.row))
    return records, errors
