"""Towers as ONNX: exported by torch, and compared with it before they are kept."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from scenesearch.core.errors import ModelLoadError
from scenesearch.models.embed.onnx_text import text_files
from scenesearch.models.embed.tower import TextExport, Tower, TowerSource, normalise_rows
from scenesearch.models.onnx_runtime import forbid_telemetry, quiet_session

TOLERANCE = 1e-3
"""Largest difference of any component of a normalised vector between torch and the export."""


def export(source: TowerSource, tower: Tower, path: Path) -> None:
    """Write a model's towers as ONNX: the image tower, and the text tower it has beside it.

    Args:
        source: which model.
        tower: it, loaded.
        path: of the image tower; its folder is made.

    Raises:
        ModelLoadError: an export differs from torch by more than :data:`TOLERANCE`.
    """
    import torch

    forbid_telemetry()
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(
        0, 256, (3, source.side, source.side, 3), dtype=np.uint8
    )
    names = ["vectors", "profiles"][: 2 if source.classes else 1]
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        draft = Path(folder) / "draft.onnx"
        _write(tower.pixels_to_vectors, torch.from_numpy(pixels), "pixels", names, draft)
        _compare(source.fingerprint, tower.pixels_to_vectors, "pixels", pixels, draft)
        if tower.text is not None:
            _write_text(source.fingerprint, tower.text, path, Path(folder))
        draft.replace(path)


def _write_text(name: str, text: TextExport, image_tower: Path, folder: Path) -> None:
    import torch
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(text.tokenizer)
    words = tokenizer.encode_batch(["a red sofa", "lamp", "oak table, 3 legs"])
    ids = np.array([one.ids for one in words], np.int64)
    to, words_to = text_files(image_tower)
    draft = folder / to.name
    _write(text.ids_to_vectors, torch.from_numpy(ids), "ids", ["vectors"], draft)
    _compare(name, text.ids_to_vectors, "ids", ids, draft)
    (folder / words_to.name).write_text(text.tokenizer, encoding="utf-8")
    (folder / words_to.name).replace(words_to)
    draft.replace(to)


def _write(module: Any, rows: Any, name: str, outputs: list[str], path: Path) -> None:
    import torch

    with warnings.catch_warnings():
        # the exporter's own deprecations are no business of ours or our users
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (rows[:2],),
            str(path),
            input_names=[name],
            output_names=outputs,
            dynamic_shapes=({0: torch.export.Dim("n", min=1, max=1024)},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def _compare(name: str, module: Any, given: str, rows: Any, path: Path) -> None:
    import torch

    with torch.inference_mode():
        found = module(torch.from_numpy(rows))
    expected = [part.numpy() for part in (found if isinstance(found, tuple) else (found,))]
    got = quiet_session(path).run(None, {given: rows})
    expected[0], got[0] = normalise_rows(expected[0]), normalise_rows(got[0])
    worst = max(float(np.abs(e - g).max()) for e, g in zip(expected, got, strict=True))
    if not worst <= TOLERANCE:
        raise ModelLoadError(
            f"The ONNX export of {name} differs from torch by {worst:.2g} "
            f"(at most {TOLERANCE:g} is accepted); set embedder.runtime: torch"
        )
