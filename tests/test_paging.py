"""Pages are parts of one list: every item once, in order, none left out, nothing after the end.

For more questions::

    SCENESEARCH_PAGING_QUERIES=5000 pytest -n0 -m "process or not process" tests/test_paging.py
"""

from __future__ import annotations

import os
import random
from functools import partial

import pytest
import shop
from fakes.models import FakeDetector, FakeEmbedder
from fakes.store import MemoryStore

from scenesearch.config.search import SearchOptions
from scenesearch.core.conditions import Between
from scenesearch.core.turns import Turn
from scenesearch.core.types import Item, Point
from scenesearch.engine.looks import Paging
from scenesearch.search.query import Query
from scenesearch.search.searcher import Searcher
from scenesearch.store.embedded.edge import EdgeStore
from scenesearch.store.process.store import ProcessStore

QUERIES = int(os.environ.get("SCENESEARCH_PAGING_QUERIES", "12"))
ITEMS = 2000 if QUERIES > 1000 else 120
SEED = 21
CATEGORIES = ("chair", "sofa", "table", "lamp", "rug")


@pytest.fixture(scope="module")
def encoder():
    return shop.make_encoder(FakeEmbedder(32, has_text=True), colours=True)


@pytest.fixture(scope="module")
def indexed(tmp_path_factory, encoder):
    """Items with patterns of their own; some prices are equal, some missing."""
    folder, draw = tmp_path_factory.mktemp("photos"), random.Random(SEED)
    items = []
    for number in range(ITEMS):
        attributes = {
            "title": f"{draw.choice(('red', 'blue', 'oak'))} {draw.choice(CATEGORIES)} {number}",
            "category": draw.choice(CATEGORIES),
            "group": f"g{draw.randrange(ITEMS // 3)}",
        }
        if draw.random() > 0.1:
            attributes["price"] = float(draw.randrange(1, 90))
        # one in ten has the picture of the one before it
        seen = number - 1 if number % 10 == 9 else number
        photo = shop.save(shop.noise(seen, 64), folder / f"{number}.png")
        items.append(Item(f"p{number:04}", (photo,), attributes))
    run = shop.Shop(MemoryStore(), encoder=encoder, batch=64)
    run.index(items)
    return run.store


@pytest.fixture(
    scope="module",
    params=["memory", "embedded", pytest.param("process", marks=pytest.mark.process)],
)
def searcher(request, indexed, encoder, tmp_path_factory):
    make = {
        "memory": lambda _: indexed,
        "embedded": lambda folder: EdgeStore(folder, "items", min_free_bytes=0),
        "process": lambda folder: ProcessStore(
            partial(EdgeStore, folder, "items", min_free_bytes=0)
        ),
    }
    store = make[request.param](tmp_path_factory.mktemp("store"))
    if store is not indexed:
        schema = indexed.schema
        store.create(schema)
        records = indexed.scroll(limit=10_000, spaces=tuple(schema.vectors))
        store.upsert([Point(one.id, one.vectors, one.payload) for one in records])
    yield Searcher(store, encoder, detector=FakeDetector)
    if store is not indexed:
        store.close()


def questions(searcher):
    """Questions of every kind, after the models."""
    draw = random.Random(SEED)
    colours = ("red", "blue", "green", "purple", "pink")
    found = [Query(words=words) for words in ("red", "oak sofa", "blue lamp under 60", "rug")]
    found += [Query(items=((f"p{draw.randrange(ITEMS):04}", 1.0),)) for _ in range(4)]
    for count in (1, 2, 3):
        things = [(draw.choice(colours), draw.choice(tuple(shop.SIZES))) for _ in range(count)]
        scene = shop.scene(shop.room(*things))
        found += [
            Query(scene=scene),
            Query(scene=scene, words="red"),
            Query(scene=scene, refine=(Turn("cheaper"), Turn(where="price > 5", object=1))),
        ]
    return [searcher.prepare(query) for query in found]


def options_of(draw):
    """Options as somebody may mix them; a page is small, a list is not."""
    chosen = {
        "limit": draw.choice((1, 7, 24, 100)),
        "candidates": draw.choice((1, 20, 150, 400)),
        "per_region": draw.choice((0, 8)),
        "preset": draw.choice(("similar", "exact", "colour", "style")),
        "fusion": draw.choice(("best_rank", "share", "reciprocal_rank", "best_score")),
        "where": draw.choice((None, None, Between("price", lt=40), Between("price", gt=85))),
        "sort": draw.choice((None, None, "price", "-price", "title")),
        "collapse": draw.choice((None, "photo_sha256", "group", "phash")),
        "diversity": draw.choice((0.0, 0.0, 0.5)),
        "diversity_field": draw.choice((None, "category")),
        "facets": draw.choice(((), ("category",))),
        "expansion": draw.choice((0, 0, 3)),
    }
    if chosen["limit"] == 1 and chosen["candidates"] > 20:
        chosen["limit"] = 24  # hundreds of pages of one tell nothing new
    return SearchOptions(**chosen)


@pytest.mark.timeout(7200)
@pytest.mark.store
def test_pages_hold_every_item_of_the_list_once_in_order_and_end(searcher):
    draw, prepared = random.Random(SEED), questions(searcher)
    for number in range(QUERIES):
        asked, options = draw.choice(prepared), options_of(draw)
        told = f"question {number}: {asked.query!r}, {options!r}"
        listed, totals, offset = [], set(), 0
        while offset is not None:
            look = searcher.answer(asked, options, offset=offset)
            totals.add(look.total)
            last = offset + options.limit >= look.total
            assert len(look.matches) == options.limit or last, told
            listed += look.matches
            offset = Paging(offset, options.limit).next_offset(look.total)

        assert totals == {len(listed)}, told
        ids = [match.item_id for match in listed]
        assert len(set(ids)) == len(ids), told
        assert len(ids) <= max(options.candidates, options.limit), told
        _check_order(listed, options, told)
        _check_facets_and_end(searcher, asked, options, len(listed), told)


def _check_order(listed, options, told):
    if options.sort is None:
        return
    field, falling = options.sort.removeprefix("-"), options.sort.startswith("-")
    values = [match.attributes.get(field) for match in listed]
    known = [value for value in values if value is not None]
    assert known == sorted(known, reverse=falling), told
    # what has no value comes last
    assert values[: len(known)] == known, told


def _check_facets_and_end(searcher, asked, options, total, told):
    beyond = searcher.answer(asked, options, offset=total)
    assert beyond.matches == (), told
    assert beyond.total == total, told
    first = searcher.answer(asked, options)
    assert beyond.facets == first.facets, told


def test_a_list_is_as_deep_as_what_passes_the_filter(searcher, indexed):
    """One object in one space finds as many as there are, up to the depth."""
    asked = searcher.prepare(Query(items=(("p0001", 1.0),)))
    stored = [one.payload for one in indexed.scroll(limit=10_000)]
    for depth in (10, 50, 1000):
        for bound in (5, 40, 1000):
            where = Between("price", lt=bound)
            options = SearchOptions(
                candidates=depth,
                limit=5,
                weights={"cutout": 1.0},
                where=where,
                collapse="item_id",
            )
            others = [one for one in stored if one["item_id"] != "p0001"]
            passing = sum(one.get("price", bound) < bound for one in others)
            assert searcher.answer(asked, options).total == min(depth, passing)
