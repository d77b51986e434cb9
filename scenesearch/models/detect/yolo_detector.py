"""YOLO models as detectors: .onnx in ONNX Runtime, .pt exported to it once, or run in torch."""

from __future__ import annotations

import ast
import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.errors import ModelLoadError
from scenesearch.core.types import Detections, Mask, Scene
from scenesearch.models.detect import ultralytics_models
from scenesearch.models.detect.boxes import keep_labels
from scenesearch.models.detect.yolo import Floats, fit, in_photo, masks, pixels, read
from scenesearch.models.lazy import LazyModel
from scenesearch.models.load_errors import checkpoint_errors, one_line, onnx_errors
from scenesearch.models.onnx_runtime import quiet_session
from scenesearch.models.weights import Weights

log = logging.getLogger(__name__)

EXPORT_VERSION = 1
_TASKS = ("detect", "segment", "pose")


@dataclass(frozen=True, slots=True)
class _Network:
    """A loaded network.

    Attributes:
        names: of its classes, by number.
        extras: numbers of a box beside box and scores, where it has no masks.
        stride: its input's sides are multiples of.
        size: (width, height) of an input that does not grow with the photo.
        run: (1, 3, height, width) to rows, and prototypes of masks where it has them.
    """

    names: Mapping[int, str]
    extras: int
    stride: int
    size: tuple[int, int] | None
    run: Callable[[Floats], Sequence[NDArray[Any]]]


