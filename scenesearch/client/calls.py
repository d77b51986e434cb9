"""What is sent for each question and what comes back, without sending anything.

Both clients are thin over these: a call knows its request, whether asking twice does harm, and how
to read its answer. Requests are checked here by the models that the service reads them with, so a
misspelt option is an error before anything is sent.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeAlias, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from scenesearch.core.errors import ImageError, QueryError
from scenesearch.schemas.base import ModelsResponse
from scenesearch.schemas.baskets import BasketOptions, BasketResponse
from scenesearch.schemas.complete import CompleteQuery, CompleteResponse
from scenesearch.schemas.feedback import FeedbackRequest, FeedbackResponse
from scenesearch.schemas.items import (
    AttributesRequest,
    DeletedResponse,
    DeleteRequest,
    ItemAttributes,
    ItemResponse,
    ItemsQuery,
    ItemsResponse,
)
from scenesearch.schemas.jobs import JobResponse
from scenesearch.schemas.look import LookOptions
from scenesearch.schemas.looks import LookResponse
from scenesearch.schemas.search import FacetQuery, FacetsResponse, SearchOptions
from scenesearch.schemas.tag import TagOptions, TagResponse

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
PhotoLike: TypeAlias = str | Path | bytes | BinaryIO
"""A path, the bytes of a file, or an open binary file."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request, and how its answer is read.

    Attributes:
        repeatable: sending it twice does what sending it once does.
        files: (name of the part, bytes); empty for a JSON body or none.
    """

    method: str
    path: str
    read: Callable[[bytes], T]
    body: Any = None
    files: tuple[tuple[str, bytes], ...] = ()
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True

    @property
    def parts(self) -> list[tuple[str, tuple[str, bytes, str]]]:
        """The parts of a multipart body; names of files on this machine are nobody's business."""
        name = "item" if self.path.startswith("/v1/items") else "request"
        described = (name, ("", json.dumps(self.body).encode(), "application/json"))
        photos = [(part, ("photo", data, "application/octet-stream")) for part, data in self.files]
        return [described, *photos]


def look(
    photo: PhotoLike | None, query_id: str | None, options: Mapping[str, Any]
) -> Call[LookResponse]:
    """POST /v1/look."""
    body = _checked(LookOptions, options)
    return _of_photo("/v1/look", LookResponse, body, photo, query_id)


def basket(
    budget: float, photo: PhotoLike | None, query_id: str | None, options: Mapping[str, Any]
) -> Call[BasketResponse]:
    """POST /v1/basket."""
    body = _checked(BasketOptions, {**options, "budget": budget})
    return _of_photo("/v1/basket", BasketResponse, body, photo, query_id)


def _of_photo(
    path: str,
    answer: type[M],
    body: dict[str, Any],
    photo: PhotoLike | None,
    query_id: str | None,
) -> Call[M]:
    if (photo is None) == (query_id is None):
        raise QueryError("Give a photo or the query_id of an earlier look", code="empty_query")
    if photo is None:
        return Call("POST", path, _reader(answer), body | {"query_id": query_id})
    return Call("POST", path, _reader(answer), body, (("photo", photo_bytes(photo)),))


def search(
    words: str | None, photo: PhotoLike | None, options: Mapping[str, Any]
) -> Call[LookResponse]:
    """POST /v1/search."""
    body = _checked(SearchOptions, {**options, **({"words": words} if words is not None else {})})
    files = () if photo is None else (("photo", photo_bytes(photo)),)
    return Call("POST", "/v1/search", _reader(LookResponse), body, files)


def complete(items: Sequence[str], options: Mapping[str, Any]) -> Call[CompleteResponse]:
    """GET /v1/complete."""
    query = _query(CompleteQuery, {**options, "item": list(items)})
    return Call("GET", "/v1/complete", _reader(CompleteResponse), query=query)


def tag(photo: PhotoLike, options: Mapping[str, Any]) -> Call[TagResponse]:
    """POST /v1/tag."""
    files = (("photo", photo_bytes(photo)),)
    return Call("POST", "/v1/tag", _reader(TagResponse), _checked(TagOptions, options), files)


def facets(options: Mapping[str, Any]) -> Call[FacetsResponse]:
    """GET /v1/facets."""
    return Call("GET", "/v1/facets", _reader(FacetsResponse), query=_query(FacetQuery, options))


def list_items(options: Mapping[str, Any]) -> Call[ItemsResponse]:
    """GET /v1/items."""
    return Call("GET", "/v1/items", _reader(ItemsResponse), query=_query(ItemsQuery, options))


def get_item(item_id: str) -> Call[ItemResponse]:
    """GET /v1/items/ID."""
    return Call("GET", _item_path(item_id), _reader(ItemResponse))


