"""How the package is used, for the type checker: ``mypy tests/typing/api.py``. Never run."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import pandas as pd
from fakes.models import FakeDetector, FakeEmbedder, FakeRemover
from numpy.typing import NDArray

import scenesearch
from scenesearch import (
    Baskets,
    CompleteOptions,
    Completion,
    Evidence,
    IndexOutcome,
    KnownScene,
    Look,
    Match,
    RegionMatches,
    RunOptions,
    SceneSearch,
    SceneSearchError,
    SearchOptions,
    Settings,
    SyncReport,
    SyncRules,
    TagOptions,
    TagRow,
    TagSummary,
    Turn,
    __version__,
    load_settings,
)
from scenesearch.client import AsyncClient, Client
from scenesearch.core.conditions import Between, Equals
from scenesearch.core.protocols import Detector, Embedder, Profiler, Remover, Store
from scenesearch.core.types import Item, Region, Scene
from scenesearch.scenes import SceneReport
from scenesearch.schemas.items import ItemResponse
from scenesearch.schemas.jobs import JobResponse
from scenesearch.schemas.looks import LookResponse

assert_type(__version__, str)
assert_type(scenesearch.__version__, str)

# the fakes stand wherever a model does
detector: Detector = FakeDetector(masks=False)
embedder: Embedder = FakeEmbedder(32, has_text=True)
profiler: Profiler = FakeEmbedder(has_classes=True)
remover: Remover = FakeRemover()


def progress(stage: str, done: int, total: int) -> None:
    """Anything that takes a stage and two numbers."""


def settings() -> Settings:
    """From a profile, a path, or nothing, with changes."""
    assert_type(load_settings(), Settings)
    assert_type(load_settings(Path("mine.yaml")), Settings)
    return load_settings("home", threads=2, offline=True)


def index() -> IndexOutcome:
    """Every way to index."""
    with SceneSearch("store", collection="chairs", config=settings()) as shop:
        assert_type(shop, SceneSearch)
        shop.index(Path("catalog.csv"), image_root="photos", strict=True, encoding="cp1252")
        outcome = shop.index("catalog.csv", prune=True, on_duplicate="merge", progress=progress)
    if outcome.report is not None:
        assert_type(outcome.report.added, int)
        assert_type(outcome.report.seconds, Mapping[str, float])
    for failure in outcome.plan.failures:
        assert_type(failure.reason, str)
    for row in outcome.rows:
        assert_type(row.row, int)
    return outcome


def photos(shop: SceneSearch, pixels: NDArray[np.uint8], scene: Scene) -> list[Look]:
    """A photo from wherever it comes."""
    return [
        shop.shop_the_look("room.jpg"),
        shop.shop_the_look(Path("room.jpg"), where="price < 100"),
        shop.shop_the_look(b"\xff\xd8", where=Between("price", lt=100)),
        shop.shop_the_look(io.BytesIO(), boxes=[(0, 0, 10, 10)]),
        shop.shop_the_look(pixels, point=(3.0, 4.0)),
        shop.shop_the_look(pixels, refine=["cheaper", Turn(where="price < 300", object=2)]),
        shop.shop_the_look(scene, text="in red", items=["A-1", "A-2"]),
        shop.shop_the_look("room.jpg", text={"red": 1.0, "blue": -0.5}, limit=5, preset="style"),
    ]


def baskets(shop: SceneSearch, look: Look) -> Baskets:
    """The whole look under a budget."""
    found = shop.basket(look, 800, keep={1: "A-1", 2: None})
    for basket in found.baskets:
        assert_type(basket.total, float)
        assert_type(basket.choices[0].match, Match)
    return shop.basket("room.jpg", 800.0, currency="EUR", where="price < 100")


def searches(shop: SceneSearch, vector: NDArray[np.float32]) -> list[Look]:
    """One thing, by anything."""
    return [
        shop.search(text="a red chair"),
        shop.search(photos=["a.jpg", "b.jpg"], where=Equals("category", "chair")),
        shop.search(photos={Path("a.jpg"): 1.0}),
        shop.search(items={"A-1": 1.0, "A-2": -0.3}, diversity=0.3),
        shop.search(vectors=vector),
        shop.search(vectors=[(vector, 1.0)]),
        shop.search("a red chair", facets=["brand"], sort="-price", score_min=None),
        shop.search("a red chair", boosts={Equals("in_stock", True): 0.05, "sales": 0.02}),
        shop.search("a red chair", fusion="share", word_weights={"colour": 2.0}),
    ]


def answer(look: Look) -> None:
    """What an answer holds."""
    assert_type(look.matches, tuple[Match, ...])
    assert_type(look.regions, tuple[RegionMatches, ...])
    assert_type(look.scene, Scene | None)
    for match in look.matches:
        assert_type(match.item_id, str)
        assert_type(match.score, float)
        assert_type(match.parts, Mapping[str, float])
        assert_type(match.evidence, tuple[Evidence, ...])
        assert_type(match.variants, tuple[str, ...])
    for found in look.regions:
        assert_type(found.region, Region)
        assert_type(found.matches, tuple[Match, ...])
    assert_type(look.facets, Mapping[str, tuple[tuple[Any, int], ...]])
    assert_type(look.to_dict(), dict[str, Any])
    assert_type(look.to_pandas(), pd.DataFrame)
    assert_type(look.save("look.png"), Path)


def items(shop: SceneSearch) -> None:
    """What is stored."""
    assert_type(shop.get("A-1"), Item | None)
    assert_type(shop.count("in_stock"), int)
    assert_type(shop.count(), int)
    assert_type(shop.delete(ids=["A-1"]), int)
    assert_type(shop.delete(where="price > 100"), int)
    assert_type(shop.regions("room.jpg"), list[Region])
    store: Store = shop.store
    assert_type(store.facet("category"), list[tuple[str | int | float | bool, int]])


def errors(shop: SceneSearch) -> str:
    """One base for all of them."""
    try:
        shop.search(text="")
    except SceneSearchError as error:
        assert_type(error.code, str)
        return str(error)
    return ""


def options(facets: Sequence[str]) -> SearchOptions:
    """Options as a value."""
    return SearchOptions(limit=5, weights={"cutout": 1.0}, facets=tuple(facets), sort="-price")


def follow(shop: SceneSearch) -> SyncReport:
    """A shop's feed."""
    assert_type(shop.sync("feed.csv", dry_run=True), SyncReport)
    with shop.syncing():
        shop.sync(Path("feed.csv"), planned=print, columns={"id": "SKU"}, on_duplicate="first")
    return shop.sync("feed.csv", rules=SyncRules(max_delete=0.1), progress=progress)


