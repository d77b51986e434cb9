"""A model that is an .onnx and nothing else: pictures to vectors, perhaps classes or texts too."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from scenesearch.core.errors import ConfigError, ModelLoadError
from scenesearch.models.embed.onnx_text import text_files
from scenesearch.models.embed.tower import Tower
from scenesearch.models.load_errors import one_line, onnx_errors
from scenesearch.models.onnx_runtime import quiet_session
from scenesearch.models.weights import Weights


class OnnxTower:
    """A ``TowerSource`` of an exported model.

    The graph takes ``pixels``, uint8 (n, side, side, 3), and gives vectors (n, dim) and, where it
    has a second output, class probabilities (n, classes). A text tower and its tokenizer lie
    beside it, see :func:`~scenesearch.models.embed.onnx_text.text_files`.

    Args:
        weights: the file.
    """

    stretched = False

    def __init__(self, weights: Weights) -> None:
        self._weights = weights

    @property
    def fingerprint(self) -> str:
        """The file's name and hash."""
        return f"onnx:{self._weights.fingerprint}"

    @property
    def exported(self) -> Path:
        """The file."""
        return self._weights.path

    @property
    def has_text(self) -> bool:
        """Whether a text tower lies beside it."""
        return all(path.is_file() for path in text_files(self._weights.path))

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return self._sizes[0]

    @property
    def classes(self) -> int:
        """Classes of its second output; 0 without one."""
        return self._sizes[1]

    @property
    def side(self) -> int:
        """Pixels of the square input."""
        return self._sizes[2]

    @cached_property
    def _sizes(self) -> tuple[int, int, int]:
        """Dim, classes and side: of the manifest, or of a graph that is opened for it."""
        record = self._weights.record
        if record is not None and record.dims:
            return sum(record.dims.values()), record.classes, record.input_size
        path = self._weights.path
        try:
            session = quiet_session(path, 1)
        except onnx_errors() as error:
            raise ModelLoadError(
                f"{path}: ONNX Runtime cannot open it: {one_line(error)}"
            ) from error
        (given, *_), got = session.get_inputs(), session.get_outputs()
        shapes = [given.shape[1:2], *(one.shape[-1:] for one in got[:2])]
        sizes = [size for shape in shapes for size in shape if isinstance(size, int)]
        if (given.name, given.type) != ("pixels", "tensor(uint8)") or len(sizes) != len(shapes):
            raise ConfigError(
                f"{path}: its input is {given.name}, {given.type} {given.shape}, expected pixels, "
                f"uint8 (n, side, side, 3), and vectors (n, dim), all of fixed sizes but n; export "
                f"it so, or use the kind of embedder that it was made with"
            )
        side, dim, *classes = sizes
        return dim, sum(classes), side

    def load(self) -> Tower:
        """Not what this is for.

        Raises:
            ModelLoadError: always: there is nothing to compute with but the file.
        """
        raise ModelLoadError(
            f"{self._weights.path} is an export, which runs in ONNX Runtime and cannot be trained; "
            f"set embedder.runtime: onnx, or begin with a checkpoint (embedder.kind: timm)"
        )
