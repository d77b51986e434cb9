"""RapidOCR as a reader: PP-OCR models on ONNX Runtime, the ones that come in its own wheel."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from scenesearch.core.errors import MissingDependencyError, ModelLoadError, ModelNotFoundError
from scenesearch.core.types import BoxTuple, Image, TextLine
from scenesearch.models.lazy import LazyModel
from scenesearch.models.load_errors import one_line, onnx_errors
from scenesearch.models.onnx_runtime import import_onnxruntime
from scenesearch.models.weights import sha256_of

SMALLEST_SIDE = 8
"""Pixels; no letter is readable in a photo that is narrower."""
LONGEST_SHAPE = 4
"""Long side over short side above which a photo is padded: RapidOCR enlarges the short side to
736 pixels whatever becomes of the long one, so a strip of 1600 x 32 took it 27 seconds."""
TALL = 1.5
"""Height over width from which RapidOCR takes a piece for one that runs up or down."""
SURE = 0.9
"""From here on RapidOCR believes that a piece is upside down."""

_TASKS = ("Det", "Cls", "Rec")


class RapidOcrReader(LazyModel):
    """Finds and reads text that is upright, upside down, or runs up or down, in reading order.

    One call runs at a time: the models use all the threads they are given.

    Args:
        min_confidence: text read with less, 0 to 1, is left out.
        min_characters: pieces of fewer letters and digits are left out: on furniture and clothes
            nearly all pieces of one character are handles, legs and buttons.
        threads: of ONNX Runtime; 0 for one a core.

    Raises:
        ValueError: ``min_confidence`` is outside 0 to 1, ``min_characters`` is below 1, or
            ``threads`` is negative.
    """

    def __init__(
        self, *, min_confidence: float = 0.5, min_characters: int = 2, threads: int = 0
    ) -> None:
        for met, demand in (
            (
                0 <= min_confidence <= 1,
                f"min_confidence is a share of 0 to 1, got {min_confidence}",
            ),
            (min_characters >= 1, f"min_characters must be at least 1, got {min_characters}"),
            (threads >= 0, f"threads must be at least 0 (one a core), got {threads}"),
        ):
            if not met:
                raise ValueError(demand)
        super().__init__()
        self._min_confidence = min_confidence
        self._min_characters = min_characters
        self._threads = threads
        self._turn = Lock()

    @property
    def fingerprint(self) -> str:
        """Release of RapidOCR, which decides its models, and what is left out.

        Raises:
            MissingDependencyError: RapidOCR is not installed.
        """
        try:
            release = version("rapidocr")
        except PackageNotFoundError as error:
            raise _missing() from error
        return f"rapidocr:{release}:{self._min_confidence:g}:{self._min_characters}"

    def read(self, image: Image) -> tuple[TextLine, ...]:
        """Pieces of text in reading order; a piece is a run of words on one line.

        Args:
            image: shape (height, width, 3), RGB.

        Returns:
            Boxes are upright, in pixels of the image, and contain the text where it is slanted.
        """
        if min(image.shape[:2]) < SMALLEST_SIDE:
            return ()
        engine = self._ready()
        with self._turn:
            # the models were trained on pictures as OpenCV reads them: BGR
            found = engine(np.ascontiguousarray(_padded(image)[..., ::-1]))
        if found.boxes is None or found.txts is None or found.scores is None:
            return ()
        size = (image.shape[1], image.shape[0])
        pieces = [
            TextLine(text.strip(), float(score), _upright(np.asarray(corners), size))
            for corners, text, score in zip(found.boxes, found.txts, found.scores, strict=True)
            if sum(map(str.isalnum, text)) >= self._min_characters
        ]
        wide = [piece for piece in pieces if not _is_tall(piece)]
        tall = [piece for piece in pieces if _is_tall(piece)]
        with self._turn:
            turns = [_turned(engine, image, some) for some in (wide, tall)]
        # what is written along the side of something is no part of its lines
        return (
            *reading_order(wide, 2 if turns[0] else 0),
            *reading_order(tall, 1 if turns[1] else 3),
        )

    def _open(self) -> Any:
        if importlib.util.find_spec("rapidocr") is None:
            raise _missing()
        import_onnxruntime()  # before RapidOCR does
        from rapidocr import RapidOCR

        params: dict[str, Any] = {
            # a photo without text is a warning to it
            "Global.log_level": "error",
            "Global.text_score": self._min_confidence,
            "EngineConfig.onnxruntime.intra_op_num_threads": self._threads or -1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
        # a file that is named is not downloaded
        params |= {f"{task}.model_path": str(path) for task, path in _model_files().items()}
        try:
            engine = RapidOCR(params=params)
            # it opens each model when it first needs it; a blank picture needs all but finds no
            # text for the last two unless it is told that it is one line of text
            blank = np.full((64, 256, 3), 255, np.uint8)
            engine(blank, use_det=False)
            engine(blank, use_det=True)
        except onnx_errors() as error:
            raise ModelLoadError(
                f"RapidOCR cannot use its models: {one_line(error)}; reinstall it: "
                f"pip install --force-reinstall rapidocr"
            ) from error
        return engine


def _model_files() -> dict[str, Path]:
    """The models that this release of RapidOCR uses by default, looked at but not fetched."""
    import rapidocr
    from rapidocr.inference_engine.base import FileInfo, InferSession
    from rapidocr.utils.parse_parameters import ParseParams

    root = Path(rapidocr.__file__).parent
    config = ParseParams.load(root / "config.yaml")
    files = {}
    for task in _TASKS:
        wanted = config[task]
        known = InferSession.get_model_url(
            FileInfo(
                wanted.engine_type,
                wanted.ocr_version,
                wanted.task_type,
                wanted.lang_type,
                wanted.model_type,
            )
        )
        path = root / "models" / Path(known["model_dir"]).name
        if not path.is_file():
            raise ModelNotFoundError(
                f"RapidOCR's model {path.name} is not where its wheel puts it ({path}); nothing "
                f"is downloaded: reinstall it with pip install --force-reinstall rapidocr"
            )
        if (got := sha256_of(path)) != known["SHA256"]:
            raise ModelLoadError(
                f"{path}: not the file that RapidOCR names: sha256 {got}, expected "
                f"{known['SHA256']}; reinstall it with pip install --force-reinstall rapidocr"
            )
        files[task] = path
    return files


def _padded(image: Image) -> Image:
    """White below or to the right of a strip, so that places stay what they are."""
    height, width = image.shape[:2]
    below = max(-(-width // LONGEST_SHAPE) - height, 0)
    right = max(-(-height // LONGEST_SHAPE) - width, 0)
    if not below and not right:
        return image
    return np.pad(image, ((0, below), (0, right), (0, 0)), constant_values=255)


def _upright(corners: np.ndarray[Any, Any], size: tuple[int, int]) -> BoxTuple:
    """The upright box around four corners of shape (4, 2), clipped to a photo."""
    low = np.clip(corners.min(axis=0), 0, size)
    high = np.clip(corners.max(axis=0), 0, size)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _missing() -> MissingDependencyError:
    return MissingDependencyError(
        "Reading text in photos needs RapidOCR, which is not installed; install it with "
        "pip install 'scenesearch[ocr]', or switch it off"
    )


def _is_tall(piece: TextLine) -> bool:
    """Whether the text runs up or down, as RapidOCR tells it."""
    x1, y1, x2, y2 = piece.box
    return y2 - y1 >= TALL * (x2 - x1)


def _turned(engine: Any, image: Image, pieces: Sequence[TextLine]) -> bool:
    """Whether most of some pieces are upside down, once those that are tall are laid down.

    Those are turned to the left, so that what reads from the bottom to the top is upside down.
    """
    crops, weights = [], []
    for piece in pieces if len(pieces) > 1 else ():
        x1, y1, x2, y2 = (round(side) for side in piece.box)
        crop = image[y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1), ::-1]
        crops.append(np.ascontiguousarray(np.rot90(crop) if _is_tall(piece) else crop))
        weights.append(len(piece.text))
    if not crops:
        return False
    turned = ["180" in label and score >= SURE for label, score in engine.text_cls(crops).cls_res]
    return 2 * sum(w for w, one in zip(weights, turned, strict=True) if one) > sum(weights)


def reading_order(pieces: Iterable[TextLine], turns: int = 0) -> tuple[TextLine, ...]:
    """From the top to the bottom, and along each line from left to right, as the text stands.

    A piece is on the line above it when its middle lies within the height of that line's first
    piece. Columns are not told apart: pieces side by side count as one line, as on a price tag.

    Args:
        pieces: in any order.
        turns: quarter turns to the left that the text was given: 1 where it reads from the bottom
            to the top, 2 where it is upside down, 3 where it reads from the top to the bottom.

    >>> shop = TextLine("SHOP", 1.0, (60, 8, 90, 20))
    >>> open_ = TextLine("OPEN", 1.0, (5, 10, 40, 22))
    >>> late = TextLine("till late", 1.0, (5, 30, 80, 40))
    >>> [piece.text for piece in reading_order([late, shop, open_])]
    ['OPEN', 'SHOP', 'till late']
    """
    lines: list[list[_Standing]] = []
    standing = [_Standing(_turned_back(piece.box, turns), piece) for piece in pieces]
    for one in sorted(standing, key=lambda one: (one.middle, one.box[0], one.piece.text)):
        first = lines[-1][0].box if lines else None
        if first is not None and first[1] <= one.middle < first[3]:
            lines[-1].append(one)
        else:
            lines.append([one])
    return tuple(
        one.piece
        for line in lines
        for one in sorted(line, key=lambda one: (one.box[0], one.piece.text))
    )


class _Standing(NamedTuple):
    """A piece with its box where the text stands upright."""

    box: BoxTuple
    piece: TextLine

    @property
    def middle(self) -> float:
        return (self.box[1] + self.box[3]) / 2


def _turned_back(box: BoxTuple, turns: int) -> BoxTuple:
    for _ in range(turns):
        x1, y1, x2, y2 = box
        box = (-y2, x1, -y1, x2)
    return box
