"""Photos that are addresses: fetched politely, once, and asked about ever after."""

from __future__ import annotations

import hashlib
import io
import json
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shop
import shop_feeds
from cases import first
from photo_server import PhotoServer, serving
from PIL import Image

from scenesearch.api import SceneSearch
from scenesearch.catalog import FeedOptions
from scenesearch.cli.main import main
from scenesearch.config.settings import load_settings
from scenesearch.core.batches import scroll_all
from scenesearch.core.errors import ConfigError, StoreError
from scenesearch.sync.plan import SyncRules

FETCH = FeedOptions(fetch=True)
RULES = SyncRules(audit=False)


@pytest.fixture(scope="module", autouse=True)
def parts() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield shop.use_fakes(monkeypatch)


@pytest.fixture(autouse=True)
def _surroundings(clean_surroundings: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCENESEARCH_CUTOUT__MATTING", "never")
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    shop_feeds.draw_photos(folder)
    return folder


@pytest.fixture
def server(drawn: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PhotoServer]:
    with serving() as told:
        told.add_folder(drawn)
        monkeypatch.setenv("SCENESEARCH_FETCH__PRIVATE", json.dumps([told.endpoint]))
        yield told


def photo(number: int) -> bytes:
    """A photo of its own."""
    stream = io.BytesIO()
    Image.fromarray(shop.noise(number)).save(stream, "PNG")
    return stream.getvalue()


class Shop:
    """A feed of addresses, and the collection that follows it."""

    def __init__(self, server: PhotoServer, folder: Path, count: int) -> None:
        self.server, self.home, self.path = server, folder / "store", folder / "feed.csv"
        self.count = count
        for number in range(count):
            server.files[f"/{number}.png"] = photo(number)
        self.write()

    def write(self, rows: Callable[[int], bool] = lambda number: True) -> None:
        lines = [f"{n},{self.server.base}/{n}.png,{n}.50" for n in range(self.count) if rows(n)]
        self.path.write_text("id,image,price\n" + "\n".join(lines) + "\n")

    def sync(self, **options: Any) -> Any:
        with SceneSearch(self.home) as front:
            return front.sync(self.path, rules=RULES, feed=FETCH, **options)

    def index(self, **options: Any) -> Any:
        with SceneSearch(self.home) as front:
            return front.index(self.path, feed=FETCH, **options)

    def stored(self) -> dict[str, str]:
        with SceneSearch(self.home) as front:
            records = list(scroll_all(front.store))
        return {record.payload["item_id"]: record.payload["photo_sha256"] for record in records}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


FILES = [feed.file for feed in shop_feeds.feeds("http://x.test")]


@pytest.mark.parametrize("file", first(1, FILES))
def test_every_feed_is_checked_and_indexed_with_its_photos(
    file: str,
    server: PhotoServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    feed = next(one for one in shop_feeds.feeds(server.base) if one.file == file)
    path = tmp_path / file
    path.write_bytes(feed.data)

    def run(*arguments: object) -> Any:
        monkeypatch.setattr(sys, "argv", ["scenesearch", *map(str, arguments), "--json"])
        capsys.readouterr()
        code = main()
        out, err = capsys.readouterr()
        return code, json.loads(out), err

    bad = 3 if file == "schema.html" else 0  # one of the page's blocks is no JSON
    code, checked, _ = run("catalog", "check", path)

    assert (code, checked["items"], checked["addresses"]) == (bad, 20, 33)
    assert server.asked.total() == 0, "to look at a feed fetches nothing"

    code, done, err = run("index", path, "--fetch", "--store", tmp_path / "store")

    assert code == bad, err
    assert (done["added"], done["failures"]) == (20, [])
    with SceneSearch(tmp_path / "store") as front:
        found: dict[str, set[str]] = {}
        for record in scroll_all(front.store):
            found.setdefault(record.payload["item_id"], set()).add(record.payload["photo_sha256"])
        chairs = front.count("category = 'Chairs & more'") if file != "plain.csv" else 1
    assert chairs > 0
    for product in shop_feeds.products():
        wanted = {sha256(server.files[f"/{name}"]) for name in product.all_photos}
        assert found[feed.ids.get(product.id, product.id)] == wanted


def test_nothing_is_fetched_unless_asked_for(server: PhotoServer, tmp_path: Path) -> None:
    shop_ = Shop(server, tmp_path, 3)
    with SceneSearch(shop_.home) as front:
        done = front.index(shop_.path)

    assert [(row.code, "--fetch" in row.message) for row in done.rows] == [
        ("remote_image", True)
    ] * 3
    assert server.asked.total() == 0


def test_the_settings_ask_for_it_too(
    server: PhotoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop_ = Shop(server, tmp_path, 3)
    monkeypatch.setenv("SCENESEARCH_FETCH__ENABLED", "true")
    with SceneSearch(shop_.home) as front:
        front.index(shop_.path)

    assert len(shop_.stored()) == 3


@pytest.mark.parametrize(
    "private", [[], ["127.0.0.1:1"], ["localhost:{port}"], ["127.0.0.2:{port}"]]
)
def test_an_address_that_is_not_public_must_be_named_exactly(
    private: list[str], server: PhotoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = [one.format(port=server.port) for one in private]
    monkeypatch.setenv("SCENESEARCH_FETCH__PRIVATE", json.dumps(named))
    done = Shop(server, tmp_path, 2).index()

    assert len(done.report.failures) == 2
    assert server.asked.total() == 0


def test_a_redirect_leads_to_no_other_private_host(server: PhotoServer, tmp_path: Path) -> None:
    with serving() as other:
        other.files["/0.png"] = photo(7)
        shop_ = Shop(server, tmp_path, 3)
        server.faults["/0.png"] = [f"to {other.base}/0.png"] * 9
        server.faults["/1.png"] = ["to /2.png"]
        done = shop_.index()

        assert [failure.item_id for failure in done.report.failures] == ["0"]
        assert other.asked.total() == 0
    assert shop_.stored()["1"] == sha256(server.files["/2.png"])


def test_a_setting_that_is_no_host_and_port_is_refused() -> None:
    for bad in ("127.0.0.1", "http://x:80", "x:0", ":80"):
        with pytest.raises(ConfigError):
            load_settings(None, fetch={"private": (bad,)})


def test_a_photo_of_many_items_is_asked_for_once_however_far_apart_they_are(
    server: PhotoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scenesearch.api.fetched.WINDOW", 2)
    shop_ = Shop(server, tmp_path, 7)
    shared = [f"{n},{server.base}/{n}.png {server.base}/{n % 2}.png,1" for n in range(7)]
    shop_.path.write_text("id,image,price\n" + "\n".join(shared) + "\n")
    server.faults["/1.png"] = [404] * 9
    done = shop_.index()

    assert done.report is not None
    assert {failure.item_id for failure in done.report.failures} == {"1", "3", "5"}
    assert {item.item.id: len(item.write) for item in done.plan.items} == {
        "0": 1,
        "2": 2,
        "3": 1,
        "4": 2,
        "5": 1,
        "6": 2,
    }
    assert dict(server.asked) == {f"/{n}.png": 1 for n in range(7)}
    assert any("photos fetched: 6, unchanged or here: 0, failed: 1" in n for n in done.notes)


def large_photo(number: int) -> bytes:
    """A photo of its own, of some 190 kB."""
    draw = np.random.default_rng(number)
    stream = io.BytesIO()
    Image.fromarray(draw.integers(0, 256, (250, 250, 3), np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*.png")) / 1e6


@pytest.mark.store
def test_fetched_photos_take_no_more_room_than_the_settings_allow(
    server: PhotoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCENESEARCH_FETCH__KEEP_MEGABYTES", "1")
    monkeypatch.setattr("scenesearch.api.fetched.NARROW", 4)
    shop_ = Shop(server, tmp_path, 12)
    for number in range(12):
        server.files[f"/{number}.png"] = large_photo(number)
    done = shop_.sync()
    with SceneSearch(shop_.home) as front:
        photos = front._opened.photo_folder.root

    assert done.report is not None
    assert (done.report.failures, len(shop_.stored())) == ((), 12)
    assert 0.5 < megabytes(photos) <= 1.0

    sent = server.sent.total()
    again = shop_.sync()

    assert (again.plan.unchanged, server.conditional) == (12, 12)
    assert server.sent.total() == sent, "that a photo did not change is enough to know"
    assert again.plan.moved == ()

    server.files["/0.png"] = large_photo(99)
    shop_.write(lambda number: number != 11)
    changed = shop_.sync()

    assert (changed.plan.update, changed.plan.delete) == (("0",), ("11",))
    assert shop_.stored()["0"] == sha256(server.files["/0.png"])
    assert megabytes(photos) <= 1.0


@pytest.mark.parametrize("why", ["embeddings lost", "no limit any more"])
@pytest.mark.store
def test_photos_that_were_removed_for_room_are_fetched_again_where_they_are_needed(
    why: str, server: PhotoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCENESEARCH_FETCH__KEEP_MEGABYTES", "1")
    monkeypatch.setattr("scenesearch.api.fetched.NARROW", 4)
    shop_ = Shop(server, tmp_path, 9)
    for number in range(9):
        server.files[f"/{number}.png"] = large_photo(number)
    shop_.index()
    with SceneSearch(shop_.home) as front:
        folder = front._opened.photo_folder
    removed = 9 - sum(folder.find(one) is not None for one in shop_.stored().values())
    before, sent = shop_.stored(), server.sent.total()

    assert removed > 2
    if why == "embeddings lost":
        for path in shop_.home.glob("embeddings.sqlite*"):
            path.unlink()
    else:
        monkeypatch.delenv("SCENESEARCH_FETCH__KEEP_MEGABYTES")
    done = shop_.index()

    assert done.report is not None
    assert done.report.failures == ()
    assert (done.plan.unchanged, shop_.stored()) == (9, before)
    assert server.sent.total() - sent == removed


@pytest.mark.process
def test_every_fault_costs_its_photo_or_nothing(server: PhotoServer, tmp_path: Path) -> None:
    shop_ = Shop(server, tmp_path, 40)
    passing: dict[int, list[object]] = {
        1: [429], 2: [503, 503], 3: [430, 429], 4: ["short"], 5: [500, "short"], 6: ["slow"],
    }  # fmt: skip
    lasting: dict[int, tuple[list[object], str]] = {
        10: ([404] * 9, "404"),
        11: (["html"] * 9, "content"),
        12: ([403] * 9, "403"),
        13: ([429] * 9, "429"),
        14: (["short"] * 9, "broke off"),
    }
    for number, faults in {**passing, **{n: f for n, (f, _) in lasting.items()}}.items():
        server.faults[f"/{number}.png"] = list(faults)
    done = shop_.index()
    said = {int(failure.item_id): failure.reason for failure in done.report.failures}

    assert set(said) == set(lasting)
    for number, (_, word) in lasting.items():
        assert word in said[number], said[number]
    assert set(shop_.stored()) == {str(n) for n in range(40) if n not in lasting}

    server.faults.clear()
    again = shop_.index()

    assert (again.report.added, again.report.failures) == (len(lasting), ())
    assert server.sent.most_common(1)[0][1] == 1, "each photo was transferred once"


@pytest.mark.store
def test_a_second_run_asks_and_transfers_nothing(server: PhotoServer, tmp_path: Path) -> None:
    shop_ = Shop(server, tmp_path, 60)
    shop_.sync()
    before = server.sent.total(), server.asked.total()
    done = shop_.sync()

    assert before == (60, 60)
    assert (server.sent.total(), server.conditional) == (60, 60)
    assert done.plan.unchanged == 60
    assert server.most_at_once <= 4, "a few at a time"


def test_a_server_without_etags_is_compared_by_content(server: PhotoServer, tmp_path: Path) -> None:
    server.etags = False
    shop_ = Shop(server, tmp_path, 5)
    shop_.sync()
    done = shop_.sync()

    assert done.plan.unchanged == 5
    assert server.sent.total() == 10


def test_a_changed_picture_behind_the_same_address_is_noticed(
    server: PhotoServer, tmp_path: Path
) -> None:
    shop_ = Shop(server, tmp_path, 5)
    shop_.sync()
    server.files["/3.png"] = photo(99)
    done = shop_.sync()

    assert done.plan.update == ("3",)
    assert shop_.stored()["3"] == sha256(photo(99))


def test_photos_that_no_item_has_any_more_leave_after_a_while(
    server: PhotoServer, tmp_path: Path
) -> None:
    shop_ = Shop(server, tmp_path, 5)
    shop_.sync()
    old = {path.stem: path for path in tmp_path.rglob("*.png")}
    server.files["/3.png"] = photo(99)
    shop_.sync()
    young = {path.stem for path in tmp_path.rglob("*.png")}
    for path in tmp_path.rglob("*.png"):
        os.utime(path, (1, 1))
    shop_.sync()
    left = {path.stem for path in tmp_path.rglob("*.png")}

    assert young == set(old) | {sha256(photo(99))}
    assert left == set(shop_.stored().values())
    assert server.sent.total() == 6


def test_a_server_that_is_down_deletes_nothing_and_its_copies_are_used(
    server: PhotoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCENESEARCH_FETCH__TRIES", "2")
    shop_ = Shop(server, tmp_path, 5)
    shop_.write(lambda number: number < 4)
    shop_.sync()
    before = shop_.stored()
    shop_.write()
    server.down = True
    done = shop_.sync()

    assert shop_.stored() == before
    assert [failure.item_id for failure in done.report.failures] == ["4"]
    assert [note for note in done.notes if "4 photo(s) could not be asked for again" in note]

    server.down = False
    assert shop_.sync().plan.insert == ("4",)


def test_a_dry_run_fetches_nothing_and_counts(server: PhotoServer, tmp_path: Path) -> None:
    shop_ = Shop(server, tmp_path, 5)
    empty = shop_.sync(dry_run=True)
    shop_.write(lambda number: number < 3)
    shop_.sync()
    shop_.write()
    asked = server.asked.total()
    part = shop_.sync(dry_run=True)

    assert (empty.plan.photos_to_embed, len(empty.plan.insert)) == (5, 5)
    assert part.plan.insert == ("3", "4")
    assert part.plan.photos_to_embed == 2
    assert server.asked.total() == asked == 3
    assert [note for note in part.notes if "2 photo(s) are addresses" in note]


def test_a_host_that_asks_for_rest_gets_it_and_a_long_one_is_not_waited_for(
    server: PhotoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCENESEARCH_FETCH__LONGEST_WAIT_S", "5")
    server.retry_after = "3600"
    shop_ = Shop(server, tmp_path, 3)
    server.faults["/1.png"] = [429] * 9
    done = shop_.index()

    assert [failure.item_id for failure in done.report.failures] == ["1"]
    assert server.asked["/1.png"] == 1


class Killed(BaseException):
    """As a SIGKILL: nothing after it runs but what the system itself does."""


@pytest.mark.e2e
def test_a_run_that_is_stopped_goes_on_where_it_was(server: PhotoServer, tmp_path: Path) -> None:
    shop_ = Shop(server, tmp_path, 120)

    for stop_at in (5, 40, 80):

        def progress(stage: str, done: int, total: int, stop_at: int = stop_at) -> None:
            if stage == "fetch" and done == stop_at:
                raise Killed

        with pytest.raises(Killed):
            shop_.index(progress=progress)
    shop_.index()

    assert len(shop_.stored()) == 120
    # under way are those that a host is asked for, and those that are being written meanwhile
    assert server.sent.total() <= 120 + 3 * 4 * load_settings(None).fetch.per_host


def test_one_photo_of_several_items_is_fetched_once(server: PhotoServer, tmp_path: Path) -> None:
    shop_ = Shop(server, tmp_path, 1)
    shop_.path.write_text("id,image\n" + "".join(f"{n},{server.base}/0.png\n" for n in range(5)))
    shop_.index()

    assert server.sent["/0.png"] == 1
    assert set(shop_.stored().values()) == {sha256(photo(0))}


@pytest.mark.parametrize("kind", first(1, ["hugging_face", "webdataset", "img2dataset"]))
def test_a_set_of_pictures_is_indexed_out_of_its_file(
    kind: str, drawn: Path, tmp_path: Path
) -> None:
    names = sorted(path.name for path in drawn.iterdir())[:20]
    path = tmp_path / {"hugging_face": "s.parquet", "webdataset": "s.tar"}.get(kind, "set")
    getattr(shop_feeds, kind)(path, drawn, names)
    with SceneSearch(tmp_path / "store") as front:
        dry = front.index(path, dry_run=True)
        left = list((tmp_path / "store").rglob("*.jpg"))
        done = front.index(path)
        again = front.sync(path, rules=RULES)
        dry_again = front.sync(path, rules=RULES, dry_run=True)
        kept = {str(record.payload["photo"]) for record in scroll_all(front.store)}
        contents = {record.payload["photo_sha256"] for record in scroll_all(front.store)}

    assert (len(dry.plan.items), left) == (20, []), "a dry run leaves nothing"
    assert done.report.added == 20
    assert again.plan.unchanged == dry_again.plan.unchanged == 20
    assert contents == {sha256((drawn / name).read_bytes()) for name in names}
    assert all(Path(one).is_file() and "set" not in Path(one).name for one in kept)


def test_what_a_later_version_knows_of_addresses_is_refused_by_name(
    server: PhotoServer, tmp_path: Path
) -> None:
    shop_ = Shop(server, tmp_path, 2)
    shop_.index()
    (path,) = tmp_path.rglob("addresses.sqlite")
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version=99")
    before = path.read_bytes()

    with pytest.raises(
        StoreError, match=r"addresses\.sqlite is of version 99.*reads at most 2; remove it"
    ):
        shop_.index()
    assert path.read_bytes() == before


@pytest.mark.models
@pytest.mark.parametrize("file", FILES)
def test_every_feed_is_indexed_by_a_real_model(
    file: str, server: PhotoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("SCENESEARCH_FETCH__PRIVATE", json.dumps([server.endpoint]))
    from scenesearch import wiring
    from scenesearch.wiring.parts import Parts

    monkeypatch.setattr(wiring, "Parts", Parts)
    feed = next(one for one in shop_feeds.feeds(server.base) if one.file == file)
    path = tmp_path / file
    path.write_bytes(feed.data)
    settings = load_settings("offline", cache_dir=tmp_path / "cache")
    with SceneSearch(tmp_path / "store", config=settings) as front:
        done = front.index(path, feed=replace(FETCH))
        wanted = feed.ids.get("lamp-ano-red", "lamp-ano-red")
        answer = front.search(photos=server.files["/lamp-ano-red.jpg"], limit=5)

    assert done.report is not None
    assert done.report.added == 20
    assert wanted in {match.item_id for match in answer.matches}
