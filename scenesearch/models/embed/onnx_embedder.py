"""Embedding with ONNX Runtime: the default on a CPU, from an export made once and kept."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from scenesearch.core.errors import ModelLoadError
from scenesearch.core.types import Image
from scenesearch.models.embed.onnx_export import export
from scenesearch.models.embed.onnx_int8 import quantise
from scenesearch.models.embed.onnx_text import OnnxText, text_files
from scenesearch.models.embed.tower import Encoder, Run, Tower, TowerEmbedder, TowerSource
from scenesearch.models.load_errors import one_line, onnx_errors
from scenesearch.models.onnx_runtime import quiet_session

log = logging.getLogger(__name__)

EXPORT_VERSION = 2


class OnnxEmbedder(TowerEmbedder):
    """Runs the towers in ONNX Runtime.

    The image graph takes uint8 (n, side, side, 3), so the normalisation of pixels runs inside it.
    A text tower whose tokenizer cannot be taken out of torch stays there. On a CPU each core has
    pictures of its own: a session that shares a picture out among two takes a tenth more of their
    time. Only fewer pictures than half the cores are shared out.

    Args:
        source: which model.
        cache_dir: where exports are kept.
        threads: cores that it uses; 0 for all.
        batch: pictures at a time.
        device: ``cpu``, or ``cuda`` where onnxruntime-gpu is installed.
        int8: photos that a tower in whole numbers of 8 bits is calibrated on, the first time: half
            the time on a CPU with VNNI, and vectors that compare with each other only; None for
            float32.
    """

    def __init__(
        self,
        source: TowerSource,
        *,
        cache_dir: Path,
        threads: int = 0,
        batch: int = 32,
        device: str = "cpu",
        int8: Callable[[], Iterable[Image]] | None = None,
    ) -> None:
        super().__init__(source, batch)
        self._cache_dir = cache_dir
        self._threads = threads or os.cpu_count() or 1
        self._device = device
        self._int8 = int8
        self._encode_text: Encoder | None = None
        self._wide: Any = None

    @property
    def fingerprint(self) -> str:
        """That of the source; 8 bits give other numbers, so they are named."""
        return super().fingerprint + ("" if self._int8 is None else ":int8")

    @property
    def path(self) -> Path:
        """Where the image tower that runs is, or will be."""
        return self._exported if self._int8 is None else self._kept(self.fingerprint)

    @property
    def _exported(self) -> Path:
        """Where the image tower in float32 is, or will be; its text tower is beside it."""
        return self._source.exported or self._kept(self._source.fingerprint)

    def _kept(self, fingerprint: str) -> Path:
        key = f"{EXPORT_VERSION}:{fingerprint}:{self._source.side}"
        return self._cache_dir / "onnx" / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.onnx"

    def export(self) -> Path:
        """The image tower's file, made where it is missing; its text tower's beside it.

        Raises:
            ModelLoadError: the weights cannot be read, or the export differs from torch.
            MissingDependencyError: there is no export, and nothing that could make it.
        """
        if not self._exported.is_file() or (self.has_text and not self._text_is_there()):
            self._write(self._source.load())
        if self._int8 is not None and not self.path.is_file():
            log.info("making 8 bits of %s, once", self._source.fingerprint)
            quantise(self._exported, self.path, self._int8(), self._source.side)
        return self.path

    def _write(self, tower: Tower) -> None:
        log.info("exporting %s to ONNX, once", self.fingerprint)
        export(self._source, tower, self._exported)

    def _text_is_there(self) -> bool:
        return all(path.is_file() for path in text_files(self._exported))

    def _open(self) -> Any:
        if not self.path.is_file():
            self.export()
        return open_session(self.path, 1 if self._device == "cpu" else 0, self._device)

    def _run(self, pictures: int) -> tuple[Run, int]:
        session, lanes = self._ready(), 1
        if self._device == "cpu" and 2 * pictures < self._threads:
            session = self._all_cores()
        elif self._device == "cpu":
            lanes = min(self._threads, max(pictures, 1))
        return lambda pixels: session.run(None, {"pixels": pixels}), lanes

    def _all_cores(self) -> Any:
        with self._loading:
            if self._wide is None:
                self._wide = open_session(self.path, self._threads)
            return self._wide

    def _text_encoder(self) -> Encoder | None:
        if self._encode_text is None:
            if not self._text_is_there():
                tower = self._source.load()
                if tower.text is None:
                    self._encode_text = tower.encode_text
                    return self._encode_text
                self._write(tower)
            self._encode_text = OnnxText(self._exported, self._threads)
        return self._encode_text

    def close(self) -> None:
        """Forget the sessions."""
        super().close()
        self._encode_text = self._wide = None


def open_session(path: Path, threads: int, device: str = "cpu") -> Any:
    """An ONNX Runtime session.

    Raises:
        ModelLoadError: the file cannot be used.
    """
    try:
        return quiet_session(path, threads, device)
    except onnx_errors() as error:
        raise ModelLoadError(
            f"{path}: ONNX Runtime cannot open it: {one_line(error)}; delete the file to have it "
            f"made again"
        ) from error