def put_item(
    item_id: str, photos: Sequence[PhotoLike], attributes: Mapping[str, Any]
) -> Call[ItemResponse]:
    """PUT /v1/items/ID."""
    checked = _checked(ItemAttributes, {"id": item_id, "attributes": dict(attributes)})
    body = {"attributes": checked.get("attributes", {})}
    files = tuple(("photo", photo_bytes(photo)) for photo in photos)
    return Call("PUT", _item_path(item_id), _reader(ItemResponse), body, files)


def patch_item(item_id: str, attributes: Mapping[str, Any]) -> Call[ItemResponse]:
    """PATCH /v1/items/ID."""
    body = _checked(AttributesRequest, {"attributes": dict(attributes)})
    return Call("PATCH", _item_path(item_id), _reader(ItemResponse), body)


def delete_item(item_id: str) -> Call[DeletedResponse]:
    """DELETE /v1/items/ID."""
    return Call("DELETE", _item_path(item_id), _reader(DeletedResponse))


def delete_items(ids: Sequence[str], where: str | None) -> Call[DeletedResponse]:
    """POST /v1/items/delete."""
    given: dict[str, Any] = {"where": where} if where is not None else {"ids": list(ids)}
    body = _checked(DeleteRequest, given)
    return Call("POST", "/v1/items/delete", _reader(DeletedResponse), body)


def start_job(records: Sequence[Mapping[str, Any]], key: str | None) -> Call[JobResponse]:
    """POST /v1/jobs."""
    headers = {} if key is None else {"Idempotency-Key": key}
    body = {"kind": "index", "records": [dict(record) for record in records]}
    read = _reader(JobResponse)
    # with a key the service itself makes sure that a job asked for twice is one job
    return Call("POST", "/v1/jobs", read, body, headers=headers, repeatable=key is not None)


def get_job(job_id: str) -> Call[JobResponse]:
    """GET /v1/jobs/ID."""
    return Call("GET", f"/v1/jobs/{quote(job_id, safe='')}", _reader(JobResponse))


def cancel_job(job_id: str) -> Call[JobResponse]:
    """POST /v1/jobs/ID/cancel."""
    return Call("POST", f"/v1/jobs/{quote(job_id, safe='')}/cancel", _reader(JobResponse))


def forget_job(job_id: str) -> Call[JobResponse]:
    """DELETE /v1/jobs/ID."""
    return Call("DELETE", f"/v1/jobs/{quote(job_id, safe='')}", _reader(JobResponse))


def feedback(options: Mapping[str, Any]) -> Call[FeedbackResponse]:
    """POST /v1/feedback."""
    body = _checked(FeedbackRequest, options)
    return Call("POST", "/v1/feedback", _reader(FeedbackResponse), body, repeatable=False)


def models() -> Call[ModelsResponse]:
    """GET /v1/models."""
    return Call("GET", "/v1/models", _reader(ModelsResponse))


def picture(url: str) -> Call[bytes]:
    """The picture of a ``photo_url``."""
    path, _, query = url.partition("?")
    if not path.startswith("/v1/"):
        raise QueryError(
            f"{url!r} is no picture of a service; expected a photo_url of an answer",
            code="bad_url",
        )
    pairs = tuple(tuple(one.split("=", 1)) for one in query.split("&") if "=" in one)
    return Call("GET", path, bytes, query=tuple((name, value) for name, value in pairs))


def photo_bytes(photo: PhotoLike) -> bytes:
    """What is sent of a photo: the file as it is.

    Raises:
        ImageError: it cannot be read.
    """
    if isinstance(photo, bytes):
        return photo
    try:
        return Path(photo).read_bytes() if isinstance(photo, (str, Path)) else photo.read()
    except (OSError, ValueError) as error:
        raise ImageError(
            f"{photo!r:.200} cannot be read ({error}); give the path of a photo, its bytes, or an "
            f"open binary file",
            code="unreadable",
        ) from error


def _item_path(item_id: str) -> str:
    return f"/v1/items/{quote(item_id, safe='')}"


def _checked(model: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    """What is sent of some options: only what was given."""
    try:
        made = model.model_validate_json(json.dumps(_lists(values), allow_nan=False))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise QueryError(f"{where}: {first['msg']}", code="validation") from error
    except (TypeError, ValueError) as error:
        raise QueryError(f"The options are no JSON: {error}", code="validation") from error
    return made.model_dump(mode="json", exclude_unset=True)


def _lists(value: Any) -> Any:
    """Tuples and arrays as lists."""
    if isinstance(value, Mapping):
        return {name: _lists(one) for name, one in value.items()}
    if hasattr(value, "tolist"):
        return value.tolist()
    return [_lists(one) for one in value] if isinstance(value, (list, tuple)) else value


def _query(model: type[BaseModel], values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    pairs: list[tuple[str, str]] = []
    for name, value in _checked(model, values).items():
        many = value if isinstance(value, list) else [value]
        pairs += [(name, str(one)) for one in many]
    return tuple(pairs)


def _reader(model: type[M]) -> Callable[[bytes], M]:
    # a newer service may say more than this client knows
    return lambda data: model.model_validate_json(data, extra="ignore")
