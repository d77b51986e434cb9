"""``scenesearch doctor``."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
from pathlib import Path
from typing import Any

from scenesearch.cli import options, output
from scenesearch.cli.app import app
from scenesearch.core.errors import SceneSearchError

PACKAGES = (
    *(
        "numpy",
        "pillow",
        "torch",
        "torchvision",
        "ultralytics-opencv-headless",
        "timm",
        "open_clip_torch",
    ),
    *("opencv-python-headless", "onnxruntime", "tokenizers", "onnxscript"),
    *("qdrant-client", "qdrant-edge-py", "pandas", "pyarrow"),
)


@app.command()
def doctor(
    store: options.Store = "store",
    collection: options.Collection = "items",
    config: options.Config = None,
    as_json: options.Json = False,
) -> int:
    """Check what is installed, the weights and the store; exit code 4 or 5 when one is amiss."""
    from scenesearch import __version__
    from scenesearch.config.settings import load_settings
    from scenesearch.wiring import Parts

    settings = load_settings(config)
    found: dict[str, Any] = {
        "scenesearch": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "packages": {name: _version(name) for name in PACKAGES},
        "models_dir": str(settings.models_dir) if settings.models_dir else None,
        "cache_dir": str(settings.cache_dir),
    }
    code = 0
    try:
        parts = Parts(settings)
        found["embedder"] = parts.encoder.embedder.fingerprint
        found["detector"] = parts.detector.fingerprint if parts.detector else None
        found["remover"] = parts.encoder.remover.fingerprint if parts.encoder.remover else None
        found["models"] = "ok"
    except SceneSearchError as error:
        found["models"] = str(error)
        code = 4
    try:
        found["store"] = _store(store, collection, config)
    except SceneSearchError as error:
        found["store"] = str(error)
        code = code or 5
    if as_json:
        output.data(found)
        return code
    for name, value in found.items():
        if isinstance(value, dict):
            output.line(f"{name}:")
            for key, one in value.items():
                output.line(f"  {key}: {one}")
        else:
            output.line(f"{name}: {value}")
    return code


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _store(store: str, collection: str, config: str | None) -> dict[str, Any]:
    with options.open_shop(store, collection, config) as shop:
        schema = shop.store.schema
        answer: dict[str, Any] = {"address": store, "collection": collection}
        if schema is None:
            answer["state"] = "no such collection yet"
        else:
            answer |= {"state": "ok", "points": shop.count(), "made_with": dict(schema.metadata)}
    if Path(store).is_dir():
        answer["free_gigabytes"] = round(shutil.disk_usage(store).free / 1e9, 1)
    return answer
