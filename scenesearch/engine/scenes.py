"""What the engine does to photos of scenes: add, find, count, remove and show them.

A scene is named by the sha256 of its photo, whatever file it came from. Methods are called from
several threads at once; writes take the lock of the media folder, reads take none.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scenesearch.api import scenes
from scenesearch.api.opened import Opened
from scenesearch.core.batches import scroll_all
from scenesearch.core.conditions import AllOf, Equals, OneOf
from scenesearch.core.errors import ImageError, QueryError, StoreError
from scenesearch.core.points import is_ours
from scenesearch.core.types import Record
from scenesearch.engine.held_scenes import HeldScenes
from scenesearch.engine.item_json import JSON
from scenesearch.engine.media import scene_photo_url
from scenesearch.engine.records import Refused
from scenesearch.engine.tasks import (
    AddScenes,
    DeleteScenes,
    FindScenes,
    Photo,
    SceneFacets,
    ScenePhoto,
)
from scenesearch.engine.thumbnails import Decode, Thumbnails
from scenesearch.images.media_folder import MediaFolder
from scenesearch.scenes import SceneAnswer, SceneMatch
from scenesearch.scenes.find import FACETS, OBJECT
from scenesearch.scenes.index import WHOLE

log = logging.getLogger(__name__)

MOST = 200
"""Scenes of one answer."""
MOST_VALUES = 1000
"""Values of one field."""
SETTLE_AFTER = 512
"""Photos added until the collection is settled again."""
SHOWN_FACETS = tuple(field for field in FACETS if field != "folder")
"""What is counted; folders are paths."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_OBJECT_FIELDS = ("photo_sha256", "region_key", "label", "label_confidence", "box", "colour_names")


