"""The way to a Qdrant server: connected with the first call, checked, kept alive, tried again.

What fails on the way, or because a server cannot do it now, is tried again, at the next address
where there are several; the pause grows, and is never the same for many callers at once. So every
call must come to the same when it is carried out twice, or say how it is asked again.
"""

from __future__ import annotations

import random
import re
import ssl
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import RLock, local
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

from scenesearch.core.addresses import addresses
from scenesearch.core.errors import ConfigError, StoreError, StoreUnavailableError
from scenesearch.store.server.answers import client_errors, may_pass, no_qdrant
from scenesearch.store.server.requests import Requests

if TYPE_CHECKING:
    import httpx
    from qdrant_client import QdrantClient

T = TypeVar("T")
Waits = Callable[[float], None]
"""Called with the seconds that a call has waited so far."""
OLDEST = (1, 18)
"""The first server that adds spaces to a living collection; newer ones are taken."""
KEPT_ALIVE = 32
"""Connections that wait for the next request."""
KEPT_ALIVE_S = 30.0
CONSENSUS_S = 60
"""Seconds for what all nodes of a cluster have to agree on: 10 of them pass with one down."""
AGAIN_S = 4.0
"""How long a call is tried again: a server that starts again is there after a second or two."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0
"""Before all addresses are asked again; doubled each time, and up to half as long again."""
NEXT_S = 1.0
"""To be connected, where there is another address to try."""
_TITLE = "qdrant"


@dataclass(frozen=True, slots=True)
class Tls:
    """Files of an authority and of a client's own certificate, in PEM.

    Attributes:
        ca: who signs the server's certificate; None for those that the system knows.
        cert: the client's certificate.
        key: its key, where that is not in ``cert``.
    """

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        """For a connection.

        Raises:
            ConfigError: a file is missing, or not what it should be.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca)
            if self.cert is not None:
                context.load_cert_chain(self.cert, self.key)
        except OSError as error:
            files = ", ".join(str(file) for file in (self.ca, self.cert, self.key) if file)
            raise ConfigError(
                f"store.ca, store.cert and store.key: cannot use {files}: {error}; expected files "
                "in PEM, and a key that belongs to the certificate"
            ) from error
        return context


