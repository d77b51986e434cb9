"""What runs on the nodes of a cluster: decoding and tagging, each a worker that stays.

Both give blocks of :mod:`scenesearch.tagging.ray_messages`. An error that would end a local run
is sent on as a message, because Ray would wrap it in the traces of two processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import Any

from scenesearch.core.errors import SceneSearchError
from scenesearch.system.timing import StageTimes
from scenesearch.tagging.batches import Batch, SceneTagger
from scenesearch.tagging.decode_pool import DecodePool
from scenesearch.tagging.entries import Entry, Memory
from scenesearch.tagging.ray_messages import (
    Message,
    from_block,
    of_error,
    of_finished,
    of_outcome,
    of_times,
    to_block,
    to_entry,
    to_error,
    to_outcome,
)
from scenesearch.tagging.run import RunOptions, decode_ahead

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
    spent = of_times(times.seconds)
    times.seconds.clear()
    return to_block([*finished, spent])
