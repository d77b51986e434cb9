"""A Ray cluster, joined or started for one run."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from scenesearch.core.errors import ConfigError, SceneSearchError
from scenesearch.core.extras import extra

RETRIES = 2
"""How often work is tried again whose worker died."""
_OWN = "local"
_LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Read by Ray as it is imported, on every system: without a cluster it talks to itself over the
loopback address, and listens nowhere else."""


@dataclass(frozen=True, slots=True)
class RayOptions:
    """Where and how wide a run on Ray works.

    Attributes:
        address: of the cluster (``10.0.0.5:6379``, or ``auto``); None for what ``RAY_ADDRESS``
            says, and else a Ray of its own on this machine, which ends with the run.
        cpus: of a Ray of its own; None for all of this machine.
        gpus: whether each worker that has models takes a GPU.
        cpus_per_worker: cores of each worker that has models.
        decoders: decoding workers of a tagging run; None for what suits the number of tagging
            workers. Of an index run every worker decodes what it embeds.
        window: photos that a tagging run hands to the cluster together; between two windows models
            are loaded anew, and the main process remembers this many photos.
    """

    address: str | None = None
    cpus: int | None = None
    gpus: bool = False
    cpus_per_worker: int = 1
    decoders: int | None = None
    window: int = 100_000

    def __post_init__(self) -> None:
        for name in ("cpus", "cpus_per_worker", "decoders", "window"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"RayOptions.{name} must be at least 1, got {value}")


class Room(NamedTuple):
    """What all nodes of a cluster have together."""

    cpus: float
    gpus: float


@contextmanager
def joined(options: RayOptions, what: str) -> Iterator[Room]:
    """A cluster's room, in a ``with`` statement; a Ray of our own ends with it.

    A Ray that this process has joined already is taken as it is, and left as it was.

    Args:
        options: which cluster.
        what: needs it, for the message where Ray is not installed.

    Raises:
        MissingDependencyError: Ray is not installed.
        SceneSearchError: it cannot be reached (``ray_unreachable``).
    """
    address = options.address or os.environ.get("RAY_ADDRESS") or _OWN
    # read as Ray starts; a user's own value stays
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    with _alone(address):
        with extra("ray", f"{what} on a Ray cluster (on every node)"):
            import ray
        own = not ray.is_initialized()
        if own:
            with _same_handler():
                _join(ray, address, options)
    try:
        there = ray.cluster_resources()
        yield Room(there.get("CPU", 0.0), there.get("GPU", 0.0))
    finally:
        if own:
            with _same_handler():
                ray.shutdown()


@contextmanager
def _same_handler() -> Iterator[None]:
    """What SIGTERM does stays: Ray sets it, in the end to what ends the process at once."""
    ours = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if callable(ours) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, ours)


@contextmanager
def _alone(address: str) -> Iterator[None]:
    """A Ray of our own, and the processes that it starts, listen on the loopback address only."""
    if address != _OWN or "ray" in sys.modules or _LOOPBACK in os.environ:
        yield
        return
    os.environ[_LOOPBACK] = "0"
    try:
        yield
    finally:
        del os.environ[_LOOPBACK]


def _join(ray: Any, address: str, options: RayOptions) -> None:
    if address.startswith("ray://"):
        raise ConfigError(
            f"the Ray address {address!r} is that of a Ray client, and this needs a process on "
            f"a node of the cluster; run this on a node with its address (10.0.0.5:6379, or auto), "
            f"or send it there with `ray job submit`",
            code="ray_unreachable",
        )
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address == _OWN:
            ray.init(address=_OWN, num_cpus=options.cpus, include_dashboard=False, **quiet)
        else:
            ray.init(address=address, **quiet)
    except (ConnectionError, TimeoutError, RuntimeError, ValueError, OSError) as error:
        said = " ".join(str(error).split())[:300]
        raise SceneSearchError(
            f"no Ray cluster at {address!r} ({type(error).__name__}: {said}); expected the address "
            f"of a running one, such as 10.0.0.5:6379 or auto; `ray status` says whether it runs",
            code="ray_unreachable",
        ) from error