class Connection:
    """A server, or several of one cluster. Nothing is sent before the first call.

    Args:
        client_or_url: an address, several with commas between, or a client, which stays the
            caller's to close.
        api_key: for addresses.
        timeout: seconds for each request, for addresses.
        tls: for addresses that begin with ``https``.

    Attributes:
        where: names the server in messages, without what is secret in its address.
    """

    def __init__(
        self,
        client_or_url: QdrantClient | str,
        api_key: str | None,
        timeout: float,
        tls: Tls | None = None,
    ) -> None:
        self._given = None if isinstance(client_or_url, str) else client_or_url
        urls = addresses(client_or_url) if isinstance(client_or_url, str) else []
        self._api_key, self._timeout, self._tls = api_key, timeout, tls
        self._servers = [_Server(url, without_login(url)) for url in urls] or [
            _Server("", "the Qdrant client that was passed in", self._given)
        ]
        self.where = ", ".join(server.where for server in self._servers)
        self._at = 0
        self._gate = RLock()
        self._closed = False
        self._patience: tuple[float, Waits] | None = None
        self._hurry = _Hurry()

    def __repr__(self) -> str:
        return f"Connection({self.where!r})"

    @property
    def local(self) -> bool:
        """Whether it is the client's in-memory mode: no payload indexes, no search parameters."""
        return self._given is not None and is_local(self._given)

    def ask(
        self,
        what: str,
        call: Callable[[Any], T],
        *,
        again: Callable[[Any], T] | None = None,
    ) -> T:
        """The answer to a call that comes to the same if it is carried out twice.

        Args:
            what: names it in messages.
            call: asks a client.
            again: what is asked from the second time on, where the first may have been carried
                out and others may have written since.

        Raises:
            StoreError: as for :func:`client_errors`; after several tries where those could help.
        """
        then = None if again is None else lambda server: again(server.client)
        return self._ask(what, lambda server: call(server.client), then)

    def post(self, what: str, path: str, body: bytes, *, again: str | None = None) -> Any:
        """The result that a server answers with, as JSON has it.

        Making the client's objects, and passing its layers, costs more than all else about a
        search.

        Args:
            what: names it in messages.
            path: from the root of the server.
            body: JSON.
            again: the path from the second time on.

        Raises:
            StoreError: as for :meth:`ask`.
        """

        def post(server: _Server, path: str) -> Any:
            if server.requests is not None:
                return server.requests.post(path, body)
            # a client that was passed in has connections of its own
            json = {"Content-Type": "application/json"}
            return server.client.http.client.request(
                type_=Any, method="POST", url=path, headers=json, content=body
            )["result"]

        return self._ask(what, lambda s: post(s, path), lambda s: post(s, again or path))

    def _ask(
        self,
        what: str,
        call: Callable[[_Server], T],
        again: Callable[[_Server], T] | None,
    ) -> T:
        start, pause, tried = time.monotonic(), FIRST_PAUSE_S, 0
        while True:
            server = self._servers[self._at]
            try:
                self._connect(server)
                with client_errors(what, server.where):
                    return call(server)
            except StoreUnavailableError as error:
                if not may_pass(error):
                    raise
                tried, call = tried + 1, again or call
                self._go_on_from(server)
                wait = 0.0
                if tried % len(self._servers) == 0:
                    if self._hurry.on:
                        raise
                    wait = pause * (1 + random.random() / 2)
                    pause = min(2 * pause, LONGEST_PAUSE_S)
                self._wait(max(wait, error.retry_after_s or 0), start, error)

    def _wait(self, seconds: float, start: float, error: StoreUnavailableError) -> None:
        """Wait for the next try, or raise the error of the last."""
        patience = self._patience
        ends = start + (patience[0] if patience else min(self._timeout, AGAIN_S))
        if time.monotonic() + seconds > ends:
            if patience is None:
                raise error
            waited = time.monotonic() - start
            raise StoreUnavailableError(
                f"{error}. It was tried again for {waited:.0f} s (store.retry_s); what is done "
                "stays done: run again to go on",
                code=error.code,
                retry_after_s=error.retry_after_s,
            ) from error
        if patience is not None and seconds:
            patience[1](time.monotonic() - start)
        time.sleep(seconds)

    @contextmanager
    def patient(self, seconds: float, waits: Waits) -> Iterator[None]:
        """Calls inside the ``with`` are tried again for so long, in all threads."""
        before, self._patience = self._patience, (seconds, waits)
        try:
            yield
        finally:
            self._patience = before

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Calls of this thread inside the ``with`` are tried once at each address."""
        self._hurry.on = True
        try:
            yield
        finally:
            self._hurry.on = False

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
            for server in self._servers:
                client, server.client, server.checked = server.client, None, False
                if client is not None and self._given is None:
                    client.close()

    def _go_on_from(self, failed: _Server) -> None:
        """The next address, unless another thread was here before."""
        with self._gate:
            if self._servers[self._at] is failed:
                self._at = (self._at + 1) % len(self._servers)

    def _connect(self, server: _Server) -> None:
        if server.checked:
            return
        with self._gate:
            self.refuse_closed()
            if server.client is None:
                with client_errors("connect", server.where):
                    self._make_client(server)
            if not server.checked and not self.local:
                _check(server.client, server.where)
            server.checked = True

    def _make_client(self, server: _Server) -> None:
        import httpx
        from qdrant_client import QdrantClient

        # as its own argument, the client warns of a key without TLS: where the server stands is
        # the user's to know, and docs/deploy.md says it. The server's packing and our unpacking
        # cost more than the way to a server nearby.
        headers = {"accept-encoding": "identity"}
        if self._api_key:
            headers["api-key"] = self._api_key
        address = urlsplit(server.url)
        if address.username is not None:
            login = f"{unquote(address.username)}:{unquote(address.password or '')}"
            headers["authorization"] = f"Basic {b64encode(login.encode()).decode()}"
        # given a transport, the client does not look for proxies itself
        host = address.hostname or ""
        proxies = {} if proxy_bypass(host) else getproxies()
        transport = httpx.HTTPTransport(
            proxy=proxies.get(address.scheme) or proxies.get("all"),
            verify=True if self._tls is None else self._tls.context(),
            # of its own accord the client keeps none to this machine, and 5 s to others
            limits=httpx.Limits(
                max_keepalive_connections=KEPT_ALIVE, keepalive_expiry=KEPT_ALIVE_S
            ),
        )
        timeout = max(1, round(self._timeout))
        server.client = QdrantClient(
            url=server.where,
            headers=headers,
            timeout=timeout,
            # a request of its own in a thread, and only a warning: see _check
            check_compatibility=False,
            transport=transport,
            event_hooks={"request": [self._patiently]},
        )
        server.requests = Requests(transport, server.where, headers, self._times(timeout))

    def _times(self, seconds: float) -> dict[str, float]:
        times = dict.fromkeys(("connect", "read", "write", "pool"), float(seconds))
        if len(self._servers) > 1:
            times["connect"] = min(times["connect"], NEXT_S)
        return times

    def _patiently(self, request: httpx.Request) -> None:
        """How long a request of the client waits.

        One that was given up may be carried out later, after what came after its second try: an
        insert would undo a deletion then. So who can wait gives none up that may still be under
        way; when a server dies, its connections end at once.
        """
        times = request.extensions["timeout"]
        if len(self._servers) > 1:
            times["connect"] = min(times["connect"], NEXT_S)
        if self._patience is not None:
            times["read"] = max(times["read"], CONSENSUS_S)


@dataclass(slots=True, eq=False)
class _Server:
    """One address, and the client of it once it was needed and is known to be a Qdrant."""

    url: str
    where: str
    client: Any = None
    requests: Requests | None = None
    checked: bool = False


class _Hurry(local):
    """Whether a thread cannot wait."""

    on = False


def _check(client: Any, where: str) -> None:
    """Refuse what is no Qdrant, or too old a one."""
    with client_errors("connect", where):
        said = client.info()
    found = re.match(r"(\d+)\.(\d+)", said.version)
    if _TITLE not in said.title.lower() or found is None:
        raise no_qdrant(where)
    if (int(found[1]), int(found[2])) < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        raise StoreError(
            f"{where} runs Qdrant {said.version}, and this version of scenesearch needs "
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
