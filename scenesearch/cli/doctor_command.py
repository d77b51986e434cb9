"""``scenesearch doctor``."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scenesearch.cli import options, output
from scenesearch.cli.app import DAMAGED, app
from scenesearch.core.errors import SceneSearchError

if TYPE_CHECKING:
    from scenesearch.core.protocols import Store

PACKAGES = (
    *("numpy", "pillow", "opencv-python-headless", "onnxruntime", "tokenizers"),
    *("qdrant-client", "qdrant-edge-py", "pandas", "pyarrow", "torch", "torchvision", "onnxscript"),
    *("timm", "open_clip_torch", "ultralytics-opencv-headless"),
)


@app.command()
def doctor(
    store: options.Store = "store",
    collection: options.Collection = "items",
    config: options.Config = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read all that is stored, as verify --deep does.")
    ] = False,
    as_json: options.Json = False,
) -> int:
    """Check what is installed, the weights and the store; exit code 4, 5 or 7 for what is amiss."""
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
        "models_dir": str(settings.weights_dir),
        "cache_dir": str(settings.cache_dir),
    }
    code, dim = 0, None
    try:
        parts = Parts(settings)
        dim = parts.encoder.embedder.dim
        found["embedder"] = parts.encoder.embedder.fingerprint
        found["detector"] = parts.detector.fingerprint if parts.detector else None
        found["remover"] = parts.encoder.remover.fingerprint if parts.encoder.remover else None
        found["models"] = "ok"
    except SceneSearchError as error:
        found["models"] = str(error)
        code = 4
    try:
        found["store"] = _store(store, collection, config, dim)
    except SceneSearchError as error:
        found["store"] = str(error)
        code = code or 5
    if deep:
        try:
            found["stored"] = _stored(store, collection, config)
        except SceneSearchError as error:
            found["stored"] = str(error)
            code = code or 5
        else:
            code = code or (0 if found["stored"]["state"] == "sound" else DAMAGED)
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


def _store(store: str, collection: str, config: str | None, dim: int | None) -> dict[str, Any]:
    from scenesearch.models.embed.projection import projection_of

    with options.open_shop(store, collection, config) as shop:
        schema = shop.store.schema
        answer: dict[str, Any] = {"address": store, "collection": collection}
        if schema is None:
            answer["state"] = "no such collection yet"
        else:
            projection_of(shop.store, dim)
            answer |= {"state": "ok", "points": shop.count(), "made_with": dict(schema.metadata)}
            if schema.mean_words is not None:
                answer["words"] = _words(shop.store, schema.mean_words)
    if Path(store).is_dir():
        answer["free_gigabytes"] = round(shutil.disk_usage(store).free / 1e9, 1)
    return answer


def _stored(store: str, collection: str, config: str | None) -> dict[str, Any]:
    with options.open_shop(store, collection, config) as shop, output.progress() as progress:
        report = shop.verify(deep=True, progress=progress)
    damages = [f"{one.where}: {one.what}" for one in report.findings if one.damage]
    state = "sound" if report.sound else "damaged; scenesearch verify --repair mends it"
    return {"state": state, "damages": damages, "looked_through": list(report.checked)}


def _words(store: Store, recorded: float) -> str:
    from scenesearch.store.bm25 import MAX_DRIFT, words_state

    found = words_state(store)
    said = (
        f"{found.mean:.1f} in a text, {recorded:.1f} in the record; {found.words} different, "
        f"{found.colliding} of them share a coordinate"
    )
    if abs(found.mean / recorded - 1) <= MAX_DRIFT:
        return said
    return (
        f"{said}. Long and short texts are not weighed as they are now: index into a new "
        "--collection, which counts anew and embeds nothing"
    )
