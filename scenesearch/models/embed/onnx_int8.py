"""Towers in whole numbers of 8 bits: the float export, calibrated on some photos.

Weights by channel with a sign, activations without (QDQ), which keeps a mean cosine of 0.995 to the
float vectors; the quantiser's own defaults keep 0.9 and two fifths of the first answers. It is
another model, with a fingerprint of its own: its vectors are compared with each other only.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.errors import ModelLoadError
from scenesearch.core.extras import extra
from scenesearch.core.types import Image
from scenesearch.images.letterbox import letterbox
from scenesearch.models.embed.tower import normalise_rows
from scenesearch.models.onnx_runtime import import_onnxruntime, quiet_session

LEAST_ALIKE = 0.98
"""Smallest mean cosine between the vectors of both on the photos of calibration."""
_BATCH = 4


def quantise(exported: Path, path: Path, images: Iterable[Image], side: int) -> None:
    """Write an image tower in 8 bits.

    Args:
        exported: the tower in float32.
        path: of what is made; its folder is made.
        images: of the kind that will be embedded, of any sizes; a hundred are enough.
        side: pixels of the square input.

    Raises:
        MissingDependencyError: the package onnx is not installed.
        ModelLoadError: the vectors differ from those of the float tower too much to be of use.
    """
    with extra("models", "embedder.precision: int8, the first time"):
        import onnx  # noqa: F401 - what the quantiser reads and writes with
    import_onnxruntime()
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    pictures = np.stack([letterbox(image, side) for image in images])
    path.parent.mkdir(parents=True, exist_ok=True)
    # the quantiser advises on the root logger what is done right here
    logging.getLogger().addFilter(_not_of_quantising)
    try:
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            ready, draft = Path(folder) / "ready.onnx", Path(folder) / "draft.onnx"
            quant_pre_process(exported, ready, skip_symbolic_shape=True)
            quantize_static(
                ready,
                draft,
                _Reader(pictures),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
            _check(exported, draft, pictures)
            draft.replace(path)
    finally:
        logging.getLogger().removeFilter(_not_of_quantising)


def _not_of_quantising(record: logging.LogRecord) -> bool:
    return "preprocess" not in record.getMessage().lower()


class _Reader:
    """What the quantiser draws batches from."""

    def __init__(self, pictures: NDArray[np.uint8]) -> None:
        self._batches = _batches(pictures)

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """The next batch by the name of the tower's input; None at the end."""
        return next(({"pixels": batch} for batch in self._batches), None)


def _batches(pictures: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    for start in range(0, len(pictures), _BATCH):
        yield pictures[start : start + _BATCH]


def _check(exported: Path, path: Path, pictures: NDArray[np.uint8]) -> None:
    first, second = (_vectors(quiet_session(one), pictures) for one in (exported, path))
    alike = float((first * second).sum(axis=1).mean())
    if not alike >= LEAST_ALIKE:
        raise ModelLoadError(
            f"{exported}: in 8 bits its vectors are {alike:.3f} alike to those in float32 (mean "
            f"cosine), expected {LEAST_ALIKE} or more; set embedder.precision: float32"
        )


def _vectors(session: Any, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    found = [session.run(["vectors"], {"pixels": batch})[0] for batch in _batches(pictures)]
    return normalise_rows(np.concatenate(found))
