"""HTTP/1.1 with time limits of the connection's own, over uvicorn's protocol.

uvicorn waits for a request's head for ever, goes on reading the body of a request that it has
already answered, and keeps what a client does not read. Here each of these ends.
"""

from __future__ import annotations

import asyncio
import sys
import uuid
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol

from scenesearch.config.service import ServiceSettings
from scenesearch.service.http.problems import problem

HEAD_BYTES_MAX = 65_536
"""Above what the application lets through, so that it can say which limit was passed."""
LINGER_S = 2.0
"""An answered request may still send its body for so long: closed at once, the client would
see a reset instead of its answer."""
LAST_HEAD_S = 1.0
"""While the service stops, a connection that has not asked yet may do so for so long."""
READ_ANSWER_S = 60.0
"""A client that reads nothing of its answer for so long is cut off."""
CONNECTIONS_MAX = 1000
"""Connections above this are told to come back, those above twice as many are closed."""


class DeadlineProtocol(H11Protocol):
    """One connection. Subclassed by :func:`protocol_for`, which sets its limit."""

    header_timeout_s = 10.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_timer: asyncio.TimerHandle | None = None
        self._linger_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._stopping = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock for the first head."""
        super().connection_made(transport)
        if len(self.connections) > 2 * CONNECTIONS_MAX:
            transport.abort()
            return
        if len(self.connections) > CONNECTIONS_MAX:
            self.app = too_many_connections
        self._wait_for_head(self.header_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all clocks."""
        super().connection_lost(exc)
        for timer in (self._head_timer, self._linger_timer, self._write_timer):
            if timer is not None:
                timer.cancel()
        self._unset_keepalive_if_required()

    def data_received(self, data: bytes) -> None:
        """Stop the clock when a head is whole; start it with the first byte of the next."""
        super().data_received(data)
        if self._stopping and self.cycle is not None:
            self.cycle.keep_alive = False
        if self._between_requests():
            if self._head_timer is None and not self.transport.is_closing():
                self._wait_for_head(LAST_HEAD_S if self._stopping else self.header_timeout_s)
        elif self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def on_response_complete(self) -> None:
        """Give a body that is still being sent a little time, then close."""
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY and not self.transport.is_closing():
            self._unset_keepalive_if_required()
            if self._linger_timer is None:
                self._linger_timer = self.loop.call_later(LINGER_S, self._close)

    def handle_events(self) -> None:
        """Stop lingering when the body ended after all."""
        super().handle_events()
        if self._linger_timer is not None and self.conn.their_state is not h11.SEND_BODY:
            self._linger_timer.cancel()
            self._linger_timer = None
            if self._between_requests() and not self.transport.is_closing():
                self._wait_for_head(self.timeout_keep_alive)

    def shutdown(self) -> None:
        """Stop: finish a request that is being worked on, and one that is on its way."""
        self._stopping = True
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False
        elif self.cycle is None or self._head_timer is not None:
            # accepted, and its request may be on the wire
            self._wait_for_head(min(LAST_HEAD_S, self.header_timeout_s))
        else:
            self._close()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, in the form of every other error."""
        if self.conn.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            # an answer has begun; nothing can be said any more
            self.transport.close()
            return
        # called from an except clause of the base class, which keeps the error to itself
        status = 431 if getattr(sys.exception(), "error_status_hint", 400) == 431 else 400
        code = "headers_too_large" if status == 431 else "bad_request"
        request_id = uuid.uuid4().hex
        headers = {
            "x-request-id": request_id,
            "x-content-type-options": "nosniff",
            "connection": "close",
        }
        said = problem(status, code, msg, headers=headers, request_id=request_id)
        reason = STATUS_PHRASES[status]
        for event in (
            h11.Response(status_code=status, headers=said.raw_headers, reason=reason),
            h11.Data(data=bytes(said.body)),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def pause_writing(self) -> None:
        """Start the clock for a client that does not read."""
        super().pause_writing()
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(READ_ANSWER_S, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop that clock."""
        super().resume_writing()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _between_requests(self) -> bool:
        return self.conn.their_state is h11.IDLE and self.conn.our_state is h11.IDLE

    def _wait_for_head(self, seconds: float) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
        self._head_timer = self.loop.call_later(seconds, self._close)

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, whether or not its client has read everything."""
        self._close()

    def _close(self) -> None:
        if self.transport.is_closing():
            return
        self.transport.close()
        if self._write_timer is None and self.transport.get_write_buffer_size():
            # closing waits for what is unread
            self._write_timer = self.loop.call_later(READ_ANSWER_S, self.transport.abort)


async def too_many_connections(scope: Any, receive: Any, send: Any) -> None:
    """The application of connections above the limit."""
    refuse = problem(
        503, "busy", "Too many connections; try again later", headers={"Connection": "close"}
    )
    await refuse(scope, receive, send)


def protocol_for(settings: ServiceSettings) -> type[DeadlineProtocol]:
    """The protocol with the limits of the settings."""
    return type("Protocol", (DeadlineProtocol,), {"header_timeout_s": settings.header_timeout_s})
