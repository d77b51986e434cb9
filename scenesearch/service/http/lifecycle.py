"""Whether the service is stopping: what the server knows and the routes must."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Lifecycle:
    """How far a service is with its life.

    Attributes:
        draining: it was told to stop: it still answers, but wants no new connections.
    """

    draining: bool = False
