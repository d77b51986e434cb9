"""What a route takes from the application: the engine, settings, state; who may ask; and how."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer

from scenesearch.config.service import Scope
from scenesearch.config.settings import Settings
from scenesearch.engine.remote.backend import Backend, DeadlineError
from scenesearch.engine.tasks import (
    AddScenes,
    Answer,
    BasketTask,
    CompleteTask,
    FindScenes,
    LookTask,
    PutItems,
    SearchTask,
    TagTask,
    Task,
)
from scenesearch.service.http.auth import Keyring
from scenesearch.service.http.metrics import Metrics
from scenesearch.service.http.problems import ClientLeftError, ProblemError
from scenesearch.service.http.recall import recalled
from scenesearch.service.jobs.runner import PhotoFetcher
from scenesearch.service.state import State
from scenesearch.service.state.usage import QuotaUsedError

BACKSTOP_S = 2.0
"""An engine that does not keep a deadline itself is given up this much after it."""

_bearer = HTTPBearer(auto_error=False, scheme_name="bearer", description="A read or write key.")
_header = APIKeyHeader(
    name="X-API-Key", auto_error=False, scheme_name="api_key", description="The same key."
)


@dataclass(slots=True)
class Shared:
    """What the routes of one application share.

    Attributes:
        settings: that the service was started with.
        backend: the engine.
        metrics: what is counted.
        state: jobs and feedback; None for a service without.
        fetcher: fetches photos from addresses; None where that is off.
        draining: the service was told to stop: it still answers, but wants no new connections.
        keys: that are known now.
    """

    settings: Settings
    backend: Backend
    metrics: Metrics
    state: State | None = None
    fetcher: PhotoFetcher | None = None
    draining: bool = False
    keys: Keyring = field(default_factory=lambda: Keyring((), ()))


def shared(request: Request) -> Shared:
    """What the application of a request shares."""
    found: Shared = request.app.state.shared
    return found


def kept_state(request: Request, what: str) -> State:
    """Jobs and feedback.

    Args:
        request: of the application.
        what: of them is asked for: ``jobs``.

    Raises:
        ProblemError: this service keeps none.
    """
    found = shared(request).state
    if found is None:
        raise ProblemError("not_found", f"This service keeps no {what}")
    return found


def needs(scope: Scope, what: str) -> Any:
    """For ``dependencies=[...]`` of a router or a route: a key with a scope.

    The keys themselves were looked at before the body was read.

    Args:
        scope: that the key must have.
        what: it is needed for, in messages.

    Raises:
        ProblemError: no key, one that is not known, or one without the scope.
    """

    # a coroutine: a plain function of a dependency is run in a thread, which costs more
    async def check(
        request: Request,
        _bearer_key: Annotated[Any, Security(_bearer)] = None,
        _header_key: Annotated[Any, Security(_header)] = None,
    ) -> None:
        scopes: frozenset[Scope] = getattr(request.state, "scopes", frozenset())
        if not scopes:
            raise ProblemError("unauthorized", "This needs a key: Authorization: Bearer KEY")
        if scope not in scopes:
            may = " and ".join(_MAY[one] for one in _MAY if one in scopes)
            raise ProblemError(
                "forbidden", f"This key may only {may}; {what} needs a key that may {_MAY[scope]}"
            )

    return Depends(check)


_MAY: Mapping[Scope, str] = {
    "search": "search",
    "feedback": "give feedback",
    "read": "read",
    "write": "write",
}
SearchKey = needs("search", "this")
FeedbackKey = needs("feedback", "this")
ReadKey = needs("read", "this")
WriteKey = needs("write", "writing")


def key_filter(request: Request) -> str | None:
    """The filter of the caller's key, which holds for all that it is answered."""
    found: str | None = getattr(request.state, "where", None)
    return found


def key_tenant(request: Request) -> str | None:
    """Whose items the caller's key sees and changes; None for everybody's."""
    found: str | None = getattr(request.state, "tenant", None)
    return found


async def _of_nobody(request: Request) -> None:
    if key_tenant(request) is not None:
        raise ProblemError(
            "forbidden",
            "This key is a tenant's, and what is asked for belongs to all of them; it needs a key "
            "without a tenant",
        )


OfNobody = Depends(_of_nobody)
"""For ``dependencies=[...]``: what is no tenant's, no tenant's key may ask for."""


