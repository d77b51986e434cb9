"""What workers of a Ray cluster are told of a store and its settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from scenesearch import wiring
from scenesearch.api.opened import Opened
from scenesearch.index.ray_run import RayIndexing
from scenesearch.system.ray_cluster import RayOptions


def settings_there(opened: Opened, cluster: RayOptions) -> tuple[Mapping[str, Any], RayOptions]:
    """Settings of a worker as JSON values, and what each worker takes by them."""
    settings = opened.settings
    threads = settings.threads or cluster.cpus_per_worker
    there = settings.model_copy(
        update={
            "threads": threads,
            "index": settings.index.model_copy(update={"workers": threads}),
        }
    )
    gpus = cluster.gpus or settings.embedder.device.startswith("cuda")
    return (
        # the service's keys are hidden in it, and no worker's business
        there.model_dump(mode="json", exclude={"service"}),
        replace(cluster, gpus=gpus, cpus_per_worker=threads),
    )


@contextmanager
def indexing_there(opened: Opened, cluster: RayOptions | None) -> Iterator[RayIndexing | None]:
    """The workers of an index run, in a ``with`` statement; None where it is a local one."""
    if cluster is None:
        yield None
        return
    values, cluster = settings_there(opened, cluster)
    node = partial(
        wiring.index_node, values, str(opened.address), opened.stored_as, opened.collection
    )
    folder = opened.photo_folder

    def sends(path: str) -> bytes | None:
        """What was fetched lies on this machine, and nowhere else."""
        if folder.sha256_of(path) is None:
            return None
        try:
            return Path(path).read_bytes()
        except OSError:
            return None  # the node says what is wrong with it

    with closing(RayIndexing(node, cluster, opened.settings.index.batch, sends)) as workers:
        yield workers
