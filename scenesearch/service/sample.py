"""The catalogue that comes with the package, indexed, for a service that has none yet."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from scenesearch.config import Settings

COLLECTION = "sample"
FOLDER = "sample-catalogue"


def prepare() -> tuple[Settings, Path]:
    """Index the sample, or what changed of it, in a process of its own.

    Models that were loaded to index it would stay in the memory of a process that serves.

    Returns:
        the settings it was indexed with, and the folder of its store.

    Raises:
        ModelError: the embedder's weights are not on this machine.
        StoreError: the cache folder cannot be written, or is in use.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as worker:
        return worker.submit(index_sample).result()


def index_sample() -> tuple[Settings, Path]:
    """As :func:`prepare`, in this process."""
    from scenesearch.api import SceneSearch
    from scenesearch.demo import demo_settings
    from scenesearch.resources import resource_dir

    settings, _ = demo_settings()
    store = settings.cache_dir / FOLDER
    with SceneSearch(store, collection=COLLECTION, config=settings) as shop:
        shop.index(resource_dir("sample") / "catalog.csv")
    return settings, store
