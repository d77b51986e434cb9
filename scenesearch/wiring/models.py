"""Settings to models, in the runtime that suits the device."""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from scenesearch.config.settings import DetectorSettings, OneEmbedder, Runtime, Settings
from scenesearch.core.addresses import in_buckets
from scenesearch.core.errors import ConfigError, ModelNotFoundError
from scenesearch.core.protocols import Detector, Embedder, Reader, Remover
from scenesearch.core.types import Image, Scene
from scenesearch.fetch.object_storage import read_remote
from scenesearch.images import load_scene
from scenesearch.models.cutout.cutter import CutRules, cut_product
from scenesearch.models.cutout.isnet import IsNetRemover
from scenesearch.models.detect.boxes import MergedDetector
from scenesearch.models.detect.yolo_detector import YoloDetector
from scenesearch.models.embed.cache import EmbeddingCache
from scenesearch.models.embed.joined_embedder import JoinedEmbedder
from scenesearch.models.embed.onnx_embedder import OnnxEmbedder
from scenesearch.models.embed.onnx_tower import OnnxTower
from scenesearch.models.embed.open_clip_tower import OpenClipTower
from scenesearch.models.embed.timm_cells import CellMaps, TimmCells
from scenesearch.models.embed.timm_tower import TimmTower
from scenesearch.models.embed.torch_embedder import TorchEmbedder
from scenesearch.models.embed.tower import TowerSource
from scenesearch.models.ocr.rapidocr_reader import RapidOcrReader
from scenesearch.models.weights import WeightFinder, Weights, sha256_of
from scenesearch.search.reranker import CellReranker
from scenesearch.system.resources import resource_dir

log = logging.getLogger(__name__)


def build_detector(
    settings: Settings, finder: WeightFinder, *, side_by_side: bool = False
) -> Detector | None:
    """All detectors of the settings as one, or None when the settings name none.

    Args:
        settings: which, and how many cores they use.
        finder: of their weights.
        side_by_side: photos of a call, one a core; else each by all cores.
    """
    detectors = _detectors(settings, finder, side_by_side=side_by_side)
    if not detectors:
        return None
    if len(detectors) == 1:
        return detectors[0]
    return MergedDetector(detectors, overlap=settings.regions.overlap)


def _detectors(
    settings: Settings, finder: WeightFinder, *, side_by_side: bool = False
) -> list[YoloDetector]:
    # torch shares each photo out by itself
    lanes = settings.threads or os.cpu_count() or 1

    def apart(one: DetectorSettings) -> bool:
        device = settings.embedder.device
        return side_by_side and device == "cpu" and _runtime(one.runtime, device) == "onnx"

    return [
        YoloDetector(
            finder.find(one.model),
            cache_dir=settings.cache_dir,
            runtime=_runtime(one.runtime, settings.embedder.device),
            confidence=one.confidence,
            image_size=one.image_size,
            suppression_iou=one.suppression_iou,
            include=one.include,
            exclude=one.exclude,
            device=settings.embedder.device,
            threads=1 if apart(one) else settings.threads,
            lanes=lanes if apart(one) else 1,
        )
        for one in settings.detectors
    ]


def export_models(settings: Settings) -> dict[str, Path]:
    """What runs of each model without torch, by what is known of it; made where it is missing.

    Raises:
        ModelError: weights are missing or cannot be exported.
        MissingDependencyError: an export is missing, and what makes it is not installed.
    """
    finder = WeightFinder(settings.weights_dir, settings.trusted_sha256)
    exported = {one.fingerprint: one.export() for one in _detectors(settings, finder)}
    for embedder in _embedders(settings, finder):
        if isinstance(embedder, OnnxEmbedder):
            exported[embedder.fingerprint] = embedder.export()
    return exported


def _runtime(runtime: Runtime, device: str) -> Literal["onnx", "torch"]:
    if runtime == "auto":
        on_gpu = device != "cpu" and importlib.util.find_spec("torch") is not None
        return "torch" if on_gpu else "onnx"
    return runtime


def build_remover(settings: Settings, finder: WeightFinder) -> Remover | None:
    """The remover, or None where matting is off or its weights are not on this machine."""
    if settings.cutout.matting == "never":
        return None
    try:
        weights = finder.find(settings.cutout.remover)
    except ModelNotFoundError as error:
        log.debug("no matting: %s", error)
        return None
    return IsNetRemover(weights, threads=settings.threads)


def build_whole_embedder(settings: Settings, finder: WeightFinder) -> Embedder:
    """The embedder of the settings: one model, or several as one."""
    first, *others = _embedders(settings, finder)
    return JoinedEmbedder(first, others) if others else first


def _embedders(settings: Settings, finder: WeightFinder) -> list[Embedder]:
    each = [settings, *(_with(settings, one) for one in settings.embedder.also)]
    return [build_embedder(one, build_tower(one, finder)) for one in each]


def _with(settings: Settings, one: OneEmbedder) -> Settings:
    """The settings with another model, in the runtime and on the device of the first."""
    given = {name: getattr(one, name) for name in OneEmbedder.model_fields}
    changed = settings.embedder.model_copy(update={**given, "also": ()})
    return settings.model_copy(update={"embedder": changed})


