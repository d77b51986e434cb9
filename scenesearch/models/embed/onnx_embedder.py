"""Embedding with ONNX Runtime: the default on a CPU, from an export made once and kept."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.errors import ModelLoadError
from scenesearch.core.types import Image
from scenesearch.models.embed.torch_embedder import encode_texts, in_batches
from scenesearch.models.embed.tower import Tower, TowerSource, normalise_rows
from scenesearch.models.load_errors import one_line, onnx_errors
from scenesearch.models.onnx_runtime import forbid_telemetry, import_onnxruntime

log = logging.getLogger(__name__)

EXPORT_VERSION = 2
TOLERANCE = 1e-3
"""Largest difference of any component of a normalised vector between torch and the export."""


class OnnxEmbedder:
    """Runs the image tower in ONNX Runtime; text, where there is any, stays in torch.

    The graph takes uint8 (n, side, side, 3), so the normalisation of pixels runs inside it.

    Args:
        source: which model.
        cache_dir: where exports are kept.
        threads: 0 for one a core.
        batch: pictures at a time.
    """

    def __init__(
        self, source: TowerSource, *, cache_dir: Path, threads: int = 0, batch: int = 32
    ) -> None:
        self._source = source
        self._cache_dir = cache_dir
        self._threads = threads
        self._batch = batch
        self._session: Any = None
        self._loading = Lock()
        self._text_tower: Tower | None = None

    @property
    def fingerprint(self) -> str:
        """That of the source: the export is checked to give the same numbers."""
        return self._source.fingerprint

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return self._source.dim

    @property
    def has_text(self) -> bool:
        """Whether ``embed_texts`` works."""
        return self._source.has_text

    @property
    def path(self) -> Path:
        """Where the export of this model is, or will be."""
        key = f"{EXPORT_VERSION}:{self._source.fingerprint}:{self._source.side}"
        return self._cache_dir / "onnx" / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.onnx"

    def load(self) -> None:
        """Open the export, making it first where there is none."""
        self._ready()

    def _ready(self) -> Any:
        with self._loading:
            if self._session is None:
                if not self.path.is_file():
                    log.info("exporting %s to ONNX, once", self._source.fingerprint)
                    export(self._source, self.path)
                self._session = open_session(self.path, self._threads)
            return self._session

    def close(self) -> None:
        """Forget the session."""
        self._session = None
        self._text_tower = None

    @property
    def profile_dim(self) -> int:
        """Number of classes of the model's head; 0 without one."""
        return self._source.classes

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Shape (len(images), dim), rows L2-normalised."""
        return self.embed_and_profile(images)[0]

    def embed_and_profile(
        self, images: Sequence[Image]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Vectors (n, dim) and class probabilities (n, profile_dim), in one pass."""
        session = self._ready()
        return in_batches(
            images, lambda pixels: session.run(None, {"pixels": pixels}), self._source, self._batch
        )

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Shape (len(texts), dim), rows L2-normalised."""
        if self.has_text and self._text_tower is None:
            self._text_tower = self._source.load()
        return encode_texts(self._text_tower, texts, self.fingerprint)


def open_session(path: Path, threads: int) -> Any:
    """An ONNX Runtime session on the CPU.

    Raises:
        ModelLoadError: the file cannot be used.
    """
    ort = import_onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # threads that spin while they wait gain 3 % on an idle machine, and halve the speed of one
    # that also decodes the next photos or answers others
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except onnx_errors() as error:
        raise ModelLoadError(
            f"{path}: ONNX Runtime cannot open it: {one_line(error)}; delete the file to have it "
            f"made again"
        ) from error


def export(source: TowerSource, path: Path) -> None:
    """Write a model's image tower as ONNX, checked against torch before it is kept.

    Raises:
        ModelLoadError: the export differs from torch by more than :data:`TOLERANCE`.
    """
    import tempfile
    import warnings

    import torch

    forbid_telemetry()
    module = source.load().pixels_to_vectors
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (3, source.side, source.side, 3), dtype=np.uint8)
    example = torch.from_numpy(pixels[:2])
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        draft = Path(folder) / "draft.onnx"
        with warnings.catch_warnings():
            # the exporter's own deprecations are no business of ours or our users
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module,
                (example,),
                str(draft),
                input_names=["pixels"],
                output_names=["vectors", "profiles"][: 2 if source.classes else 1],
                dynamic_shapes=({0: torch.export.Dim("n", min=1, max=1024)},),
                dynamo=True,
                external_data=False,
                verbose=False,
            )
        with torch.inference_mode():
            found = module(torch.from_numpy(pixels))
        expected = [part.numpy() for part in (found if isinstance(found, tuple) else (found,))]
        got = open_session(draft, 0).run(None, {"pixels": pixels})
        expected[0], got[0] = normalise_rows(expected[0]), normalise_rows(got[0])
        worst = max(float(np.abs(e - g).max()) for e, g in zip(expected, got, strict=True))
        if not worst <= TOLERANCE:
            raise ModelLoadError(
                f"The ONNX export of {source.fingerprint} differs from torch by {worst:.2g} "
                f"(at most {TOLERANCE:g} is accepted); set embedder.runtime: torch"
            )
        draft.replace(path)
