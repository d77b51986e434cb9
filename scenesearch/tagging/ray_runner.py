"""Tagging runs on a Ray cluster: the stages of a local run, on many machines.

The main process lists the sources, asks the ledger what is to be done, and keeps what comes back;
Ray Data streams the photos through decoding and tagging workers, no faster than these take them.
Rows come back in any order and are put out in that of the sources. A kill costs what was on its
way; the next run goes on, here or locally, because the ledger is the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from itertools import chain, starmap
from pathlib import Path
from typing import BinaryIO

from scenesearch.core.errors import ModelError, SceneSearchError
from scenesearch.system.ray_cluster import RayOptions
from scenesearch.system.timing import StageTimes
from scenesearch.tagging.batches import Batch, SceneTagger
from scenesearch.tagging.ledger import Entry, Finished, Memory
from scenesearch.tagging.ray_cluster import MakeTagger, Workers, connected, stream
from scenesearch.tagging.ray_messages import Message, of_entry, to_block, to_error, to_finished
from scenesearch.tagging.rows import TagRow
from scenesearch.tagging.run import Batches, RunOptions, TagProgress, TagSummary, record
from scenesearch.tagging.sources import Source

__all__ = ["MakeTagger", "RayOptions", "run_tagging_on_ray"]


def run_tagging_on_ray(
    sources: Sequence[str | Path],
    tagger: SceneTagger,
    make_tagger: MakeTagger,
    out: str | Path,
    *,
    options: RunOptions | None = None,
    cluster: RayOptions | None = None,
    progress: Callable[[TagProgress], None] | None = None,
    stdin: BinaryIO | None = None,
) -> TagSummary:
    """Tag photos into a file, as :func:`scenesearch.tagging.run.run_tagging`, on a Ray cluster.

    Photos are read on the nodes: paths and addresses must be the same there as here. A photo
    whose worker dies again and again has a row with the error ``worker_died``. Contents that the
    ledger has under another name are tagged again.

    Args:
        sources: see :func:`scenesearch.tagging.sources.list_sources`; listed here.
        tagger: says what rows depend on; never loaded here.
        make_tagger: the same tagger, on the nodes.
        out: .jsonl, .parquet or .csv, on this machine.
        options: how to work; ``workers`` counts for local runs only.
        cluster: where to work.
        progress: called after each batch.
        stdin: what the source ``-`` reads; standard input by default.

    Raises:
        CatalogError: a source is missing or names no photo.
        ConfigError: the output's suffix names no format, or the cluster is too small.
        MissingDependencyError: Ray is not installed.
        ModelError: the models failed, or those of a node are others than those here.
        SceneSearchError: the cluster cannot be reached, or is lost (``ray_failed``); what came
            back before is kept.
        StoreError: as in a local run.
    """
    options, cluster = options or RunOptions(), cluster or RayOptions()
    decoders = 0

    def work(listed: Iterator[Source], memory: Memory, times: StageTimes) -> Batches:
        nonlocal decoders
        on_ray = _OnRay(tagger, make_tagger, options, cluster, times)
        yield from _finished_on_ray(listed, memory, on_ray)
        decoders = on_ray.decoders

    done = record(sources, work, tagger.fingerprint, Path(out), options, progress, stdin)
    return replace(done, workers=decoders)


class _OnRay:
    """One run's way to the cluster, which is started or joined when the first photo needs it.

    Attributes:
        decoders: decoding workers; 0 before there are any.
    """

    def __init__(
        self,
        tagger: SceneTagger,
        make_tagger: MakeTagger,
        options: RunOptions,
        cluster: RayOptions,
        times: StageTimes,
    ) -> None:
        self.tagger = tagger
        self.options = options
        self.window = cluster.window
        self.times = times
        self.decoders = 0
        self._make_tagger = make_tagger
        self._cluster = cluster
        self._open = ExitStack()
        self._joined: Workers | None = None

    def close(self) -> None:
        """Leave the cluster; one of our own ends."""
        self._open.close()

    def finished(self, entries: Sequence[Entry]) -> Iterator[list[Finished]]:
        """Sources brought to their end, as they come back.

        Raises:
            SceneSearchError: what ended the run.
        """
        if self._joined is None:
            with self.times.stage("start"):
                self._joined = self._open.enter_context(connected(self._cluster))
            self.decoders = self._joined.decoders
        waiting = {entry.place: entry for entry in entries}
        yield from self._streamed(self._joined, waiting, self.options)
        if len(waiting) == len(entries) > self.options.batch:
            raise SceneSearchError(
                "no photo came back from the Ray cluster: its workers died, maybe for want of "
                "memory; look into Ray's logs of the nodes, or try --runner local",
                code="ray_failed",
            )
        if waiting and self.options.batch > 1:
            # one photo of a batch may have killed its worker, and the others went with it
            yield from self._streamed(self._joined, waiting, replace(self.options, batch=1))
        if waiting:
            yield [self._lost(entry) for entry in waiting.values()]

    def _streamed(
        self, workers: Workers, waiting: dict[int, Entry], options: RunOptions
    ) -> Iterator[list[Finished]]:
        """What comes back for entries by their places; it is taken out of these."""
        messages = [of_entry(entry, _everywhere(entry)) for entry in waiting.values()]
        size = options.batch
        blocks = [to_block(messages[i : i + size]) for i in range(0, len(messages), size)]
        made = self._make_tagger
        with closing(stream(blocks, made, options, self._cluster, workers)) as coming:
            while True:
                with self.times.stage("wait"):
                    came = next(coming, None)
                if came is None:
                    return
                batch = self._came(came, waiting)
                if batch:
                    yield batch

    def _came(self, messages: Sequence[Message], waiting: dict[int, Entry]) -> list[Finished]:
        finished = []
        for values in (one.values for one in messages):
            error = to_error(values)
            if error is not None:
                raise error
            for stage, seconds in values.get("times", {}).items():
                self.times.add(stage, seconds)
            # a block may come twice after a node was lost
            if "place" in values and waiting.pop(values["place"], None) is not None:
                one = to_finished(values)
                ours = self.tagger.models
                if one.row is not None and one.row.models != ours:
                    raise ModelError(
                        f"a node of the cluster has other models or settings than this machine: "
                        f"it tags with {one.row.models!r}, expected {ours!r}; give all nodes the "
                        f"same weights, SCENESEARCH_ variables and version of scenesearch",
                        code="other_models",
                    )
                finished.append(one)
        return finished

    def _lost(self, entry: Entry) -> Finished:
        name = entry.source.name
        message = (
            f"{name}: the workers that tagged it died; export the photo again, or give the nodes "
            f"more memory, then try --retry-failed"
        )
        row = TagRow(name, models=self.tagger.models, error="worker_died", message=message)
        return Finished(entry.place, name, entry.identity, row=row)


def _finished_on_ray(
    sources: Iterator[Source], memory: Memory, on_ray: _OnRay
) -> Generator[list[Finished], None, None]:
    """Batches of finished sources, in any order."""
    idle = Batch(on_ray.tagger, memory, on_ray.options.batch, 1, StageTimes())
    work: list[Entry] = []
    with closing(on_ray):
        # None: there are no more
        for entry in chain(starmap(memory.enter, enumerate(sources)), [None]):
            if entry is not None and (entry.decision == "skip" or entry.source.error is not None):
                idle.add(entry, None)
            elif entry is not None:
                work.append(entry)
            if idle and (idle.full or entry is None):
                yield idle.finish()
            if work and (len(work) == on_ray.window or entry is None):
                yield from on_ray.finished(work)
                work = []


def _everywhere(entry: Entry) -> str:
    """A path that does not depend on where a process runs."""
    path = entry.source.path
    return path if entry.source.remote else os.path.abspath(path)  # noqa: PTH100 - any bytes
