"""Calls of one model from many threads as few full batches.

A call that finds a lane idle runs at once, in its own thread. Those that come meanwhile wait,
and run together as one batch when a lane is free: nobody waits for a batch to fill.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock
from typing import Generic, TypeVar

In = TypeVar("In")
Out = TypeVar("Out")


class _Call(Generic[In, Out]):
    """One caller: ``woken`` when its answer is there, or when it is its turn to run the model."""

    def __init__(self, inputs: Sequence[In]) -> None:
        self.inputs = inputs
        self.answer: Sequence[Out] | None = None
        self.woken = Event()
        self.alone = False


class DynamicBatcher(Generic[In, Out]):
    """Runs one function for many threads.

    Args:
        run: gives as many outputs as it gets inputs, in order.
        limit: the most inputs of a batch of several calls; one call alone may have more.
        lanes: how many batches run at a time; above 1 only where ``run`` may be called from
            several threads at once.
        name: of the threads that batches of several calls run in.

    Attributes:
        batches: how often ``run`` was called.
        calls: how many calls came.
    """

    def __init__(
        self,
        run: Callable[[Sequence[In]], Sequence[Out]],
        *,
        limit: int,
        lanes: int = 1,
        name: str = "model",
    ) -> None:
        if limit < 1 or lanes < 1:
            raise ValueError(f"limit and lanes must be at least 1, got {limit} and {lanes}")
        self._run = run
        self._limit = limit
        self._lanes = lanes
        self._lock = Lock()
        self._waiting: deque[_Call[In, Out]] = deque()
        self._running = 0
        self._name = f"scenesearch-{name}"
        self._together = ThreadPoolExecutor(lanes, self._name)
        self.batches = 0
        self.calls = 0

    def call(self, inputs: Sequence[In]) -> Sequence[Out]:
        """As ``run``, together with whoever else asks.

        Raises:
            Exception: what ``run`` raises for these inputs; never for those of others.
        """
        if not inputs:
            return ()
        call: _Call[In, Out] = _Call(inputs)
        with self._lock:
            self.calls += 1
            # nobody waits while a lane is free
            free = self._running < self._lanes
            if free:
                self._running += 1
            else:
                self._waiting.append(call)
        if not free:
            call.woken.wait()
        return self._lead(call) if call.answer is None else call.answer

    def close(self) -> None:
        """End the threads of this object; a later call has new ones."""
        self._together.shutdown(wait=False)
        self._together = ThreadPoolExecutor(self._lanes, self._name)

    def _lead(self, own: _Call[In, Out]) -> Sequence[Out]:
        """Run a batch that starts with the caller's own inputs, then let the next one lead."""
        others = self._gather(own)
        try:
            if others:
                self._run_together([own, *others])
            # alone, or somebody's input was bad: then each runs alone and meets its own error
            return self._asked(own.inputs) if own.answer is None else own.answer
        finally:
            self._hand_over(others)

    def _gather(self, own: _Call[In, Out]) -> list[_Call[In, Out]]:
        """Who waits and fits into one batch with ``own``, in order."""
        others: list[_Call[In, Out]] = []
        size = len(own.inputs)
        with self._lock:
            while not own.alone and self._waiting and not self._waiting[0].alone:
                size += len(self._waiting[0].inputs)
                if size > self._limit:
                    break
                others.append(self._waiting.popleft())
        return others

    def _run_together(self, batch: Sequence[_Call[In, Out]]) -> None:
        inputs = [one for call in batch for one in call.inputs]
        # in a thread of its own, whose future holds what goes wrong
        done = self._together.submit(self._asked, inputs)
        if done.exception() is not None:
            for call in batch:
                call.alone = True
            return
        outputs, start = done.result(), 0
        for call in batch:
            call.answer = outputs[start : start + len(call.inputs)]
            start += len(call.inputs)

    def _asked(self, inputs: Sequence[In]) -> Sequence[Out]:
        with self._lock:
            self.batches += 1
        outputs = self._run(inputs)
        if len(outputs) != len(inputs):
            raise ValueError(f"a model gave {len(outputs)} outputs for {len(inputs)} inputs")
        return outputs

    def _hand_over(self, others: Sequence[_Call[In, Out]]) -> None:
        with self._lock:
            # without an answer they come first again, one after the other
            self._waiting.extendleft(call for call in reversed(others) if call.answer is None)
            following = self._waiting.popleft() if self._waiting else None
            if following is None:
                self._running -= 1
        for call in (*others, following):
            if call is not None and (call.answer is not None or call is following):
                call.woken.set()
