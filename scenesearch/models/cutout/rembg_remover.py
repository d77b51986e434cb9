"""rembg models as removers: the session is kept, only the mask is asked for.

The models come without the rest of rembg: ``import rembg`` imports its alpha matting too, which
nothing here uses. That is compiled when it is imported for the first time, which takes most of a
minute, and cannot be imported at all where neither the package's folder nor a home can be
written: in a container that is read-only.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib.util import find_spec, module_from_spec
from threading import Lock
from types import ModuleType
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

_NAME = "rembg"
_alone = Lock()


class RembgRemover(LazyModel):
    """One rembg model with its weights from this machine.

    Args:
        model: rembg's name of the architecture (``isnet-general-use``).
        weights: its .onnx.
        threads: of ONNX Runtime; 0 for one a core.
    """

    def __init__(self, model: str, weights: Weights, *, threads: int = 0) -> None:
        super().__init__()
        self._model = model
        self._weights = weights
        self._threads = threads
        # one photo at a time: each takes a gigabyte, which the session keeps, and all the cores
        self._turn = Lock()

    @property
    def fingerprint(self) -> str:
        """Architecture and weights."""
        return f"rembg:{self._model}:{self._weights.fingerprint}"

    def _open(self) -> Any:
        ort = import_onnxruntime()  # before rembg does
        classes = session_classes()
        base = next((c for c in classes if c.name() == self._model), None)
        if base is None:
            known = ", ".join(sorted(c.name() for c in classes))
            raise ModelLoadError(f"rembg has no model {self._model!r}; it has: {known}")
        path = str(self._weights.path)
        # rembg would look in its own folders and download; the file is already known here
        local = type("LocalSession", (base,), {"download_models": classmethod(lambda *_: path)})
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.log_severity_level = 3
        # a plan of all its memory in one block makes it twice as large, and no faster
        options.enable_mem_pattern = False
        try:
            return local(self._model, options, providers=["CPUExecutionProvider"])
        except onnx_errors() as error:
            raise ModelLoadError(
                f"{path}: rembg cannot use it: {one_line(error)}; expected the .onnx of "
                f"{self._model}"
            ) from error

    def matte(self, image: Image) -> NDArray[np.uint8]:
        """Foreground alpha of shape (height, width), 0 to 255.

        The model stretches every answer to the full range, even that of a photo with no subject:
        the caller checks what share the mask covers.
        """
        session = self._ready()
        with self._turn, np.errstate(invalid="ignore", divide="ignore"):
            mask = session.predict(PILImage.fromarray(image))[0]
        return np.asarray(mask, np.uint8)


@cache
def session_classes() -> tuple[Any, ...]:
    """The classes of all models that rembg has.

    Who imports rembg later, or has before, has all of it.

    Raises:
        ModuleNotFoundError: rembg is not installed.
    """
    with _alone:
        before = _taken_out()
        try:
            if (found := find_spec(_NAME)) is not None:
                # a package that was not run: only what its folder holds
                sys.modules[_NAME] = module_from_spec(found)
            from rembg.sessions import sessions_class

            return tuple(sessions_class)
        finally:
            _taken_out()
            sys.modules.update(before)


def _taken_out() -> dict[str, ModuleType]:
    """Modules of rembg, which are imported anew from now on."""
    names = [name for name in sys.modules if name.partition(".")[0] == _NAME]
    return {name: sys.modules.pop(name) for name in names}
