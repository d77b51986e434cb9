"""Optional packages, and the extra that brings each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from scenesearch.core.errors import MissingDependencyError


@contextmanager
def extra(name: str, what: str) -> Iterator[None]:
    """Around imports of an extra's packages: one that is missing is said with its pip command.

    Args:
        name: of the extra.
        what: needs it, as the beginning of a sentence.

    Raises:
        MissingDependencyError: a package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = error.name or str(error)
        if missing.partition(".")[0] == "scenesearch":
            raise
        raise MissingDependencyError(
            f"{what} needs the package {missing!r}, which is not installed: "
            f"pip install 'scenesearch[{name}]'"
        ) from error
