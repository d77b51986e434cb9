"""The child's side of a store in a process of its own: one request after the other.

The first is that of the task which began first, see :mod:`scenesearch.store.process.turn`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from heapq import heappop, heappush
from pickle import PickleError
from typing import Any

from scenesearch.core.protocols import Store, TextQuery, VectorQuery
from scenesearch.core.types import CollectionSchema
from scenesearch.store.process.wire import (
    Asked,
    HitPacker,
    Ok,
    PackedHits,
    Reply,
    plain_schema,
    unpack_points,
)
from scenesearch.system.child import Pipe, settle_in
from scenesearch.system.failure import Failure

CLOSE = "close"
"""The last request; the process ends after its reply."""
Handler = Callable[..., Any]


def serve_store(pipe: Pipe, open_store: Callable[[], Store]) -> None:
    """Main function of the process: says Ok once it is up, then answers until it is closed."""
    settle_in()
    with ExitStack() as held:
        packer = HitPacker()
        store = open_store()
        handlers = _handlers(store, held, packer)
        pipe.send(Ok(None))
        waiting: list[Asked] = []
        try:
            while True:
                while not waiting or pipe.poll():
                    heappush(waiting, pipe.recv())
                _, number, request = heappop(waiting)
                outcome = _outcome(handlers[request.name], *request.args, **request.options)
                _reply(pipe, number, outcome, packer)
                if request.name == CLOSE:
                    return
        except (EOFError, OSError):
            return  # the parent is gone, and with it everyone who could ask


def _reply(pipe: Pipe, number: int, reply: Reply, packer: HitPacker) -> None:
    try:
        pipe.send((number, reply))
    except (TypeError, AttributeError, PickleError) as error:
        packer.forget()  # what was packed has not arrived
        pipe.send((number, Failure.of(error)))


def _outcome(call: Handler, *args: Any, **options: Any) -> Reply:
    try:
        return Ok(call(*args, **options))
    except Exception as error:  # noqa: BLE001 - raised again by who asked
        return Failure.of(error)


def _handlers(store: Store, held: ExitStack, packer: HitPacker) -> dict[str, Handler]:
    """Everything that can be asked, by name."""

    def schema() -> CollectionSchema | None:
        found = store.schema
        return None if found is None else plain_schema(found)

    def query(queries: Sequence[VectorQuery | TextQuery]) -> PackedHits:
        return packer.pack(store.query(queries))

    def together() -> None:
        held.enter_context(store.together())

    return {
        "schema": schema,
        "create": store.create,
        "add_fields": store.add_fields,
        "upsert": lambda points: store.upsert(unpack_points(points)),
        "query": query,
        "retrieve": store.retrieve,
        "scroll": store.scroll,
        "count": store.count,
        "facet": store.facet,
        "set_payload": store.set_payload,
        "delete": store.delete,
        "together": together,
        "apart": held.close,
        "read_blob": store.read_blob,
        "write_blob": store.write_blob,
        "optimize": store.optimize,
        CLOSE: store.close,
    }
