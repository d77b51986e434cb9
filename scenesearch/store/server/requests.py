"""Requests that are asked often, and whose answers are large, past the client's layers.

Over the client's own connections, and with its errors. A search of 424 hits costs half a
millisecond less so; a request and its answer as the client has them cost as much again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

TOO_MANY, REFUSED = 429, 300
"""A status, and the first of those that are no answer."""


class Requests:
    """Asks one server.

    Args:
        transport: the way to it.
        url: of the server.
        headers: of each request.
        times: seconds to connect, read, write, and wait for a connection.
    """

    def __init__(
        self,
        transport: httpx.HTTPTransport,
        url: str,
        headers: Mapping[str, str],
        times: Mapping[str, float],
    ) -> None:
        import httpx

        self._transport, self._url = transport, url.rstrip("/")
        self._known: dict[str, httpx.URL] = {}
        host = httpx.URL(url).netloc
        own = {"host": host.decode("ascii"), "content-type": "application/json"}
        self._headers = httpx.Headers({**headers, **own})
        self._extensions = {"timeout": dict(times)}

    def post(self, path: str, body: bytes) -> Any:
        """The result in a server's answer, as JSON has it.

        Raises:
            UnexpectedResponse: an answer with another status.
            ResourceExhaustedResponse: the server says when it will answer.
            ResponseHandlingException: there is no answer.
            AssertionError: it is no answer of a Qdrant server.
        """
        import httpx
        from pydantic_core import from_json
        from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
        from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

        url = self._known.get(path)
        if url is None:
            url = self._known[path] = httpx.URL(self._url + path)
        request = httpx.Request(
            "POST", url, headers=self._headers, content=body, extensions=self._extensions
        )
        try:
            response = self._transport.handle_request(request)
            try:
                data = response.read()
            finally:
                response.close()
        except httpx.HTTPError as error:
            raise ResponseHandlingException(error) from error
        if response.status_code == TOO_MANY and "Retry-After" in response.headers:
            raise ResourceExhaustedResponse(data.decode(), int(response.headers["Retry-After"]))
        if response.status_code >= REFUSED:
            raise UnexpectedResponse.for_response(response)
        try:
            return from_json(data)["result"]
        except (ValueError, KeyError, TypeError) as error:
            raise AssertionError(f"an answer without a result: {error}") from error
