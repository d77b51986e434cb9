"""The child's side of a store in a process of its own: one request after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pickle import PickleError
from typing import Any

from scenesearch.errors import SceneSearchError
from scenesearch.protocols import Store, VectorQuery
from scenesearch.store.process_failure import Failure
from scenesearch.store.process_life import Pipe, settle_in
from scenesearch.store.process_wire import (
    HitPacker,
    Ok,
    Request,
    plain_schema,
    unpack_points,
)
from scenesearch.types import CollectionSchema

CLOSE = "close"
"""The last request; the process ends after its reply."""
Handler = Callable[..., Any]
Outcome = Ok | Failure


def serve_store(pipe: Pipe, open_store: Callable[[], Store]) -> None:
    """Main function of the process: says Ok once it is up, then answers until it is closed."""
    settle_in()
    with ExitStack() as held:
        packer = HitPacker()
        handlers = _handlers(open_store(), held, packer)
        pipe.send(Ok(None))
        try:
            while _answer(pipe, handlers, packer):
                pass
        except (EOFError, OSError):
            return  # the parent is gone, and with it everyone who could ask


def _answer(pipe: Pipe, handlers: dict[str, Handler], packer: HitPacker) -> bool:
    """Answer one request; whether more may come."""
    request: Request = pipe.recv()
    outcome = _outcome(handlers[request.name], *request.args, **request.options)
    try:
        pipe.send(outcome)
    except (TypeError, AttributeError, PickleError) as error:
        packer.forget()  # what was packed has not arrived
        pipe.send(Failure.of(error))
    return request.name != CLOSE


def _outcome(call: Handler, *args: Any, **options: Any) -> Outcome:
    try:
        return Ok(call(*args, **options))
    except Exception as error:  # noqa: BLE001 - raised again by who asked
        return Failure.of(error)


def _handlers(store: Store, held: ExitStack, packer: HitPacker) -> dict[str, Handler]:
    """Everything that can be asked, by name."""

    def schema() -> CollectionSchema | None:
        found = store.schema
        return None if found is None else plain_schema(found)

    def query(batches: Sequence[Sequence[VectorQuery]]) -> list[Outcome]:
        return _query(store, packer, batches)

    def search_text(*args: Any, **options: Any) -> Any:
        return packer.pack([store.search_text(*args, **options)])

    def together() -> None:
        held.enter_context(store.together())

    return {
        "schema": schema,
        "create": store.create,
        "add_fields": store.add_fields,
        "upsert": lambda points: store.upsert(unpack_points(points)),
        "query": query,
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
) -> list[Outcome]:
    """Batches of several callers as one batch of the engine; an outcome for each."""
    if len(batches) > 1:
        try:
            found = iter(store.query([query for batch in batches for query in batch]))
            return [Ok(packer.pack([next(found) for _ in batch])) for batch in batches]
        except (SceneSearchError, ValueError, TypeError):
            pass  # one of them cannot be answered: each alone says which, and the others are
    return [_outcome(lambda batch=batch: packer.pack(store.query(batch))) for batch in batches]
