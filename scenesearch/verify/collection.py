"""One collection: its record, its counts, its points, its indexes, its blobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from scenesearch.complete.completer import CENTRES_BLOB
from scenesearch.complete.known_scenes import BLOB as KNOWN_BLOB
from scenesearch.complete.known_scenes import decode_scenes
from scenesearch.complete.style import StyleCentres
from scenesearch.core.errors import (
    DamagedError,
    SceneSearchError,
    StoreBrokeError,
    StoreError,
    StoreUnavailableError,
)
from scenesearch.core.points import NOTHING, OOD_BLOB, SCHEMA_VERSION
from scenesearch.core.protocols import WORDS, Inspectable, Store
from scenesearch.core.types import CollectionSchema, Stored
from scenesearch.models.embed.cache import EmbeddingCache
from scenesearch.models.embed.projection import Projection, projection_of
from scenesearch.search.out_of_distribution import OodModel
from scenesearch.store.census import REPAIR, differences
from scenesearch.store.generations import split_name
from scenesearch.verify.indexes import Values, Words
from scenesearch.verify.points import Points
from scenesearch.verify.report import Finding, Report, some
from scenesearch.verify.searches import Searches

PAGE = 500
Each = Callable[[int, int], None]
"""Called with points looked at so far, and how many there are."""

NOT_OURS = ("store_forbidden", "store_too_large", "store_limit", "no_space")
"""Codes of what a server says about who asks, or about itself."""

KINDS = {
    "vectors": "have no good vectors",
    "payload": "have a payload that is not what was written",
    "ids": "have another's id",
    "words": "have other vectors of words than words",
}
"""What is said of damaged points."""


@dataclass(slots=True)
class State:
    """A collection as it was found, for who mends it.

    Attributes:
        schema: None where its record cannot be read, or there is none.
        points: what was seen of them; None where none could be looked at.
        readable: whether every point could be read.
        fields: whose indexes are wrong.
        rebuild: whether something is wrong that only writing all of it anew mends.
    """

    report: Report = field(default_factory=Report)
    schema: CollectionSchema | None = None
    points: Points | None = None
    readable: bool = True
    fields: tuple[str, ...] = ()
    rebuild: bool = False


def _is_about_data(error: SceneSearchError, *, known: bool) -> bool:
    if isinstance(error, StoreUnavailableError):
        return isinstance(error, StoreBrokeError)
    if not known:
        return isinstance(error, DamagedError) or error.code == "record_lost"
    return error.code not in NOT_OURS


class Checking:
    """Looks through a collection.

    Args:
        store: the collection; damaged ones open too.
        name: of it.
        cache: where the embeddings of its photos should be; None for none.
        deep: read everything.
        shards: whether several parts of it may count words each by itself.
        progress: called as points are looked at.
    """

    def __init__(
        self,
        store: Store,
        name: str,
        cache: EmbeddingCache | None = None,
        *,
        deep: bool = False,
        shards: bool = False,
        progress: Each | None = None,
    ) -> None:
        self._store = store
        self._name = name
        self._cache = cache
        self._deep = deep
        self._shards = shards
        self._progress = progress or (lambda *_: None)
        self._found: list[Finding] = []

    def run(self) -> State:
        """Look at it; whatever fails on the way is what was found.

        Raises:
            StoreUnavailableError: it cannot be looked at: something else has it open, or no server
                answers.
            StoreError: a server does not let it be looked at.
        """
        state = State()
        checked = f"{self._name}: its record"
        try:
            state.schema = self._store.schema
            if state.schema is None:
                self._add("record", "there is no such collection, or its record is gone")
            else:
                checked = self._all(state, state.schema)
        except SceneSearchError as error:
            if not _is_about_data(error, known=state.schema is not None):
                raise
            state.readable = False
            code = "record" if state.schema is None else "unreadable"
            self._add(code, str(error))
        state.report = Report((checked,), tuple(self._found))
        return state

    def _add(self, code: str, what: str, *, damage: bool = True) -> None:
        # who reads this has called it
        what = what.removesuffix(REPAIR).rstrip("; :.")
        self._found.append(Finding(self._name, code, what, damage))

    def _all(self, state: State, schema: CollectionSchema) -> str:
        store = self._store
        if not isinstance(store, Inspectable):
            raise TypeError(f"{store!r} cannot be looked through")
        # first: what cannot be opened is said once, and nothing else is taken for damaged
        total = self._counts(store, state, schema)
        projection = self._projection()
        self._blobs()
        items = schema.metadata.get("schema") == SCHEMA_VERSION
        points = state.points = Points(
            schema,
            # ids are of what the items are, in whichever generation
            split_name(self._name)[0],
            projection,
            self._cache,
            every=self._deep,
            items=items,
        )
        values, words, searches = Values(schema.fields), Words(), Searches()
        for page in self._pages(store):
            points.add(page)
            values.add(page)
            words.add(page, WORDS)
            searches.draw(page)
            self._progress(points.count, total)
        self._points(points)
        if self._deep:
            if points.count != total:
                state.rebuild = True
                self._add("count", f"{points.count} points are read, {total} are counted")
            self._searched(state, values, words, searches)
        looked = "all" if self._deep else "some"
        return (
            f"{self._name}: {total} points, {looked} looked at ({points.count}), "
            f"{points.compared} compared with the embedding cache"
        )

    def _pages(self, store: Inspectable) -> Iterator[tuple[Stored, ...]]:
        cursor: str | None = None
        while True:
            page = store.inspect(cursor, PAGE)
            yield page.points
            cursor = page.cursor
            if cursor is None or not self._deep:
                return

    def _counts(self, store: Inspectable, state: State, schema: CollectionSchema) -> int:
        census = store.census()
        try:
            recorded = store.recorded_census()
        except StoreError as error:
            self._add("count", str(error))
            state.rebuild = True
        else:
            if recorded is not None and (said := differences(recorded, census)):
                self._add("count", f"since it was closed it has {'; '.join(said)}")
                state.rebuild = True
        missing = sorted(schema.fields.keys() - census.indexes.keys())
        if missing and census.indexes:
            self._add("index", f"no index of {some(missing)}")
            state.fields = tuple(missing)
        return census.points

    def _projection(self) -> Projection | None:
        try:
            return projection_of(self._store)
        except StoreError as error:
            self._add("projection", str(error))
            return None

    def _blobs(self) -> None:
        readers: dict[str, Callable[[bytes], object]] = {
            OOD_BLOB: OodModel.from_bytes,
            CENTRES_BLOB: StyleCentres.from_bytes,
            KNOWN_BLOB: decode_scenes,
        }
        for name, read in readers.items():
            try:
                data = self._store.read_blob(name)
                if data is not None and data != NOTHING:
                    read(data)
            except StoreError as error:
                self._add("blob", f"{name}: {error}")

    def _points(self, points: Points) -> None:
        for kind, said in KINDS.items():
            ids = [one for one, why in points.wrong.items() if why == kind]
            if ids:
                self._add(kind, f"{len(ids)} points {said}: {some(ids)}")
        if points.differ:
            self._add(
                "cache_differs",
                f"{len(points.differ)} points have other vectors than the embedding cache: "
                f"{some(points.differ)}",
            )
        if points.strangers:
            self._add(
                "stranger",
                f"{len(points.strangers)} points without item_id, which scenesearch did not "
                f"write: {some(points.strangers)}; they are no answer",
                damage=False,
            )
        if points.unsummed:
            self._add(
                "older",
                f"{points.unsummed} points have no sum of their vectors: an earlier version wrote "
                "them",
                damage=False,
            )
        if self._deep and (lost := points.incomplete()):
            names = [f"a photo of item {item!r}" for item, _ in lost]
            self._add("incomplete", f"regions are gone of {len(lost)} photos: {some(names)}")

    def _searched(self, state: State, values: Values, words: Words, searches: Searches) -> None:
        store = self._store
        wrong = dict(values.differences(store))
        for name, said in wrong.items():
            self._add("index", f"the index of {name!r} is not what the payloads say: {said}")
        state.fields = tuple(sorted({*state.fields, *wrong}))
        if lost := words.differences(store, scores=not self._shards):
            self._add("words", f"{len(lost)} words are not found as they should be: {some(lost)}")
            state.rebuild = True
        searches.ask(store)
        assert isinstance(store, Inspectable)
        for page in self._pages(store):
            searches.compare(page)
        if beside := searches.differences():
            self._add("search", "; ".join(beside))
            state.rebuild = True