class SceneTasks:
    """Does the tasks on scenes.

    Args:
        opened: holds the collection of photos, and that of items.
        media: where photos are kept.
        decode: bytes to pixels, where a bad photo can be killed; raises ImageError.
        thumbnails: shared with the items; its own by default.
    """

    def __init__(
        self,
        opened: Opened,
        media: MediaFolder,
        decode: Decode,
        *,
        thumbnails: Thumbnails | None = None,
    ) -> None:
        self._opened = opened
        self._media = media
        self.lock = media.lock
        """Held by who writes scenes."""
        self._decode = decode
        self._thumbnails = thumbnails or Thumbnails(decode)
        self._unsettled = 0

    # --- reading ---------------------------------------------------------------------------

    def find_scenes(self, task: FindScenes) -> JSON:
        """Scenes by words, by a photo like them, or by a product in them.

        Raises:
            ImageError: the photo cannot be read.
            QueryError: not exactly one of the three is given, the words name nothing that is
                known, or there is no such item.
            StoreError: photos and items were made with other models.
        """
        given = [part for part in (task.text, task.photo, task.item_id) if part is not None]
        if len(given) != 1:
            raise QueryError(
                f"Give one of text, photo and item_id, got {len(given)}", code="bad_option"
            )
        if not 1 <= task.limit <= MOST:
            raise QueryError(f"limit must be 1 to {MOST}, got {task.limit}", code="bad_option")
        if not self._there():
            return {"scenes": [], "total": 0, "understood": None, "notes": ["no scenes yet"]}
        finder = self._opened.finder
        if task.photo is not None:
            encoded = scenes.encode(self._opened, self._decode(task.photo))
            answer = finder.like(encoded, limit=task.limit)
        elif task.item_id is not None:
            answer = finder.with_item(task.item_id, self._opened.store, limit=task.limit)
        else:
            answer = finder.find(task.text or "", limit=task.limit)
        return self._answer(answer)

    def scene_facets(self, task: SceneFacets) -> JSON:
        """How many scenes have each kind, label, tag and colour.

        Raises:
            QueryError: the words name nothing that is known.
        """
        if not 1 <= task.limit <= MOST_VALUES:
            raise QueryError(
                f"limit must be 1 to {MOST_VALUES}, got {task.limit}", code="bad_option"
            )
        if not self._there():
            return {"facets": {field: [] for field in SHOWN_FACETS}, "scenes": 0}
        finder = self._opened.finder
        text = (task.text or "").strip()
        query = finder.understand(text) if text else None
        counts = finder.facets(SHOWN_FACETS, text=query or "", limit=task.limit)
        where = WHOLE if query is None else AllOf((WHOLE, query.condition))
        return {
            "facets": {
                field: [{"value": value, "count": count} for value, count in found]
                for field, found in counts.items()
            },
            "scenes": self._opened.photos.count(where),
        }

    def scene_photo(self, task: ScenePhoto) -> bytes | None:
        """The photo of a scene as a small JPEG, or None.

        Raises:
            QueryError: the width is outside its range.
        """
        if not _SHA256.fullmatch(task.scene_id) or not self._there():
            return None
        where = AllOf((WHOLE, Equals("photo_sha256", task.scene_id)))
        page = self._opened.photos.scroll(where=where, limit=20, fields=("photo",))
        paths = [str(one.payload["photo"]) for one in page if is_ours(one.payload, "photo")]
        kept = self._media.find(task.scene_id) if paths else None
        for path in ([str(kept)] if kept else []) + paths:
            shown = self._thumbnails.jpeg(path, task.scene_id, task.width)
            if shown is not None:
                return shown
        return None

    # --- writing ---------------------------------------------------------------------------

    def add_scenes(self, task: AddScenes) -> list[JSON]:
        """Put photos into the collection; those that are bad cost themselves only.

        Raises:
            ModelError: the models failed.
            NoSpaceError: too little free disk; nothing was acknowledged.
            StoreError: the collection cannot be written, or was made with other models.
        """
        held = HeldScenes(self._decode)
        # decoding takes the time, and needs no lock
        checked = [self._checked(photo, held) for photo in task.photos]
        with self._media.lock:
            paths: dict[str, str] = {}
            for photo, found in zip(task.photos, checked, strict=True):
                if isinstance(found, str):
                    paths.setdefault(found, str(self._media.keep(photo.data)))
            before = self._stored(list(paths))
            failed: dict[str, str] = {}
            if paths:
                report = scenes.add(self._opened, list(paths.values()), load=held.load)
                failed = {Path(path).stem: reason for path, reason in report.failed}
                after = self._stored(list(paths))
                self._settle_after(report.added + report.replaced)
            return [
                _failed(photo, found)
                if isinstance(found, Refused)
                else _failed(photo, Refused("photo_failed", failed[found]))
                if found in failed
                else {"id": found, "status": _status(before, after, found), "error": None}
                for photo, found in zip(task.photos, checked, strict=True)
            ]

    def delete_scenes(self, task: DeleteScenes) -> dict[str, int]:
        """Remove scenes by id.

        Raises:
            StoreError: the collection cannot be written.
        """
        ids = [one for one in dict.fromkeys(task.ids) if _SHA256.fullmatch(one)]
        with self._media.lock:
            if not ids or not self._there():
                return {"scenes": 0}
            there = self._stored(ids)
            self._opened.scene_index().forget_content(ids)
            return {"scenes": len(there)}

    # --- pieces ----------------------------------------------------------------------------

    def _there(self) -> bool:
        return self._opened.photos.schema is not None

    def _checked(self, photo: Photo, held: HeldScenes) -> str | Refused:
        try:
            return held.check(photo, self._media)
        except ImageError as error:
            return Refused(error.code, str(error))

    def _stored(self, ids: Sequence[str]) -> dict[str, str]:
        """By id, the models of each scene that is there."""
        if not ids or not self._there():
            return {}
        fields = ("photo_sha256", "models")
        where = AllOf((WHOLE, OneOf("photo_sha256", tuple(ids))))
        return {
            str(record.payload["photo_sha256"]): str(record.payload.get("models"))
            for record in self._scroll(where, fields)
        }

    def _scroll(self, where: Any, fields: Sequence[str]) -> list[Record]:
        return list(scroll_all(self._opened.photos, where=where, fields=fields, page=2000))

    def _answer(self, answer: SceneAnswer) -> JSON:
        # one photo under two names is one scene
        matches = {match.sha256: match for match in reversed(answer.matches)}
        shown = [matches[one] for one in dict.fromkeys(m.sha256 for m in answer.matches)]
        objects: dict[str, list[Record]] = {}
        if shown:
            where = AllOf((OBJECT, OneOf("photo_sha256", tuple(matches))))
            for record in self._scroll(where, _OBJECT_FIELDS):
                objects.setdefault(str(record.payload["photo_sha256"]), []).append(record)
        query = answer.query
        return {
            "scenes": [_scene_json(match, objects.get(match.sha256, [])) for match in shown],
            "total": answer.total,
            "understood": query.to_dict() if query is not None else None,
            "notes": list(answer.notes),
        }

    def _settle_after(self, photos: int) -> None:
        """Make searches fast again after many additions; may take seconds."""
        self._unsettled += photos
        if self._unsettled < SETTLE_AFTER:
            return
        try:
            self._opened.photos.optimize()
            self._unsettled = 0
        except StoreError as error:
            # what was added is durable and found all the same
            log.warning("the scenes cannot be settled now: %s", error)


def _scene_json(match: SceneMatch, objects: Sequence[Record]) -> JSON:
    by_key: dict[str, JSON] = {}
    for record in objects:
        payload = record.payload
        by_key[str(payload.get("region_key"))] = {
            "label": payload.get("label"),
            "box": payload.get("box"),
            "confidence": payload.get("label_confidence"),
            "colours": list(payload.get("colour_names", ())),
        }
    return {
        "id": match.sha256,
        "photo_url": scene_photo_url(match.sha256),
        "score": None if match.score is None else round(match.score, 4),
        "width": match.size[0],
        "height": match.size[1],
        "kind": match.kind,
        "labels": dict(match.labels),
        "items": list(match.items),
        "known": match.known,
        "match": None
        if match.box is None
        else {"label": match.label, "box": [round(side, 1) for side in match.box]},
        "objects": sorted(by_key.values(), key=lambda one: -(one["confidence"] or 0.0)),
    }


def _status(before: dict[str, str], after: dict[str, str], scene_id: str) -> str:
    if scene_id not in before:
        return "added"
    return "unchanged" if before[scene_id] == after.get(scene_id) else "changed"


def _failed(photo: Photo, refused: Refused) -> JSON:
    sha256 = hashlib.sha256(photo.data).hexdigest()
    return {"id": sha256, "status": "failed", "error": refused.to_dict()}
