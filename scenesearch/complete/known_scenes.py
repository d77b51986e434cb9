"""Scenes whose items are known: rooms, outfits, baskets. Kept with the collection, as one blob.

The blob is compact JSON under zlib, written whole or not at all. It is bounded, because a server
keeps blobs in a payload: :data:`MAX_SCENES` scenes of at most :data:`MAX_ITEMS` items, and
:data:`MAX_BYTES` once compressed. 100,000 scenes of 13 items take about 4 MB.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import RLock
from typing import Any

from scenesearch.core.errors import QueryError, StoreError, StoreUnavailableError
from scenesearch.core.json_values import json_object
from scenesearch.core.protocols import Store

BLOB = "known_scenes.json.zlib"
VERSION = 1
MAX_SCENES = 100_000
MAX_ITEMS = 1_000
"""Items of one scene."""
MAX_BYTES = 12 * 2**20
"""Of the compressed blob: a server's store takes 16 MB."""
_MAX_TEXT = 512 * 2**20
_KNOWN = "known"


@dataclass(frozen=True, slots=True)
class KnownScene:
    """Items that were seen together.

    Attributes:
        items: ids; what is said twice counts once.
        image: path or address of the photo; empty where there is none (a basket, an outfit list).
        group: kind of scene, for people (``Bedroom``).
    """

    items: frozenset[str]
    image: str = ""
    group: str = ""

    @property
    def id(self) -> str:
        """32 hex digits of what is in it: the same scene has the same id, whoever adds it.

        >>> a = KnownScene(frozenset({"1", "2"}), "a.jpg")
        >>> a.id == KnownScene(frozenset({"2", "1"}), "a.jpg", "Bedroom").id
        True
        """
        content = json.dumps([self.image, sorted(self.items)], ensure_ascii=False)
        return hashlib.sha256(content.encode("utf-8", "backslashreplace")).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class ItemScene:
    """A scene that an item appears in.

    Attributes:
        id: of the scene.
        image: path or address; empty where there is none.
        items: ids of what else is known to be in it, and of the item itself.
        group: kind of scene; may be empty.
        score: 0 to 1; 1 where it is known rather than seen by a model.
        source: ``known``, or the name of the source that found it.
    """

    id: str
    image: str
    items: tuple[str, ...] = ()
    group: str = ""
    score: float = 1.0
    source: str = _KNOWN

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return json_object(self, 6)


@dataclass(frozen=True, slots=True)
class ScenesAdded:
    """What :meth:`KnownScenes.add` did.

    Attributes:
        added: scenes that were not there.
        replaced: scenes whose photo was there with other items or another group.
        unchanged: scenes that were there as they are.
        total: scenes kept now.
    """

    added: int
    replaced: int
    unchanged: int
    total: int


@dataclass(frozen=True, slots=True)
class _Kept:
    """The scenes as they were read, and where each item is in them."""

    digest: str
    scenes: tuple[KnownScene, ...]
    holding: Mapping[str, Sequence[int]] = field(default_factory=dict)


