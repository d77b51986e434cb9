"""Bodies must be whole within their time, and all of them together must fit into memory."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from scenesearch.service.http.problems import ProblemError

ALL_BYTES_MAX = 512_000_000
"""Of bodies of requests that are being answered; at least two bodies of the largest size."""


class Bodies:
    """Gives each request so many seconds for its body, and all of them so much memory.

    Args:
        app: what reads the bodies.
        timeout_s: from the head of a request to the end of its body.
        largest: bytes of one body.
    """

    def __init__(self, app: ASGIApp, timeout_s: float, largest: int) -> None:
        self.app = app
        self._timeout_s = timeout_s
        self._room = max(ALL_BYTES_MAX, 2 * largest)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        end = asyncio.get_running_loop().time() + self._timeout_s
        held = 0
        whole = False

        async def in_time() -> Message:
            nonlocal held, whole
            if whole:
                # from here on one only waits for the client to go away
                return await receive()
            try:
                async with asyncio.timeout_at(end):
                    message = await receive()
            except TimeoutError as error:
                raise ProblemError(
                    "body_timeout",
                    f"The body was not whole within {self._timeout_s:g} s",
                    limit=self._timeout_s,
                ) from error
            whole = not message.get("more_body", False)
            size = len(message.get("body", b""))
            if size > self._room:
                raise ProblemError("busy", "Too many large bodies at once; try again later")
            self._room -= size
            held += size
            return message

        try:
            await self.app(scope, in_time, send)
        finally:
            self._room += held
