"""What duplicates are told by: hashes of files, or what a collection has of its photos."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from scenesearch.attributes.phash import phash
from scenesearch.core.batches import batches
from scenesearch.core.conditions import AllOf, Condition
from scenesearch.core.errors import ImageError
from scenesearch.core.points import CUTOUT
from scenesearch.core.protocols import Store
from scenesearch.core.scroll import scroll_all
from scenesearch.core.types import Scene
from scenesearch.scenes.duplicates import HashedPhoto
from scenesearch.scenes.index import WHOLE
from scenesearch.scenes.points import RAW

_AHEAD = 64
"""Photos read before the first of them is taken."""


def hash_photos(
    sources: Iterable[str],
    load: Callable[[str], Scene],
    failed: list[tuple[str, str]],
    *,
    workers: int = 2,
) -> Iterator[HashedPhoto]:
    """Read photos and hash them; no model is needed, and no vectors come of it.

    Args:
        sources: names of the photos.
        load: source to scene; raises ImageError; called from threads.
        failed: takes source and reason of every photo that cannot be read.
        workers: threads that decode.
    """

    def one(source: str) -> HashedPhoto | tuple[str, str]:
        try:
            scene = load(source)
        except ImageError as error:
            return source, str(error)
        return HashedPhoto(source, scene.sha256, *scene.size, phash(scene.image))

    with ThreadPoolExecutor(workers) as pool:
        for some in batches(sources, _AHEAD):
            for found in pool.map(one, some):
                if isinstance(found, HashedPhoto):
                    yield found
                else:
                    failed.append(found)


def stored_photos(store: Store, where: Condition | None = None) -> Iterator[HashedPhoto]:
    """The photos of a collection of scenes, with their vectors.

    Raw embeddings where there are any: a whitened space pulls near-copies apart.
    """
    schema = store.schema
    space = RAW[CUTOUT] if schema is not None and RAW[CUTOUT] in schema.vectors else CUTOUT
    fields = ("photo", "photo_sha256", "width", "height", "phash")
    wanted = WHOLE if where is None else AllOf((WHOLE, where))
    for record in scroll_all(store, where=wanted, fields=fields, spaces=(space,), page=1_000):
        payload = record.payload
        yield HashedPhoto(
            str(payload["photo"]),
            str(payload.get("photo_sha256", "")),
            int(payload.get("width", 0)),
            int(payload.get("height", 0)),
            str(payload.get("phash", "")),
            record.vectors.get(space),
        )
