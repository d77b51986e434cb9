"""An embedder that stands before another one."""

from __future__ import annotations

from scenesearch.core.protocols import Embedder


class Forwarding:
    """What an embedder over another one says of itself: what that one says.

    Args:
        embedder: does the work.
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    @property
    def fingerprint(self) -> str:
        """That of the embedder: the numbers are the same."""
        return self._embedder.fingerprint

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return self._embedder.dim

    @property
    def has_text(self) -> bool:
        """Whether ``embed_texts`` works."""
        return self._embedder.has_text

    def load(self) -> None:
        """Read the weights."""
        self._embedder.load()

    def close(self) -> None:
        """Forget the weights."""
        self._embedder.close()
