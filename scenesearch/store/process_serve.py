"""The child's side of a store in a process of its own: one request after the other.

Queries that have come meanwhile are one batch for the engine, which plans them as one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import groupby
from pickle import PickleError
from typing import Any

from scenesearch.errors import SceneSearchError
from scenesearch.protocols import Store, VectorQuery
from scenesearch.store.process_failure import Failure
from scenesearch.store.process_life import Pipe, settle_in
from scenesearch.store.process_wire import (
    HitPacker,
    Ok,
    Replies,
    Reply,
    Request,
    plain_schema,
    unpack_points,
)
from scenesearch.types import CollectionSchema

QUERY = "query"
CLOSE = "close"
"""The last request; the process ends after its reply."""
MOST = 64
"""Requests that are taken from the pipe before the first of them is answered."""
Handler = Callable[..., Any]


def serve_store(pipe: Pipe, open_store: Callable[[], Store]) -> None:
    """Main function of the process: says Ok once it is up, then answers until it is closed."""
    settle_in()
    with ExitStack() as held:
        packer = HitPacker()
        store = open_store()
        handlers = _handlers(store, held, packer)
        pipe.send(Ok(None))
        try:
            while _answer(pipe, store, handlers, packer):
                pass
        except (EOFError, OSError):
            return  # the parent is gone, and with it everyone who could ask


def _answer(pipe: Pipe, store: Store, handlers: dict[str, Handler], packer: HitPacker) -> bool:
    """Answer what has come, at least one request; whether more may come."""
    asked: list[tuple[int, Request]] = [pipe.recv()]
    while len(asked) < MOST and pipe.poll():
        asked.append(pipe.recv())
    for is_query, several in groupby(asked, lambda one: one[1].name == QUERY):
        if is_query:
            numbers, requests = zip(*several, strict=True)
            outcomes = _query(store, packer, [request.args[0] for request in requests])
            _reply(pipe, list(zip(numbers, outcomes, strict=True)), packer)
            continue
        for number, request in several:
            outcome = _outcome(handlers[request.name], *request.args, **request.options)
            _reply(pipe, [(number, outcome)], packer)
            if request.name == CLOSE:
                return False
    return True


def _reply(pipe: Pipe, replies: Replies, packer: HitPacker) -> None:
    try:
        pipe.send(replies)
    except (TypeError, AttributeError, PickleError) as error:
        packer.forget()  # what was packed has not arrived
        pipe.send([(number, Failure.of(error)) for number, _ in replies])


def _outcome(call: Handler, *args: Any, **options: Any) -> Reply:
    try:
        return Ok(call(*args, **options))
    except Exception as error:  # noqa: BLE001 - raised again by who asked
        return Failure.of(error)


def _handlers(store: Store, held: ExitStack, packer: HitPacker) -> dict[str, Handler]:
    """Everything that can be asked beside queries, by name."""

    def schema() -> CollectionSchema | None:
        found = store.schema
        return None if found is None else plain_schema(found)

    def search_text(*args: Any, **options: Any) -> Any:
        return packer.pack([store.search_text(*args, **options)])

    def together() -> None:
        held.enter_context(store.together())

    return {
        "schema": schema,
        "create": store.create,
        "add_fields": store.add_fields,
        "upsert": lambda points: store.upsert(unpack_points(points)),
        "search_text": search_text,
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


def _query(
    store: Store, packer: HitPacker, batches: Sequence[Sequence[VectorQuery]]
) -> list[Reply]:
    """Batches of several callers as one batch of the engine; an outcome for each."""
    if len(batches) > 1:
        try:
            found = iter(store.query([query for batch in batches for query in batch]))
            return [Ok(packer.pack([next(found) for _ in batch])) for batch in batches]
        except (SceneSearchError, ValueError, TypeError):
            pass  # one of them cannot be answered: each alone says which, and the others are
    return [_outcome(lambda batch=batch: packer.pack(store.query(batch))) for batch in batches]
