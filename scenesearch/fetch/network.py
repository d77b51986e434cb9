"""Names to checked addresses, and connections to exactly those.

The name is resolved once, all its answers are checked, and the connection is opened to one of the
addresses that were checked: there is no second look-up for an attacker to answer differently.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import httpcore

from scenesearch.fetch.addresses import forbidden
from scenesearch.fetch.errors import FetchError
from scenesearch.fetch.urls import Url

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Name and port to IP addresses; OSError where there are none."""
Connect = Callable[[str, int], Awaitable[httpcore.AsyncNetworkStream]]
"""IP address and port to an open stream; httpcore.ConnectError where nobody answers."""
Endpoint = tuple[str, int]


class SystemResolver:
    """The system's resolver, in threads of its own so that slow names hold up nothing else.

    Args:
        threads: names looked up at once.
    """

    def __init__(self, threads: int = 16) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="fetch-resolve")

    async def __call__(self, name: str, port: int) -> list[str]:
        """All addresses of a name, in the system's order."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _look_up, name, port)

    def close(self) -> None:
        """Wait for no look-up; those that run end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(name: str, port: int) -> list[str]:
    # bytes, because a str would be encoded again, by an older IDNA
    found = socket.getaddrinfo(name.encode("ascii"), port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def checked_addresses(
    url: Url,
    resolve: Resolve,
    own: frozenset[Endpoint] = frozenset(),
    private: frozenset[Endpoint] = frozenset(),
) -> tuple[str, ...]:
    """The addresses of a URL's host, all of them public, or of a host that was let in.

    Args:
        url: what is to be fetched.
        resolve: gives the addresses of a name; not asked where the host is an address.
        own: hosts or addresses, with ports, of this service and of its store.
        private: hosts with ports that need not be public.

    Raises:
        FetchError: ``address_not_allowed``, where even one of them is not public;
            ``fetch_failed``, where there are none.
    """
    name = url.host.name
    if url.host.is_address:
        addresses = [name]
    else:
        try:
            addresses = await resolve(name, url.port)
        except OSError as error:
            raise FetchError(
                f"the host {name!r} cannot be found; check its spelling", code="fetch_failed"
            ) from error
    if not addresses:
        raise FetchError(f"the host {name!r} has no address", code="fetch_failed")
    ours = any((host, url.port) in own for host in (name, *addresses))
    let_in = (name, url.port) in private
    if ours or (not let_in and any(forbidden(address) for address in addresses)):
        # neither the address nor the reason: names of an inner network are nobody's business
        raise FetchError(
            f"the host {name!r} is not a public one; upload the photo itself instead",
            code="address_not_allowed",
        )
    return tuple(addresses)


async def connect_directly(address: str, port: int) -> httpcore.AsyncNetworkStream:
    """Open a TCP connection to an IP address."""
    return await httpcore.AnyIOBackend().connect_tcp(address, port)


class PinnedBackend(httpcore.AsyncNetworkBackend):
    """Opens connections to addresses that were checked, whatever name it is asked for.

    Args:
        addresses: tried in order.
        connect: opens one.
    """

    def __init__(self, addresses: tuple[str, ...], connect: Connect) -> None:
        self._addresses = addresses
        self._connect = connect

    async def connect_tcp(
        self,
        host: str,  # noqa: ARG002
        port: int,
        timeout: float | None = None,  # noqa: ARG002
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that answers; the deadline is the caller's."""
        failure: Exception = httpcore.ConnectError("no address")
        for address in self._addresses:
            try:
                return await self._connect(address, port)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def connect_unix_socket(
        self,
        path: str,  # noqa: ARG002
        timeout: float | None = None,  # noqa: ARG002
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        """Refused: nothing public listens there."""
        raise httpcore.ConnectError("sockets of this machine are not connected to")

    async def sleep(self, seconds: float) -> None:
        """Wait, between attempts; there is only one."""
        await asyncio.sleep(seconds)
