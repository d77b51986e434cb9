"""What both clients agree on: addresses, headers, and when to ask again."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx
from pydantic import ValidationError

from scenesearch import __version__
from scenesearch.client.calls import Call
from scenesearch.client.errors import ServiceError, ServiceUnreachableError, error_of
from scenesearch.core.errors import ConfigError

T = TypeVar("T")

LONGEST_WAIT_S = 30.0
"""A service that asks for more patience is given up."""
FIRST_WAIT_S = 0.5


@dataclass(frozen=True, slots=True)
class Wire:
    """How a service is spoken to.

    Attributes:
        url: of the service, ``http://127.0.0.1:8080``.
        key: read or write key; None where it needs none.
        timeout_s: for one request, its answer included.
        retries: how often a request that may be repeated is sent again when the service is busy
            or the connection breaks.
    """

    url: str
    key: str | None = field(repr=False)
    timeout_s: float
    retries: int

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise ConfigError(
                f"{self.url!r} is no address of a service; expected http://HOST:PORT",
                code="bad_url",
            )
        # never shown; the transport's own message about a line end would show all of it
        if self.key is not None and re.fullmatch(r"[!-~]+", self.key) is None:
            raise ConfigError(
                "The key is empty, or holds a space, a line end or another character that no key "
                "has; expected printable ASCII: strip what was read from a file",
                code="bad_key",
            )

    @property
    def options(self) -> dict[str, Any]:
        """Arguments of an httpx client. Proxies and .netrc of the machine are not asked."""
        headers = {"User-Agent": f"scenesearch/{__version__}"}
        if self.key is not None:
            headers["Authorization"] = f"Bearer {self.key}"
        return {
            "base_url": self.url.rstrip("/"),
            "headers": headers,
            "timeout": self.timeout_s,
            "trust_env": False,
            "follow_redirects": False,
        }

    def wait_before(
        self, call: Call[Any], error: httpx.TransportError | ServiceError, attempt: int
    ) -> float:
        """Seconds to wait before another attempt.

        Args:
            call: what was asked.
            error: why it failed.
            attempt: how often it was tried, from 1.

        Raises:
            ServiceError: the service refused, and asking again would not help.
            ServiceUnreachableError: no answer came, and asking again would not help.
        """
        left = attempt <= self.retries
        if isinstance(error, ServiceError):
            # a busy service took nothing in, so even what must not be done twice can be asked again
            wait = FIRST_WAIT_S if error.retry_after_s is None else error.retry_after_s
            if left and error.status in (429, 503) and wait <= LONGEST_WAIT_S:
                return wait
            raise error
        if left and call.repeatable:
            return float(FIRST_WAIT_S * 2 ** (attempt - 1))
        raise ServiceUnreachableError(
            f"{self.url} did not answer ({type(error).__name__}: {error}); is the service running "
            f"(scenesearch serve), and is this its address?"
        ) from error


def request_options(call: Call[Any]) -> dict[str, Any]:
    """Arguments of an httpx request."""
    return {
        "headers": dict(call.headers),
        "params": list(call.query) or None,
        "files": call.parts if call.files else None,
        "json": None if call.files else call.body,
    }


def outcome(call: Call[T], answer: httpx.Response) -> T:
    """What an answer says.

    Raises:
        ServiceError: the service refused, or it is none.
    """
    status = answer.status_code
    if not 200 <= status < 300:
        raise error_of(status, answer.headers, answer.content)
    try:
        return call.read(answer.content)
    except ValidationError as error:
        raise ServiceError(
            f"{call.method} {call.path} was answered with {status} and something else than "
            f"expected ({error.error_count()} differences); is this the address of a service, and "
            f"of a version that this client knows?",
            status=status,
            code="bad_answer",
        ) from error
