"""``scenesearch tag --runner ray``: what is checked before, and the run itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from scenesearch.core.errors import ConfigError

if TYPE_CHECKING:
    from scenesearch.config.settings import Settings
    from scenesearch.tagging.run import RunOptions, SceneTagger, TagProgress, TagSummary
    from scenesearch.tagging.tagger import TagOptions


class Run(Protocol):
    """Tags photos into a file, here or elsewhere."""

    def __call__(
        self,
        sources: list[str],
        tagger: SceneTagger,
        out: Path,
        *,
        options: RunOptions,
        progress: Callable[[TagProgress], None] | None,
    ) -> TagSummary:
        """As :func:`scenesearch.tagging.run.run_tagging`."""
        ...


def check_ray(out: str, scenes: str | None) -> None:
    """Refuse what only one process can do, before any work.

    Raises:
        ConfigError: rows are wanted on standard output, or photos in an embedded store.
    """
    from scenesearch.wiring import is_url

    if out == "-":
        raise ConfigError(
            "--runner ray gives rows in any order and --out is '-': give --out a file",
            code="bad_output",
        )
    if scenes is not None and not is_url(scenes):
        raise ConfigError(
            f"--runner ray writes photos from several processes and --scenes is the folder "
            f"{scenes!r}, which one process alone may open; expected the URL of a Qdrant server "
            f"(http://host:6333), or use --runner local",
            code="bad_scenes",
        )


def on_ray(
    settings: Settings,
    wanted: TagOptions,
    *,
    address: str | None,
    decoders: int | None,
    scenes: str | None,
) -> Run:
    """Runs with these settings on a cluster.

    Args:
        settings: sent to the nodes, where the environment goes over them.
        wanted: what a row has.
        address: of the cluster.
        decoders: decoding workers; None for what suits.
        scenes: URL of the store whose photos are filled.
    """
    from scenesearch.tagging.ray_runner import RayOptions, run_tagging_on_ray
    from scenesearch.wiring import tagger_on_node

    cores = settings.threads or 1
    values = settings.model_copy(update={"threads": cores}).model_dump(mode="json")
    there = replace(
        wanted,
        vocabulary=wanted.vocabulary and wanted.vocabulary.absolute(),
        kinds=wanted.kinds and wanted.kinds.absolute(),
    )
    cluster = RayOptions(
        address=address,
        gpus=settings.embedder.device.startswith("cuda"),
        cpus_per_tagger=cores,
        decoders=decoders,
    )
    make = partial(tagger_on_node, values, there, scenes)

    def run(
        sources: list[str],
        tagger: SceneTagger,
        out: Path,
        *,
        options: RunOptions,
        progress: Callable[[TagProgress], None] | None,
    ) -> TagSummary:
        return run_tagging_on_ray(
            sources, tagger, make, out, options=options, cluster=cluster, progress=progress
        )

    return run
