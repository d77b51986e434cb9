"""The workers of a tagging run on a Ray cluster, and Ray Data's stream through them.

Two kinds of workers stay on its nodes: one decodes, the other tags, and both give blocks of
:mod:`scenesearch.tagging.ray_messages`. An error that would end a local run is sent on as a
message, because Ray would wrap it in the traces of two processes.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from functools import partial
from typing import Any, NamedTuple

from scenesearch.core.errors import ConfigError, SceneSearchError
from scenesearch.core.extras import extra
from scenesearch.system.ray_cluster import RETRIES, RayOptions, joined
from scenesearch.system.timing import StageTimes
from scenesearch.tagging.batches import Batch, SceneTagger
from scenesearch.tagging.decode_pool import DecodePool
from scenesearch.tagging.ledger import Entry, Memory
from scenesearch.tagging.ray_messages import (
    Message,
    from_block,
    of_error,
    of_finished,
    of_outcome,
    to_block,
    to_entry,
    to_error,
    to_outcome,
)
from scenesearch.tagging.run import RunOptions, decode_ahead

_TAGGERS_A_DECODER = 8
"""Models on one core take some ten times as long over a photo as decoding it does."""
_DECODERS_A_GPU = 4


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
    each = options.cpus_per_worker
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


MakeTagger = Callable[[], AbstractContextManager[SceneTagger]]
"""Makes the tagger of one worker, open while the ``with`` lasts. Ray sends it to the nodes, so it
must be a function that they can import, or a ``functools.partial`` of one with plain values."""

BLOCK_BYTES = 64_000_000
"""Of pixels that are handed on together."""


class DecodeStage:
    """Decodes in a process of its own, so that a hung or crashing photo costs that photo.

    Args:
        options: time limit, limits of photos and room.
    """

    def __init__(self, options: RunOptions) -> None:
        self._options = options
        self._pool = DecodePool(1, timeout_s=options.timeout_s, limits=options.limits)

    def __call__(self, block: Any) -> Iterator[Any]:
        """Blocks of decoded photos, from one of entries."""
        try:
            yield from self._decoded([to_entry(one.values) for one in from_block(block)])
        except SceneSearchError as error:
            yield to_block([of_error(error)])

    def _decoded(self, entries: list[Entry]) -> Iterator[Any]:
        ahead = decode_ahead(iter(entries), self._pool, self._options)
        ready: list[Message] = []
        nbytes = 0
        try:
            with ahead:
                for entry, outcome in ahead:
                    if outcome is None:
                        raise TypeError(f"{entry.source.name} needs no decoding, and was sent to")
                    ready.append(of_outcome(entry, outcome))
                    nbytes += len(ready[-1].pixels or b"")
                    if nbytes >= BLOCK_BYTES:
                        yield to_block(ready)
                        ready, nbytes = [], 0
        finally:
            ahead.join()
        if ready:
            yield to_block(ready)


class TagStage:
    """Tags batches of decoded photos; the models are loaded with the first of them.

    Args:
        make_tagger: the tagger of this worker.
        options: how large batches are.
    """

    def __init__(self, make_tagger: MakeTagger, options: RunOptions) -> None:
        self._make = make_tagger
        self._options = options
        self._open = ExitStack()
        self._tagger: SceneTagger | None = None

    def __call__(self, block: Any) -> Iterator[Any]:
        """Blocks of finished sources, from one of decoded photos."""
        try:
            yield from self._tagged(from_block(block))
        except Exception as error:  # noqa: BLE001 - raised again by who drives the run
            yield to_block([of_error(error)])

    def _tagged(self, messages: list[Message]) -> Iterator[Any]:
        if self._tagger is None:
            self._tagger = self._open.enter_context(self._make())
        o, times = self._options, StageTimes()
        batch = Batch(self._tagger, Memory(), o.batch, o.batch_bytes, times)
        finish = partial(_finish, batch, times)
        for one in messages:
            if to_error(one.values) is not None:
                yield to_block([one])
                continue
            outcome = to_outcome(one)
            times.add("decode", outcome.seconds)
            batch.add(to_entry(one.values), outcome)
            if batch.full:
                yield finish()
        if batch:
            yield finish()


def _finish(batch: Batch, times: StageTimes) -> Any:
    finished = [of_finished(one) for one in batch.finish()]
    spent = Message({"times": dict(times.seconds)})
    times.seconds.clear()
    return to_block([*finished, spent])


def stream(
    blocks: Sequence[Any],
    make_tagger: MakeTagger,
    options: RunOptions,
    how: RayOptions,
    workers: Workers,
) -> Generator[list[Message], None, None]:
    """What comes back for blocks of entries, a block at a time, in any order.

    Blocks whose worker died more than ``RETRIES`` times are left out.

    Args:
        blocks: of :mod:`scenesearch.tagging.ray_messages`.
        make_tagger: the tagger of each tagging worker.
        options: time limit, limits of photos and room.
        how: what each tagging worker takes.
        workers: how many of each.

    Raises:
        SceneSearchError: the cluster is lost (``ray_failed``).
    """
    import ray
    from ray.data import ActorPoolStrategy

    each = {"max_restarts": -1, "max_task_retries": RETRIES}
    with warnings.catch_warnings():
        # the number of retries has no other name until Ray 2.64; see the extra's upper bound
        warnings.filterwarnings("ignore", "`ray_remote_args` is deprecated")
        data = (
            ray.data.from_arrow(list(blocks))
            .map_batches(
                DecodeStage,
                fn_constructor_args=(options,),
                batch_size=None,
                batch_format="pyarrow",
                compute=ActorPoolStrategy(size=workers.decoders),
                num_cpus=1,
                **each,
            )
            .map_batches(
                TagStage,
                fn_constructor_args=(make_tagger, options),
                batch_size=options.batch,
                batch_format="pyarrow",
                compute=ActorPoolStrategy(size=workers.taggers),
                num_cpus=how.cpus_per_worker,
                num_gpus=1 if how.gpus else 0,
                **each,
            )
        )
    # of this data alone, not of everything the process does with Ray
    context = data.context
    context.enable_progress_bars = False
    context.max_errored_blocks = -1
    try:
        blocks_back = data.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)
        # closed early, its thread would go on, and start another Ray after this one's end
        with closing(iter(blocks_back)) as coming:
            yield from map(from_block, coming)
    except (ray.exceptions.RayError, ray.data.exceptions.SystemException) as error:
        said = " ".join(str(error).split())[:300]
        raise SceneSearchError(
            f"the Ray cluster failed ({type(error).__name__}: {said}); what came back before "
            f"is kept, run again to go on",
            code="ray_failed",
        ) from error


@contextmanager
def connected(options: RayOptions) -> Iterator[Workers]:
    """What a cluster has room for, in a ``with`` statement; see :func:`~.joined`.

    Raises:
        MissingDependencyError: Ray is not installed.
        ConfigError: the cluster is too small.
        SceneSearchError: it cannot be reached (``ray_unreachable``).
    """
    with joined(options, "Tagging") as room:
        with extra("ray", "Tagging on a Ray cluster (on every node)"):
            import ray.data.exceptions  # noqa: F401
        log = logging.getLogger("ray.data")
        level = log.level
        try:
            # a lost batch is a row of the output; Ray would print the traces of two processes
            log.setLevel(logging.CRITICAL)
            yield plan_workers(room.cpus, room.gpus, options)
        finally:
            log.setLevel(level)
