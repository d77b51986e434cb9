"""A catalogue by its address: fetched whole or not at all, and only when it changed."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import shop
import shop_feeds
from cases import first
from photo_server import PhotoServer, serving

from scenesearch.api import SceneSearch
from scenesearch.catalog import FeedOptions
from scenesearch.cli.main import main
from scenesearch.core.errors import CatalogError
from scenesearch.sync.plan import SyncRules

FETCH = FeedOptions(fetch=True)
RULES = SyncRules(audit=False, max_delete=1.0)


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


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    def run(*arguments: object) -> Any:
        monkeypatch.setattr(sys, "argv", ["scenesearch", *map(str, arguments), "--json"])
        capsys.readouterr()
        code = main()
        out, err = capsys.readouterr()
        return code, json.loads(out) if out else None, err

    return run


def table(server: PhotoServer, ids: range | list[int], photos: str = "") -> bytes:
    names = sorted(name for name in server.files if name.endswith(".jpg"))
    rows = (f"{n},{photos or server.base}{names[n]},{n}.50\n" for n in ids)
    return ("id,image,price\n" + "".join(rows)).encode()


def zipped(data: bytes, name: str = "feed.csv") -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
        archive.writestr(f"__MACOSX/{name}", b"x")
    return stream.getvalue()


class Follower:
    """A collection that follows an address."""

    def __init__(self, server: PhotoServer, home: Path, path: str) -> None:
        self.address, self.home = server.base + path, home

    def sync(self, **options: Any) -> Any:
        with SceneSearch(self.home) as front:
            return front.sync(self.address, rules=RULES, feed=FETCH, **options)

    def ids(self) -> set[str]:
        with SceneSearch(self.home) as front:
            return set(front.values("item_id"))


FILES = [feed.file for feed in shop_feeds.feeds("http://x.test")]


@pytest.mark.parametrize("file", FILES)
def test_every_feed_is_read_from_an_address_that_tells_nothing(
    file: str, server: PhotoServer, cli: Callable[..., Any]
) -> None:
    feed = next(one for one in shop_feeds.feeds(server.base) if one.file == file)
    server.files["/export.php"] = feed.data
    code, found, err = cli("catalog", "check", f"{server.base}/export.php?shop=1")

    assert code == (3 if file == "schema.html" else 0), err
    assert (found["items"], found["addresses"]) == (20, 33)
    assert server.asked.total() == 1


@pytest.mark.parametrize("how", ["gzip", "encoding", "bzip2", "zip"])
@pytest.mark.parametrize("file", ["google.tsv", "google-rss.xml", "products.json"])
def test_a_packed_feed_is_unpacked_whatever_it_is_called(
    file: str, how: str, server: PhotoServer, cli: Callable[..., Any]
) -> None:
    (feed,) = (one for one in shop_feeds.feeds(server.base) if one.file == file)
    packed = {"gzip": gzip.compress, "encoding": gzip.compress, "bzip2": bz2.compress}
    server.files["/feed"] = packed[how](feed.data) if how in packed else zipped(feed.data, file)
    if how == "encoding":
        server.headers["/feed"] = {"Content-Encoding": "gzip"}
    code, found, err = cli("catalog", "check", f"{server.base}/feed")

    assert (code, found["items"]) == (0, 20), err


@pytest.mark.store
def test_a_feed_that_did_not_change_is_not_transferred_again(
    server: PhotoServer, tmp_path: Path
) -> None:
    server.files["/feed"] = table(server, range(6))
    follower = Follower(server, tmp_path / "store", "/feed")
    follower.sync()
    done = follower.sync()
    kept = [path.name for path in tmp_path.rglob("*.csv")]

    assert (server.asked["/feed"], server.sent["/feed"]) == (2, 1)
    assert (done.plan.unchanged, kept) == (6, ["feed.csv"])
    assert any("as it was the last time" in note for note in done.notes)

    server.files["/feed"] = table(server, range(2, 9))
    done = follower.sync()

    assert (len(done.plan.insert), len(done.plan.delete)) == (3, 2)
    assert follower.ids() == {str(n) for n in range(2, 9)}


def test_a_dry_run_of_an_address_leaves_nothing(server: PhotoServer, tmp_path: Path) -> None:
    server.files["/feed"] = table(server, range(6))
    done = Follower(server, tmp_path / "store", "/feed").sync(dry_run=True)

    assert len(done.plan.insert) == 6
    assert not list(tmp_path.rglob("feed*"))


@pytest.mark.parametrize(
    "fault", first(2, ["short", "to http://10.0.0.1/x", 404, 403, "to http://localhost/x"])
)
def test_half_a_transfer_or_none_changes_nothing(
    fault: object, server: PhotoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCENESEARCH_FETCH__TRIES", "2")
    server.files["/feed"] = table(server, range(12))
    follower = Follower(server, tmp_path / "store", "/feed")
    follower.sync()
    server.files["/feed"] = table(server, range(11))
    server.faults["/feed"] = [fault] * 9
    with pytest.raises(CatalogError, match="nothing was changed") as caught:
        follower.sync()

    assert caught.value.code == "feed_not_fetched"
    assert len(follower.ids()) == 12

    server.faults.clear()
    done = follower.sync()

    assert len(done.plan.delete) == 1
    assert not list(tmp_path.rglob("*.draft"))


def test_a_passing_fault_costs_time_only(server: PhotoServer, tmp_path: Path) -> None:
    server.files["/feed"] = table(server, range(5))
    server.faults["/feed"] = [429, "short", 503]
    follower = Follower(server, tmp_path / "store", "/feed")
    follower.sync()

    assert len(follower.ids()) == 5


@pytest.mark.parametrize("form", first(2, ["csv", "json", "jsonl", "gz"]))
def test_an_answer_without_a_length_deletes_only_where_the_form_says_its_end(
    form: str, server: PhotoServer, tmp_path: Path
) -> None:
    names = sorted(name for name in server.files if name.endswith(".jpg"))

    def written(count: int) -> bytes:
        rows = [{"id": str(n), "image": server.base + names[n]} for n in range(count)]
        lines = "\n".join(map(json.dumps, rows)) + "\n"
        csv = table(server, range(count))
        whole = {"csv": csv, "jsonl": lines.encode(), "gz": gzip.compress(csv)}
        return whole.get(form) or json.dumps(rows).encode()

    server.headers["/feed"] = {"Content-Length": None}
    server.files["/feed"] = written(12)
    follower = Follower(server, tmp_path / "store", "/feed")
    follower.sync()
    server.files["/feed"] = written(8)
    done = follower.sync()
    unsure = form in ("csv", "jsonl")

    assert len(follower.ids()) == (12 if unsure else 8)
    assert len(done.plan.postponed) == (4 if unsure else 0)
    assert [row.code for row in done.rows] == (["cut_short"] if unsure else [])


@pytest.mark.store
def test_a_packed_feed_that_breaks_off_deletes_nothing(server: PhotoServer, tmp_path: Path) -> None:
    server.files["/feed.csv.gz"] = gzip.compress(table(server, range(12)))
    follower = Follower(server, tmp_path / "store", "/feed.csv.gz")
    follower.sync()
    server.files["/feed.csv.gz"] = gzip.compress(table(server, range(9)))[:-20]
    with pytest.raises(CatalogError, match=f"{server.base}/feed.csv.gz cannot be unpacked"):
        follower.sync()

    assert len(follower.ids()) == 12


def pages(server: PhotoServer, count: int, products: list[dict[str, Any]], ending: str) -> None:
    """``products.json`` of a shop, so many products a page."""
    each = [products[at : at + count] for at in range(0, len(products), count)]
    each.append(each[0] if ending == "again" else [])
    for number, some in enumerate(each, 1):
        path = f"/products.json?limit=250&page={number}"
        server.files[path] = json.dumps({"products": some}).encode()


def product(server: PhotoServer, number: int) -> dict[str, Any]:
    names = sorted(name for name in server.files if name.endswith(".jpg"))
    return {
        "id": 100 + number,
        "title": f"Chair {number}",
        "handle": f"chair-{number}",
        "body_html": None,
        "variants": [
            {"id": 200 + number, "title": "Default Title", "price": "5.00", "available": True}
        ],
        "images": [{"src": f"{server.base}{names[number]}", "position": 1}],
    }


@pytest.mark.parametrize("ending", first(1, ["empty", "again"]))
@pytest.mark.store
def test_the_pages_of_a_shop_are_followed_and_asked_about(
    ending: str, server: PhotoServer, tmp_path: Path
) -> None:
    products = [product(server, number) for number in range(9)]
    pages(server, 4, products, ending)
    follower = Follower(server, tmp_path / "store", "/products.json")
    follower.sync()
    before = server.sent["/products.json"]

    assert follower.ids() == {str(200 + n) for n in range(9)}
    assert before == 4

    done = follower.sync()

    assert (server.sent["/products.json"], done.plan.unchanged) == (before, 9)

    del server.files["/products.json?limit=250&page=2"]  # one of the pages is gone
    with pytest.raises(CatalogError, match="404"):
        follower.sync()

    assert len(follower.ids()) == 9

    pages(server, 4, products[:4], ending)
    follower.sync()

    assert follower.ids() == {"200", "201", "202", "203"}
    assert not list(tmp_path.rglob("page-3*"))


def test_a_page_that_is_asked_for_by_its_number_is_all_there_is(
    server: PhotoServer, cli: Callable[..., Any]
) -> None:
    pages(server, 4, [product(server, number) for number in range(9)], "empty")
    _, found, _ = cli("catalog", "check", f"{server.base}/products.json?limit=250&page=3")

    assert found["items"] == 1


def test_photos_without_a_host_are_the_shops_own(server: PhotoServer, tmp_path: Path) -> None:
    server.files["/shop/feed"] = table(server, range(4), "..")
    follower = Follower(server, tmp_path / "store", "/shop/feed")
    done = follower.sync()

    assert (done.rows, len(follower.ids())) == ((), 4)


def test_a_feed_from_elsewhere_names_no_file_of_this_machine(
    server: PhotoServer, tmp_path: Path, drawn: Path
) -> None:
    photo = next(iter(drawn.iterdir()))
    rows = f"1,{photo}\n2,file://{photo}\n3,{'../' * 20}{str(photo)[1:]}\n4,{photo.name}\n"
    server.files["/feed"] = f"id,image\n{rows}".encode()
    with SceneSearch(tmp_path / "store") as front:
        done = front.index(f"{server.base}/feed", feed=FETCH)

        # the others are addresses of the server, which has no such file
        assert sorted(front.values("item_id")) == ["4"]
    assert len(done.rows) + len(done.report.failures) == 3


@pytest.mark.parametrize("private", [[], ["127.0.0.1:1"]])
def test_a_feed_is_fetched_from_public_hosts_and_those_that_are_named(
    private: list[str],
    server: PhotoServer,
    cli: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.files["/feed"] = table(server, range(2))
    monkeypatch.setenv("SCENESEARCH_FETCH__PRIVATE", json.dumps(private))
    code, _, err = cli("catalog", "check", f"{server.base}/feed")

    assert code == 2
    assert "private: [HOST:PORT]" in err
    assert server.asked.total() == 0


def test_a_feed_may_be_no_larger_than_the_setting(
    server: PhotoServer, cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["/feed"] = b"id,image\n" + b"x" * 1_100_000
    monkeypatch.setenv("SCENESEARCH_FETCH__FEED_MEGABYTES", "1")
    code, _, err = cli("catalog", "check", f"{server.base}/feed")

    assert code == 2
    assert "larger than 1 MB, the setting feed_megabytes" in err


def test_an_address_is_not_watched(cli: Callable[..., Any], tmp_path: Path) -> None:
    code, _, err = cli("sync", "https://shop.example/feed", "--watch", "-s", tmp_path)

    assert code == 2
    assert "--every" in err
