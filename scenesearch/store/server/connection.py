"""The way to a Qdrant server: connected with the first call, checked, kept alive.

What only reads is asked again where the way was at fault; the pause grows, and is never the same
for many callers at once.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote, urlsplit, urlunsplit

from scenesearch.core.errors import (
    NoSpaceError,
    SceneSearchError,
    StoreError,
    StoreUnavailableError,
)

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

T = TypeVar("T")
OLDEST = (1, 18)
"""The first server that adds spaces to a living collection; newer ones are taken."""
KEPT_ALIVE = 32
"""Connections that wait for the next request."""
KEPT_ALIVE_S = 30.0
PAUSES_S = (0.05, 0.2, 0.8)
"""Before what only reads is asked again, up to half as long again."""
POINT_GONE = "point_gone"
"""Code of the error where a point is written to that was deleted."""
_GATEWAY = frozenset({502, 503, 504})
_TITLE = "qdrant"


class Connection:
    """A server, and what every call of it has in common. Nothing is sent before the first.

    Args:
        client_or_url: an address, or a client, which stays the caller's to close.
        api_key: for an address.
        timeout: seconds for each request, and for all tries of one; for an address.

    Attributes:
        where: names the server in messages, without what is secret in its address.
    """

    def __init__(
        self, client_or_url: QdrantClient | str, api_key: str | None, timeout: float
    ) -> None:
        self._url = client_or_url if isinstance(client_or_url, str) else None
        self._given = None if isinstance(client_or_url, str) else client_or_url
        self._api_key, self._timeout = api_key, timeout
        self.where = "the Qdrant client that was passed in"
        if self._url is not None:
            self.where = without_login(self._url)
        self._gate = RLock()
        self._client: Any = None
        self._closed = False

    def __repr__(self) -> str:
        return f"Connection({self.where!r})"

    @property
    def local(self) -> bool:
        """Whether it is the client's in-memory mode: no payload indexes, no search parameters."""
        return self._given is not None and is_local(self._given)

    def read(self, what: str, call: Callable[[Any], T]) -> T:
        """The answer to what changes nothing.

        Args:
            what: names it in messages.
            call: asks the client.

        Raises:
            StoreError: as for :func:`client_errors`; after several tries where the way is at fault.
        """
        give_up = time.monotonic() + self._timeout
        for pause in PAUSES_S:
            try:
                return self.write(what, call)
            except StoreUnavailableError as error:
                wait = pause * (1 + random.random() / 2)
                if not _on_the_way(error.__cause__) or time.monotonic() + wait > give_up:
                    raise
                time.sleep(wait)
        return self.write(what, call)

    def write(self, what: str, call: Callable[[Any], T]) -> T:
        """The answer to what may change something: asked once."""
        client = self._connected()
        with client_errors(what, self.where):
            return call(client)

    def refuse_closed(self) -> None:
        """Nothing, while it may be used.

        Raises:
            StoreError: it was closed.
        """
        if self._closed:
            raise StoreError(f"the store on {self.where} is closed; make a new one")

    def close(self) -> None:
        """End the connections, unless the client was passed in."""
        with self._gate:
            self._closed = True
            client, self._client = self._client, None
            if client is not None and self._given is None:
                client.close()

    def _connected(self) -> Any:
        client = self._client
        if client is not None:
            return client
        with self._gate:
            self.refuse_closed()
            if self._client is None:
                client = self._given or self._new_client()
                try:
                    if not self.local:
                        self._check(client)
                except BaseException:
                    if self._given is None:
                        client.close()
                    raise
                self._client = client
            return self._client

    def _new_client(self) -> QdrantClient:
        import httpx
        from qdrant_client import QdrantClient

        address = urlsplit(str(self._url))
        login = None
        if address.username is not None:
            login = (unquote(address.username), unquote(address.password or ""))
        with client_errors("connect", self.where):
            return QdrantClient(
                url=self.where,
                # as its own argument, the client warns of a key without TLS: where the server
                # stands is the user's to know, and docs/deploy.md says it
                headers={"api-key": self._api_key} if self._api_key else None,
                timeout=max(1, round(self._timeout)),
                # a request of its own in a thread, and only a warning: see _check
                check_compatibility=False,
                # of its own accord it keeps none to this machine, and 5 s to others
                limits=httpx.Limits(
                    max_keepalive_connections=KEPT_ALIVE, keepalive_expiry=KEPT_ALIVE_S
                ),
                auth=login,
            )

    def _check(self, client: Any) -> None:
        """Refuse what is no Qdrant, or too old a one."""
        with client_errors("connect", self.where):
            said = client.info()
        found = re.match(r"(\d+)\.(\d+)", said.version)
        if _TITLE not in said.title.lower() or found is None:
            raise _no_qdrant(self.where)
        if (int(found[1]), int(found[2])) < OLDEST:
            wanted = ".".join(map(str, OLDEST))
            raise StoreError(
                f"{self.where} runs Qdrant {said.version}, and this version of scenesearch needs "
                f"{wanted} or newer; update the server (docs/scale.md has which were run)",
                code="store_version",
            )


