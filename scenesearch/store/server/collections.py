"""Collections of a server, each with its record: listed, dropped, named anew as one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

from scenesearch.store.checks import check_name
from scenesearch.store.server.client_meta import META_SUFFIX, ClientMeta
from scenesearch.store.server.connection import Connection, Tls

TIMEOUT_S = 60.0


@contextmanager
def connected(url: str, api_key: str | None, tls: Tls | None) -> Iterator[Connection]:
    """A connection for a few requests."""
    with closing(Connection(url, api_key, TIMEOUT_S, tls)) as server:
        yield server


def names(server: Connection) -> list[str]:
    """Those that have a record; others are somebody else's."""
    found = server.ask("list collections", lambda c: c.get_collections().collections)
    every = {one.name for one in found}
    return sorted(name for name in every if name + META_SUFFIX in every)


def resident_bytes(server: Connection) -> int | None:
    """What the server has in memory, of all its collections; None where it does not say."""
    # as JSON: the client's own class of it knows one version of servers
    said = server.ask(
        "read telemetry",
        lambda c: c.http.client.request(
            type_=Any, method="GET", url="/telemetry", params={"details_level": 1}
        ),
    )
    held = (said.get("result") or {}).get("memory") or {}
    return int(held["resident_bytes"]) if "resident_bytes" in held else None


def drop(server: Connection, name: str, *, keep: Sequence[str] = ()) -> None:
    """Remove points, then the record; killed between the two, it is done again.

    Args:
        server: where.
        name: of the collection.
        keep: notes that stay, in a companion of nothing else.
    """
    server.ask(f"drop {name!r}", partial(_delete, name=name))
    if keep:
        ClientMeta(server, name).forget(*keep, all_else=True)
    else:
        server.ask(f"drop {name + META_SUFFIX!r}", partial(_delete, name=name + META_SUFFIX))


def _delete(client: Any, name: str) -> None:
    client.delete_collection(name)


def name(server: Connection, alias: str, collection: str) -> None:
    """Let an alias mean a collection and its record, in one step."""
    from qdrant_client import models

    check_name(alias)
    pairs = [(alias + end, collection + end) for end in ("", META_SUFFIX)]
    known = server.ask("list aliases", lambda c: c.get_aliases().aliases)
    taken = {one.alias_name for one in known}
    gone = [
        models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=one))
        for one, _ in pairs
        if one in taken
    ]
    new = [
        models.CreateAliasOperation(
            create_alias=models.CreateAlias(alias_name=one, collection_name=of)
        )
        for one, of in pairs
    ]
    server.ask(f"name {collection!r}", lambda c: c.update_collection_aliases([*gone, *new]))
