"""A request to the records of a job: JSON with photos inside, or a form with a manifest."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.requests import Request

from scenesearch.core.errors import NoSpaceError, StoreError
from scenesearch.schemas.items import ItemRequest
from scenesearch.schemas.jobs import JobRequest
from scenesearch.schemas.photos import LinkedPhoto
from scenesearch.service.http.depends import shared
from scenesearch.service.http.intake import (
    clean_name,
    decode_photo,
    invalid,
    is_form,
    read_form,
    read_json,
)
from scenesearch.service.http.problems import ProblemError, clean, validation_entry
from scenesearch.service.jobs.manifests import read_manifest, suffix_of
from scenesearch.service.state.jobs import OnceKey
from scenesearch.service.state.records import JobRecord, Link, RecordError

_KEY = re.compile(r"[\x21-\x7e]{1,200}")
PART = "manifest"
ID_MAX = 512
"""Characters of the id of a malformed record that its error names."""


@dataclass(frozen=True, slots=True)
class SentJob:
    """What a request wants done.

    Attributes:
        records: what can be worked on.
        errors: records that cannot.
        digest: of what was sent; the same for the same.
    """

    records: Sequence[JobRecord]
    errors: Sequence[RecordError]
    digest: str


async def read_job(request: Request, folder: Path) -> SentJob:
    """The records of a request.

    Args:
        request: whose body was not read yet.
        folder: for the manifest while it is read.

    Raises:
        ProblemError: neither JSON nor a form, or malformed.
        RequestValidationError: it is not what the route takes.
        CatalogError: the manifest as a whole cannot be read.
    """
    if is_form(request):
        return await _from_form(request, folder)
    body = await read_json(request, JobRequest)
    # read before, so that it is there already
    data = await request.body()
    most = shared(request).settings.images.max_bytes
    return await asyncio.to_thread(_from_json, body, data, most)


def once_key(request: Request, digest: str) -> OnceKey | None:
    """What makes a repeated request the same job; None where it was not asked for.

    Args:
        request: its ``Idempotency-Key`` counts for its caller only.
        digest: of what was sent.

    Raises:
        RequestValidationError: the header is too long, or no text.
    """
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if _KEY.fullmatch(key) is None:
        raise invalid(
            ("header", "Idempotency-Key"), "expected 1 to 200 ASCII characters without spaces"
        )
    return OnceKey(getattr(request.state, "caller", ""), key, digest)


def _from_json(body: JobRequest, data: bytes, most_bytes: int) -> SentJob:
    records: list[JobRecord] = []
    errors: list[RecordError] = []
    seen: set[str] = set()
    for place, record in enumerate(body.records):
        try:
            item = ItemRequest.model_validate(record)
        except ValidationError as error:
            errors.append(_malformed(place, record, error))
            continue
        try:
            photos = _photos(item, seen, most_bytes)
        except ProblemError as error:
            errors.append(RecordError(place, error.code, error.detail, item.id))
        else:
            records.append(JobRecord(place, item.id, photos, item.attributes))
    return SentJob(records, errors, hashlib.sha256(data).hexdigest())


def _malformed(place: int, record: Any, error: ValidationError) -> RecordError:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    first = validation_entry(found[0])
    where = ".".join(str(part) for part in first["loc"]) or "record"
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    named = record.get("id") if isinstance(record, dict) else None
    item_id = clean(named, ID_MAX) if isinstance(named, str) else None
    return RecordError(place, "validation", f"{where}: {first['msg']}{more}", item_id)


def _photos(record: ItemRequest, seen: set[str], most_bytes: int) -> tuple[bytes | Link, ...]:
    if record.id in seen:
        raise ProblemError(
            "duplicate_id",
            "An earlier record of this job has the same id; send it once",
            status=422,
        )
    seen.add(record.id)
    return tuple(
        Link(source.url)
        if isinstance(source, LinkedPhoto)
        else decode_photo(source.base64, most_bytes)
        for source in record.photos
    )


async def _from_form(request: Request, folder: Path) -> SentJob:
    form = await read_form(request, 1, f"and one file called {PART}")
    try:
        parts = form.multi_items()
        if len(parts) != 1 or parts[0][0] != PART or not isinstance(parts[0][1], UploadFile):
            raise invalid(("body", PART), "expected one file of this name, and no other part")
        file = parts[0][1]
        suffix = suffix_of(clean_name(file.filename))
        data = await file.read()
    finally:
        await form.close()
    return await asyncio.to_thread(_from_manifest, data, suffix, folder)


def _from_manifest(data: bytes, suffix: str, folder: Path) -> SentJob:
    digest = hashlib.sha256(suffix.encode() + b"\0" + data).hexdigest()
    try:
        # the readers walk over a file twice, and need not hold it
        with tempfile.TemporaryDirectory(prefix="manifest-", dir=folder) as where:
            path = Path(where, f"manifest{suffix}")
            path.write_bytes(data)
            records, errors = read_manifest(path)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise NoSpaceError(
                "the disk of the service's state is full; free some space and try again"
            ) from error
        raise StoreError(
            f"the manifest cannot be kept while it is read: {error.strerror}; check that the "
            f"folder of the service's state is there and writable"
        ) from error
    return SentJob(records, errors, digest)
