"""Models whose weights are read once, by whichever thread needs them first."""

from __future__ import annotations

from abc import ABC, abstractmethod
from threading import Lock
from typing import Any


class LazyModel(ABC):
    """Cheap to make; the weights come with :meth:`load`, or with the first use."""

    def __init__(self) -> None:
        self._loaded: Any = None
        # catalogue photos are prepared in threads, and one model serves them all
        self._loading = Lock()

    def load(self) -> None:
        """Read the weights; does nothing when they are already there.

        Raises:
            ModelError: they are missing or cannot be used.
        """
        self._ready()

    def close(self) -> None:
        """Forget the weights; the next use reads them again."""
        self._loaded = None

    def _ready(self) -> Any:
        with self._loading:
            if self._loaded is None:
                self._loaded = self._open()
            return self._loaded

    @abstractmethod
    def _open(self) -> Any:
        """What runs the model."""