def tag(shop: SceneSearch) -> list[TagRow]:
    """Photos to rows, to a table, and to a collection."""
    how = RunOptions(batch=8, workers=1)
    done = shop.tag_to("tags.parquet", "photos", options=TagOptions(masks=True), run=how, fill=True)
    assert_type(done, TagSummary)
    finder = shop.scenes()
    finder.find("2+ chairs and not person", where=finder.parse("width >= 1000"), limit=5)
    assert_type(shop.count_scenes(), int)
    return list(shop.tag("photos/*.jpg", Path("more"), run=how))


def complete(shop: SceneSearch, look: Look) -> Completion:
    """What goes together."""
    shop.learn_scenes([KnownScene(frozenset({"A", "B"}), "room.jpg")])
    for scene in shop.scenes_of("A", limit=3):
        assert_type(scene.items, tuple[str, ...])
    shop.complete(look, where="price < 10")
    shop.complete(photo="room.jpg", options=CompleteOptions(category_field="kind"))
    return shop.complete({"A": 1.0, "B": 0.5}, per_category=1)


def insert(scene: Scene) -> int:
    """Items and photos of rooms one by one, into a store in a process of its own."""
    chair = Item("A-1", ("chair.jpg",), {"price": 9.5, "colours": ("red",)})
    with SceneSearch("store", store_process=True) as shop:
        assert_type(
            shop.put([chair], fields={"price": "float"}, load=lambda _: scene), IndexOutcome
        )
        assert_type(shop.set_attributes([Item("A-1", (), {"price": 8.0})]), IndexOutcome)
        assert_type(shop.settle(), tuple[str, ...])
        assert_type(shop.add_scenes(["room.jpg"], load=lambda _: scene), SceneReport)
        return shop.forget_scenes([scene.sha256]) + shop.forget_scenes(photos=["room.jpg"])


def ask_a_service(photo: bytes) -> Iterator[ItemResponse]:
    """A service, from ordinary code."""
    with Client("http://127.0.0.1:8080", key="a-key-of-the-service", retries=0) as client:
        look = client.look(photo, where="price < 100", limit=5)
        assert_type(look, LookResponse)
        client.look(query_id=look.query_id, words="in blue")
        client.search("a red chair", photo="chair.jpg")
        assert_type(client.put_item("A-1", [photo], {"price": 9.5}), ItemResponse)
        job = client.index([{"id": "A-2", "photos": [{"url": "https://example.com/2.jpg"}]}])
        assert_type(client.wait(job.id), JobResponse)
        yield from client.items("in_stock")


async def ask_a_service_meanwhile(photo: bytes) -> AsyncIterator[ItemResponse]:
    """The same without blocking."""
    async with AsyncClient("http://127.0.0.1:8080") as client:
        assert_type(await client.look(photo), LookResponse)
        async for item in client.items():
            yield item
