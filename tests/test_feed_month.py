"""One shop's feed over a month: after every day the collection is that of a fresh index."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shop
from fakes.store import MemoryStore
from photo_server import PhotoServer, serving
from PIL import Image

from scenesearch.api import SceneSearch, generations
from scenesearch.api.opened import Opened
from scenesearch.catalog import FeedOptions
from scenesearch.config.settings import load_settings
from scenesearch.core.batches import scroll_all
from scenesearch.core.errors import CatalogError
from scenesearch.core.points import PROJECTION_BLOB, schema_of
from scenesearch.core.protocols import Store
from scenesearch.search.look_builder import attributes_of
from scenesearch.sync.plan import SyncRules

FETCH = FeedOptions(fetch=True)
RULES = SyncRules(audit=False)
DAYS = 20


@pytest.fixture(scope="module", autouse=True)
def parts() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield shop.use_fakes(monkeypatch)


def photo(number: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(shop.noise(number)).save(stream, "PNG")
    return stream.getvalue()


class Month:
    """A Google feed that changes by chance, and what changed."""

    COLUMNS = ("id", "title", "link", "image_link", "price", "sale_price",
               "sale_price_effective_date", "availability", "item_group_id", "product_type",
               "rating")  # fmt: skip

    def __init__(self, seed: int, server: PhotoServer, path: Path) -> None:
        self.random = np.random.default_rng(seed)
        self.server, self.path = server, path
        self.rows: dict[str, dict[str, str]] = {}
        self.gone: dict[str, dict[str, str]] = {}
        self.broken: set[str] = set()
        self.next = 0
        for _ in range(14):
            self.insert()

    def pick(self) -> dict[str, str]:
        return self.rows[str(self.random.choice(sorted(self.rows)))]

    def insert(self) -> None:
        number, self.next = self.next, self.next + 1
        self.server.files[f"/{number}.png"] = photo(number)
        self.rows[f"S{number}"] = {
            "id": f"S{number}",
            "title": f"Chair {number}",
            "link": f"https://shop.test/{number}",
            "image_link": f"{self.server.base}/{number}.png",
            "price": f"{10 + number}.00 EUR",
            "sale_price": "",
            "sale_price_effective_date": "",
            "availability": "in_stock",
            "item_group_id": f"G{number // 3}",
            "product_type": "Home > Chairs",
            "rating": str(self.random.integers(1, 6)),
        }

    def delete(self) -> None:
        if len(self.rows) > 8:
            row = self.pick()
            self.gone[row["id"]] = self.rows.pop(row["id"])

    def come_back(self) -> None:
        for one in list(self.gone)[:1]:
            self.rows[one] = self.gone.pop(one)

    def price(self) -> None:
        self.pick()["price"] = f"{self.random.integers(5, 99)},50 EUR"

    def sale(self) -> None:
        self.pick()["sale_price"] = "4.00 EUR"

    def dated_sale(self) -> None:
        year = self.random.choice([2020, 2070])
        dates = f"{year}-05-01T00:00+0200/{year}-05-31T00:00+0200"
        self.pick().update(sale_price="3.00 EUR", sale_price_effective_date=dates)

    def stock(self) -> None:
        self.pick()["availability"] = str(self.random.choice(["out of stock", "preorder", ""]))

    def decimal(self) -> None:
        self.pick()["rating"] = "4.5"

    def word(self) -> None:
        self.pick()["rating"] = "n/a"

    def category(self) -> None:
        self.pick()["product_type"] = "Home > Sale > Odd & ends"

    def another_picture(self) -> None:
        row = self.pick()
        self.server.files["/" + row["image_link"].rpartition("/")[2]] = photo(
            int(self.random.integers(1000, 9999))
        )

    def another_address(self) -> None:
        row = self.pick()
        name = row["image_link"].rpartition("/")[2]
        self.server.files[f"/v2-{name}"] = self.server.files[f"/{name}"]
        row["image_link"] = f"{self.server.base}/v2-{name}"

    def break_a_row(self) -> None:
        self.broken = {self.pick()["id"]}

    CHANGES = (insert, delete, come_back, price, price, sale, dated_sale, stock, decimal, word,
               category, another_picture, another_address, break_a_row)  # fmt: skip

    def write(self) -> bytes:
        stream = io.StringIO()
        writer = csv.writer(stream)
        writer.writerow(self.COLUMNS)
        for key in self.random.permutation(sorted(self.rows)):
            row = dict(self.rows[str(key)])
            if row["id"] in self.broken:
                row["image_link"] = ""
            writer.writerow([row[name] for name in self.COLUMNS])
        self.path.write_text(stream.getvalue())
        return stream.getvalue().encode()


def stored(store: Store) -> dict[str, Any]:
    """What a collection holds: attributes, photos by content, and vectors, by item."""
    found: dict[str, Any] = {}
    for record in scroll_all(store, spaces=("cutout", "context")):
        entry = found.setdefault(
            record.payload["item_id"], {"attributes": attributes_of(record.payload), "photos": {}}
        )
        entry["photos"][record.payload["photo_sha256"]] = {
            space: vector.round(5).tolist() for space, vector in record.vectors.items()
        }
    return found


@pytest.mark.parametrize(
    ("kind", "seed"),
    [
        pytest.param("memory", 1, marks=pytest.mark.process),
        pytest.param("memory", 2, marks=pytest.mark.process),
        pytest.param("embedded", 3, marks=pytest.mark.store),
    ],
)
def test_after_every_day_the_collection_is_that_of_a_fresh_index(
    kind: str, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_surroundings: None
) -> None:
    monkeypatch.setenv("SCENESEARCH_CUTOUT__MATTING", "never")
    with ExitStack() as stack:
        server = stack.enter_context(serving())
        monkeypatch.setenv("SCENESEARCH_FETCH__PRIVATE", json.dumps([server.endpoint]))
        front = stack.enter_context(SceneSearch(tmp_path / "shop"))
        month = Month(seed, server, tmp_path / "feed.csv")
        if kind == "memory":
            front._opened.store = MemoryStore()
        store = front.store
        before: dict[str, Any] = {}
        widened = broke = cut = False
        for day in range(DAYS):
            month.broken = set()
            for change in month.random.choice(len(Month.CHANGES), 4):
                Month.CHANGES[change](month)
            data = month.write()
            front.sync(month.path, rules=RULES, feed=FETCH)
            now = stored(store)
            assert store.schema is not None
            rating = store.schema.fields["rating"]
            with SceneSearch(tmp_path / f"fresh{day}") as other:
                if kind == "memory":
                    other._opened.store = MemoryStore()
                other.index(month.path, feed=FeedOptions(fetch=True, types={"rating": rating}))
                wanted = stored(other.store)
            shutil.rmtree(tmp_path / f"fresh{day}")

            # what a broken row is about stays as it was
            broken = month.broken & set(month.rows) & set(before)
            kept = {one: before[one] for one in broken}
            assert now == wanted | kept, f"day {day}"
            assert len(now) >= len(month.rows) - 1

            # a transfer that broke off deletes nothing, wherever it did
            if day % 5 == 4:
                month.path.write_bytes(data[: len(data) // 3])
                # refused as too much to delete, or postponed for the row that was cut
                with suppress(CatalogError):
                    front.sync(month.path, rules=RULES, feed=FETCH)
                assert stored(store) == now
                cut = True
            before = now
            widened |= rating == "float"
            broke |= bool(kept)

        assert cut
        assert widened or broke


@pytest.mark.parametrize(
    ("every", "seed"),
    [
        pytest.param(7, 4, marks=pytest.mark.store),
        pytest.param(1, 5, marks=pytest.mark.e2e),
        pytest.param(1, 6, marks=pytest.mark.e2e),
    ],
)
def test_after_a_reprojection_its_vectors_are_those_of_a_fresh_index_as_well(
    every: int,
    seed: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    clean_surroundings: None,
) -> None:
    monkeypatch.setenv("SCENESEARCH_CUTOUT__MATTING", "never")
    drifted = compared = 0
    with serving() as server:
        monkeypatch.setenv("SCENESEARCH_FETCH__PRIVATE", json.dumps([server.endpoint]))
        config = load_settings(None, embedder={"whiten": 2}, min_free_megabytes=0)
        month = Month(seed, server, tmp_path / "feed.csv")
        for day in range(DAYS):
            month.broken = set()
            for change in month.random.choice(len(Month.CHANGES), 4):
                Month.CHANGES[change](month)
            month.write()
            with SceneSearch(tmp_path / "shop", config=config) as front:
                front.sync(month.path, rules=RULES, feed=FETCH)
                before = stored(front.store)
                rating = schema_of(front.store).fields["rating"]
            if day % every:
                continue
            with SceneSearch(tmp_path / f"fresh{day}", config=config) as other:
                feed = FeedOptions(fetch=True, types={"rating": rating})
                other.index(month.path, feed=feed)
                wanted, projection = stored(other.store), other.store.read_blob(PROJECTION_BLOB)
            shutil.rmtree(tmp_path / f"fresh{day}")
            if before.keys() != wanted.keys():
                continue  # what a broken row is about stayed, and has its say in the projection
            with closing(Opened(tmp_path / "shop", config)) as opened:
                if opened.store.read_blob(PROJECTION_BLOB) != projection:
                    drifted += before != wanted
                    generations.do(opened, "reproject", {})
            with SceneSearch(tmp_path / "shop", config=config) as front:
                assert front.store.read_blob(PROJECTION_BLOB) == projection, f"day {day}"
                assert stored(front.store) == wanted, f"day {day}"
            compared += 1

    assert drifted
    assert compared > 1
