"""The application: routes, what guards them, and what they share."""

from __future__ import annotations

import re

from asgi_correlation_id import CorrelationIdMiddleware
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.middleware.cors import CORSMiddleware

from scenesearch import __version__
from scenesearch.config.service import ServiceSettings
from scenesearch.config.settings import Settings
from scenesearch.engine.remote.backend import Backend
from scenesearch.service.http import openapi, problems
from scenesearch.service.http.body import Bodies
from scenesearch.service.http.compress import Compress
from scenesearch.service.http.depends import Shared
from scenesearch.service.http.guard import MEGABYTE, Guard
from scenesearch.service.http.methods import Head
from scenesearch.service.http.metrics import Metrics
from scenesearch.service.http.observe import Observe, Unforeseen
from scenesearch.service.http.routes import (
    backups,
    feedback,
    health,
    items,
    jobs,
    page,
    pictures,
    scenes,
    search,
    tenants,
    ucp,
    ucp_mcp,
    widget,
)
from scenesearch.service.jobs.runner import PhotoFetcher
from scenesearch.service.lifespan import lifespan
from scenesearch.service.state import State

ROUTERS = (
    *(search.router, search.tag_router, health.models_router),
    *(items.router, pictures.router, scenes.router),
    *(jobs.router, feedback.router, backups.router, tenants.router),
    *(health.router, page.router, widget.router, ucp.router, ucp_mcp.router),
)
"""Every route there is."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def create_app(
    settings: Settings,
    backend: Backend,
    *,
    state: State | None = None,
    fetcher: PhotoFetcher | None = None,
) -> FastAPI:
    """The service over an engine.

    Args:
        settings: limits and keys are in ``settings.service``.
        backend: does the work; closed when the application stops.
        state: jobs and feedback; closed when the application stops. None for a service without.
        fetcher: fetches photos from addresses; closed when the application stops. None where
            that is off.
    """
    shared = Shared(settings, backend, Metrics(backend), state, fetcher)
    app = FastAPI(
        title=openapi.TITLE,
        version=__version__,
        docs_url=None,
        redoc_url=None,
        lifespan=lambda _app: lifespan(backend, state, fetcher),
        redirect_slashes=False,
        # stable, and what clients call their functions
        generate_unique_id_function=lambda route: route.name,
        exception_handlers=problems.HANDLERS,
        middleware=_middleware(settings.service, shared),
    )
    app.state.shared = shared
    app.state.readiness = health.Readiness(backend)
    app.state.census = health.Census(backend)
    for router in ROUTERS:
        app.include_router(router)
    app.openapi = lambda: openapi.describe(app)  # type: ignore[method-assign]  # as its manual has it
    return app


def _middleware(service: ServiceSettings, shared: Shared) -> list[Middleware]:
    """From the outside in."""
    limit = service.max_body_megabytes * MEGABYTE
    cors = [
        Middleware(
            CORSMiddleware,
            allow_origins=service.asking_origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "X-API-Key", "Content-Type", "Idempotency-Key"],
            expose_headers=[
                *("X-Request-ID", "Retry-After", "Location", "ETag"),
                *("RateLimit", "RateLimit-Policy"),
            ],
        )
    ]
    return [
        Middleware(
            CorrelationIdMiddleware,
            header_name="X-Request-ID",
            validator=lambda given: _REQUEST_ID.fullmatch(given) is not None,
        ),
        Middleware(Observe, shared=shared),
        *(cors if service.asking_origins else ()),
        Middleware(Unforeseen),
        Middleware(Guard, shared=shared),
        Middleware(RequestBodyLimitMiddleware, max_body_size=limit),
        Middleware(Bodies, timeout_s=service.body_timeout_s, largest=limit),
        Middleware(Head),
        # a HEAD must say the length that a GET would have
        Middleware(Compress),
    ]
