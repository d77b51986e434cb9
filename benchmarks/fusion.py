"""A whole photo's search without models, against the raw engine batch it cannot do without.

Ours: the engine asked for every region and space, hits grouped and fused, payloads of what is
shown fetched, a look put together. Theirs: the same requests as one ``query_batch`` of the engine
itself, and each hit's id, score and item_id touched. The catalogue is synthetic: clustered
vectors, payloads of the size of a furniture catalogue's.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from engine import raw_batch
from fakes.models import FakeEmbedder
from measure import Report, in_turns, parser, ratio
from numpy.typing import NDArray
from synthetic import clustered, near, product_points, schema

from scenesearch.attributes.describer import PixelDescriber
from scenesearch.attributes.placement import placement
from scenesearch.config.search import SearchOptions
from scenesearch.core.points import CONTEXT, CUTOUT, SCHEMA_VERSION
from scenesearch.core.protocols import VectorQuery
from scenesearch.core.types import CollectionSchema, Cutout, Description, Region, Scene
from scenesearch.models.cutout.cutter import CutRules
from scenesearch.models.encode import EncodedRegion, Encoder
from scenesearch.search.nearest import nearest
from scenesearch.search.query import Query
from scenesearch.search.rank.candidates import Answer
from scenesearch.search.rank.pipeline import rank
from scenesearch.search.searcher import PreparedQuery, Searcher
from scenesearch.store.embedded.edge import EdgeStore
from scenesearch.store.embedded.edge_translate import EXACT_FLOATS

SPACES = (CUTOUT, CONTEXT)


def main() -> int:
    arguments = _arguments()
    rng = np.random.default_rng(arguments.seed)
    encoder = Encoder(FakeEmbedder(arguments.dim), PixelDescriber(colours=False), CutRules())
    made = schema(dict.fromkeys(SPACES, arguments.dim))
    metadata = {
        "schema": SCHEMA_VERSION,
        "embedder": encoder.embedder.fingerprint,
        "background": "255-255-255",
    }
    report = Report(
        f"Fused search of {arguments.regions} regions x {len(SPACES)} spaces x "
        f"{arguments.candidates} hits over {arguments.points:,} points"
    )
    with tempfile.TemporaryDirectory() as folder:
        store = EdgeStore(Path(folder) / "store", "items")
        store.create(CollectionSchema(made.vectors, made.fields, metadata))
        rows = clustered(rng, arguments.points, arguments.dim)
        for batch in product_points(rows, SPACES):
            store.upsert(batch)
        store.optimize()
        queries = near(rng, rows, arguments.regions * len(SPACES))
        _measure(report, arguments, Searcher(store, encoder), store, queries)
        store.close()
    report.print(as_json=arguments.json)
    return 0


def _measure(
    report: Report,
    arguments: argparse.Namespace,
    searcher: Searcher,
    store: EdgeStore,
    queries: NDArray[np.float32],
) -> None:
    prepared = _prepared(queries)
    plain = SearchOptions(candidates=arguments.candidates)
    wide = SearchOptions(candidates=arguments.candidates, expansion=5, expansion_floor=0.3)
    exact = arguments.points * arguments.dim <= EXACT_FLOATS
    requests = [
        VectorQuery(SPACES[i % len(SPACES)], vector, arguments.candidates)
        for i, vector in enumerate(queries)
    ]
    asked = [dict(one.vectors) for one in prepared.encoded]
    weights = {CUTOUT: 0.7, CONTEXT: 0.3}
    spaces = {space: space for space in weights}
    engine = partial(nearest, store, asked, spaces, limit=arguments.candidates)
    answers = engine()
    times = in_turns(
        {
            "raw": lambda: raw_batch(store, requests, "item_id"),
            "raw, id and score only": lambda: raw_batch(store, requests, None),
            "store": engine,
            "look": lambda: searcher.answer(prepared, plain),
            "look, expansion": lambda: searcher.answer(prepared, wide),
            "rank": lambda: _rank(answers, plain, weights, len(asked)),
        },
        repeats=arguments.repeats,
        warmup=2,
    )
    for name, taken in times.items():
        report.add(name, statistics.median(taken) * 1e3, "ms")
    report.add("store / raw", ratio(times["store"], times["raw"]))
    leanest = times["raw, id and score only"]
    report.add("look / raw, id and score only", ratio(times["look"], leanest))
    report.add("look / raw", ratio(times["look"], times["raw"]), at_most=1.3)
    report.add("expansion / raw", ratio(times["look, expansion"], times["raw"]), at_most=2.4)
    report.add("ranking alone", statistics.median(times["rank"]) * 1e3, "ms", at_most=10)
    report.facts["requests"] = len(answers)
    report.facts["exact"] = exact


def _rank(
    answers: list[Answer], options: SearchOptions, weights: dict[str, float], regions: int
) -> object:
    ranking = rank(
        answers,
        np.ones(regions, np.float32),
        weights,
        options,
        lambda items: np.eye(len(items), dtype=np.float32),
    )
    return [ranking.region_order(row, options.per_region) for row in range(regions)]


def _prepared(queries: NDArray[np.float32]) -> PreparedQuery:
    """Regions that the models are through with."""
    scene = Scene(np.zeros((640, 640, 3), np.uint8), "0" * 64, "<synthetic>")
    pixels = np.zeros((8, 8, 3), np.uint8)
    cutout = Cutout(pixels, np.ones((8, 8), np.bool_), (255, 255, 255), "detector")
    description = Description((), None, "0" * 16)
    encoded = tuple(
        EncodedRegion(
            Region(f"object:{i}", "object", (0.0, 0.0, 8.0, 8.0), "thing"),
            cutout,
            description,
            placement((0.0, 0.0, 8.0, 8.0), scene.size),
            dict(zip(SPACES, queries[i * len(SPACES) :], strict=False)),
        )
        for i in range(len(queries) // len(SPACES))
    )
    return PreparedQuery(Query(scene=scene), encoded, (), {})


def _arguments() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("--points", type=int, default=2_000)
    made.add_argument("--regions", type=int, default=12)
    made.add_argument("--candidates", type=int, default=200)
    made.add_argument("--dim", type=int, default=320)
    made.add_argument("--repeats", type=int, default=31)
    return made.parse_args()


if __name__ == "__main__":
    sys.exit(main())
