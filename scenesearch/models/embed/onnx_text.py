"""A text tower in ONNX Runtime, and its words by the library ``tokenizers``: without torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.errors import ModelLoadError
from scenesearch.models.embed.hub_words import numbers_of
from scenesearch.models.load_errors import one_line
from scenesearch.models.onnx_runtime import quiet_session


def text_files(image_tower: Path) -> tuple[Path, Path]:
    """The text tower and the tokenizer that belong to an image tower, beside it."""
    return image_tower.with_suffix(".text.onnx"), image_tower.with_suffix(".tokenizer.json")


class OnnxText:
    """Texts to vectors.

    Args:
        image_tower: beside which the files are.
        threads: 0 for one a core.

    Raises:
        ModelLoadError: a file cannot be used.
    """

    def __init__(self, image_tower: Path, threads: int) -> None:
        path, words = text_files(image_tower)
        try:
            self._session = quiet_session(path, threads)
            self._numbers = numbers_of(words.read_text(encoding="utf-8"))
        except Exception as error:  # tokenizers raises that very class
            raise ModelLoadError(
                f"{path}: the text tower and its {words.name} cannot be used: {one_line(error)}; "
                f"delete both to have them made again"
            ) from error

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Shape (len(texts), dim), not normalised."""
        (vectors,) = self._session.run(None, {"ids": self._numbers(texts)})
        return np.asarray(vectors, np.float32)
