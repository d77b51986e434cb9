"""A script that indexes with fakes on a Ray of two CPUs of its own, for who kills it or reads it.

One argument, JSON with photos (a folder), store (a folder), and what goes wrong on the nodes:
``kill`` (the width of a photo that ends its worker), ``die`` (a file whose first reader ends its
worker, and removes it), ``fails`` (the models cannot be loaded), ``other`` (the nodes have other
models than this process), ``late`` (seconds that each photo takes). Prints a line of progress
after each batch, and the report or the error.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import shop
from fakes.models import FakeEmbedder

from scenesearch.catalog import item_hash
from scenesearch.core.errors import ModelLoadError, SceneSearchError
from scenesearch.core.types import Item
from scenesearch.images import load_scene
from scenesearch.index.indexer import Indexer
from scenesearch.index.photo_embedding import PhotoEmbedder
from scenesearch.index.ray_run import IndexNode, RayIndexing, Sent
from scenesearch.index.run import IndexOptions
from scenesearch.models.embed.cache import EmbeddingCache
from scenesearch.models.embed.pca import fit_projection
from scenesearch.store.embedded.edge import EdgeStore
from scenesearch.system.ray_cluster import RayOptions

OPTIONS = IndexOptions(batch=8, write_batch=8, whiten=8)
DIM = 16


class NodeEmbedder(FakeEmbedder):
    """A model on a node where it cannot be loaded."""

    def load(self) -> None:
        raise ModelLoadError("the weights are broken on purpose")


class OnNode:
    """Makes what a worker does, on a node where something goes wrong."""

    def __init__(self, asked: dict[str, Any]) -> None:
        self._asked = asked

    @contextmanager
    def __call__(self) -> Iterator[IndexNode]:
        asked = self._asked
        kind = NodeEmbedder if asked.get("fails") else FakeEmbedder
        encoder = shop.make_encoder(kind(DIM, seed=int(asked.get("other", False))))
        sent = Sent(self._read)
        yield IndexNode(
            PhotoEmbedder(encoder, sent.load, None, OPTIONS), sent, iter, _no_store, list
        )

    def _read(self, photo: str | bytes, name: str) -> Any:
        scene = load_scene(photo, name=name)
        time.sleep(self._asked.get("late", 0))
        if scene.size[0] == self._asked.get("kill"):
            os._exit(9)
        die = Path(self._asked.get("die", "")) / "die"
        if die.is_file():
            die.unlink()
            os._exit(9)
        return scene


def _no_store() -> Any:
    raise NotImplementedError("only one process has an embedded store open")


def indexed(asked: dict[str, Any], embeds: RayIndexing | None) -> Any:
    """The report of a run over all photos of the folder."""
    items = [
        Item(path.stem, (str(path),), {"title": path.stem, "price": float(n)})
        for n, path in enumerate(sorted(Path(asked["photos"]).iterdir()))
    ]
    folder = Path(asked["store"])
    with (
        closing(EdgeStore(folder, "items", min_free_bytes=0)) as store,
        closing(EmbeddingCache(folder / "embeddings.sqlite")) as cache,
    ):
        indexer = Indexer(
            store,
            "items",
            shop.make_encoder(FakeEmbedder(DIM)),
            cache,
            load=load_scene,
            photo_hash=shop.photo_hash,
            item_hash=item_hash,
            fit=fit_projection,
            options=OPTIONS,
            embeds=embeds,
        )
        plan = indexer.plan(items)
        return indexer.run(plan, shop.FIELDS, progress=_said)


def _said(stage: str, done: int, total: int) -> None:
    sys.stdout.write(f"{stage} {done} {total}\n")
    sys.stdout.flush()


def main() -> None:
    asked = json.loads(sys.argv[1])
    cluster = RayOptions("local", cpus=2, cpus_per_worker=asked.get("cores", 1))
    try:
        with closing(RayIndexing(OnNode(asked), cluster, OPTIONS.batch)) as workers:
            report = indexed(asked, workers)
    except SceneSearchError as error:
        sys.stdout.write(json.dumps({"error": [type(error).__name__, error.code, str(error)]}))
    else:
        sys.stdout.write(json.dumps(asdict(report)))


if __name__ == "__main__":
    main()
