"""Embedding with ONNX Runtime: the default on a CPU, from an export made once and kept."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any

import numpy as np

from scenesearch.core.errors import ModelLoadError
from scenesearch.models.embed.tower import Run, Tower, TowerEmbedder, TowerSource, normalise_rows
from scenesearch.models.load_errors import one_line, onnx_errors
from scenesearch.models.onnx_runtime import forbid_telemetry, quiet_session

log = logging.getLogger(__name__)

EXPORT_VERSION = 2
TOLERANCE = 1e-3
"""Largest difference of any component of a normalised vector between torch and the export."""


class OnnxEmbedder(TowerEmbedder):
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
        super().__init__(source, batch)
        self._cache_dir = cache_dir
        self._threads = threads
        self._with_text: Tower | None = None

    @property
    def path(self) -> Path:
        """Where the export of this model is, or will be."""
        key = f"{EXPORT_VERSION}:{self.fingerprint}:{self._source.side}"
        return self._cache_dir / "onnx" / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.onnx"

    def _open(self) -> Any:
        if not self.path.is_file():
            log.info("exporting %s to ONNX, once", self.fingerprint)
            export(self._source, self.path)
        return open_session(self.path, self._threads)

    def _run(self) -> Run:
        session = self._ready()
        return lambda pixels: session.run(None, {"pixels": pixels})

    def _text_tower(self) -> Tower:
        if self._with_text is None:
            self._with_text = self._source.load()
        return self._with_text

    def close(self) -> None:
        """Forget the session."""
        super().close()
        self._with_text = None


def open_session(path: Path, threads: int) -> Any:
    """An ONNX Runtime session on the CPU.

    Raises:
        ModelLoadError: the file cannot be used.
    """
    try:
        return quiet_session(path, threads)
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