def without_login(url: str) -> str:
    """An address without the name and password that may stand in it.

    >>> without_login("http://user:secret@host:6333/x")
    'http://host:6333/x'
    """
    address = urlsplit(url)
    return urlunsplit(address._replace(netloc=address.netloc.rpartition("@")[2]))


def is_local(client: Any) -> bool:
    """Whether a client is the in-memory mode."""
    from qdrant_client.local.qdrant_local import QdrantLocal

    # Passing what it ignores makes it warn; it has no public way to tell.
    return isinstance(getattr(client, "_client", None), QdrantLocal)


def _on_the_way(error: BaseException | None) -> bool:
    """Whether the way to the server failed, or its gateway, so that another try may not."""
    import httpx
    from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

    if isinstance(error, UnexpectedResponse):
        return error.status_code in _GATEWAY
    return isinstance(error, ResponseHandlingException) and isinstance(
        error.source, httpx.TransportError
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
            code="store_busy",
            retry_after_s=error.retry_after_s,
        ) from error
    except ResponseHandlingException as error:
        if isinstance(error.source, httpx.HTTPError | OSError):
            raise _no_answer(what, where, error) from error
        raise _no_qdrant(where) from error
    except (ApiException, QdrantException, OSError) as error:
        raise _no_answer(what, where, error) from error
    except (json.JSONDecodeError, AssertionError) as error:
        # the client asserts that an answer has a result
        raise _no_qdrant(where) from error
    except (ValueError, KeyError, RuntimeError) as error:
        # what the in-memory mode raises where a server would answer with a status
        raise StoreError(f"cannot {what} in {where}: {error}") from error


def _no_answer(what: str, where: str, error: Exception) -> StoreUnavailableError:
    return StoreUnavailableError(
        f"cannot {what}: no answer from {where}: {error}; check that a Qdrant server runs "
        "there, the address, and the timeout"
    )


def _no_qdrant(where: str) -> StoreError:
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
        return StoreError(
            f"{said}; the API key may not do this, set one that may", code="store_forbidden"
        )
    if status == 404 and "No point with id" in reply:
        return StoreError(f"{said}; it was deleted meanwhile, try again", code=POINT_GONE)
    if status == 413 or "is larger than allowed" in reply:
        return StoreError(f"{said}; send smaller batches", code="store_too_large")
    if "No space left on device" in reply or "disk space" in reply:
        return NoSpaceError(f"{said}; free space on the server's disk")
    if status >= 500:
        return StoreUnavailableError(f"{said}; look at the server's log")
    if status == 400 and ". Help: " in reply:
        return StoreError(
            f"{said}; raise that limit of the collection's strict mode, or ask for less",
            code="store_limit",
        )
    return StoreError(f"{said}; check the collection on the server")
