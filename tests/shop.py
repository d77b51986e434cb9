"""A small shop of drawn products, and the pipelines over fakes: what the pipeline tests run on."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from fakes.models import COLOURS, FakeDetector, FakeEmbedder
from fakes.store import MemoryStore
from PIL import Image

from scenesearch.attributes.describer import PixelDescriber
from scenesearch.catalog import item_hash
from scenesearch.core.types import FieldType, Item, Scene
from scenesearch.images import load_scene
from scenesearch.images.letterbox import letterbox
from scenesearch.index.indexer import Indexer
from scenesearch.index.run import IndexOptions, IndexReport
from scenesearch.models.cutout.cutter import CutRules
from scenesearch.models.embed.cache import EmbeddingCache
from scenesearch.models.embed.pca import fit_projection
from scenesearch.models.encode import Encoder
from scenesearch.search.reranker import CellReranker

if TYPE_CHECKING:
    import pytest

    from scenesearch.config.settings import Settings

FIELDS: dict[str, FieldType] = {
    "title": "text",
    "category": "keyword",
    "price": "float",
    "tags": "keyword",
    "group": "keyword",
}
NAMES = tuple(COLOURS)
SIZES = {"square": (30, 30), "wide": (48, 16), "tall": (16, 48)}


def rgb(colour: str | tuple[int, int, int]) -> tuple[int, int, int]:
    return COLOURS[colour] if isinstance(colour, str) else colour


def product(colour: str | tuple[int, int, int], shape: str = "square", side: int = 64) -> Any:
    """A rectangle in the middle of a white picture."""
    image = np.full((side, side, 3), 255, np.uint8)
    width, height = SIZES[shape]
    x, y = (side - width) // 2, (side - height) // 2
    image[y : y + height, x : x + width] = rgb(colour)
    return image


def noise(seed: int, side: int = 64) -> Any:
    """A product with a pattern of its own, so that any number of them differ."""
    image = np.full((side, side, 3), 255, np.uint8)
    blocks = np.random.default_rng(seed).integers(0, 200, (4, 4, 3), dtype=np.uint8)
    image[16:48, 16:48] = np.kron(blocks, np.ones((8, 8, 1), np.uint8))
    return image


def room(*things: tuple[str, str], side: int = 240) -> Any:
    """Products side by side on a grey wall: (colour, shape) each, from the left."""
    image = np.full((side, side, 3), 128, np.uint8)
    for i, (colour, shape) in enumerate(things):
        width, height = SIZES[shape]
        x, y = 10 + 60 * i, (side - height) // 2
        image[y : y + height, x : x + width] = rgb(colour)
    return image


def png(image: Any) -> bytes:
    """A picture as a file."""
    file = io.BytesIO()
    Image.fromarray(np.asarray(image)).save(file, "PNG")
    return file.getvalue()


def save(image: Any, path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return str(path)


def scene(image: Any) -> Scene:
    return load_scene(image)


def colour_shop(folder: Path) -> list[Item]:
    """24 items: eight colours in three shapes, ids like ``red-tall``."""
    return [
        Item(
            f"{colour}-{shape}",
            (save(product(colour, shape), folder / f"{colour}-{shape}.png"),),
            {
                "title": f"{colour} {shape} thing",
                "category": shape,
                "price": float(10 * (1 + NAMES.index(colour))),
                "tags": (colour, "new") if colour in ("red", "blue") else (colour,),
                "group": colour,
            },
        )
        for colour in NAMES
        for shape in SIZES
    ]


def pattern_items(folder: Path, count: int) -> list[Item]:
    """Any number of unlike items, ids like ``p007``."""
    return [
        Item(
            f"p{n:03}",
            (save(noise(n), folder / f"p{n:03}.png"),),
            {"title": f"Pattern {n}", "price": float(n)},
        )
        for n in range(count)
    ]


def make_encoder(
    embedder: FakeEmbedder | None = None, *, colours: bool = False, **more: Any
) -> Any:
    return Encoder(
        embedder if embedder is not None else FakeEmbedder(),
        PixelDescriber(colours=colours),
        more.pop("rules", CutRules()),
        **more,
    )


class RecordingStore(MemoryStore):
    """Keeps the name and arguments of every call that writes."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[tuple[str, Any]] = []

    def create(self, schema: Any, blobs: Any = None) -> bool:
        self.writes.append(("create", schema))
        return super().create(schema, blobs)

    def add_fields(self, fields: Any) -> None:
        self.writes.append(("add_fields", fields))
        super().add_fields(fields)

    def upsert(self, points: Any) -> None:
        self.writes.append(("upsert", points))
        super().upsert(points)

    def set_payload(self, payload: Any, **selection: Any) -> None:
        self.writes.append(("set_payload", payload))
        super().set_payload(payload, **selection)

    def delete(self, **selection: Any) -> None:
        self.writes.append(("delete", selection))
        super().delete(**selection)

    def write_blob(self, name: str, data: bytes) -> None:
        self.writes.append(("write_blob", name))
        super().write_blob(name, data)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.writes]


