"""A store in a process of its own, so that nothing it does holds this one's GIL.

Every call of the embedded engine holds the GIL, and building an index holds it for seconds; in
another process that delays nothing but other calls of the store. The process starts with the
first call and ends with :meth:`ProcessStore.close`, or as soon as this process is gone. When it
dies, calls in flight fail and the next call starts another, which opens what was acknowledged.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pickle import PickleError
from typing import Any

from scenesearch.conditions import Condition
from scenesearch.errors import StoreError, StoreUnavailableError
from scenesearch.protocols import Store, VectorQuery
from scenesearch.store.process_failure import Failure
from scenesearch.store.process_life import Child
from scenesearch.store.process_line import Call, Line, died, pickled, value_of
from scenesearch.store.process_serve import CLOSE, serve_store
from scenesearch.store.process_wire import Request, pack_points, plain_schema, unpack_hits
from scenesearch.types import CollectionSchema, FieldType, Hit, Page, Point, Record, Scalar

TRIES = 3
"""Processes that are asked before a call fails though none has got it."""
START_TIMEOUT_S = 60.0
"""A process that says nothing for so long after its start will not."""


class ProcessStore:
    """A :class:`~scenesearch.protocols.Store` that another process of ours holds.

    It may be used from several threads. While the process works on one request, the next ones
    are in its pipe; queries that wait behind those are sent together, as one batch of the engine.

    Args:
        open_store: makes the store, called in the process; must be picklable, such as
            ``functools.partial(EdgeStore, path, collection)``.
        name: what messages call it.
        start_timeout_s: for the process to come up.
    """

    def __init__(
        self,
        open_store: Callable[[], Store],
        *,
        name: str = "the store",
        start_timeout_s: float = START_TIMEOUT_S,
    ) -> None:
        self._open_store = open_store
        self._name = name
        self._start_timeout_s = start_timeout_s
        self._starting = threading.Lock()
        self._writing = threading.RLock()
        self._line: Line | None = None
        self._held: Line | None = None
        self._owner = os.getpid()
        self._closed = False

    def __repr__(self) -> str:
        return f"ProcessStore({self._open_store!r})"

    @property
    def pid(self) -> int | None:
        """Of the process; None while there is none."""
        line = self._line
        return None if line is None or line.broken else line.pid

    # --- the collection --------------------------------------------------------------------

    @property
    def schema(self) -> CollectionSchema | None:
        """What the collection holds, or None where there is none yet."""
        if self._closed:
            raise self._is_closed()
        line = self._line
        known = None if line is None or line.broken else line.schema.value
        return known if known is not None else self._read_schema()

    def _read_schema(self) -> CollectionSchema | None:
        line = self._running()
        version = line.schema.version
        found: CollectionSchema | None
        found, used = self._exchange(Request("schema"))
        if used is line:
            line.schema.keep(found, version)
        return found

    def create(self, schema: CollectionSchema) -> None:
        """See :meth:`scenesearch.protocols.Store.create`."""
        with self._writing:
            self._exchange(Request("create", (plain_schema(schema),)), self._held)

    def add_fields(self, fields: Mapping[str, FieldType]) -> None:
        """See :meth:`scenesearch.protocols.Store.add_fields`."""
        request = Request("add_fields", (dict(fields),))
        with self._writing:
            line = self._held or self._running()
            line.schema.forget()
            try:
                self._exchange(request, self._held)
            finally:  # what was read meanwhile may be the one before
                line.schema.forget()

    # --- points ----------------------------------------------------------------------------

    def upsert(self, points: Sequence[Point]) -> None:
        """See :meth:`scenesearch.protocols.Store.upsert`."""
        self._write(Request("upsert", (pack_points(points),)))

    def set_payload(
        self,
        payload: Mapping[str, Any],
        *,
        ids: Sequence[str] | None = None,
        where: Condition | None = None,
    ) -> None:
        """See :meth:`scenesearch.protocols.Store.set_payload`."""
        chosen = {"ids": None if ids is None else list(ids), "where": where}
        self._write(Request("set_payload", (dict(payload),), chosen))

    def delete(self, *, ids: Sequence[str] | None = None, where: Condition | None = None) -> None:
        """See :meth:`scenesearch.protocols.Store.delete`."""
        chosen = {"ids": None if ids is None else list(ids), "where": where}
        self._write(Request("delete", (), chosen))

    @contextmanager
    def together(self) -> Iterator[None]:
        """See :meth:`scenesearch.protocols.Store.together`. Other threads' writes wait.

        Raises:
            StoreUnavailableError: the process died meanwhile. What was written in here before
                that is in its log, but perhaps not yet on the disk.
        """
        with self._writing:
            if self._held is not None:
                yield
                return
            self._held = self._hold()
            try:
                yield
            finally:
                try:
                    self._exchange(Request("apart"), self._held)
                finally:
                    self._held = None

    def _hold(self) -> Line:
        line = self._running()
        try:
            _, line = self._exchange(Request("together"))
        except Exception:
            raise
        except BaseException:
            line.kill()  # interrupted: nobody would tell it that they end
            raise
        return line

    def _write(self, request: Request) -> None:
        call = Call(self._pickled(request.name, request))
        with self._writing:
            call, line = self._ask(call, self._held)
            value_of(call)
            line.schema.settled = True

    # --- reading ---------------------------------------------------------------------------

    def query(self, queries: Sequence[VectorQuery]) -> list[list[Hit]]:
        """See :meth:`scenesearch.protocols.Store.query`."""
        call = Call(bytes(self._pickled("query", list(queries))), is_query=True)
        call, line = self._ask(call)
        packed = value_of(call)
        line.schema.settled = True
        return unpack_hits(call.known, packed)

    def search_text(
        self, text: str, *, limit: int, where: Condition | None = None, fields: tuple[str, ...] = ()
    ) -> list[Hit]:
        """See :meth:`scenesearch.protocols.Store.search_text`."""
        options = {"limit": limit, "where": where, "fields": fields}
        request = Request("search_text", (text,), options)
        call, line = self._ask(Call(self._pickled(request.name, request)))
        packed = value_of(call)
        line.schema.settled = True
        return unpack_hits(call.known, packed)[0]

    def retrieve(self, ids: Sequence[str], *, spaces: Sequence[str] = ()) -> list[Record]:
        """See :meth:`scenesearch.protocols.Store.retrieve`."""
        request = Request("retrieve", (list(ids),), {"spaces": list(spaces)})
        found: list[Record] = self._read(request)
        return found

    def scroll(
        self,
        *,
        where: Condition | None = None,
        limit: int = 1000,
        cursor: str | None = None,
        fields: Sequence[str] | None = None,
        spaces: Sequence[str] = (),
    ) -> Page:
        """See :meth:`scenesearch.protocols.Store.scroll`."""
        options = {
            "where": where,
            "limit": limit,
            "cursor": cursor,
            "fields": None if fields is None else list(fields),
            "spaces": list(spaces),
        }
        page: Page = self._read(Request("scroll", (), options))
        return page

    def count(self, where: Condition | None = None) -> int:
        """See :meth:`scenesearch.protocols.Store.count`."""
        counted: int = self._read(Request("count", (where,)))
        return counted

    def facet(
        self, field: str, *, where: Condition | None = None, limit: int = 50
    ) -> list[tuple[Scalar, int]]:
        """See :meth:`scenesearch.protocols.Store.facet`."""
        request = Request("facet", (field,), {"where": where, "limit": limit})
        counts: list[tuple[Scalar, int]] = self._read(request)
        return counts

    def _read(self, request: Request) -> Any:
        value, line = self._exchange(request)
        line.schema.settled = True
        return value

    # --- files and life --------------------------------------------------------------------

    def read_blob(self, name: str) -> bytes | None:
        """See :meth:`scenesearch.protocols.Store.read_blob`."""
        data: bytes | None = self._read(Request("read_blob", (name,)))
        return data

    def write_blob(self, name: str, data: bytes) -> None:
        """See :meth:`scenesearch.protocols.Store.write_blob`."""
        self._write(Request("write_blob", (name, bytes(data))))

    def optimize(self) -> None:
        """See :meth:`scenesearch.protocols.Store.optimize`. Other calls wait meanwhile."""
        self._write(Request("optimize"))

    def close(self) -> None:
        """Close the store and end its process; the object cannot be used afterwards."""
        if os.getpid() != self._owner:
            self._closed = True
            return
        with self._starting:
            self._closed = True
            line, self._line = self._line, None
        if line is None:
            return
        call = Call(pickled(Request(CLOSE)))
        try:
            line.ask(call)
        finally:
            line.end()
        # where it is gone already, what it acknowledged is on the disk
        if isinstance(call.outcome, Failure) and call.outcome.kind is not StoreUnavailableError:
            raise call.outcome.error()

    # --- the process -----------------------------------------------------------------------

    def _exchange(self, request: Request, only: Line | None = None) -> tuple[Any, Line]:
        """What a request gives, and the line it went by."""
        call, line = self._ask(Call(self._pickled(request.name, request)), only)
        return value_of(call), line

    def _ask(self, call: Call, only: Line | None = None) -> tuple[Call, Line]:
        """Ask until a process has got it; with ``only``, that process or none."""
        for _ in range(TRIES):
            line = only or self._running()
            if line.ask(call) is not None:
                return call, line
            if only is not None:
                raise StoreUnavailableError(
                    died(self._name, "died while writes were held together")
                )
            call = call.again()
        raise StoreUnavailableError(died(self._name, f"ended {TRIES} times"))

    def _pickled(self, name: str, what: Any) -> memoryview:
        try:
            return pickled(what)
        except (TypeError, AttributeError, PickleError) as error:
            raise StoreError(
                f"{name}: an argument cannot be sent to the process of {self._name} "
                f"({error}); pass text, numbers, lists, dictionaries and arrays",
                code="not_plain",
            ) from error

    def _running(self) -> Line:
        if os.getpid() != self._owner:
            raise StoreUnavailableError(
                f"{self._name} was made in process {self._owner}, before this one was forked "
                "from it; make a new store in this process, or start it with the 'spawn' method"
            )
        line = self._line
        if line is not None and not line.broken and not self._closed:
            return line
        with self._starting:
            if self._closed:
                raise self._is_closed()
            if self._line is not None and self._line.broken:
                self._line.gone.wait()
                self._line = None
            if self._line is None:
                self._line = Line(self._start(), self._name)
            return self._line

    def _start(self) -> Child:
        child = Child(serve_store, self._open_store, name=f"process of {self._name}")
        try:
            child.first_message(self._start_timeout_s)
        except (EOFError, OSError) as error:
            how = str(error) if isinstance(error, TimeoutError) else child.how_it_ended()
            child.kill()
            child.end()
            raise StoreUnavailableError(
                f"the process of {self._name} does not start ({how}); a script that opens it "
                f"must do so under `if __name__ == '__main__':`, because Python imports the "
                f"script again in each process"
            ) from error
        except BaseException:
            child.kill()
            child.end()
            raise
        return child

    def _is_closed(self) -> StoreError:
        return StoreError(f"{self._name} is closed; make a new one")
