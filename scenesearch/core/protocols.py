"""The swap points of the pipelines. Adapters satisfy these; pipelines know nothing else.

Constructing an adapter is cheap and does no I/O; ``load`` is idempotent and explicit; ``close``
gives the memory back. ``fingerprint`` is known without loading: it names the weights and the
preprocessing, and two models with the same fingerprint give the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.conditions import Condition
from scenesearch.core.quantization import Memory, Quantization
from scenesearch.core.types import (
    Census,
    CollectionSchema,
    Cutout,
    Description,
    Detections,
    FieldType,
    Hit,
    Image,
    Page,
    Point,
    Record,
    Scalar,
    Scene,
    StoredPage,
    TextLine,
    Vector,
)

WORDS = "words"
"""The payload field, of type ``text``, that a :class:`TextQuery` searches."""


class Model(Protocol):
    """What every model adapter has."""

    @property
    def fingerprint(self) -> str:
        """Weights and preprocessing in one short text, known without loading."""

    def load(self) -> None:
        """Read the weights; does nothing when they are already there.

        Raises:
            ModelError: the weights are missing or cannot be used.
        """

    def close(self) -> None:
        """Forget the weights; ``load`` brings them back."""


@runtime_checkable
class Detector(Model, Protocol):
    """Finds objects."""

    def detect(self, scenes: Sequence[Scene]) -> list[Detections]:
        """One value for each scene, in order, sorted by falling confidence."""


@runtime_checkable
class Remover(Model, Protocol):
    """Separates the subject of a picture from its background."""

    def matte(self, image: Image) -> NDArray[np.uint8]:
        """Foreground alpha of shape (height, width), 0 to 255."""


@runtime_checkable
class Embedder(Model, Protocol):
    """Turns pictures, and for some models text, into vectors of one space."""

    @property
    def dim(self) -> int:
        """Length of the vectors, known without loading."""

    @property
    def has_text(self) -> bool:
        """Whether ``embed_texts`` works."""

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Shape (len(images), dim), rows L2-normalised."""

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Shape (len(texts), dim), rows L2-normalised.

        Raises:
            QueryError: the model has no text tower.
        """


@runtime_checkable
class Profiler(Protocol):
    """An embedder that also has a class head: it says what a picture is of."""

    @property
    def profile_dim(self) -> int:
        """Number of classes; 0 where this model has no class head."""

    def embed_and_profile(
        self, images: Sequence[Image]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Vectors of shape (n, dim) and class profiles of shape (n, profile_dim), in one pass.

        Rows of profiles are probabilities and sum to 1.
        """


@runtime_checkable
class Reader(Model, Protocol):
    """Reads what is written in pictures."""

    def read(self, image: Image) -> tuple[TextLine, ...]:
        """Lines of text in reading order; empty where nothing is written."""


class Describer(Protocol):
    """Puts a cutout into words and numbers."""

    @property
    def colour_dim(self) -> int:
        """Length of the colour vectors; 0 when none are made."""

    def describe(self, cutout: Cutout) -> Description:
        """Colours from the mask only, and a hash of the picture."""


class VectorQuery(NamedTuple):
    """One nearest-neighbour request of a batch.

    Attributes:
        space: named vector space.
        vector: the query.
        limit: how many hits.
        where: filter, applied inside the engine.
        fields: payload fields to bring back with each hit; empty for none.
    """

    space: str
    vector: Vector
    limit: int
    where: Condition | None = None
    fields: tuple[str, ...] = ()


class TextQuery(NamedTuple):
    """One search by words of a batch: points whose :data:`WORDS` have any word of a text, by BM25.

    Words are runs of letters and digits, in any case; nothing is stemmed or left out. Scores are
    above 0, have no upper bound, and are comparable inside one answer only. A filter does not
    change them. How long a text is counts against the ``mean_words`` of the collection's record.

    Attributes:
        text: the words; all else is as for :class:`VectorQuery`.
    """

    text: str
    limit: int
    where: Condition | None = None
    fields: tuple[str, ...] = ()