class KnownScenes:
    """The known scenes of one collection.

    Reading is lazy and happens once; two processes that add at the same time do not see each
    other, and the later one wins.

    Args:
        store: the collection they are kept with.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: tuple[str, _Kept] | None = None
        self._gate = RLock()

    def __len__(self) -> int:
        return len(self._read().scenes)

    @property
    def digest(self) -> str:
        """Of everything kept: changes when a scene does."""
        return self._read().digest

    @property
    def scenes(self) -> tuple[KnownScene, ...]:
        """All of them, in the order they were added."""
        return self._read().scenes

    def add(self, scenes: Iterable[KnownScene]) -> ScenesAdded:
        """Keep scenes; the same ones again change nothing.

        A photo has one set of items: adding it with others corrects it. Scenes without a photo
        are told apart by their items.

        Raises:
            QueryError: a scene has no items or too many, or there are too many scenes.
            StoreError: there is no collection, or it cannot be written.
        """
        with self._gate:
            kept = {scene.image or scene.id: scene for scene in self._read().scenes}
            added = replaced = unchanged = 0
            for scene in scenes:
                _check(scene)
                identity = scene.image or scene.id
                before = kept.get(identity)
                kept[identity] = scene
                added += before is None
                replaced += before is not None and before != scene
                unchanged += before == scene
            if added or replaced:
                self._write(tuple(kept.values()))
            return ScenesAdded(added, replaced, unchanged, len(kept))

    def clear(self) -> int:
        """Forget every scene; returns how many there were, 0 where they could not be read."""
        with self._gate:
            try:
                count = len(self)
                there = self._store.read_blob(BLOB) is not None
            except StoreUnavailableError:
                raise
            except StoreError:
                # damaged: this is the way out
                count, there = 0, True
            if there:
                self._write(())
            return count

    def of_item(self, item_id: str) -> tuple[KnownScene, ...]:
        """The scenes that hold an item, in the order they were added."""
        kept = self._read()
        return tuple(kept.scenes[i] for i in kept.holding.get(item_id, ()))

    def _read(self) -> _Kept:
        with self._gate:
            made = self._made()
            if self._kept is None or self._kept[0] != made:
                self._kept = made, _kept(self._store.read_blob(BLOB))
            return self._kept[1]

    def _made(self) -> str:
        """Which collection it is: one may be made anew under the same name."""
        schema = self._store.schema
        return "" if schema is None else schema.made

    def _write(self, scenes: tuple[KnownScene, ...]) -> None:
        data = encode_scenes(scenes)
        self._store.write_blob(BLOB, data)
        self._kept = self._made(), _kept(data)


def _check(scene: KnownScene) -> None:
    if not 1 <= len(scene.items) <= MAX_ITEMS:
        raise QueryError(
            f"The scene {scene.image or scene.id!r} has {len(scene.items)} items, expected 1 to "
            f"{MAX_ITEMS}; leave it out, or split it",
            code="bad_scene",
        )


def encode_scenes(scenes: tuple[KnownScene, ...]) -> bytes:
    """Compact JSON under zlib: each item id once, scenes as numbers.

    Raises:
        QueryError: more than :data:`MAX_SCENES`, or more than :data:`MAX_BYTES`.
    """
    if len(scenes) > MAX_SCENES:
        raise QueryError(
            f"{len(scenes)} known scenes, expected at most {MAX_SCENES}; keep the newest, or "
            f"those of the items you sell",
            code="too_many_scenes",
        )
    names = sorted({item for scene in scenes for item in scene.items})
    number = {name: i for i, name in enumerate(names)}
    rows = [[s.image, s.group, sorted(number[item] for item in s.items)] for s in scenes]
    text = json.dumps({"version": VERSION, "items": names, "scenes": rows}, separators=(",", ":"))
    data = zlib.compress(text.encode("ascii"), 6)
    if len(data) > MAX_BYTES:
        raise QueryError(
            f"{len(scenes)} known scenes take {len(data) / 2**20:.1f} MB, expected at most "
            f"{MAX_BYTES // 2**20}; keep fewer scenes",
            code="too_many_scenes",
        )
    return data


def decode_scenes(data: bytes) -> tuple[KnownScene, ...]:
    """Read back what :func:`encode_scenes` wrote.

    Raises:
        StoreError: the bytes are something else.
    """
    try:
        text = zlib.decompressobj().decompress(data, _MAX_TEXT)
        found = json.loads(text)
        names = [str(name) for name in found["items"]]
        return tuple(
            KnownScene(frozenset(names[i] for i in items), str(image), str(group))
            for image, group, items in _rows(found)
        )
    except (zlib.error, ValueError, KeyError, TypeError, IndexError) as error:
        raise StoreError(
            f"The collection's known scenes cannot be read ({error}); add them again after "
            f"KnownScenes.clear(), or scenesearch known-scenes clear"
        ) from error


def _rows(found: Any) -> Any:
    if found["version"] != VERSION:
        raise ValueError(f"version {found['version']!r}, expected {VERSION}")
    return found["scenes"]


def _kept(data: bytes | None) -> _Kept:
    if data is None:
        return _Kept("", ())
    scenes = decode_scenes(data)
    holding: dict[str, list[int]] = {}
    for i, scene in enumerate(scenes):
        for item in scene.items:
            holding.setdefault(item, []).append(i)
    return _Kept(hashlib.sha256(data).hexdigest(), scenes, holding)
