"""What a Qdrant server's answers mean where they are none, or refusals: errors by kind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from scenesearch.core.errors import (
    NoSpaceError,
    SceneSearchError,
    StoreError,
    StoreUnavailableError,
)

POINT_GONE = "point_gone"
"""Code of the error where a point is written to that was deleted."""
TOO_LARGE, LIMIT = "store_too_large", "store_limit"
PARTS = (TOO_LARGE, LIMIT)
"""Codes of a batch whose halves the server may take."""
FORBIDDEN = "store_forbidden"
"""Code of what the key may not do."""
BUSY = "store_busy"
"""Code of a server that says when it will answer again."""


def may_pass(error: StoreUnavailableError) -> bool:
    """Whether the way failed, or the server cannot do it now, so that another try may help."""
    import httpx
    from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
    from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

    cause = error.__cause__
    if isinstance(cause, UnexpectedResponse):
        return (cause.status_code or 0) >= 500
    return isinstance(cause, ResourceExhaustedResponse) or (
        isinstance(cause, ResponseHandlingException)
        and isinstance(cause.source, httpx.TransportError)
    )


@contextmanager
def client_errors(what: str, where: str) -> Iterator[None]:
    """Words for whatever qdrant-client raises while it does ``what`` at ``where``.

    Raises:
        StoreUnavailableError: there is no answer, or none now.
        NoSpaceError: the server's disk is full.
        StoreError: the server refuses, or is no Qdrant; ``store_forbidden``, ``store_too_large``
            and ``store_limit`` are kinds of refusal.
    """
    import httpx
    from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
    from qdrant_client.http.exceptions import (
        ApiException,
        ResponseHandlingException,
        UnexpectedResponse,
    )

    try:
        yield
    except SceneSearchError:
        raise
    except UnexpectedResponse as error:
        raise _refused(what, where, error) from error
    except ResourceExhaustedResponse as error:
        raise StoreUnavailableError(
            f"cannot {what}: {where} takes no more requests for {error.retry_after_s} s: {error}",
            code=BUSY,
            retry_after_s=error.retry_after_s,
        ) from error
    except ResponseHandlingException as error:
        if isinstance(error.source, httpx.HTTPError | OSError):
            raise _no_answer(what, where, error) from error
        raise no_qdrant(where) from error
    except (ApiException, QdrantException, OSError) as error:
        raise _no_answer(what, where, error) from error
    except (json.JSONDecodeError, AssertionError) as error:
        # the client asserts that an answer has a result
        raise no_qdrant(where) from error
    except (ValueError, KeyError, RuntimeError) as error:
        # what the in-memory mode raises where a server would answer with a status
        raise StoreError(f"cannot {what} in {where}: {error}") from error


def _no_answer(what: str, where: str, error: Exception) -> StoreUnavailableError:
    return StoreUnavailableError(
        f"cannot {what}: no answer from {where}: {error}; check that a Qdrant server runs "
        "there, the address, and the timeout"
    )


def no_qdrant(where: str) -> StoreError:
    """The error for an answer of something else."""
    return StoreError(
        f"{where} gave an answer that is not a Qdrant server's; check the address and the port "
        "(Qdrant's REST port is 6333 unless it was changed)",
        code="store_foreign",
    )


def _refused(what: str, where: str, error: Any) -> StoreError:
    """The error for an answer with a status of refusal."""
    status = error.status_code or 0
    reply = error.content.decode("utf-8", "replace")[:300]
    said = f"cannot {what}: {where} answered {status}: {reply}"
    if status == 401 or (status == 403 and "API key" in reply):
        return StoreUnavailableError(
            f"cannot {what}: {where} refused the API key ({status}); set a key that may read "
            "and write this collection"
        )
    if status == 403:
        return StoreError(f"{said}; the API key may not do this, set one that may", code=FORBIDDEN)
    if status == 404 and "No point with id" in reply:
        return StoreError(f"{said}; it was deleted meanwhile, try again", code=POINT_GONE)
    if status == 413 or "is larger than allowed" in reply:
        return StoreError(f"{said}; send smaller batches", code=TOO_LARGE)
    if "No space left on device" in reply or "disk space" in reply:
        return NoSpaceError(f"{said}; free space on the server's disk")
    if status >= 500:
        return StoreUnavailableError(f"{said}; look at the server's log")
    if status == 400 and ". Help: " in reply:
        return StoreError(
            f"{said}; raise that limit of the collection's strict mode, or ask for less",
            code=LIMIT,
        )
    return StoreError(f"{said}; check the collection on the server")
