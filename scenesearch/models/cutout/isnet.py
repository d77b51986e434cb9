"""IS-Net as a remover: what it takes and gives, around a session of ONNX Runtime.

Source: Qin et al., "Highly Accurate Dichotomous Image Segmentation", ECCV 2022, arXiv:2203.03041;
photos are prepared as rembg 2 does, whose published weights these are.
"""

from __future__ import annotations

from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PILImage

from scenesearch.core.errors import ModelLoadError
from scenesearch.core.types import Image
from scenesearch.models.lazy import LazyModel
from scenesearch.models.load_errors import one_line, onnx_errors
from scenesearch.models.onnx_runtime import import_onnxruntime
from scenesearch.models.weights import Weights

_SIDE = 1024


class IsNetRemover(LazyModel):
    """IS-Net with its weights from this machine.

    Args:
        weights: its .onnx.
        threads: of ONNX Runtime; 0 for one a core.
    """

    def __init__(self, weights: Weights, *, threads: int = 0) -> None:
        super().__init__()
        self._weights = weights
        self._threads = threads
        # one photo at a time: each takes a gigabyte, which the session keeps, and all the cores
        self._turn = Lock()

    @property
    def fingerprint(self) -> str:
        """Architecture and weights."""
        return f"rembg:isnet-general-use:{self._weights.fingerprint}"

    def _open(self) -> Any:
        ort = import_onnxruntime()
        path = str(self._weights.path)
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.log_severity_level = 3
        # a plan of all its memory in one block makes it twice as large, and no faster
        options.enable_mem_pattern = False
        try:
            session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            given = session.get_inputs()
            if len(given) != 1 or list(given[0].shape)[1:] != [3, _SIDE, _SIDE]:
                raise ValueError(f"it takes {[(one.name, one.shape) for one in given]}")
        except onnx_errors() as error:
            raise ModelLoadError(
                f"{path}: ONNX Runtime cannot use it: {one_line(error)}; expected the .onnx of "
                f"IS-Net (isnet-general-use), for pictures of {_SIDE} x {_SIDE}"
            ) from error
        return session

    def matte(self, image: Image) -> NDArray[np.uint8]:
        """Foreground alpha of shape (height, width), 0 to 255.

        The model stretches every answer to the full range, even that of a photo with no subject:
        the caller checks what share the mask covers.
        """
        session = self._ready()
        small = PILImage.fromarray(image).resize((_SIDE, _SIDE), PILImage.Resampling.LANCZOS)
        pixels = np.asarray(small, np.float64)
        pixels = (pixels / max(pixels.max(), 1e-6) - 0.5).astype(np.float32)
        feed = {session.get_inputs()[0].name: pixels.transpose(2, 0, 1)[None]}
        with self._turn:
            found: NDArray[np.float32] = session.run(None, feed)[0][0, 0]
        low, high = found.min(), found.max()
        alpha = (found - low) / (high - low) if high > low else np.zeros_like(found)
        mask = PILImage.fromarray((alpha * 255).astype(np.uint8))
        size = (image.shape[1], image.shape[0])
        return np.asarray(mask.resize(size, PILImage.Resampling.LANCZOS), np.uint8)