async def charge(request: Request, costs: Mapping[str, int]) -> None:
    """Count what a request costs against the quotas of its key, before it is done.

    Args:
        request: whose key has quotas, or none.
        costs: ``photos``, ``searches`` and ``items``.

    Raises:
        ProblemError: a quota has not that much left; nothing was counted.
        NoSpaceError: the disk of the state is full.
    """
    limits: Mapping[str, int] = getattr(request.state, "per_day", {})
    state = shared(request).state
    if not limits or state is None:
        return
    said = request.scope.setdefault("state", {})
    try:
        left = await asyncio.to_thread(state.usage.take, request.state.caller, costs, limits)
    except QuotaUsedError as error:
        wait_s = math.ceil(error.wait_s)
        said["quota"] = ({**limits}, {error.what: error.left}, wait_s)
        raise ProblemError(
            "quota_used",
            f"This key has {error.left} of its {error.limit} {error.what} a day left, and this "
            f"needs {costs.get(error.what, 0)}; wait until the next day (UTC), or ask for a larger "
            "quota (per_day of its record in service.keys)",
            limit=error.limit,
            headers={"Retry-After": str(wait_s)},
        ) from error
    said["quota"] = (limits, left, math.ceil(state.usage.wait_s))


def costs_of(task: Task) -> dict[str, int]:
    """What a task costs of the quotas of a key."""
    match task:
        case BasketTask():
            return costs_of(task.look)
        case LookTask() | FindScenes():
            return {"photos": int(task.photo is not None), "searches": 1}
        case SearchTask():
            return {"photos": len(task.photos), "searches": 1}
        case CompleteTask():
            return {"searches": 1}
        case TagTask():
            return {"photos": 1}
        case AddScenes():
            return {"photos": len(task.photos)}
        case PutItems():
            return {"items": len(task.records)}
        case _:
            return {}


def time_left(request: Request) -> float:
    """Seconds until the request must be answered; they begin to count when first asked for.

    Raises:
        DeadlineError: none are left.
    """
    now = asyncio.get_running_loop().time()
    allowed_s = shared(request).settings.service.deadline_s
    if not hasattr(request.state, "deadline"):
        request.state.deadline = now + allowed_s
    left: float = request.state.deadline - now
    if left <= 0:
        raise DeadlineError(
            f"No answer within {allowed_s:g} s; ask again later, or for less", retry_after_s=2
        )
    return left


async def run_task(request: Request, task: Task, *, deadline_s: float | None = None) -> Answer:
    """Let the engine do a task, for as long as there is somebody to answer.

    Args:
        request: who asks; when its connection is closed, the task is given up.
        task: what to do.
        deadline_s: seconds from now; None for what is left of the settings'.

    Raises:
        BusyError: too much is waiting.
        DeadlineError: it took too long.
        ClientLeftError: nobody waits any more.
        SceneSearchError: as the engine raised it.
    """
    if costs := costs_of(task):
        await charge(request, costs)
    limit_s = time_left(request) if deadline_s is None else deadline_s
    # only where there are keys is anybody somebody
    caller = getattr(request.state, "caller", "") or None
    found = shared(request)

    async def run(asked: Task) -> Answer:
        return await found.backend.run(asked, deadline_s=limit_s, client=caller)

    queries = None if found.state is None else found.state.queries
    answering = asyncio.ensure_future(recalled(task, run, queries))
    leaving = asyncio.ensure_future(_client_left(request))
    try:
        done, _ = await asyncio.wait(
            (answering, leaving),
            timeout=limit_s + BACKSTOP_S,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if answering in done:
            answer = answering.result()
            shared(request).metrics.observe(answer)
            state = request.scope.setdefault("state", {})
            total: Counter[str] = state.setdefault("stage_seconds", Counter())
            total.update(answer.seconds)
            return answer
        if leaving in done:
            leaving.result()
            raise ClientLeftError
        raise DeadlineError(
            f"No answer within {limit_s:g} s; ask again later, or for less", retry_after_s=2
        )
    finally:
        answering.cancel()
        leaving.cancel()
        # also takes what a cancelled call raised after all, so that nobody warns of it
        await asyncio.gather(answering, leaving, return_exceptions=True)


async def _client_left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
