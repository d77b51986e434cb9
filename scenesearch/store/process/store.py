"""A store in a process of its own, so that nothing it does holds this one's GIL.

Every call of the embedded engine holds the GIL, and building an index holds it for seconds; in
another process that delays nothing but other calls of the store. The process starts with the
first call and ends with :meth:`ProcessStore.close`, or as soon as this process is gone. When it
dies, writes in flight fail, and the next call starts another, which opens what was acknowledged;
what only reads is asked again of that one.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from scenesearch.core.conditions import Condition
from scenesearch.core.errors import (
    DamagedError,
    NoSpaceError,
    StoreBrokeError,
    StoreError,
    StoreUnavailableError,
)
from scenesearch.core.protocols import Inspectable, Store, TextQuery, VectorQuery
from scenesearch.core.quantization import Memory, Quantization
from scenesearch.core.types import (
    Census,
    CollectionSchema,
    FieldType,
    Hit,
    Page,
    Point,
    Record,
    Scalar,
    StoredPage,
)
from scenesearch.store.census import REPAIR
from scenesearch.store.process.serve import serve_store
from scenesearch.store.process.wire import (
    HitUnpacker,
    PackedHits,
    Request,
    plain_points,
    plain_schema,
)
from scenesearch.system.child import END_S
from scenesearch.system.disk import MIN_FREE_BYTES, free_bytes
from scenesearch.system.messages import CLOSE
from scenesearch.system.worker import LostError, NotSentError, NotStartedError, Worker

P = ParamSpec("P")
Found = TypeVar("Found")
DEATHS = 3
"""A process that died so often, and answered nothing in between, will not do better at once."""
LONGEST_PAUSE_S = 60.0
"""Between two such tries; the first is 1 s, each of the next twice as long."""
START_TIMEOUT_S = 60.0
"""A process that says nothing for so long after its start will not."""


class ProcessStore:
    """A :class:`~scenesearch.core.protocols.Store` that another process of ours holds.

    It may be used from several threads; whose task began first is answered first.

    Args:
        open_store: makes the store, called in the process; must be picklable, such as
            ``functools.partial(EdgeStore, path, collection)``.
        name: what messages call it.
        folder: of an embedded store, whose disk may fill up under the files that its engine maps:
            that ends the process (SIGBUS), and is said as what it is.
        start_timeout_s: for the process to come up.
    """

    def __init__(
        self,
        open_store: Callable[[], Store],
        *,
        name: str = "the store",
        folder: Path | None = None,
        start_timeout_s: float = START_TIMEOUT_S,
    ) -> None:
        self._open_store = open_store
        self._name = name
        self._folder = folder
        self._start_timeout_s = start_timeout_s
        self._starting = threading.RLock()
        self._writing = threading.RLock()
        self._worker: Worker | None = None
        self._held: Worker | None = None
        self._owner = os.getpid()
        self._schema: CollectionSchema | None = None
        self._schema_age = 0
        self._locked = False
        self._closed = False
        self._deaths = 0
        self._again_at = 0.0
        self._filled = False

    def __repr__(self) -> str:
        return f"ProcessStore({self._open_store!r})"

    @property
    def pid(self) -> int | None:
        """Of the process; None while there is none."""
        worker = self._worker
        return None if worker is None else worker.pid

    def start(self) -> None:
        """Start the process now, instead of with the first call.

        Raises:
            StoreUnavailableError: it does not start.
        """
        self._running()

    # --- the collection --------------------------------------------------------------------

    @property
    def schema(self) -> CollectionSchema | None:
        """What the collection holds, or None where there is none yet."""
        if self._closed:
            raise self._is_closed()
        known = self._schema
        return known if known is not None else self._read_schema()

    def _read_schema(self) -> CollectionSchema | None:
        age = self._schema_age
        found: CollectionSchema | None = self._exchange(Request("schema"), attempts=2)
        with self._starting:
            # before the process holds the directory, another one may still change it
            if self._locked and age == self._schema_age:
                self._schema = found
        return found

    def create(self, schema: CollectionSchema, blobs: Mapping[str, bytes] | None = None) -> bool:
        """See :meth:`scenesearch.core.protocols.Store.create`."""
        with self._writing:
            request = Request("create", (plain_schema(schema), dict(blobs or {})))
            return bool(self._exchange(request))

    def add_fields(self, fields: Mapping[str, FieldType]) -> None:
        """See :meth:`scenesearch.core.protocols.Store.add_fields`."""
        with self._writing:
            self._refuse_torn()
            try:
                self._exchange(Request("add_fields", (dict(fields),)))
            finally:
                self._forget_schema()

    # --- points ----------------------------------------------------------------------------

    def upsert(self, points: Sequence[Point]) -> None:
        """See :meth:`scenesearch.core.protocols.Store.upsert`."""
        self._write(Store.upsert, plain_points(points))

    def set_payload(
        self,
        payload: Mapping[str, Any],
        *,
        ids: Sequence[str] | None = None,
        where: Condition | None = None,
    ) -> None:
        """See :meth:`scenesearch.core.protocols.Store.set_payload`."""
        listed = None if ids is None else list(ids)
        self._write(Store.set_payload, dict(payload), ids=listed, where=where)

    def delete(self, *, ids: Sequence[str] | None = None, where: Condition | None = None) -> None:
        """See :meth:`scenesearch.core.protocols.Store.delete`."""
        self._write(Store.delete, ids=None if ids is None else list(ids), where=where)

    @contextmanager
    def batch_writes(self) -> Iterator[None]:
        """See :meth:`scenesearch.core.protocols.Store.together`. Other threads' writes wait.

        Raises:
            StoreUnavailableError: the process died meanwhile. What was written in here before
                that is in its log, but perhaps not yet on the disk.
        """
        with self._writing:
            if self._held is not None:
                yield
                return
            self._exchange(Request("batch_writes"))
            self._held = self._worker
            try:
                yield
            finally:
                try:
                    self._refuse_torn()
                    self._exchange(Request("end_batch"))
                finally:
                    self._held = None

    def _write(
        self, call: Callable[Concatenate[Any, P], None], *args: P.args, **options: P.kwargs
    ) -> None:
        with self._writing:
            self._refuse_torn()
            self._exchange(Request(call.__name__, args, options))
            self._locked = True

    # --- reading ---------------------------------------------------------------------------

    def query(self, queries: Sequence[VectorQuery | TextQuery]) -> list[list[Hit]]:
        """See :meth:`scenesearch.core.protocols.Store.query`."""
        unpacked: Callable[[], list[list[Hit]]] = self._ask_again(
            Request("query", (list(queries),))
        )
        return unpacked()

    def retrieve(self, ids: Sequence[str], *, spaces: Sequence[str] = ()) -> list[Record]:
        """See :meth:`scenesearch.core.protocols.Store.retrieve`."""
        return self._read(Store.retrieve, list(ids), spaces=list(spaces))

    def scroll(
        self,
        *,
        where: Condition | None = None,
        limit: int = 1000,
        cursor: str | None = None,
        fields: Sequence[str] | None = None,
        spaces: Sequence[str] = (),
    ) -> Page:
        """See :meth:`scenesearch.core.protocols.Store.scroll`."""
        listed = None if fields is None else list(fields)
        return self._read(
            Store.scroll,
            where=where,
            limit=limit,
            cursor=cursor,
            fields=listed,
            spaces=list(spaces),
        )

    def count(self, where: Condition | None = None) -> int:
        """See :meth:`scenesearch.core.protocols.Store.count`."""
        return self._read(Store.count, where)

    def facet(
        self, field: str, *, where: Condition | None = None, limit: int = 50
    ) -> list[tuple[Scalar, int]]:
        """See :meth:`scenesearch.core.protocols.Store.facet`."""
        return self._read(Store.facet, field, where=where, limit=limit)

    def _read(
        self, call: Callable[Concatenate[Any, P], Found], *args: P.args, **options: P.kwargs
    ) -> Found:
        found: Found = self._ask_again(Request(call.__name__, args, options))
        return found

    def _ask_again(self, request: Request) -> Any:
        """Ask what changes nothing, so that it may be asked again."""
        value = self._exchange(request, attempts=2)
        self._locked = True
        return value

    # --- for who checks it ------------------------------------------------------------------

    def census(self) -> Census:
        """See :meth:`scenesearch.core.protocols.Inspectable.census`."""
        return self._read(Inspectable.census)

    def recorded_census(self) -> Census | None:
        """See :meth:`scenesearch.core.protocols.Inspectable.recorded_census`."""
        return self._read(Inspectable.recorded_census)

    def inspect(self, cursor: str | None = None, limit: int = 1000) -> StoredPage:
        """See :meth:`scenesearch.core.protocols.Inspectable.inspect`."""
        return self._read(Inspectable.inspect, cursor, limit)

    def reindex(self, fields: Sequence[str]) -> None:
        """See :meth:`scenesearch.core.protocols.Inspectable.reindex`."""
        self._write(Inspectable.reindex, list(fields))

    # --- files and life --------------------------------------------------------------------

    def read_blob(self, name: str) -> bytes | None:
        """See :meth:`scenesearch.core.protocols.Store.read_blob`."""
        return self._read(Store.read_blob, name)

    def write_blob(self, name: str, data: bytes) -> None:
        """See :meth:`scenesearch.core.protocols.Store.write_blob`."""
        self._write(Store.write_blob, name, bytes(data))

    def optimize(self) -> None:
        """See :meth:`scenesearch.core.protocols.Store.optimize`. Other calls wait meanwhile."""
        self._write(Store.optimize)

    def quantize(
        self,
        quantization: Quantization,
        *,
        on_disk: bool | None = None,
        memory: Memory | None = None,
    ) -> None:
        """See :meth:`scenesearch.core.protocols.Quantizable.quantize`."""
        with self._writing:
            try:
                held = {"on_disk": on_disk, "memory": memory}
                self._exchange(Request("quantize", (quantization,), held))
            finally:
                self._forget_schema()

    def copy_to(self, folder: Path) -> int:
        """See :meth:`scenesearch.core.protocols.Copyable.copy_to`. Other calls wait meanwhile."""
        with self._writing:
            return int(self._exchange(Request("copy_to", (folder,))))

    def close(self) -> None:
        """Close the store and end its process; the object cannot be used afterwards."""
        with self._starting:
            self._closed = True
            worker, self._worker = self._worker, None
        if worker is None or os.getpid() != self._owner:
            return
        try:
            worker.ask(Request(CLOSE))
        except LostError:
            pass  # it is gone already, and what it acknowledged is on the disk
        finally:
            worker.end(wait_s=END_S)

    # --- the process -----------------------------------------------------------------------

    def _exchange(self, request: Request, *, attempts: int = 1) -> Any:
        """One request and its reply, from another process where the first ones died."""
        while True:
            worker = self._running()
            try:
                value = worker.ask(request)
                if request.name != "schema":  # which opens nothing
                    self._deaths = 0
            except LostError as error:
                self._forget(worker)
                self._count_death()
                self._filled = "SIGBUS" in str(error) and self._is_full()
                attempts -= 1
                if self._closed:
                    raise self._is_closed() from error
                if self._filled:
                    raise self._no_space() from error
                if not attempts:
                    raise StoreBrokeError(self._died(str(error))) from error
            except NotSentError as error:
                raise StoreError(
                    f"{request.name}: an argument cannot be sent to the process of {self._name} "
                    f"({error}); pass text, numbers, lists, dictionaries and arrays",
                    code="not_plain",
                ) from error
            else:
                return value

    def _running(self) -> Worker:
        with self._starting:
            if self._closed:
                raise self._is_closed()
            if os.getpid() != self._owner:
                raise StoreUnavailableError(
                    f"{self._name} was made in process {self._owner}, before this one was forked "
                    "from it; make a new store in this process, or start it with the 'spawn' method"
                )
            if self._worker is not None and self._worker.lost is not None:
                self._forget(self._worker)
            if self._worker is None:
                self._refuse_hopeless()
                self._worker = self._start()
            return self._worker

    def _count_death(self) -> None:
        with self._starting:
            self._deaths += 1
            if self._deaths >= DEATHS:
                pause = min(2.0 ** (self._deaths - DEATHS), LONGEST_PAUSE_S)
                self._again_at = time.monotonic() + pause

    def _refuse_hopeless(self) -> None:
        """Leave a process alone for a while that dies whenever it is asked.

        Raises:
            DamagedError: it is not time yet.
            NoSpaceError: nor is there room.
        """
        if self._filled:
            if self._is_full():
                if self._again_at > time.monotonic():
                    raise self._no_space()
            else:
                self._filled, self._deaths = False, 0
        left = self._again_at - time.monotonic()
        if self._deaths >= DEATHS and left > 0:
            raise DamagedError(
                f"the process of {self._name} died {self._deaths} times in a row, whenever it was "
                f"asked, and is tried again in {left:.0f} s; the index is probably damaged: "
                f"{REPAIR}"
            )

    def _start(self) -> Worker:
        worker = Worker(
            serve_store,
            self._open_store,
            name=f"process of {self._name}",
            arrive=partial(_arrival, HitUnpacker()),
        )
        try:
            worker.started(self._start_timeout_s)
        except NotStartedError as error:
            self._count_death()
            raise StoreUnavailableError(
                f"the process of {self._name} does not start ({error}); a script that opens it "
                f"must do so under `if __name__ == '__main__':`, because Python imports the "
                f"script again in each process"
            ) from error
        return worker

    def _forget(self, worker: Worker) -> None:
        """Start another process for the next call."""
        with self._starting:
            worker.end()
            if self._worker is worker:
                self._worker, self._locked = None, False
                self._forget_schema()

    def _forget_schema(self) -> None:
        with self._starting:
            self._schema, self._schema_age = None, self._schema_age + 1

    def _refuse_torn(self) -> None:
        if self._held is not None and self._held is not self._worker:
            raise StoreBrokeError(self._died("died while writes were held together"))

    def _died(self, how: str) -> str:
        return (
            f"the process of {self._name} {how} before it answered; what it acknowledged is "
            f"kept, and the next call starts it again: try again"
        )

    def _is_full(self) -> bool:
        return self._folder is not None and free_bytes(self._folder) < MIN_FREE_BYTES

    def _no_space(self) -> NoSpaceError:
        return NoSpaceError(
            f"the disk of {self._folder} is full: it filled up under the files of {self._name}, "
            "which ended its process; what was acknowledged is kept: free some space"
        )

    def _is_closed(self) -> StoreError:
        return StoreError(f"{self._name} is closed; make a new one")


def _arrival(unpacker: HitUnpacker, value: Any) -> Any:
    """A value as it arrives: making hits of a pack is for the thread that asked."""
    return unpacker.learn(value) if isinstance(value, PackedHits) else value
