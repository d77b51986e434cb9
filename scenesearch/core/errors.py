"""Every error scenesearch raises on purpose, as one tree.

::

    SceneSearchError
    ├── ImageError            a photo that cannot be read or is refused
    ├── CatalogError          a manifest that cannot be read, or bad rows under ``strict``
    ├── ConfigError           settings that do not make sense
    ├── ModelError
    │   ├── ModelNotFoundError      weights that are not on this machine
    │   ├── ModelLoadError          weights that are there and cannot be used
    │   └── MissingDependencyError  an optional package that is not installed
    ├── QueryError            a search that cannot be answered as asked
    │   └── FilterError       a filter that cannot be parsed or names no field
    └── StoreError
        ├── StoreUnavailableError   the engine cannot be reached, or another process holds it
        │   └── StoreBrokeError     it broke off: its process died, or it gave up
        ├── CollectionMismatchError the collection was made with other models or another schema
        ├── DamagedError            what is stored is not what was written: needs repair
        ├── InvalidVectorError      a vector that is not finite, zero, or of the wrong size
        └── NoSpaceError            too little free disk to write safely

Argument mistakes of a programmer stay ``ValueError`` and ``TypeError``.
Each message says what happened, what was got, what was expected, and what to do.
"""

from __future__ import annotations


class SceneSearchError(Exception):
    """Base of every error of this package.

    Attributes:
        code: a short stable name of the cause, for machines (``too_many_pixels``).
    """

    code = "error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class ImageError(SceneSearchError):
    """A photo that cannot be read, or that is outside the limits."""

    code = "bad_image"


class CatalogError(SceneSearchError):
    """A manifest that cannot be read, or one whose rows are bad under ``strict``."""

    code = "bad_catalog"


class ConfigError(SceneSearchError):
    """Settings that cannot be read, or that contradict each other."""

    code = "bad_config"


class ModelError(SceneSearchError):
    """Anything about models."""

    code = "model_error"


class ModelNotFoundError(ModelError):
    """Weights that are not on this machine; the message says which file goes where."""

    code = "model_not_found"


class ModelLoadError(ModelError):
    """Weights that are there and cannot be used (wrong hash, wrong kind, broken)."""

    code = "model_load_failed"


class MissingDependencyError(ModelError):
    """An optional package that is not installed; the message gives the pip command."""

    code = "missing_dependency"


class QueryError(SceneSearchError):
    """A search that cannot be answered as asked."""

    code = "bad_query"


class FilterError(QueryError):
    """A filter that cannot be parsed, or that names an unknown field."""

    code = "bad_filter"


class StoreError(SceneSearchError):
    """Anything about the vector store."""

    code = "store_error"


class StoreUnavailableError(StoreError):
    """The engine cannot be reached, or another process holds it.

    Attributes:
        retry_after_s: when it says that it will answer again; None where it says nothing.
    """

    code = "store_unavailable"
    retry_after_s: float | None = None

    def __init__(
        self, message: str, *, code: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message, code=code)
        self.retry_after_s = retry_after_s


class StoreBrokeError(StoreUnavailableError):
    """The engine broke off what it was asked: its process died, or it gave up on it."""


class CollectionMismatchError(StoreError):
    """The collection was made with other models or another schema."""

    code = "collection_mismatch"


class DamagedError(StoreError):
    """What is stored is not what was written; the message names the command that repairs it."""

    code = "needs_repair"


class InvalidVectorError(StoreError):
    """A vector that is not finite, has no length, or has the wrong size."""

    code = "invalid_vector"


class NoSpaceError(StoreError):
    """Too little free disk to write safely."""

    code = "no_space"
