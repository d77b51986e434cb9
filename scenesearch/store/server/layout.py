"""Where a collection lies: how many shards and copies it is made with, and how those are now."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

MOST_COPIES = 3
"""Enough to lose one node and still acknowledge each write by two."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a collection is made; what is None goes by the number of nodes.

    Attributes:
        shards: parts of the collection; one a node.
        replicas: copies of each; as many as nodes, at most three.
        write_consistency: copies that acknowledge a write; two of three, else one: with two of
            two, every write fails while a node is down.
    """

    shards: int | None = None
    replicas: int | None = None
    write_consistency: int | None = None

    def on(self, nodes: int) -> dict[str, int]:
        """What the server is asked for; nothing where it is one node and nothing was chosen.

        >>> Layout().on(3)
        {'shard_number': 3, 'replication_factor': 3, 'write_consistency_factor': 2}
        >>> Layout().on(2)
        {'shard_number': 2, 'replication_factor': 2, 'write_consistency_factor': 1}
        >>> Layout(shards=6).on(1)
        {'shard_number': 6}
        """
        if nodes == 1 and self.replicas is None and self.write_consistency is None:
            return {} if self.shards is None else {"shard_number": self.shards}
        replicas = self.replicas or min(nodes, MOST_COPIES)
        return {
            "shard_number": self.shards or nodes,
            "replication_factor": replicas,
            "write_consistency_factor": self.write_consistency or (2 if replicas > 2 else 1),
        }


def companion(nodes: int) -> dict[str, int]:
    """How a collection's companion is made: small, and on every node.

    >>> companion(1)
    {}
    """
    if nodes == 1:
        return {}
    return {**Layout(shards=1, replicas=nodes).on(nodes)}


def nodes_of(client: Any) -> int:
    """Machines of a server's cluster; 1 where it is none."""
    return max(1, len(getattr(client.cluster_status(), "peers", None) or ()))


@dataclass(frozen=True, slots=True)
class Spread:
    """How a collection lies now.

    Attributes:
        nodes: whether on more than one.
        copies: whether there is more than one of any shard.
        active: whether all of them can answer.
    """

    nodes: bool = False
    copies: bool = False
    active: bool = True

    @property
    def consistency(self) -> Any:
        """How much must agree where everything is read: all copies, or most while some are away."""
        from qdrant_client import models

        if not self.copies:
            return None
        return models.ReadConsistencyType.ALL if self.active else models.ReadConsistencyType.QUORUM

    @property
    def query(self) -> str:
        """The same as the end of an address."""
        return "" if self.consistency is None else f"?consistency={self.consistency.value}"


def spread_of(client: Any, name: str) -> Spread:
    """Ask a server."""
    found = client.collection_cluster_info(name)
    every = [*found.local_shards, *found.remote_shards]
    counts = Counter(shard.shard_id for shard in every)
    return Spread(
        nodes=bool(found.remote_shards),
        copies=max(counts.values(), default=1) > 1,
        active=all(shard.state.value == "Active" for shard in every),
    )
