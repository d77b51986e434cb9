"""The error of a photo that was not fetched."""

from __future__ import annotations

from typing import Literal

from scenesearch.core.errors import SceneSearchError

FetchCode = Literal[
    "fetch_disabled",
    "bad_url",
    "address_not_allowed",
    "fetch_failed",
    "too_many_bytes",
    "fetch_timeout",
]


class FetchError(SceneSearchError):
    """A photo that was not fetched.

    The message names what the caller sent and never what a server answered or a name resolved
    to: a refusal must not tell a stranger about the network the service runs in.

    Attributes:
        upstream_status: the HTTP status of the server that was asked, where that is the cause.
        retry_after_s: how long it wants to be left alone; None where it did not say.
    """

    code = "fetch_failed"

    def __init__(
        self,
        message: str,
        *,
        code: FetchCode,
        upstream_status: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.retry_after_s = retry_after_s
        self.upstream_status = upstream_status