class Store(Protocol):
    """One collection of points. Every method that writes is durable when it returns.

    Every implementation refuses vectors that are not finite, are zero or have the wrong size
    (:class:`InvalidVectorError`), fields the schema does not have (:class:`QueryError`), and
    any call but ``schema``, ``create`` and ``close`` while the collection does not exist
    (:class:`StoreError`). Hits of equal score are ordered by id.
    """

    @property
    def schema(self) -> CollectionSchema | None:
        """What the collection holds, or None where there is none yet."""

    def create(self, schema: CollectionSchema, blobs: Mapping[str, bytes] | None = None) -> bool:
        """Make the collection, its payload indexes first. The same schema again does nothing.

        Of several that make it at once, one does; the others wait until it has.

        Args:
            schema: what it holds.
            blobs: files that it is made with and is not there without; see ``read_blob``.

        Returns:
            Whether this call made it. If not, what it was made with is what counts.

        Raises:
            CollectionMismatchError: it exists with another schema; names what differs.
        """

    def add_fields(self, fields: Mapping[str, FieldType]) -> None:
        """Add payload fields to the schema, and index them; integers can become floats.

        Raises:
            CollectionMismatchError: a field exists with another type.
        """

    def upsert(self, points: Sequence[Point]) -> None:
        """Write points, whole or not at all; an existing id is replaced."""

    def query(self, queries: Sequence[VectorQuery | TextQuery]) -> list[list[Hit]]:
        """Answer a batch; one list of hits for each query, best first.

        Raises:
            QueryError: the collection has no such space, or no field :data:`WORDS`.
        """

    def retrieve(self, ids: Sequence[str], *, spaces: Sequence[str] = ()) -> list[Record]:
        """The points with these ids, in the order asked; unknown ids are left out."""

    def scroll(
        self,
        *,
        where: Condition | None = None,
        limit: int = 1000,
        cursor: str | None = None,
        fields: Sequence[str] | None = None,
        spaces: Sequence[str] = (),
    ) -> Page:
        """Walk over the points in a stable order; ``fields=None`` brings the whole payload."""

    def count(self, where: Condition | None = None) -> int:
        """How many points, exactly."""

    def facet(
        self, field: str, *, where: Condition | None = None, limit: int = 50
    ) -> list[tuple[Scalar, int]]:
        """Values of a keyword, integer or bool field and how many points have each.

        Sorted by falling count, then by value.

        Raises:
            QueryError: the field is unknown or of a type that has no facets.
        """

    def set_payload(
        self,
        payload: Mapping[str, Any],
        *,
        ids: Sequence[str] | None = None,
        where: Condition | None = None,
    ) -> None:
        """Merge ``payload`` into points, vectors untouched; a value of None removes the key.

        Exactly one of ``ids`` and ``where`` is given.
        """

    def delete(self, *, ids: Sequence[str] | None = None, where: Condition | None = None) -> None:
        """Remove points. Exactly one of ``ids`` and ``where`` is given."""

    def batch_writes(self) -> AbstractContextManager[None]:
        """Writes inside the ``with`` are durable when it ends, not when each returns.

        For many small writes: making one durable can cost far more than the write itself. They
        take effect one by one and in order, and an error keeps those before it.
        """

    def read_blob(self, name: str) -> bytes | None:
        """A small file kept with the collection (a fitted projection), or None."""

    def write_blob(self, name: str, data: bytes) -> None:
        """Keep a small file with the collection, replaced whole or not at all."""

    def optimize(self) -> None:
        """Build whatever makes queries fast; may take seconds, and does nothing when done."""

    def close(self) -> None:
        """Give the engine back; the object cannot be used afterwards."""


@runtime_checkable
class Quantizable(Protocol):
    """A store whose collection can be searched by codes of its vectors, or by the vectors."""

    def quantize(
        self,
        quantization: Quantization,
        *,
        on_disk: bool | None = None,
        memory: Memory | None = None,
    ) -> None:
        """Change which of them, and where they are held.

        Args:
            quantization: what is searched first.
            on_disk: see :class:`~scenesearch.core.types.CollectionSchema`.
            memory: likewise.

        Raises:
            StoreError: there is no collection.
        """


@runtime_checkable
class Remote(Protocol):
    """A store on servers, which can be away for a while, and have several copies of it."""

    def in_bulk(
        self, wait_s: float, waits: Callable[[float], None]
    ) -> AbstractContextManager[None]:
        """For runs over a whole collection.

        Inside the ``with`` calls wait for servers that are away, and walking over the points
        leaves those out on which copies differ, so that they are written again.

        Args:
            wait_s: seconds that one call waits at most.
            waits: called now and then with how long one has; what it raises ends the call.
        """

    def at_once(self) -> AbstractContextManager[None]:
        """Inside the ``with`` calls of this thread are not tried again at a server that failed."""


@runtime_checkable
class Copyable(Protocol):
    """A store whose collection can be copied as it is at one moment."""

    def copy_to(self, folder: Path) -> int | None:
        """Copy it; writes wait meanwhile, or are in the copy or not, each as a whole.

        Args:
            folder: made for it.

        Returns:
            How many points the copy has; None where nobody counted.

        Raises:
            StoreError: it cannot be copied.
        """


@runtime_checkable
class Inspectable(Protocol):
    """A store that can be looked through by who checks it, damaged or not."""

    def census(self) -> Census:
        """How much there is."""

    def recorded_census(self) -> Census | None:
        """How much there was when the collection was closed well; None where that is not known."""

    def inspect(self, cursor: str | None = None, limit: int = 1000) -> StoredPage:
        """Points as they lie in the engine, in a stable order."""

    def reindex(self, fields: Sequence[str]) -> None:
        """Make the indexes of payload fields anew, from the payloads."""


@runtime_checkable
class Startable(Protocol):
    """A store that can do at once what its first call would otherwise wait for."""

    def start(self) -> None:
        """Be ready to answer.

        Raises:
            StoreUnavailableError: it cannot be.
        """
