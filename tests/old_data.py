"""What is asked of the data of an earlier build: by ``data/make.py`` when that build makes them,
and by ``test_old_data.py`` of today's.

Only what every build offers is used here, so that the two ask the same.
"""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"
ENVIRONMENT = {"SCENESEARCH_EMBEDDER__WHITEN": "8", "SCENESEARCH_CACHE_DIR": "cache"}
"""What the data were made with. The data lie in the current folder: a ledger, as a run that is to
be resumed, knows photos by the paths it was given."""
CLICK = {"kind": "click", "item_id": "red-wide", "query_id": "q-1", "region": 0, "rank": 2}
LIKE = {"kind": "like", "item_id": "blue-tall"}
KNOWN = (("red-square", "blue-tall"), ("red-square", "blue-tall"), ("green-wide", "blue-tall"))
"""Items of the known scenes ``rooms/0.png`` and so on."""


def unpack(build: str, name: str, folder: Path, only: str = "") -> None:
    """Put an archive of a build's data into a folder, or ``only`` one file of it."""
    with tarfile.open(DATA / build / f"{name}.tar.xz") as archive:
        members = [archive.getmember(only)] if only else None
        archive.extractall(folder, members, filter="data")


def answers(shop: Any) -> dict[str, Any]:
    """What a collection answers: ids and scores, JSON values.

    Args:
        shop: a SceneSearch over ``store``.
    """
    look = shop.shop_the_look("rooms/0.png")
    facets = shop.search(items="red-square", where="price < 60 and stock >= 2", facets=("group",))
    completion = shop.complete(["red-square", "green-wide"])
    photos = shop.scenes().find("red and blue")
    return {
        "count": shop.count(),
        "item": dict(shop.get("red-square").attributes),
        "look": _scores(look),
        "regions": [[one.region.label, _list(one.matches)] for one in look.regions],
        "item_like": _scores(shop.search(items="red-square")),
        "words": _scores(shop.search("blue thing under 80")),
        "text": _scores(shop.search(text="green", photos="photos/red-tall-1.png")),
        "filtered": [_scores(facets), {k: list(map(list, v)) for k, v in facets.facets.items()}],
        "complete": [[one.item_id, one.score, one.together] for one in completion.suggestions],
        "scenes_of": [[Path(one.image).name, one.source] for one in shop.scenes_of("red-square")],
        "photos": [[Path(one.photo).name, one.score, dict(one.labels)] for one in photos.matches],
    }


def _scores(look: Any) -> list[list[Any]]:
    """Of the fused list, whose scores were places in it."""
    return [[m.item_id, sum(one.contribution for one in m.evidence)] for m in look.matches]


def _list(matches: Any) -> list[list[Any]]:
    """Of a region's list, whose scores were similarities."""
    return [[m.item_id, m.parts["similarity"] + m.parts.get("boost", 0.0)] for m in matches]
