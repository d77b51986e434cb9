"""Snapshots of a collection of a server, fetched into files and put back from them.

A snapshot of a node holds what that node has, so one of every node is taken. The record of the
collection comes first and goes last: one that is older than its points misses no more than a kill
between the two would have cost, and without it the collection does not exist.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scenesearch.core.errors import StoreError, StoreUnavailableError
from scenesearch.store.server.client_meta import META_SUFFIX
from scenesearch.store.server.connection import Tls, without_login

if TYPE_CHECKING:
    import httpx

_LONG_S = 3600.0
"""For a server to write a snapshot of a large collection, or to read one."""
_RECORD = "record"
"""Begins the name of a file with the collection's record."""


@dataclass(frozen=True, slots=True)
class Snapshots:
    """The snapshots of one collection.

    Attributes:
        nodes: the address of every node.
        collection: its name.
        api_key: of the server.
        tls: what its certificate is checked by, where that is not what the system knows.
    """

    nodes: Sequence[str]
    collection: str
    api_key: str | None = field(repr=False, default=None)
    tls: Tls | None = None

    def exists(self) -> bool:
        """Whether there is such a collection."""
        with self._client() as client:
            return self._exists(client, self.collection)

    def copy_to(self, folder: Path) -> None:
        """Take a snapshot on every node, fetch it, and remove it there.

        Raises:
            StoreError: the cluster has other nodes than are named, a snapshot cannot be made, or it
                arrived damaged.
        """
        folder.mkdir(parents=True)
        with self._client() as client:
            self._check_nodes(client)
            for collection, prefix in self._parts():
                for number, node in enumerate(self.nodes):
                    _fetch(client, node, collection, folder / f"{prefix}{number}.snapshot")

    def put_back(self, folder: Path) -> None:
        """Make the collection from snapshots.

        Args:
            folder: that :meth:`copy_to` filled.

        Raises:
            StoreError: there is such a collection, or the snapshots are of another number of nodes.
        """
        found = len([one for one in folder.iterdir() if not one.name.startswith(_RECORD)])
        if found != len(self.nodes):
            raise StoreError(
                f"the backup of {self.collection!r} is of {found} nodes, and {len(self.nodes)} are "
                "named; restore into as many, naming each with --node"
            )
        with self._client() as client:
            self._check_nodes(client)
            for collection, prefix in reversed(self._parts()):
                if self._exists(client, collection):
                    raise StoreError(
                        f"{without_login(self.nodes[0])} has a collection {collection!r} already; "
                        "a backup is restored in place of nothing: drop it, or restore into "
                        "another server",
                        code="restore_over",
                    )
                for number, node in enumerate(self.nodes):
                    _send(client, node, collection, folder / f"{prefix}{number}.snapshot")

    def _parts(self) -> list[tuple[str, str]]:
        return [(self.collection + META_SUFFIX, f"{_RECORD}-"), (self.collection, "")]

    def _client(self) -> httpx.Client:
        import httpx

        key = {"api-key": self.api_key} if self.api_key else None
        return httpx.Client(
            headers=key, timeout=_LONG_S, verify=self.tls.context() if self.tls else True
        )

    def _exists(self, client: httpx.Client, collection: str) -> bool:
        node = self.nodes[0]
        found = _asked(client, "GET", f"{node}/collections/{collection}/exists", "look for it")
        return bool(found["exists"])

    def _check_nodes(self, client: httpx.Client) -> None:
        found = _asked(client, "GET", f"{self.nodes[0]}/cluster", "ask for its nodes")
        peers = len(found.get("peers", ())) or 1
        if peers != len(self.nodes):
            raise StoreError(
                f"the cluster has {peers} nodes, and {len(self.nodes)} are named; a snapshot holds "
                "what its node has: name every one, --node http://... for each beside --store",
                code="nodes_missing",
            )


def _fetch(client: httpx.Client, node: str, collection: str, path: Path) -> None:
    home = f"{node}/collections/{collection}/snapshots"
    made = _asked(client, "POST", home, f"take a snapshot of {collection!r}")
    try:
        sha256 = hashlib.sha256()
        with (
            _reached(f"fetch a snapshot of {collection!r}", node),
            client.stream("GET", f"{home}/{made['name']}") as answer,
            path.open("wb") as file,
        ):
            answer.raise_for_status()
            for chunk in answer.iter_bytes():
                file.write(chunk)
                sha256.update(chunk)
    finally:
        _asked(client, "DELETE", f"{home}/{made['name']}", "remove a snapshot")
    if made.get("checksum") not in (None, sha256.hexdigest()):
        raise StoreError(f"the snapshot of {collection!r} arrived damaged; try again")


def _send(client: httpx.Client, node: str, collection: str, path: Path) -> None:
    with path.open("rb") as file:
        _asked(
            client,
            "POST",
            f"{node}/collections/{collection}/snapshots/upload?priority=snapshot",
            f"restore {collection!r}",
            files={"snapshot": (path.name, file)},
        )


def _asked(client: httpx.Client, method: str, url: str, what: str, **how: Any) -> Any:
    node = without_login(url.partition("/collections")[0])
    with _reached(what, node):
        answer = client.request(method, url, **how)
    if answer.is_error:
        said = f"{answer.status_code}: {answer.text[:300]}"
        raise StoreError(f"cannot {what}: {node} answered {said}")
    return answer.json()["result"]


@contextmanager
def _reached(what: str, node: str) -> Iterator[None]:
    import httpx

    try:
        yield
    except httpx.HTTPError as error:
        raise StoreUnavailableError(
            f"cannot {what}: no answer from {without_login(node)}: {error}; check the address"
        ) from error
