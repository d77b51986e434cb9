"""``/v1/scenes``: photos that are found by what is in them."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from scenesearch.engine.tasks import AddScenes, DeleteScenes, FindScenes, SceneFacets, ScenePhoto
from scenesearch.schemas.openapi import json_or_form
from scenesearch.schemas.photos import MAX_PHOTOS, PictureQuery
from scenesearch.schemas.scenes import (
    FormScenesRequest,
    SceneFacetQuery,
    SceneFacetsResponse,
    SceneId,
    ScenesAddedResponse,
    ScenesDeletedResponse,
    SceneSearchOptions,
    SceneSearchRequest,
    ScenesRequest,
    ScenesResponse,
)
from scenesearch.service.http.depends import OfNobody, ReadKey, WriteKey, run_task
from scenesearch.service.http.intake import NoQuery, photo_of, photos_in, read_either
from scenesearch.service.http.openapi import Operation, problem_responses
from scenesearch.service.http.problems import ProblemError
from scenesearch.service.http.routes.paths import register_paths
from scenesearch.service.http.routes.pictures import PICTURE_RESPONSE, picture
from scenesearch.service.http.routes.replies import json_reply, refuse_failure, reply

register_paths()
router = APIRouter(
    prefix="/v1/scenes", tags=["scenes"], dependencies=[OfNobody], route_class=Operation
)

ScenePath = Annotated[SceneId, Path(description="The sha256 of the photo")]


@router.post(
    "",
    status_code=201,
    dependencies=[WriteKey, NoQuery],
    description="A scene's id is the sha256 of its photo: the same photo again changes nothing.",
    responses={201: {"model": ScenesAddedResponse}, **problem_responses(415, 502, 507)},
    openapi_extra=json_or_form(ScenesRequest, None, most_photos=MAX_PHOTOS),
)
async def add_scenes(request: Request) -> Response:
    """Keep photos as scenes."""
    sent = await read_either(request, ScenesRequest, FormScenesRequest, most_photos=MAX_PHOTOS)
    outcomes = (await run_task(request, AddScenes(await photos_in(request, sent)))).value
    if len(outcomes) == 1:
        refuse_failure(outcomes[0])
    return json_reply({"scenes": outcomes}, 201)


@router.post(
    "/search",
    dependencies=[ReadKey, NoQuery],
    description="By words, by a photo like them, or by a product in them.",
    responses={200: {"model": ScenesResponse}, **problem_responses(404, 415, 502)},
    openapi_extra=json_or_form(
        SceneSearchRequest,
        SceneSearchOptions,
        {"words": {"text": "two chairs and a lamp"}, "product": {"item_id": "SKU-1"}},
    ),
)
async def search_scenes(request: Request) -> Response:
    """Find scenes."""
    sent = await read_either(request, SceneSearchRequest, SceneSearchOptions)
    asked = sent.asked
    task = FindScenes(photo=next(iter(sent.photos), None), limit=asked.limit)
    if isinstance(asked, SceneSearchRequest):
        photo = None if asked.photo is None else await photo_of(request, asked.photo)
        task = replace(task, text=asked.text, photo=photo, item_id=asked.item_id)
    return await reply(request, task)


@router.get(
    "/facets",
    dependencies=[ReadKey],
    description="Over all scenes, or over those that some words find.",
    responses={200: {"model": SceneFacetsResponse}},
)
async def list_scene_facets(
    request: Request, query: Annotated[SceneFacetQuery, Query()]
) -> Response:
    """What the scenes hold, counted."""
    task = SceneFacets(text=query.text, limit=query.limit)
    return await reply(request, task)


@router.get(
    "/{scene_id:sha256}/photo",
    dependencies=[ReadKey],
    description="A JPEG made of it.",
    response_class=Response,
    responses=PICTURE_RESPONSE,
)
async def get_scene_photo(
    request: Request, scene_id: ScenePath, query: Annotated[PictureQuery, Query()]
) -> Response:
    """The photo of a scene."""
    return await picture(request, ScenePhoto(scene_id, query.width), "scene")


@router.delete(
    "/{scene_id:sha256}",
    dependencies=[WriteKey, NoQuery],
    description="No search finds it once this is answered.",
    responses={200: {"model": ScenesDeletedResponse}, **problem_responses(404)},
)
async def delete_scene(request: Request, scene_id: ScenePath) -> Response:
    """Remove a scene."""
    gone = (await run_task(request, DeleteScenes((scene_id,)))).value
    if not gone["scenes"]:
        raise ProblemError("not_found", "No scene of this id")
    return json_reply(gone)