class YoloDetector(LazyModel):
    """One detection, segmentation or pose model of ultralytics; what it finds is what that finds.

    Args:
        weights: .pt or .onnx.
        cache_dir: where ONNX exports of .pt files are kept.
        runtime: ``onnx`` exports a .pt once and runs that: about half the time on a CPU. An .onnx
            runs in ONNX Runtime, whatever this says.
        confidence: boxes below are dropped.
        image_size: longest side of the network's input, pixels; an export of one size has its own.
        suppression_iou: of the suppression by class, for networks that leave that to others.
        include: only these labels; empty for all.
        exclude: none of these labels.
        device: ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        max_detections: largest number of boxes of one scene.
        threads: of ONNX Runtime; 0 for one a core.
        lanes: photos of a call that are looked at side by side, in ONNX Runtime and on the CPU; as
            many as there are cores, with one thread each, take a tenth less time than one after
            the other with all of them, where nobody waits for the first.
    """

    def __init__(
        self,
        weights: Weights,
        *,
        cache_dir: Path,
        runtime: Literal["onnx", "torch"] = "onnx",
        confidence: float = 0.15,
        image_size: int = 640,
        suppression_iou: float = 0.7,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        device: str = "cpu",
        max_detections: int = 100,
        threads: int = 0,
        lanes: int = 1,
    ) -> None:
        super().__init__()
        self._weights = weights
        self._cache_dir = cache_dir
        self._runtime = runtime
        self._confidence = confidence
        self._image_size = image_size
        self._overlap = suppression_iou
        self._include = tuple(include)
        self._exclude = tuple(exclude)
        self._device = device
        self._limit = max_detections
        self._threads = threads
        self._lanes = lanes

    @property
    def fingerprint(self) -> str:
        """Weights and every setting that changes the boxes."""
        labels = f":+{','.join(self._include)}:-{','.join(self._exclude)}"
        return (
            f"ultralytics:{self._weights.fingerprint}:{self._image_size}px"
            f":conf{self._confidence}:iou{self._overlap}"
            + (labels if self._include or self._exclude else "")
        )

    @property
    def export_path(self) -> Path:
        """Where the ONNX export of a .pt is, or will be."""
        key = f"{EXPORT_VERSION}:{self._weights.sha256}"
        digest = hashlib.sha256(key.encode()).hexdigest()[:12]
        return self._cache_dir / "onnx" / f"{self._weights.name}-{digest}.onnx"

    def export(self) -> Path:
        """The ONNX file that runs: the weights themselves, or their export, made where missing.

        Raises:
            ModelLoadError: the weights cannot be read.
            MissingDependencyError: there is no export, and nothing that could make it.
        """
        if self._weights.path.suffix != ".pt":
            return self._weights.path
        if not self.export_path.is_file():
            log.info("exporting %s to ONNX, once", self._weights.name)
            ultralytics_models.export(
                self._weights.path, self.export_path, self._cache_dir / "ultralytics"
            )
        return self.export_path

    def _open(self) -> _Network:
        path = self._weights.path
        try:
            if path.suffix == ".pt" and self._runtime == "torch":
                network = self._in_torch(path)
            else:
                path = self.export()
                network = self._in_onnx(path)
            # what does not fit is said when it is loaded, not at the first photo
            smallest = network.size or network.stride
            self._found(network, np.zeros((32, 32, 3), np.uint8), smallest)
        except (*checkpoint_errors(), *onnx_errors()) as error:
            raise ModelLoadError(
                f"{path}: cannot be used: {one_line(error)}; expected a detection or "
                f"segmentation model of ultralytics as .pt or .onnx"
            ) from error
        return network

    def _in_onnx(self, path: Path) -> _Network:
        session = quiet_session(path, self._threads, self._device)
        said = session.get_modelmeta().custom_metadata_map
        (given,) = session.get_inputs()
        if "names" not in said or len(given.shape) != 4:
            raise ValueError("it names no classes, as exports of ultralytics do")
        names = {int(k): str(v) for k, v in ast.literal_eval(said["names"]).items()}
        task = said.get("task", "detect")
        _check_task(path, task)
        height, width = given.shape[2:]
        half = given.type == "tensor(float16)"
        keypoints = ast.literal_eval(said.get("kpt_shape", "[0, 0]"))
        return _Network(
            names,
            keypoints[0] * keypoints[1],
            int(said.get("stride", 32)),
            (width, height) if isinstance(width, int) and isinstance(height, int) else None,
            lambda x: session.run(None, {given.name: x.astype(np.float16) if half else x}),
        )

    def _in_torch(self, path: Path) -> _Network:
        model = ultralytics_models.load(path, self._device, self._cache_dir / "ultralytics")
        _check_task(path, model.task)
        return _Network(model.names, model.extras, model.stride, None, model.run)

    def detect(self, scenes: Sequence[Scene]) -> list[Detections]:
        """One value for each scene, sorted by falling confidence."""
        # one at a time: a batch of different shapes is padded to squares, and costs more than it
        # saves on a CPU
        network = self._ready()

        def detected(scene: Scene) -> Detections:
            found = self._found(network, scene.image, network.size or self._image_size)
            return keep_labels(found, self._include, self._exclude)

        if self._lanes == 1 or len(scenes) < 2:
            return [detected(scene) for scene in scenes]
        with ThreadPoolExecutor(self._lanes, "scenesearch-detect") as pool:
            return list(pool.map(detected, scenes))

    def _found(
        self, network: _Network, image: NDArray[np.uint8], side: int | tuple[int, int]
    ) -> Detections:
        where = fit((image.shape[1], image.shape[0]), side, network.stride)
        outputs = [np.asarray(one, np.float32) for one in network.run(pixels(image, where))]
        found = read(
            outputs[0][0],
            len(network.names),
            outputs[1].shape[1] if len(outputs) > 1 else network.extras,
            confidence=self._confidence,
            overlap=self._overlap,
            limit=self._limit,
        )
        cut: list[Mask | None] = [None] * len(found.boxes)
        if len(outputs) > 1:
            drawn = masks(found, outputs[1][0], where)
            seen = [row for row, mask in enumerate(drawn) if mask is not None]
            found, cut = found.take(np.array(seen, np.intp)), [drawn[row] for row in seen]
        return Detections(
            in_photo(found.boxes, where),
            found.confidences,
            tuple(network.names[int(number)] for number in found.classes),
            tuple(cut),
        )


def _check_task(path: Path, task: str) -> None:
    if task not in _TASKS:
        raise ModelLoadError(
            f"{path}: is a model for the task {task!r}, which gives no boxes; "
            f"expected a detection or segmentation model"
        )
