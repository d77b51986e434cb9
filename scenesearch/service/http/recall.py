"""A look goes on at whichever of several services is asked, where they share a state."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from scenesearch.core.errors import SceneSearchError
from scenesearch.engine.queries import QueryExpiredError, new_query_id
from scenesearch.engine.tasks import Answer, BasketTask, LookTask, QueryPhoto, Task
from scenesearch.service.state.shared_queries import SharedQueries

log = logging.getLogger("scenesearch.service")
Run = Callable[[Task], Awaitable[Answer]]


async def recalled(task: Task, run: Run, queries: SharedQueries | None) -> Answer:
    """Do a task, with the photo of another service's look where it asks for one.

    Args:
        task: what is to be done.
        run: has the engine of this service do it.
        queries: of the state; None where nobody shares it.

    Raises:
        SceneSearchError: as the engine raised it.
    """
    look = task.look if isinstance(task, BasketTask) else task
    if queries is None or not isinstance(look, LookTask | QueryPhoto):
        return await run(task)
    if isinstance(look, LookTask) and look.photo is not None:
        query_id = new_query_id()
        keeping = asyncio.to_thread(queries.add, query_id, look.photo, look.tenant)
        answer, kept = await asyncio.gather(
            run(_with(task, replace(look, keep_as=query_id))), keeping, return_exceptions=True
        )
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(kept, BaseException):
            _not_kept(kept)
        return answer
    known = look.query_id or ""
    try:
        answer = await run(task)
    except QueryExpiredError:
        photo = await asyncio.to_thread(queries.get, known, look.tenant)
        if photo is None:
            raise
    else:
        try:
            await asyncio.to_thread(queries.use, known)
        except SceneSearchError as error:
            _not_kept(error)
        return answer
    if isinstance(look, QueryPhoto):
        return await run(replace(look, photo=photo))
    return await run(_with(task, replace(look, photo=photo, query_id=None, keep_as=known)))


def _with(task: Task, look: LookTask) -> Task:
    return replace(task, look=look) if isinstance(task, BasketTask) else look


def _not_kept(error: BaseException) -> None:
    if not isinstance(error, SceneSearchError):
        raise error
    # the look itself is answered; it goes on at this service
    log.warning("a look is known to this service alone: %s", error)
