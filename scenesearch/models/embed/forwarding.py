"""Models that stand before another one."""

from __future__ import annotations

from typing import Generic, TypeVar

from scenesearch.core.protocols import Embedder, Model

M = TypeVar("M", bound=Model)


class Standing(Generic[M]):
    """A model before another one: the numbers are the same, and so is what it says of itself.

    Args:
        behind: does the work.
    """

    def __init__(self, behind: M) -> None:
        self._behind = behind

    @property
    def fingerprint(self) -> str:
        """That of the model behind."""
        return self._behind.fingerprint

    def load(self) -> None:
        """Read the weights."""
        self._behind.load()

    def close(self) -> None:
        """Forget the weights."""
        self._behind.close()


class Forwarding(Standing[Embedder]):
    """What an embedder over another one says of itself: what that one says."""

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return self._behind.dim

    @property
    def has_text(self) -> bool:
        """Whether ``embed_texts`` works."""
        return self._behind.has_text
