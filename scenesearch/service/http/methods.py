"""Methods that no route names: ``HEAD`` wherever there is ``GET``, and what ``Allow`` must say."""

from __future__ import annotations

from starlette.requests import Request
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")


def allowed_methods(request: Request) -> str:
    """What the resource of a request can be asked with, as ``Allow`` lists it (RFC 9110).

    The framework's own header names the methods of one route only, where several share a path.
    """
    scope = dict(request.scope)
    # what the routes that were tried left there would be taken for a match
    for name in ("path_params", "route", "endpoint"):
        scope.pop(name, None)
    allowed = [
        method
        for method in METHODS
        if any(
            route.matches({**scope, "method": method})[0] is Match.FULL
            for route in request.app.routes
        )
    ]
    if "GET" in allowed:
        allowed.insert(allowed.index("GET") + 1, "HEAD")
    return ", ".join(allowed)


class Head:
    """Answers ``HEAD`` as ``GET`` without the body, as every server of HTTP must."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a route for ``GET`` answer, and leave out what it sends after the headers."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def headers_only(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self.app({**scope, "method": "GET"}, receive, headers_only)
