"""The generations of a collection: their record, what each is made with, and their end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

from pydantic import TypeAdapter, ValidationError

from scenesearch.config.settings import Settings
from scenesearch.core.errors import ConfigError, StoreUnavailableError
from scenesearch.store.generations import (
    FIRST,
    Generation,
    Generations,
    dump_generations,
    load_generations,
    name_of,
)
from scenesearch.system.lock_file import DirectoryLock
from scenesearch.wiring.stores import generations_lock_file, is_url, server_tls

MADE_WITH = ("detectors", "cutout", "embedder", "regions", "index")
"""Sections of the settings that points are made with."""
OF_A_GENERATION = (*MADE_WITH, "search")
"""Sections that a generation has of its own: what is a good answer depends on the models, too."""
CHANGE_S = 10.0
"""For somebody else who changes the record."""


class Note(Protocol):
    """Where a record is kept."""

    def read(self) -> str | None:
        """The text, or None where there is none."""

    def write(self, text: str | None) -> None:
        """Replace it, from one moment to the next; None removes it."""

    def close(self) -> None:
        """Give back what is open."""


class GenerationsRecord:
    """Which generations a collection has, and which of them answers.

    Args:
        settings: hold the key of a server.
        store: a folder, or a URL.
        collection: the name of the first generation.
    """

    def __init__(self, settings: Settings, store: str | Path, collection: str) -> None:
        self._note = _note(settings, store, collection)
        self._lock_file = generations_lock_file(settings, store, collection)

    def read(self) -> Generations | None:
        """What there is; None where there never was a second one.

        Raises:
            StoreError: it cannot be read, or the server does not answer.
        """
        text = self._note.read()
        return None if text is None else load_generations(text, str(self._note))

    def change(self, change: Callable[[Generations | None], Generations]) -> Generations:
        """Replace the record by what ``change`` makes of it, from one moment to the next.

        Raises:
            StoreError: it cannot be written.
        """
        lock = self._lock()
        try:
            found = self.read()
            changed = change(found)
            if changed != found:
                self._note.write(dump_generations(changed))
            return changed
        finally:
            lock.release()

    def forget(self) -> None:
        """Remove the record."""
        self._note.write(None)

    def close(self) -> None:
        """Give back what is open."""
        self._note.close()

    def _lock(self) -> DirectoryLock:
        until = time.monotonic() + CHANGE_S
        while True:
            try:
                return DirectoryLock(self._lock_file, "the record of the generations")
            except StoreUnavailableError:
                if time.monotonic() > until:
                    raise
            time.sleep(0.02)


def _note(settings: Settings, store: str | Path, collection: str) -> Note:
    if is_url(store):
        from scenesearch.store.server.generations_note import GenerationsNote

        return GenerationsNote(
            str(store), collection, settings.qdrant_api_key, server_tls(settings)
        )
    from scenesearch.store.embedded.generations_file import GenerationsFile

    return GenerationsFile(Path(store), collection)


def config_of(settings: Settings) -> dict[str, Any]:
    """What a generation that is made with these settings has of its own, as JSON values."""
    return settings.model_dump(mode="json", include=set(OF_A_GENERATION))


def settings_of(settings: Settings, generation: Generation) -> Settings:
    """The settings that a generation answers by.

    Args:
        settings: of whoever asks. Where they make the same points, they hold.
        generation: which one; with no settings of its own where nobody recorded them.

    Raises:
        ConfigError: it was made with settings that this version does not know.
    """
    if not generation.config:
        return settings
    own = config_of(settings)
    if all(own[name] == generation.config.get(name) for name in MADE_WITH):
        return settings
    return settings.model_copy(update=_sections(generation.config))


def _sections(config: Mapping[str, Any]) -> dict[str, Any]:
    kinds: Mapping[str, Any] = {n: Settings.model_fields[n].annotation for n in OF_A_GENERATION}
    try:
        return {
            name: TypeAdapter(kind).validate_python(config[name]) for name, kind in kinds.items()
        }
    except (ValidationError, KeyError) as error:
        raise ConfigError(
            f"a generation of the collection was made with settings that this version cannot read "
            f"({error}); use the version that made it"
        ) from error


def stored_name(settings: Settings, store: str | Path, collection: str) -> str:
    """What the generation of a collection that answers is called.

    Raises:
        StoreError: the record cannot be read.
    """
    with closing(GenerationsRecord(settings, store, collection)) as record:
        found = record.read()
    return collection if found is None else name_of(collection, found.active)


def drop_generation(settings: Settings, store: str | Path, collection: str, number: int) -> None:
    """Remove the points of a generation that the record does not name any more.

    Raises:
        StoreUnavailableError: somebody has them open.
        StoreError: they cannot be removed.
    """
    name = name_of(collection, number)
    if is_url(store):
        from scenesearch.store.server import collections as server
        from scenesearch.store.server.generations_note import NOTE

        with server.connected(str(store), settings.qdrant_api_key, server_tls(settings)) as there:
            server.drop(there, name, keep=(NOTE,) if number == FIRST else ())
        return
    from scenesearch.store.embedded.edge_directory import EdgeDirectory

    if (Path(store) / name).exists():
        EdgeDirectory(Path(store), name).drop()
