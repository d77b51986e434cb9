"""Everything a user does, over a Qdrant server and embedded: run where QDRANT_URL names one.

The package's own catalogue, rooms and weights, so nothing else is needed. What a server answers is
what the embedded store answers; on several shards words are weighed by each shard alone.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from qdrant_proxy import collection, key, needs_server

from scenesearch import SceneSearch
from scenesearch.config.settings import load_settings
from scenesearch.scenes.points import SCENES
from scenesearch.system.resources import resource_dir

pytestmark = [pytest.mark.e2e, needs_server]
ROOMS = 3


@dataclass
class Both:
    """One catalogue in an embedded store and on a server, after every step of the same steps."""

    embedded: SceneSearch
    server: SceneSearch
    name: str
    shards: int

    @property
    def each(self) -> tuple[SceneSearch, SceneSearch]:
        return self.embedded, self.server


@pytest.fixture(scope="module")
def sample() -> Path:
    return resource_dir("sample")


@pytest.fixture(scope="module", params=[1, 6])
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, sample: Path
) -> Iterator[Both]:
    folder = tmp_path_factory.mktemp("both")
    with collection() as name, pytest.MonkeyPatch.context() as patch:
        for variable in [one for one in os.environ if one.startswith("SCENESEARCH_")]:
            patch.delenv(variable)
        patch.setenv("SCENESEARCH_CACHE_DIR", str(folder / "cache"))
        settings = load_settings(
            "offline", qdrant_api_key=key(), store={"shards": request.param}, min_free_megabytes=0
        )
        embedded = SceneSearch(folder / "store", collection=name, config=settings)
        server = SceneSearch(
            os.environ["QDRANT_URL"], collection=name, scenes=f"{name}-{SCENES}", config=settings
        )
        with embedded, server:
            for shop in (embedded, server):
                done = shop.index(sample / "catalog.csv")
                assert done.report is not None
                assert (done.report.added, done.report.failures) == (60, ())
            yield Both(embedded, server, name, request.param)


def ids(look: Any) -> list[str]:
    return [match.item_id for match in look.matches]


def test_rooms_have_the_same_answers(both: Both, sample: Path) -> None:
    for room in sorted((sample / "rooms").glob("*.jpg"))[:ROOMS]:
        ours, theirs = (shop.shop_the_look(room) for shop in both.each)

        assert ids(theirs) == ids(ours)
        assert [ids(region) for region in theirs.regions] == [ids(r) for r in ours.regions]
        assert [m.score for m in theirs.matches] == pytest.approx(
            [m.score for m in ours.matches], abs=1e-3
        )


def test_words_have_the_same_answers(both: Both) -> None:
    for words in ("white wardrobe", "red chair under $300", "lamp"):
        ours, theirs = (shop.search(words=words) for shop in both.each)

        assert ids(ours)
        if both.shards == 1:
            assert ids(theirs) == ids(ours)
        else:
            assert set(ids(theirs)[:5]) & set(ids(ours)[:5])


def test_items_have_the_same_neighbours(both: Both) -> None:
    for item in ids(both.embedded.search(words="chair"))[:3]:
        ours, theirs = (shop.search(items={item: 1.0}) for shop in both.each)

        assert ids(theirs) == ids(ours)


def test_indexing_again_works_on_nothing(both: Both, sample: Path) -> None:
    for shop in both.each:
        done = shop.index(sample / "catalog.csv").report

        assert done is not None
        assert (done.added, done.changed, done.unchanged, done.embedded) == (0, 0, 60, 0)


def test_a_sync_does_the_same(both: Both, sample: Path, tmp_path: Path) -> None:
    with (sample / "catalog.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    rows = rows[:-5]
    rows[0]["title"] = "A thing of onyx"
    manifest = tmp_path / "catalog.csv"
    with manifest.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)

    for shop in both.each:
        done = shop.sync(manifest, image_root=sample)
        assert done.report is not None
        assert (done.report.added, done.report.changed, done.report.removed) == (0, 1, 5)
        assert ids(shop.search(words="onyx"))[0] == rows[0]["id"]

    contents = [shop.values("title") for shop in both.each]
    assert contents[0] == contents[1]
    assert len(contents[1]) == 55


def test_scenes_are_found_alike(both: Both, sample: Path) -> None:
    rooms = [str(one) for one in sorted((sample / "rooms").glob("*.jpg"))[:ROOMS]]
    answers = []
    for shop in both.each:
        assert shop.add_scenes(rooms).added == ROOMS
        assert shop.count_scenes() == ROOMS
        finder = shop.scenes()
        kinds = finder.facets()
        answers.append((kinds, [one.photo for one in finder.find().matches]))
    assert answers[0] == answers[1]
    assert both.server.forget_scenes(photos=rooms[:1]) == 1
    assert both.server.count_scenes() == ROOMS - 1


@contextmanager
def serving(both: Both, folder: Path) -> Iterator[str]:
    """A service over the collection on the server."""
    environment = {**os.environ, "SCENESEARCH_QDRANT_API_KEY": key() or ""}
    command = [sys.executable, "-m", "scenesearch", "serve", "--port", "0", "--config", "offline"]
    command += ["--store", os.environ["QDRANT_URL"], "--collection", both.name]
    log = folder / "log"
    with log.open("w") as said:
        process = subprocess.Popen(command, env=environment, stderr=said)
    try:
        ends = time.monotonic() + 120
        while "listening on " not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < ends
            time.sleep(0.1)
        yield log.read_text().partition("listening on ")[2].split()[0].rstrip("/")
    finally:
        process.terminate()
        process.wait(60)


def asked(url: str, method: str = "GET", body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        url, data=data, method=method, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read() or b"null")


def test_it_is_served(both: Both, tmp_path: Path) -> None:
    item = ids(both.server.search(words="chair"))[0]
    with serving(both, tmp_path) as url:
        ends = time.monotonic() + 60
        while True:
            try:
                assert asked(f"{url}/readyz")["ready"]
                break
            except urllib.error.HTTPError:
                assert time.monotonic() < ends
                time.sleep(0.2)
        found = asked(f"{url}/v1/search", "POST", {"items": {item: 1.0}})
        counts = asked(f"{url}/v1/facets?field=category")
        changed = asked(f"{url}/v1/items/{item}", "PATCH", {"attributes": {"price": 12.5}})
        gone = asked(f"{url}/v1/items/{item}", "DELETE")

    assert [match["item_id"] for match in found["matches"]] == ids(
        both.embedded.search(items={item: 1.0})
    )
    assert sum(value["count"] for value in counts["facets"]["category"]) > 0
    assert changed["attributes"]["price"] == 12.5
    assert gone
    assert both.server.get(item) is None
