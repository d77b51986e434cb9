"""The files of twelve systems give the products of the one shop they were made of."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import shop_feeds
from cases import first

from scenesearch.catalog import CatalogReader, FeedOptions, read_catalog
from scenesearch.catalog.records import Packed
from scenesearch.core.errors import CatalogError
from scenesearch.core.types import Item

BASE = "https://photos.shop.test"
FEEDS = shop_feeds.feeds(BASE)
SHOP = {one.id: one for one in shop_feeds.products()}


def read(feed: shop_feeds.Feed, folder: Path, data: bytes | None = None) -> CatalogReader:
    path = folder / feed.file
    path.write_bytes(feed.data if data is None else data)
    return read_catalog(path, feed=FeedOptions(fetch=True))


@pytest.mark.parametrize("feed", FEEDS, ids=lambda feed: feed.file)
def test_a_feed_gives_every_product_as_a_person_would_expect(
    feed: shop_feeds.Feed, tmp_path: Path
) -> None:
    reader = read(feed, tmp_path)
    catalog = reader.read_all()
    items = {item.id: item for item in catalog.items}

    assert sorted(items) == sorted(feed.ids.get(one, one) for one in SHOP), catalog
    assert not catalog.lost, catalog.lost
    bad = [error for error in catalog.errors if error.code != "bad_json"]  # the page's bad block
    assert not bad
    for product in SHOP.values():
        item = items[feed.ids.get(product.id, product.id)]

        assert [p.removeprefix(f"{BASE}/") for p in item.photos] == list(product.all_photos), item
        assert facts(item, feed) == expected(product, feed)


def facts(item: Item, feed: shop_feeds.Feed) -> dict[str, object]:
    return {name: item.attributes.get(name) for name in sorted(feed.says)}


def expected(product: shop_feeds.Product, feed: shop_feeds.Feed) -> dict[str, object]:
    group: object = product.group
    if feed.name.startswith("shopify") and group is None:
        group = product.id.lower()  # every product has a handle
    colour: object = product.colour
    if feed.name in ("google", "meta", "tiktok"):
        colour = (product.colour,)
    description = product.description
    if product.group and feed.name in ("shopify", "shopify-json", "woocommerce"):
        description = description.replace(product.colour.lower(), "oak")  # of all its variants
    known = {
        "title": product.title,
        "description": description,
        "category": product.path[-1],
        "price": product.price,
        "list_price": product.list_price,
        "in_stock": product.in_stock,
        "group": group,
        "colour": colour,
        "currency": "EUR",
    }
    return {name: known[name] for name in sorted(feed.says)}


@pytest.mark.parametrize("feed", FEEDS, ids=lambda feed: feed.file)
def test_a_feed_is_recognised_by_its_content_and_can_be_named(
    feed: shop_feeds.Feed, tmp_path: Path
) -> None:
    found = read(feed, tmp_path).read_all()
    path = tmp_path / feed.file
    named = read_catalog(path, feed=FeedOptions(feed.name, fetch=True)).read_all()

    assert named.items == found.items


@pytest.mark.parametrize("feed", FEEDS, ids=lambda feed: feed.file)
def test_a_feed_may_be_packed(feed: shop_feeds.Feed, tmp_path: Path) -> None:
    path = tmp_path / f"{feed.file}.gz"
    path.write_bytes(gzip.compress(feed.data))
    packed = read_catalog(path, feed=FeedOptions(fetch=True)).read_all()

    assert packed.items == read(feed, tmp_path).read_all().items


@pytest.mark.parametrize(
    "header",
    [
        "id,image,title,handle,body_html,variant_price",
        "id,image,title,link,image_link,price",
        "id,image,sku,product_type,attribute_set_code,base_image",
        "id,image,type,sku,name,regular_price",
    ],
)
def test_a_table_with_our_names_stays_one_whatever_else_it_has(header: str, tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    (tmp_path / "a.jpg").touch()
    path.write_text(f"{header}\n1,a.jpg,x,y,z,5\n")
    (item,) = read_catalog(path).read_all().items

    assert item.id == "1"
    assert item.photos == (str(tmp_path / "a.jpg"),)
    assert set(item.attributes) == set(header.split(",")[2:])


def test_a_map_that_made_a_feed_readable_before_still_does(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    path = tmp_path / "c.csv"
    path.write_text("id,title,link,image_link,price\n1,x,https://s.test/1,a.jpg,5.00\n")
    (item,) = read_catalog(path, columns={"image": "image_link"}).read_all().items

    assert item.photos == (str(tmp_path / "a.jpg"),)
    assert item.attributes["link"] == "https://s.test/1"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    shop_feeds.draw_photos(folder)
    return folder


@pytest.mark.parametrize("kind", ["hugging_face", "webdataset", "img2dataset"])
def test_a_set_of_pictures_gives_an_item_a_picture(kind: str, photos: Path, tmp_path: Path) -> None:
    names = sorted(path.name for path in photos.iterdir())[:20]
    files = {"hugging_face": "set.parquet", "webdataset": "set.tar", "img2dataset": "set"}
    path = tmp_path / files[kind]
    getattr(shop_feeds, kind)(path, photos, names)
    kept: dict[str, bytes] = {}

    def keep(photo: Packed) -> str:
        kept[photo.name] = photo.data
        return f"/kept/{photo.name}"

    items = read_catalog(path, keep=keep).read_all().items

    assert len({item.id for item in items}) == len(items) == len(names)
    assert [Path(item.photos[0]).name for item in items] == names
    assert {Path(name).name: data for name, data in kept.items()} == {
        name: (photos / name).read_bytes() for name in names
    }
    assert all(str(item.attributes["title"]).startswith("a picture of") for item in items)
    if kind == "hugging_face":
        found = [item.attributes.get("category") for item in items]
        assert found == [(None, "chair", "lamp")[place % 3] for place in range(len(items))]
    else:
        assert [item.attributes["licence"] for item in items] == ["cc0"] * len(items)


BREAKS: dict[str, tuple[bytes, bytes]] = {
    "a price as words": (b"19.50", b"cheap"),
    "a price below nothing": (b"19.50", b"-4.00"),
    "a price of two currencies": (b"19.50", b"EUR 3 USD"),
    "a photo that is no address": (b"https://photos.shop.test/p4a.jpg", b"gopher://x/p4a.jpg"),
    "no photo at all": (b"https://photos.shop.test/p2a.jpg", b""),
    "another price": (b"29.50", b"29.99"),
    "a script in a title": (b"Chair No. 0", b"<i>Chair</i> <b>No. 0</b>"),
    "a title of a megabyte": (b"Chair No. 0", b"x" * 1_000_001),
    "a line end written as text": (b"Chair No. 0", b"Chair \\n No. 0"),
    "unseen characters": (b"Chair No. 0", "Chair\u200b No.\u00a00".encode()),
}


@pytest.mark.parametrize("wrong", BREAKS, ids=lambda name: name.replace(" ", "-"))
@pytest.mark.parametrize("feed", first(4, FEEDS), ids=lambda feed: feed.file)
def test_what_is_broken_costs_itself_and_no_other_row(
    feed: shop_feeds.Feed, wrong: str, tmp_path: Path
) -> None:
    before, after = BREAKS[wrong]
    if feed.file == "shopify-new.csv" and b"p" in before and b".jpg" in before:
        pytest.skip("the photos of a row there are those of the product")
    data = feed.data.replace(before, after)
    if data == feed.data:
        before, after = before.replace(b".", b","), after.replace(b".", b",")
        data = feed.data.replace(before, after)

    whole = {item.id: item for item in read(feed, tmp_path).read_all().items}
    broken = read(feed, tmp_path, data).read_all()
    items = {item.id: item for item in broken.items}
    lost = set(whole) - set(items)

    assert data != feed.data
    assert len(lost) <= 1, "one row at most"
    costly = ("a photo that is no address", "no photo at all", "a title of a megabyte")
    assert bool(lost) <= (wrong in costly)
    assert len([one for one in items if items[one] != whole.get(one)]) <= 3
    assert sum(problem.count for problem in broken.lost) <= 2
    assert len(broken.lost) <= 1, "grouped"
    if lost:
        assert len(broken.errors) >= 1
        assert str(broken.errors[-1])


@pytest.mark.parametrize("feed", FEEDS, ids=lambda feed: feed.file)
def test_a_feed_that_is_cut_short_gives_what_is_there_or_says_what_it_is(
    feed: shop_feeds.Feed, tmp_path: Path
) -> None:
    whole = {item.id: item for item in read(feed, tmp_path).read_all().items}
    for share in (0.3, 0.6, 0.9):
        cut = feed.data[: int(len(feed.data) * share)]
        try:
            found = read(feed, tmp_path, cut.decode("utf-8", "ignore").encode()).read_all()
        except CatalogError:
            continue  # one document, or one row that is many
        same = [item for item in found.items if item == whole.get(item.id)]

        assert len(found.items) - len(same) <= len(whole) * (1 - share) + 4


def test_html_inside_an_element_of_a_feed_is_part_of_its_text(tmp_path: Path) -> None:
    path = tmp_path / "feed.xml"
    path.write_text(
        '<rss xmlns:g="http://base.google.com/ns/1.0"><channel><item><g:id>1</g:id>'
        "<title>A <i>fine</i> vase</title><link>https://s.test/1</link>"
        "<g:description>Of <b>glass</b>.<ul><li>blue</li><li>tall<br/>thin</li></ul>"
        "</g:description>"
        "<g:image_link>https://s.test/1.jpg</g:image_link><g:price>5.00 EUR</g:price>"
        "<g:shipping><g:price>3.00 EUR</g:price></g:shipping></item></channel></rss>"
    )
    (item,) = read_catalog(path, feed=FeedOptions(fetch=True)).read_all().items

    assert item.attributes["title"] == "A fine vase"
    assert str(item.attributes["description"]).split() == ["Of", "glass.", "blue", "tall", "thin"]
    assert item.attributes["price"] == 5.0
