"""The catalogue that comes with the package, indexed, for a service that has none yet."""

from __future__ import annotations

from itertools import chain, count
from pathlib import Path

from scenesearch.config.settings import Settings
from scenesearch.core.errors import CollectionMismatchError, SceneSearchError
from scenesearch.system.answering import Desk
from scenesearch.system.child import END_S, Pipe, keep_locks_inside, leave_when_done, settle_in
from scenesearch.system.messages import OPENED
from scenesearch.system.worker import NotStartedError, Worker

COLLECTION = "sample"
FOLDER = "sample-catalogue"
TIMEOUT_S = 1800.0
"""For 180 photos: a slow machine takes a minute or two."""


def prepare() -> tuple[Settings, Path]:
    """Index the sample, or what changed of it, in a process of its own.

    Models that were loaded to index it would stay in the memory of a process that serves. The
    process ends with this one, however that goes; what it has done by then is kept.

    Returns:
        the settings it was indexed with, and the folder of its store.

    Raises:
        ModelError: the embedder's weights are not on this machine.
        StoreError: the cache folder cannot be written, or is in use.
        SceneSearchError: the process died.
    """
    name = "process that indexes the sample catalogue"
    worker = Worker(_index, name=name)
    try:
        # it is up when it is done
        outcome: tuple[Settings, Path] = worker.started(TIMEOUT_S)
    except NotStartedError as error:
        raise SceneSearchError(
            f"the sample catalogue was not indexed: {name}: {error}; start again, which goes "
            "on where it ended, or index a catalogue of your own (scenesearch index CATALOG)",
            code="sample_failed",
        ) from error
    worker.end(wait_s=END_S)
    return outcome


def _index(pipe: Pipe) -> None:
    settle_in()
    keep_locks_inside()
    Desk(pipe).answer(OPENED, index_sample)
    leave_when_done()


def index_sample() -> tuple[Settings, Path]:
    """As :func:`prepare`, in this process."""
    from scenesearch.api import SceneSearch
    from scenesearch.demo.demo import demo_settings
    from scenesearch.system.resources import resource_dir

    settings = demo_settings()
    names = chain((FOLDER,), (f"{FOLDER}-{number}" for number in count(2)))
    while True:
        store = settings.cache_dir / next(names)
        try:
            with SceneSearch(store, collection=COLLECTION, config=settings) as shop:
                shop.index(resource_dir("sample") / "catalog.csv")
        except CollectionMismatchError:
            # of another version's models; somebody may have put items of his own into it
            continue
        return settings, store
