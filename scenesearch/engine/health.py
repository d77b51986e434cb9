"""How the engine is, and what it answers with."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from scenesearch.api.opened import Opened
from scenesearch.core.errors import DamagedError, SceneSearchError
from scenesearch.core.protocols import Remote
from scenesearch.engine.queries import Queries
from scenesearch.models.weights import read_manifest
from scenesearch.store.priced import unwrapped


class Health:
    """Says whether the engine can answer; never raises.

    Args:
        queries: photos that can be asked again.
    """

    def __init__(self, queries: Queries) -> None:
        self._queries = queries
        self.loaded = False
        self.problem: str | None = None
        """Why the models could not be loaded."""

    def status(self, opened: Opened, *, deep: bool) -> dict[str, Any]:
        """Whether it is ready, and why not.

        Args:
            opened: the collection and its models.
            deep: ask the store too, instead of saying what its files say.
        """
        store = _store(opened, deep=deep)
        reasons = []
        if self.problem is not None:
            reasons.append(self.problem)
        elif not self.loaded:
            reasons.append("the models are not loaded yet")
        if not store["ok"]:
            reasons.append(str(store["reason"]))
        return {
            "ready": not reasons,
            "reasons": reasons,
            "models": {"loaded": self.loaded},
            "store": store,
            "queries": len(self._queries),
        }


def _store(opened: Opened, *, deep: bool) -> dict[str, Any]:
    store = unwrapped(opened.store)
    with store.at_once() if isinstance(store, Remote) else nullcontext():
        return _asked(opened, deep=deep)


def _asked(opened: Opened, *, deep: bool) -> dict[str, Any]:
    try:
        schema = opened.store.schema
        if schema is None:
            reason = "there is no collection yet: index a catalogue, or insert items"
            return {"ok": False, "reason": reason}
        if not deep:
            return {"ok": True}
        opened.searcher.open()
        points = opened.store.count()
    except DamagedError as error:
        return {"ok": False, "reason": str(error), "damaged": True}
    except (SceneSearchError, OSError) as error:
        return {"ok": False, "reason": str(error)}
    return {"ok": True, "points": points, "fields": len(schema.fields)}


def models(opened: Opened) -> dict[str, Any]:
    """Which models answer, by task.

    Returns:
        ``detectors`` (a list), ``embedder``, ``remover`` and ``reader``: each with name,
        fingerprint, licence and source where the manifest knows them, or None.
    """
    settings, parts = opened.settings, opened.parts
    manifest = read_manifest()

    def described(name: str, fingerprint: str | None) -> dict[str, Any]:
        record = manifest.get(name)
        return {
            "name": _last(name),
            "fingerprint": fingerprint,
            "licence": record.licence if record else None,
            "source": record.source if record else None,
        }

    encoder = parts.encoder
    embedder = described(settings.embedder.weights, encoder.embedder.fingerprint)
    remover = encoder.remover
    return {
        "detectors": [described(one.model, None) for one in settings.detectors],
        "detector_fingerprint": parts.detector.fingerprint if parts.detector else None,
        "embedder": {
            **embedder,
            "model": _last(settings.embedder.model),
            "dim": encoder.embedder.dim,
            "text": encoder.embedder.has_text,
        },
        "remover": described(settings.cutout.remover, remover.fingerprint) if remover else None,
    }


def _last(name: str) -> str:
    """A name; of a path its last part, since where files lie is nobody's business."""
    return name.replace("\\", "/").rpartition("/")[2]
