"""Ultralytics models as detectors: .pt in torch, .onnx in ONNX Runtime, boxes and masks."""

from __future__ import annotations

import hashlib
import logging
import shutil
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import numpy as np
from PIL import Image as PILImage

from scenesearch.core.errors import ModelLoadError
from scenesearch.core.types import Detections, Mask, Scene
from scenesearch.images.geometry import pixel_box
from scenesearch.models.detect.boxes import keep_labels
from scenesearch.models.lazy import LazyModel
from scenesearch.models.load_errors import checkpoint_errors, one_line, onnx_errors
from scenesearch.models.onnx_runtime import import_onnxruntime, keep_ultralytics_home, quiet_session
from scenesearch.models.weights import Weights

log = logging.getLogger(__name__)

EXPORT_VERSION = 1
_TASKS = ("detect", "segment", "pose")


class UltralyticsDetector(LazyModel):
    """One ultralytics detection or segmentation model.

    Args:
        weights: .pt or .onnx.
        cache_dir: where ONNX exports of .pt files are kept.
        runtime: ``onnx`` exports a .pt once and runs that: about half the time on a CPU.
        confidence: boxes below are dropped.
        image_size: longest side of the network's input, pixels.
        suppression_iou: of the model's own, per-class suppression.
        include: only these labels; empty for all.
        exclude: none of these labels.
        device: for the torch runtime.
        max_detections: largest number of boxes of one scene.
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
    ) -> None:
        super().__init__()
        self._weights = weights
        self._cache_dir = cache_dir
        self._runtime = runtime
        self._arguments = {
            "conf": confidence,
            "imgsz": image_size,
            "iou": suppression_iou,
            "max_det": max_detections,
            "device": device,
            "verbose": False,
        }
        self._include = tuple(include)
        self._exclude = tuple(exclude)
        # ultralytics keeps the state of one prediction on the model
        self._turn = Lock()

    @property
    def fingerprint(self) -> str:
        """Weights and every setting that changes the boxes."""
        a = self._arguments
        labels = f":+{','.join(self._include)}:-{','.join(self._exclude)}"
        return (
            f"ultralytics:{self._weights.fingerprint}:{a['imgsz']}px:conf{a['conf']}:iou{a['iou']}"
            + (labels if self._include or self._exclude else "")
        )

    @property
    def export_path(self) -> Path:
        """Where the ONNX export of a .pt is, or will be."""
        key = f"{EXPORT_VERSION}:{self._weights.sha256}"
        digest = hashlib.sha256(key.encode()).hexdigest()[:12]
        return self._cache_dir / "onnx" / f"{self._weights.name}-{digest}.onnx"

    def _open(self) -> Any:
        keep_ultralytics_home(self._cache_dir / "ultralytics")
        from ultralytics import YOLO

        path = self._weights.path
        try:
            if path.suffix == ".pt" and self._runtime == "onnx":
                path = self._exported(YOLO)
            task = _onnx_task(path) if path.suffix == ".onnx" else None
            model = YOLO(str(path), task=task)
        except (*checkpoint_errors(), *onnx_errors()) as error:
            raise ModelLoadError(
                f"{path}: ultralytics cannot use it: {one_line(error)}; expected a detection "
                f"or segmentation model as .pt or .onnx"
            ) from error
        if model.task not in _TASKS:
            raise ModelLoadError(
                f"{path}: is a model for the task {model.task!r}, which gives no boxes; "
                f"expected a detection or segmentation model"
            )
        try:
            # ultralytics opens the weights with the first photo; that is part of loading
            model.predict(np.zeros((32, 32, 3), np.uint8), **self._arguments)
        except (*checkpoint_errors(), *onnx_errors()) as error:
            raise ModelLoadError(f"{path}: ultralytics cannot run it: {one_line(error)}") from error
        if path.suffix == ".onnx":
            _wait_quietly(model, path)
        return model

    def _exported(self, yolo: Any) -> Path:
        target = self.export_path
        if not target.is_file():
            log.info("exporting %s to ONNX, once", self._weights.name)
            target.parent.mkdir(parents=True, exist_ok=True)
            # ultralytics writes beside its input, which may be read-only
            with tempfile.TemporaryDirectory(dir=target.parent) as folder:
                copy = Path(folder) / "model.pt"
                shutil.copyfile(self._weights.path, copy)
                with warnings.catch_warnings():
                    # the exporter's own deprecations are no business of ours or our users
                    warnings.simplefilter("ignore")
                    draft = yolo(str(copy)).export(
                        format="onnx", dynamic=True, simplify=False, verbose=False
                    )
                Path(draft).replace(target)
        return target

    def detect(self, scenes: Sequence[Scene]) -> list[Detections]:
        """One value for each scene, sorted by falling confidence."""
        return [self._detect_one(scene) for scene in scenes]

    def _detect_one(self, scene: Scene) -> Detections:
        # BGR is what ultralytics takes from arrays; one scene at a time, because a batch of
        # different shapes is padded to squares and costs more than it saves on a CPU
        bgr = np.ascontiguousarray(scene.image[..., ::-1])
        model = self._ready()
        with self._turn:
            found = _to_detections(model.predict(bgr, **self._arguments)[0], scene)
        return keep_labels(found, self._include, self._exclude)


def _wait_quietly(model: Any, path: Path) -> None:
    """Make a loaded model's threads sleep while they wait, as those of the embedder do.

    Ultralytics opens its session with threads that spin: a tenth faster for one photo at a time
    on an idle machine, for a fifth more of the whole search's processor time, which is what
    others wait for on a busy one. It has no option for that; where a release keeps its session
    elsewhere, that session stays.
    """
    backend: Any = getattr(getattr(model.predictor, "model", None), "backend", None)
    session = getattr(backend, "session", None)
    if session is None or session.get_providers() != ["CPUExecutionProvider"]:
        return
    backend.session = quiet_session(path)


def _onnx_task(path: Path) -> str:
    ort = import_onnxruntime()
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return str(session.get_modelmeta().custom_metadata_map.get("task", "detect"))


def _to_detections(result: Any, scene: Scene) -> Detections:
    if result.boxes is None or not len(result.boxes):
        return Detections.empty()
    boxes = result.boxes.xyxy.cpu().numpy().astype(np.float32)
    confidences = result.boxes.conf.cpu().numpy().astype(np.float32)
    classes = result.boxes.cls.cpu().numpy().astype(int)
    order = np.argsort(-confidences, kind="stable")
    masks: list[Mask | None] = [None] * len(boxes)
    if result.masks is not None:
        data = result.masks.data.cpu().numpy()  # (n, h, w) at the network's input size
        masks = [_mask_in_box(data[i], boxes[i], scene.size) for i in range(len(boxes))]
    return Detections(
        boxes[order],
        confidences[order],
        tuple(str(result.names[int(classes[i])]) for i in order),
        tuple(masks[i] for i in order),
    )


def _mask_in_box(mask: Any, box: Any, size: tuple[int, int]) -> Mask:
    """A mask of the padded network input, cut to the whole pixels of a box of the photo."""
    height, width = mask.shape
    gain = min(width / size[0], height / size[1])
    left, top = (width - size[0] * gain) / 2, (height - size[1] * gain) / 2
    x1, y1, x2, y2 = pixel_box(box, size)
    # rounding may put an edge a hair outside, which Pillow refuses
    window = (
        max(left + x1 * gain, 0.0),
        max(top + y1 * gain, 0.0),
        min(left + x2 * gain, float(width)),
        min(top + y2 * gain, float(height)),
    )
    grey = PILImage.fromarray((mask > 0.5).astype(np.uint8) * np.uint8(255))
    cut = grey.resize((x2 - x1, y2 - y1), PILImage.Resampling.BILINEAR, box=window)
    return np.asarray(cut) > 127
