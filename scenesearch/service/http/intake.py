"""A request to values: a checked body, and its photos from JSON, from a form or from an address."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from scenesearch.engine.remote.backend import DeadlineError
from scenesearch.engine.tasks import Photo
from scenesearch.schemas.photos import InlinePhoto, LinkedPhoto, PhotoSources
from scenesearch.service.http.depends import shared, time_left
from scenesearch.service.http.guard import MEGABYTE
from scenesearch.service.http.problems import ProblemError, clean
from scenesearch.service.http.strict_json import parse_json
from scenesearch.service.http.strict_json import read_json as read_json_value
from scenesearch.service.jobs.runner import all_or_none

FORM = "multipart/form-data"
MAX_FIELDS = 16
MAX_FIELD_BYTES = 1_000_000
"""Of a form's part that is not a photo."""
NAME_LENGTH = 80
"""Characters of an upload's name that messages show."""
_IN_A_THREAD = 1_000_000
"""Characters of base64 from which decoding would keep the other requests waiting."""
_DATA_URL = re.compile(r"^data:[a-z0-9.+/-]{0,64};base64,", re.IGNORECASE)
_CHARSETS = {"", "utf-8", "utf8", "us-ascii"}

Model = TypeVar("Model", bound=BaseModel)
FormModel = TypeVar("FormModel", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Sent(Generic[Model]):
    """What a request brought.

    Attributes:
        asked: what the JSON said, or the form's part: another model each.
        photos: files of the form; at least one, and none where the request was JSON.
    """

    asked: Model
    photos: tuple[Photo, ...] = ()


async def read_json(request: Request, model: type[Model]) -> Model:
    """The JSON body of a request.

    Raises:
        ProblemError: it is not JSON, or of another content type.
        RequestValidationError: it is not what the route takes.
    """
    return validated(model, await read_json_value(request), ("body",))


async def read_either(
    request: Request,
    model: type[Model],
    form_model: type[FormModel],
    *,
    part: str = "request",
    part_required: bool = False,
    most_photos: int = 1,
) -> Sent[Model | FormModel]:
    """The body of a request that is JSON, or a form with files called ``photo``.

    Args:
        request: whose body was not read yet.
        model: what the JSON must be.
        form_model: what the JSON in the form's other part must be.
        part: name of that part.
        part_required: refuse a form without it.
        most_photos: how many files the form may have.

    Raises:
        ProblemError: neither, malformed, or too much of it.
        RequestValidationError: it is not what the route takes.
    """
    if not is_form(request):
        return Sent(await read_json(request, model))
    expected = f"at most {most_photos} photos and one part with JSON"
    form = await read_form(request, most_photos + 1, expected)
    try:
        return await _read_form(form, request, form_model, part, part_required, most_photos)
    finally:
        await form.close()


async def _read_form(
    form: FormData,
    request: Request,
    model: type[Model],
    part: str,
    part_required: bool,
    most_photos: int,
) -> Sent[Model]:
    photos: list[Photo] = []
    said: bytes | None = None
    for name, value in form.multi_items():
        if name == "photo" and isinstance(value, UploadFile):
            photos.append(await _upload(value, request))
        elif name == "photo":
            raise invalid(("body", name), "expected a file, got text: give the part a filename")
        elif name == part and said is None:
            said = await _text(value)
        elif name == part:
            raise invalid(("body", name), "it is there twice; give it once")
        else:
            raise invalid(("body", clean_name(name)), f"unknown part; expected photo and {part}")
    if not photos:
        raise invalid(("body", "photo"), "the form has no file of this name; give at least one")
    if len(photos) > most_photos:
        raise invalid(("body", "photo"), f"{len(photos)} files, at most {most_photos}")
    if said is None and part_required:
        raise invalid(("body", part), "the form has no part of this name; give it as JSON text")
    found = {} if said is None else parse_json(said, f"the part {part}")
    return Sent(validated(model, found, (part,)), tuple(photos))


async def no_query(request: Request) -> None:
    """Refuse what a route would silently leave unread.

    Raises:
        RequestValidationError: the address has parameters.
    """
    if request.query_params:
        wrong = [
            {"loc": ("query", name), "msg": "unknown parameter"} for name in request.query_params
        ]
        raise RequestValidationError(wrong)


NoQuery = Depends(no_query)
"""For ``dependencies=[NoQuery]`` of a route without parameters in its address."""


def validated(model: type[Model], value: Any, loc: Sequence[str | int]) -> Model:
    """A JSON value as a model.

    Args:
        model: what it must be.
        value: of any type.
        loc: where it is in the request, for messages.

    Raises:
        RequestValidationError: it is not.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        raise RequestValidationError(
            [{**one, "loc": (*loc, *one["loc"])} for one in found]
        ) from None


async def photo_of(request: Request, source: InlinePhoto | LinkedPhoto) -> Photo:
    """A photo that a body holds or names.

    Raises:
        ProblemError: it is not base64, too large, or addresses are not fetched here.
        SceneSearchError: it could not be fetched.
    """
    if isinstance(source, InlinePhoto):
        text, most = source.base64, shared(request).settings.images.max_bytes
        if len(text) < _IN_A_THREAD:
            return Photo(decode_photo(text, most))
        return Photo(await asyncio.to_thread(decode_photo, text, most))
    found = shared(request).fetcher
    if found is None or not shared(request).settings.service.fetch.enabled:
        raise ProblemError(
            "fetch_disabled",
            "This service fetches no photos from addresses; send the photo itself",
            status=403,
        )
    try:
        async with asyncio.timeout(time_left(request)):
            fetched = await found.fetch(source.url)
    except TimeoutError as error:
        raise DeadlineError(
            "The photo was not fetched in time; ask again later, or send it", retry_after_s=2
        ) from error
    return Photo(fetched.data, clean_name(source.url.split("?", 1)[0]))


async def photos_of(request: Request, sources: Sequence[InlinePhoto | LinkedPhoto]) -> list[Photo]:
    """Photos that a body holds or names, all or none.

    Raises:
        ProblemError: as for :func:`photo_of`.
        SceneSearchError: likewise.
    """
    return await all_or_none(photo_of(request, source) for source in sources)


async def photos_in(request: Request, sent: Sent[Any]) -> tuple[Photo, ...]:
    """The photos of a request: files of its form, or what its body holds or names.

    Raises:
        ProblemError: as for :func:`photo_of`.
        SceneSearchError: likewise.
    """
    if isinstance(sent.asked, PhotoSources):
        return tuple(await photos_of(request, sent.asked.photos))
    return sent.photos


def decode_photo(text: str, most_bytes: int) -> bytes:
    """A photo that JSON holds.

    Args:
        text: base64, or a data URL.
        most_bytes: the photo may have.

    Raises:
        ProblemError: it is not base64, empty or too large.
    """
    encoded = _DATA_URL.sub("", text, count=1)
    size = len(encoded) // 4 * 3
    if size > most_bytes + 2:
        raise ProblemError(
            "too_many_bytes",
            f"The photo has about {size} bytes, at most {most_bytes}; make it smaller",
            limit=most_bytes,
        )
    if not encoded:
        raise ProblemError("empty_image", "The photo is empty: there is no base64")
    try:
        # validate refuses white space and whatever else is not of the alphabet
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ProblemError(
            "bad_base64",
            f"The photo is not base64: {error}; expected A-Z a-z 0-9 + / with padding, without "
            "white space",
            status=400,
        ) from None


def clean_name(name: str | None) -> str:
    r"""An upload's name for messages: its last part, nothing invisible, nothing long.

    >>> clean_name("../../etc/passwd"), clean_name("C:\\x.jpg"), clean_name("")
    ('passwd', 'x.jpg', 'photo')
    """
    last = re.split(r"[/\\]", name or "")[-1]
    shown = "".join(char for char in last if char.isprintable()).strip()
    return shown[:NAME_LENGTH] or "photo"


async def _upload(file: UploadFile, request: Request) -> Photo:
    most = shared(request).settings.images.max_bytes
    if (file.size or 0) > most:
        raise ProblemError(
            "too_many_bytes",
            f"{clean_name(file.filename)} has {file.size} bytes, at most {most}; make it smaller",
            limit=most,
        )
    return Photo(await file.read(), clean_name(file.filename))


async def _text(value: UploadFile | str) -> bytes:
    if isinstance(value, str):
        # the parser reads what is not UTF-8 as Latin-1
        return value.encode()
    if (value.size or 0) > MAX_FIELD_BYTES:
        raise _part_too_large()
    return await value.read()


async def read_form(request: Request, most_files: int, expected: str) -> FormData:
    """The parts of a form; to be closed.

    Args:
        request: whose body was not read yet.
        most_files: that are read.
        expected: what the form must hold, for messages.

    Raises:
        ProblemError: it is malformed, or too much.
    """
    try:
        # the parser says by its words alone that a part is too large: any that fits the body is
        # taken, and measured here
        form = await request.form(
            max_files=most_files,
            max_fields=MAX_FIELDS,
            max_part_size=shared(request).settings.service.max_body_megabytes * MEGABYTE,
        )
    except ProblemError:
        raise
    except HTTPException as error:
        raise ProblemError(
            "bad_multipart",
            f"The form cannot be read: {error.detail} Send {FORM} with a boundary, {expected}",
            status=400,
        ) from None
    texts = (value for _, value in form.multi_items() if isinstance(value, str))
    if any(len(text.encode()) > MAX_FIELD_BYTES for text in texts):
        await form.close()
        raise _part_too_large()
    return form


def _part_too_large() -> ProblemError:
    return ProblemError(
        "body_too_large",
        f"A part of the form that is no photo has more than {MAX_FIELD_BYTES} bytes",
        limit=MAX_FIELD_BYTES,
    )


def is_form(request: Request) -> bool:
    """Whether the body is a form; a form's texts must be UTF-8."""
    kind, *parameters = request.headers.get("content-type", "").split(";")
    if kind.strip().lower() != FORM:
        return False
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        charset = value.strip().strip('"').lower()
        if name.strip().lower() == "charset" and charset not in _CHARSETS:
            # the form's parser would decode with whatever codec is named
            raise ProblemError(
                "unsupported_media_type",
                f"The charset is {clean(charset, NAME_LENGTH)}, expected utf-8",
            )
    return True


def invalid(loc: Sequence[str], message: str) -> RequestValidationError:
    """What is wrong with a part of a request that no model reads.

    Args:
        loc: where it is in the request.
        message: what was expected.
    """
    return RequestValidationError([{"loc": loc, "msg": message, "type": "form"}])