class Shop:
    """A collection, its cache and its models, indexed as often as a test likes."""

    def __init__(
        self,
        store: Any = None,
        *,
        embedder: FakeEmbedder | None = None,
        encoder: Encoder | None = None,
        detector: Any = None,
        cache: EmbeddingCache | None = None,
        load: Callable[[str], Scene] = load_scene,
        **options: Any,
    ) -> None:
        self.store = RecordingStore() if store is None else store
        self.encoder = encoder or make_encoder(embedder)
        self.embedder: Any = self.encoder.embedder
        self.detector = detector
        self.cache = cache or EmbeddingCache(":memory:")
        self.load = load
        self.fit: Any = fit_projection
        batch = options.pop("batch", 8)
        self.options = IndexOptions(batch=batch, **{"write_batch": batch, **options})

    @property
    def indexer(self) -> Indexer:
        return Indexer(
            self.store,
            "items",
            self.encoder,
            self.cache,
            load=self.load,
            photo_hash=photo_hash,
            item_hash=item_hash,
            fit=self.fit,
            detector=self.detector,
            options=self.options,
        )

    def index(self, items: Sequence[Item], *, prune: bool = False, **more: Any) -> IndexReport:
        indexer = self.indexer
        return indexer.run(indexer.plan(items, prune=prune), {**FIELDS, **more.pop("fields", {})})

    def payloads(self) -> list[dict[str, Any]]:
        return [dict(record.payload) for record in self.store.scroll(limit=10_000)]

    def of(self, item_id: str) -> list[dict[str, Any]]:
        return [payload for payload in self.payloads() if payload["item_id"] == item_id]


def photo_hash(path: str) -> str:
    from scenesearch.models.weights import sha256_of

    return sha256_of(Path(path))


def contents(store: Any) -> dict[str, tuple[dict[str, Any], dict[str, list[float]]]]:
    """Everything stored, without the time of writing; vectors to five digits."""
    schema = store.schema
    if schema is None:
        return {}
    found = {}
    for record in store.scroll(limit=100_000, spaces=tuple(schema.vectors)):
        payload = {k: v for k, v in record.payload.items() if k != "indexed_at"}
        vectors = {s: np.round(v, 5).tolist() for s, v in record.vectors.items()}
        found[record.id] = (payload, vectors)
    return found


class FakeCells:
    """A picture as 4 x 4 cells of mean colour; counts what it was asked for."""

    fingerprint = "fake-cells"
    grid = 4

    def __init__(self) -> None:
        self.embedded = 0
        self.closed = False

    def load(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True

    def embed_cells(self, images: Sequence[Any]) -> Any:
        self.embedded += len(images)
        maps = np.zeros((len(images), 16, 3), np.float32)
        for i, image in enumerate(images):
            square = letterbox(image, 32).astype(np.float32).reshape(4, 8, 4, 8, 3)
            cells = square.mean(axis=(1, 3)).reshape(16, 3) - 120
            maps[i] = cells / np.linalg.norm(cells, axis=1, keepdims=True)
        return maps


class FakeParts:
    """Stands where :class:`scenesearch.wiring.Parts` does: the same settings, models that fake."""

    made: ClassVar[list[FakeParts]] = []
    delay_s = 0.0

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.closed = False
        self.embedder = FakeEmbedder(64, has_text=True, delay_s=self.delay_s)
        self.detector = self.bulk_detector = FakeDetector()
        rules = CutRules(settings.cutout.background)
        colours = PixelDescriber(colours=settings.index.colours)
        self.encoder = Encoder(self.embedder, colours, rules)
        self.embeddings = EmbeddingCache(":memory:")
        self.reranker = CellReranker(FakeCells(), lambda: EmbeddingCache(":memory:"), load_scene)
        self.made.append(self)

    def close(self) -> None:
        self.embeddings.close()
        self.closed = True


def use_fakes(monkeypatch: pytest.MonkeyPatch) -> type[FakeParts]:
    """Front door and command line run on fakes until the test ends."""
    import scenesearch.wiring

    parts: type[FakeParts] = type("Parts", (FakeParts,), {"made": []})
    monkeypatch.setattr(scenesearch.wiring, "Parts", parts)
    return parts


def write_catalog(folder: Path, items: Sequence[Item], name: str = "catalog.csv") -> Path:
    """A CSV with the photos of the items beside it, several in one cell."""
    names = list(dict.fromkeys(field for item in items for field in item.attributes))
    path = folder / name
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "image", *names])
        for item in items:
            photos = "|".join(str(Path(p).relative_to(folder)) for p in item.photos)
            cells = [item.attributes.get(field, "") for field in names]
            writer.writerow(
                [item.id, photos, *("|".join(c) if isinstance(c, tuple) else c for c in cells)]
            )
    return path
