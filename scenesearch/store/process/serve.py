"""The child's side of a store in a process of its own: one request after the other.

The first is that of the task which began first, see :mod:`scenesearch.system.turn`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, suppress
from heapq import heappop, heappush
from typing import Any

from scenesearch.core.protocols import Store
from scenesearch.core.types import CollectionSchema
from scenesearch.store.process.wire import HitPacker, plain_schema
from scenesearch.system.answering import Desk
from scenesearch.system.child import Pipe, settle_in
from scenesearch.system.messages import CLOSE, Asked


def serve_store(pipe: Pipe, open_store: Callable[[], Store]) -> None:
    """Main function of the process: says that it is up, then answers until it is closed."""
    settle_in()
    desk, packer = Desk(pipe), HitPacker()
    store = desk.open(open_store)
    waiting: list[Asked] = []
    # where the pipe ends, the parent is gone, and with it everyone who could ask
    with suppress(EOFError, OSError), ExitStack() as held:
        handlers = _handlers(store, held, packer)
        while True:
            while not waiting or pipe.poll():
                heappush(waiting, pipe.recv())
            _, number, (name, args, options) = heappop(waiting)
            call = handlers.get(name) or getattr(store, name)
            if not desk.answer(number, call, *args, **options):
                packer.forget()  # what was packed has not arrived
            if name == CLOSE:
                return


def _handlers(store: Store, held: ExitStack, packer: HitPacker) -> dict[str, Callable[..., Any]]:
    """What is asked in other words than those of a store."""

    def schema() -> CollectionSchema | None:
        found = store.schema
        return None if found is None else plain_schema(found)

    return {
        "schema": schema,
        "query": lambda queries: packer.pack(store.query(queries)),
        "batch_writes": lambda: held.enter_context(store.batch_writes()),
        "end_batch": held.close,
    }