def build_embedder(settings: Settings, source: TowerSource, *, int8: bool = True) -> Embedder:
    """A tower as an embedder, in the runtime that suits the device.

    Args:
        settings: which runtime and precision.
        source: the tower.
        int8: whether it may be in 8 bits, where the settings say so.
    """
    wanted = settings.embedder
    if _runtime(wanted.runtime, wanted.device) == "onnx":
        if wanted.precision == "bf16":
            raise ConfigError(
                "embedder: the onnx runtime is for float32 and int8, got bf16; set "
                "runtime: torch, with scenesearch[models] installed"
            )
        return OnnxEmbedder(
            source,
            cache_dir=settings.cache_dir,
            threads=settings.threads,
            batch=wanted.batch,
            device=wanted.device,
            int8=sample_products if int8 and wanted.precision == "int8" else None,
        )
    if wanted.precision == "int8":
        raise ConfigError(
            "embedder: the torch runtime is for float32 and bf16, got int8; set runtime: onnx"
        )
    return TorchEmbedder(
        source, device=wanted.device, precision=wanted.precision, batch=wanted.batch
    )


def sample_products() -> list[Image]:
    """Products of the sample, whole and cut out: what a tower in 8 bits is calibrated on."""
    rules, made = CutRules(), []
    for photo in sorted(resource_dir("sample").rglob("*.jpg"))[::2]:
        image = load_scene(photo).image
        cutout, _ = cut_product(image, rules, None)
        made += [image] if cutout.method == "plain" else [image, cutout.image]
    return made


def build_reranker(settings: Settings, finder: WeightFinder) -> CellReranker:
    """The embedder's own weights, looked into at an earlier layer.

    Raises:
        ConfigError: the embedder is not a timm model.
    """
    wanted = settings.embedder
    tower = build_tower(settings, finder)
    if not isinstance(tower, TimmTower):
        raise ConfigError(
            f"search.rerank needs an embedder of kind timm, got {wanted.kind}; set search.rerank: 0"
        )
    source = TimmCells(wanted.model, tower)
    return CellReranker(
        CellMaps(source, build_embedder(settings, source, int8=False)),
        lambda: EmbeddingCache(
            settings.cache_dir / "rerank.sqlite", max_megabytes=settings.cache_max_megabytes
        ),
        scene_loader(settings),
    )


def build_tower(settings: Settings, finder: WeightFinder) -> TowerSource:
    """The embedder's model before a runtime is chosen for it: what training starts from."""
    wanted = settings.embedder
    if wanted.kind == "timm":
        return TimmTower(
            wanted.model,
            finder.find(wanted.weights),
            layer=wanted.layer,
            pooling=wanted.pooling,
            side=wanted.image_size,
        )
    if wanted.kind == "onnx":
        return OnnxTower(finder.find(wanted.weights))
    weights_of_hub = wanted.weights.startswith("hub")
    # such a name is looked up at the hub for its configuration, whatever the weights are
    if settings.offline and (weights_of_hub or wanted.model.startswith("hf-hub:")):
        raise ModelNotFoundError(
            f"embedder {wanted.model!r} comes from a model hub and offline is true; set "
            f"offline: false (SCENESEARCH_OFFLINE=false), or give weights: a file and model: a "
            f"built-in name or a configuration file"
        )
    if weights_of_hub:
        return OpenClipTower(wanted.model, None, tag=wanted.weights.partition(":")[2] or None)
    weights = finder.find(wanted.weights)
    return OpenClipTower(_open_clip_config(wanted.model, weights), weights)


def _open_clip_config(model: str, weights: Weights) -> str:
    """A config file: fetched with the weights, else as given, else one of the package."""
    beside = weights.path.with_name(model)
    if weights.record is not None and model in weights.record.beside and beside.is_file():
        return str(beside)
    shipped = resource_dir("models") / model
    if model.endswith(".json") and not Path(model).is_file() and shipped.is_file():
        return str(shipped)
    return model


def export_detector(weights: Path, cache_dir: Path, image_size: int) -> Path:
    """The ONNX export of a detector that was trained here, which is why it is trusted.

    Raises:
        ModelLoadError: it cannot be exported, or the export cannot be run.
    """
    detector = YoloDetector(
        Weights(weights, sha256_of(weights)), cache_dir=cache_dir, image_size=image_size
    )
    detector.load()
    detector.close()
    return detector.export_path


def build_reader(settings: Settings) -> Reader:
    """What reads text in photos.

    Raises:
        MissingDependencyError: RapidOCR is not installed.
    """
    reader = RapidOcrReader(threads=settings.threads)
    _ = reader.fingerprint  # says now what would be said at the first photo
    return reader


def scene_loader(settings: Settings) -> Callable[[str], Scene]:
    """Reads photos within the limits of the settings; also out of the buckets that they name."""
    limits, fetch = settings.images, settings.fetch

    def load(path: str) -> Scene:
        if not in_buckets(path, fetch.buckets):
            return load_scene(path, limits=limits)
        data, _ = read_remote(path, max_bytes=limits.max_bytes, timeout_s=fetch.timeout_s)
        return load_scene(data, limits=limits, name=path)

    return load
