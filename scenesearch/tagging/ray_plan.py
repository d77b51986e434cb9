"""How many workers of each kind a cluster has room for. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from scenesearch.core.errors import ConfigError

_TAGGERS_A_DECODER = 8
"""Models on one core take some ten times as long over a photo as decoding it does."""
_DECODERS_A_GPU = 4


@dataclass(frozen=True, slots=True)
class RayOptions:
    """Where and how wide a run on Ray works.

    Attributes:
        address: of the cluster (``10.0.0.5:6379``, or ``auto``); None for what ``RAY_ADDRESS``
            says, and else a Ray of its own on this machine, which ends with the run.
        cpus: of a Ray of its own; None for all of this machine.
        gpus: whether each tagging worker takes a GPU.
        cpus_per_tagger: cores of each tagging worker.
        decoders: decoding workers; None for what suits the number of tagging workers.
        window: photos that are handed to the cluster together; between two windows models are
            loaded anew, and the main process remembers this many photos.
    """

    address: str | None = None
    cpus: int | None = None
    gpus: bool = False
    cpus_per_tagger: int = 1
    decoders: int | None = None
    window: int = 100_000

    def __post_init__(self) -> None:
        for name in ("cpus", "cpus_per_tagger", "decoders", "window"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"RayOptions.{name} must be at least 1, got {value}")


class Workers(NamedTuple):
    """How many of each."""

    decoders: int
    taggers: int


def plan_workers(cpus: float, gpus: float, options: RayOptions) -> Workers:
    """Workers that fit on a cluster together, one core for each decoding worker.

    Args:
        cpus: of all nodes.
        gpus: of all nodes.
        options: what each tagging worker takes.

    Raises:
        ConfigError: not even one of each fits.
    """
    each = options.cpus_per_tagger
    if options.gpus:
        taggers = min(int(gpus), int(cpus - 1) // each)
        decoders = options.decoders or min(_DECODERS_A_GPU * taggers, int(cpus) - each * taggers)
    else:
        decoders = options.decoders or max(1, int(cpus) // (1 + _TAGGERS_A_DECODER * each))
        taggers = (int(cpus) - decoders) // each
    if taggers < 1 or decoders < 1 or decoders + each * taggers > cpus:
        asked = f"{options.decoders or 1} + {each} CPUs" + (" and 1 GPU" if options.gpus else "")
        raise ConfigError(
            f"The Ray cluster has {cpus:g} CPUs and {gpus:g} GPUs, and decoding and tagging need "
            f"at least {asked}; add nodes, take fewer --workers or threads, or use --runner local",
            code="ray_too_small",
        )
    return Workers(decoders, taggers)
