"""What the engine does to items: put, get, list, patch, delete, and their photos."""

from __future__ import annotations

import hashlib
import io
import random
import threading
import unicodedata
from datetime import UTC, datetime
from pathlib import Path

import pytest
import shop
from fakes.store import MemoryStore
from PIL import Image

from scenesearch.api import SceneSearch
from scenesearch.config.settings import Settings
from scenesearch.core.errors import (
    CatalogError,
    FilterError,
    ImageError,
    NoSpaceError,
    QueryError,
    StoreError,
)
from scenesearch.engine.catalogue import CatalogueTasks
from scenesearch.engine.tasks import (
    DeleteItems,
    GetItem,
    ItemRecord,
    ListItems,
    PatchItem,
    Photo,
    PutItems,
)
from scenesearch.images import load_scene
from scenesearch.images.media_folder import MediaFolder
from scenesearch.store.embedded.edge import EdgeStore
from scenesearch.store.priced import PricedStore


def png(image) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, "PNG")
    return out.getvalue()


def colour(name, shape="square"):
    return Photo(png(shop.product(name, shape)), "photo.png")


def pattern(seed):
    return Photo(png(shop.noise(seed)), "../../etc/passwd.png")


def record(item_id, *photos, **attributes):
    return ItemRecord(item_id, photos or (colour("red"),), attributes)


class Engine:
    """The tasks over fakes, in one folder."""

    def __init__(self, folder: Path, store, settings: Settings) -> None:
        self.front = SceneSearch(folder / "store", config=settings)
        self.opened = self.front._opened
        if store is not None:
            self.opened.store = store
        self.media = MediaFolder(folder / "media", min_free_bytes=0)
        self.decoded: list[str] = []
        self.tasks = CatalogueTasks(self.opened, self.media, self.decode)

    def decode(self, photo):
        self.decoded.append(photo.name)
        return load_scene(photo.data, name=photo.name)

    @property
    def embedded(self):
        return self.opened.parts.embedder.embedded

    def put(self, *records):
        return [(one["id"], one["status"]) for one in self.tasks.put_items(PutItems(records))]

    def refusal(self, one):
        answer = self.tasks.put_items(PutItems((one,)))[0]
        assert answer["status"] == "failed"
        return answer["error"]

    def get(self, item_id):
        return self.tasks.get_item(GetItem(item_id))

    def patch(self, item_id, **attributes):
        return self.tasks.patch_item(PatchItem(item_id, attributes))

    def delete(self, *ids, where=None):
        return self.tasks.delete_items(DeleteItems(ids, where))

    def all(self, limit=50, where=None):
        found, cursor = [], None
        while True:
            page = self.tasks.list_items(ListItems(where, limit, cursor))
            found += [item["id"] for item in page["items"]]
            cursor = page["cursor"]
            if cursor is None:
                return found

    def search(self, name):
        return [match.item_id for match in self.front.search(photos=shop.product(name)).matches]


@pytest.fixture(params=["memory", "edge"])
def engine(request, tmp_path, monkeypatch, clean_surroundings):
    shop.use_fakes(monkeypatch)
    store = (
        MemoryStore()
        if request.param == "memory"
        else EdgeStore(tmp_path / "store", "items", min_free_bytes=0)
    )
    made = Engine(tmp_path, store, Settings(min_free_megabytes=0))
    yield made
    made.front.close()


@pytest.fixture
def memory(tmp_path, monkeypatch, clean_surroundings):
    shop.use_fakes(monkeypatch)
    made = Engine(tmp_path, MemoryStore(), Settings(min_free_megabytes=0))
    yield made
    made.front.close()


def test_what_was_put_is_got_listed_and_found(engine):
    done = engine.put(
        record("a", colour("red"), pattern(1), title="Red thing", price=5, tags=["x", "y"]),
        record("b", colour("blue"), title="Blue thing", price=7.5, in_stock=True, width=30),
    )

    assert done == [("a", "added"), ("b", "added")]
    item = engine.get("a")
    assert item["attributes"] == {"title": "Red thing", "price": 5.0, "tags": ["x", "y"]}
    assert [photo["regions"] for photo in item["photos"]] == [1, 1]
    for photo in item["photos"]:
        assert photo["photo_url"] == f"/v1/photos/{photo['point_id']}?width=320"
    assert engine.get("b")["attributes"]["width"] == 30
    assert engine.get("b")["attributes"]["in_stock"] is True
    assert engine.all() == ["a", "b"]
    assert engine.search("blue")[0] == "b"
    assert "etc" not in str(sorted(engine.media.root.rglob("*")))


def test_no_path_of_a_file_is_in_an_answer(memory):
    memory.put(record("a", title="x"))

    assert str(memory.media.root) not in repr(memory.get("a"))
    assert str(memory.media.root) not in repr(memory.tasks.list_items(ListItems()))


def test_before_the_first_item_everything_is_empty(memory):
    assert memory.get("a") is None
    assert memory.all() == []
    assert memory.patch("a", x=1) is None
    assert memory.delete("a") == {"items": 0, "points": 0}


def test_the_same_again_is_unchanged_and_decodes_and_embeds_nothing(memory):
    memory.put(record("a", title="x", price=1.0))
    decoded, embedded = len(memory.decoded), memory.embedded

    assert memory.put(record("a", title="x", price=1)) == [("a", "unchanged")]
    assert (len(memory.decoded), memory.embedded) == (decoded, embedded)
    assert decoded == 1, "what was decoded to be checked is not decoded again to be embedded"


def test_other_attributes_embed_nothing_and_drop_what_is_not_given(memory):
    memory.put(record("a", title="x", old=1))
    embedded = memory.embedded

    assert memory.put(record("a", title="y")) == [("a", "changed")]
    assert memory.embedded == embedded
    assert memory.get("a")["attributes"] == {"title": "y"}


def test_only_new_photos_are_embedded_and_the_points_of_those_gone_leave(memory):
    memory.put(record("a", colour("red"), colour("blue")))
    points, embedded = {p["point_id"] for p in memory.get("a")["photos"]}, memory.embedded

    assert memory.put(record("a", colour("blue"), colour("green"))) == [("a", "changed")]
    photos = [p["point_id"] for p in memory.get("a")["photos"]]
    assert memory.embedded == embedded + 2  # a cutout and a context
    assert len(photos) == 2
    assert photos[0] in points
    assert photos[1] not in points
    assert memory.front.store.count() == 2


def test_the_order_of_photos_is_that_of_the_last_put(memory):
    memory.put(record("a", colour("red"), colour("blue")))
    first = [p["point_id"] for p in memory.get("a")["photos"]]

    memory.put(record("a", colour("blue"), colour("red")))
    assert [p["point_id"] for p in memory.get("a")["photos"]] == first[::-1]


BAD = [
    ("an empty id", record(""), "empty_id"),
    ("an id that is too long", record("x" * 513), "long_id"),
    ("an id with control characters", record("a\x00b"), "bad_id"),
    ("an id that is no text", record(None), "empty_id"),
    ("half a character in an id", record("a\ud800"), "bad_id"),
    ("no photo", ItemRecord("z", ()), "missing_image"),
    ("a photo that is none", record("z", Photo(b"%PDF-1.7")), "unsupported_image"),
    ("an empty photo", record("z", Photo(b"")), "empty_image"),
    ("half a photo", record("z", Photo(pattern(3).data[:150])), "truncated_image"),
    ("an infinite number", record("z", size=float("inf")), "bad_number"),
    ("a number that is none, in a new field", record("z", fresh=float("nan")), "bad_number"),
    ("an object", record("z", size={"a": 1}), "nested_value"),
    ("an object in a new field", record("z", fresh={"a": 1}), "nested_value"),
    ("a list in a list", record("z", tags=[["a"]]), "nested_value"),
    ("text for a number", record("z", size="large"), "wrong_type"),
    ("a huge number", record("z", size=2**70), "wrong_type"),
    ("true for a number", record("z", size=True), "wrong_type"),
    ("a number for a flag", record("z", flag=1), "wrong_type"),
    ("a number for text", record("z", kind=5), "wrong_type"),
    ("a list for a number", record("z", size=[1, 2]), "wrong_type"),
    ("a price below nothing", record("z", price=-1), "bad_price"),
    ("a link that is a script", record("z", url="javascript:alert(1)"), "bad_url"),
    ("half a character", record("z", kind="\ud800"), "bad_text"),
    ("a name of other letters", ItemRecord("z", (colour("red"),), {"größe": 1}), "bad_column"),
    ("the item's own name", ItemRecord("z", (colour("red"),), {"id": "q"}), "bad_column"),
    ("two names that are one", record("z", inStock=True, in_stock=True), "duplicate_column"),
]


@pytest.mark.parametrize(("bad", "code"), [one[1:] for one in BAD], ids=[one[0] for one in BAD])
def test_a_bad_record_costs_itself_only(memory, bad, code):
    memory.put(record("a", size=1, flag=False, kind="k"))

    answers = memory.tasks.put_items(PutItems((record("g1"), bad, record("g2"))))
    assert [one["status"] for one in answers] == ["added", "failed", "added"]
    assert answers[1]["error"]["code"] == code
    assert len(answers[1]["error"]["detail"]) > 20
    assert memory.all() == ["a", "g1", "g2"]
    assert set(memory.front.store.schema.fields).isdisjoint({"fresh"})


def test_an_item_of_which_one_photo_is_bad_stays_as_it_was(memory):
    memory.put(record("a", colour("red"), title="x"))
    before = memory.get("a")

    error = memory.refusal(record("a", colour("blue"), Photo(b"no photo"), title="y"))
    assert error["code"] == "unsupported_image"
    assert error["detail"].startswith("photo 2: ")
    assert memory.get("a") == before


def test_reserved_names_are_prefixed_and_come_back_unchanged(memory):
    memory.put(record("a", label="L", photo="P", Color="red", inStock=True))

    stored = memory.get("a")["attributes"]
    assert stored == {"attr_label": "L", "attr_photo": "P", "colour": "red", "in_stock": True}
    assert memory.put(record("a", **stored)) == [("a", "unchanged")]


def test_a_new_field_is_typed_over_the_batch_and_can_be_filtered(memory):
    memory.put(record("a", size=1, mark="m"), record("b", size=2.5), record("c", mark=7))

    assert memory.all(where="size > 1.5") == ["b"]
    assert memory.all(where="mark = '7'") == ["c"]
    assert memory.all(where="mark in ('m', '7')") == ["a", "c"]


def test_a_field_of_whole_numbers_takes_a_decimal_one_day(engine):
    engine.put(record("a", rating=4), record("b", rating=5))

    assert engine.put(record("c", rating=4.5), record("d", rating=4)) == [
        ("c", "added"),
        ("d", "added"),
    ]
    assert engine.all(where="rating > 4.2") == ["b", "c"]
    assert engine.patch("a", rating=3.25)["attributes"]["rating"] == 3.25
    assert engine.put(record("b", rating=4)) == [("b", "changed")]
    assert engine.all(where="rating = 4") == ["b", "d"]
    assert engine.refusal(record("e", rating="many"))["code"] == "wrong_type"


def test_a_decimal_that_is_whole_changes_no_type(memory):
    memory.put(record("a", rating=4), record("b", rating=5.0), record("c", rating=4.5))
    memory.put(record("d", size=4), record("e", size=5))
    memory.put(record("f", size=6.0))

    assert memory.opened.fields()["size"] == "integer"
    assert memory.opened.fields()["rating"] == "float"


def test_a_patch_widens_too(memory):
    memory.put(record("a", rating=4), record("b", rating=5))

    assert memory.patch("a", rating=4.5)["attributes"]["rating"] == 4.5
    assert memory.all(where="rating > 4.2") == ["a", "b"]


def test_ids_that_differ_in_how_letters_are_composed_are_one_item(memory):
    composed, decomposed = (unicodedata.normalize(f, "Kärnö/1") for f in ("NFC", "NFD"))
    assert composed != decomposed
    memory.put(record(composed, title="x"))

    assert memory.put(record(decomposed, title="y")) == [(composed, "changed")]
    assert memory.get(decomposed) == memory.get(composed)
    assert memory.patch(decomposed, title="z")["id"] == composed
    assert memory.all() == [composed]
    assert memory.delete(decomposed) == {"items": 1, "points": 1}


def test_an_id_twice_in_a_batch_is_refused_unless_it_says_the_same(memory):
    done = memory.put(record("a", price=1), record("a", price=2), record("a", price=1))

    assert done == [("a", "added"), ("a", "failed"), ("a", "added")]
    assert memory.get("a")["attributes"] == {"price": 1.0}


def test_patching_merges_removes_and_adds_fields_without_embedding(engine):
    engine.put(record("a", colour("red"), colour("blue"), title="x", price=5.0, tags=["p", "q"]))
    embedded = engine.embedded

    changed = engine.patch("a", price=9.5, tags=None, weight=3)
    assert changed["attributes"] == {"title": "x", "price": 9.5, "weight": 3}
    assert changed == engine.get("a")
    assert engine.embedded == embedded
    assert engine.all(where="weight = 3 and price > 9") == ["a"]
    same = record("a", colour("red"), colour("blue"), title="x", price=9.5, weight=3)
    assert engine.put(same) == [("a", "unchanged")]
    assert len({p["item_hash"] for p in (r.payload for r in engine.front.store.scroll())}) == 1


def test_patching_opens_no_embedding_cache(tmp_path, monkeypatch, clean_surroundings):
    shop.use_fakes(monkeypatch)
    settings = Settings(min_free_megabytes=0)
    first = Engine(tmp_path, None, settings)
    first.put(record("a", title="Red thing", price=5))
    first.front.close()
    cache = tmp_path / "store" / "embeddings.sqlite"
    cache.unlink()
    cache.mkdir()
    again = Engine(tmp_path, None, settings)

    assert again.patch("a", price=7.5)["attributes"] == {"title": "Red thing", "price": 7.5}
    assert again.patch("a", title=None, width=3)["attributes"] == {"price": 7.5, "width": 3}
    with pytest.raises(StoreError, match="cannot be used as embedding cache"):
        again.put(record("b", colour("blue")))
    again.front.close()


def test_patching_what_is_so_already_writes_nothing(memory):
    store = shop.RecordingStore()
    memory.opened.store = store
    memory.put(record("a", title="x", price=5))
    writes = len(store.writes)

    memory.patch("a", price=5.0, absent=None)
    assert len(store.writes) == writes


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ({"size": "large"}, "wrong_type"),
        ({"price": float("nan")}, "bad_price"),
        ({"deep": {"a": 1}}, "nested_value"),
        ({"größe": 1}, "bad_column"),
    ],
    ids=str,
)
def test_a_bad_patch_is_refused_and_changes_nothing(memory, attributes, code):
    memory.put(record("a", size=1))
    before = memory.get("a")

    with pytest.raises(CatalogError) as refused:
        memory.tasks.patch_item(PatchItem("a", {"other": 1, **attributes}))
    assert refused.value.code == code
    assert memory.get("a") == before
    assert "other" not in memory.front.store.schema.fields


def test_deleting_counts_what_was_there_and_nothing_finds_it_again(engine):
    engine.put(*(record(f"i{n}", pattern(n), pattern(n + 50), price=n) for n in range(6)))
    engine.search("red")

    assert engine.delete("i0", "i1", "nobody") == {"items": 2, "points": 4}
    assert engine.delete(where="price >= 4") == {"items": 2, "points": 4}
    assert engine.delete("i2", "i3", where="price = 3") == {"items": 1, "points": 2}
    assert engine.all() == ["i2"]
    assert engine.search("red") == ["i2"]
    assert engine.get("i0") is None


def test_deleting_by_what_one_photo_shows_removes_the_whole_item(memory):
    memory.put(record("a", colour("red"), colour("blue")), record("b", colour("blue")))

    assert memory.delete(where="colour_names = 'red'") == {"items": 1, "points": 2}
    assert memory.all() == ["b"]


def test_deleting_without_saying_what_is_refused(memory):
    with pytest.raises(QueryError, match="ids or a filter"):
        memory.delete()


def test_a_listing_gives_every_item_once_whatever_the_page(memory):
    ids = sorted(f"id {n * 7919 % 101}" for n in range(23))
    memory.put(*(record(i, pattern(n), pattern(n + 100), price=n) for n, i in enumerate(ids)))

    for limit in (1, 4, 22, 23, 100):
        assert memory.all(limit) == ids
    assert memory.all(4, where="price < 10") == ids[:10]


def test_a_listing_neither_repeats_nor_misses_what_stays_while_others_come_and_go(memory):
    memory.put(*(record(f"{n:02}", pattern(n)) for n in range(20)))
    page = memory.tasks.list_items(ListItems(None, 8))
    found = [item["id"] for item in page["items"]]

    memory.delete("02", "10")
    memory.put(record("005", pattern(30)), record("995", pattern(31)))
    # other photos are other points, in other places of the store
    memory.put(*(record(f"{n:02}", pattern(n + 40)) for n in (3, 12)))
    while page["cursor"]:
        page = memory.tasks.list_items(ListItems(None, 8, page["cursor"]))
        found += [item["id"] for item in page["items"]]

    stayed = [f"{n:02}" for n in range(20) if n not in (2, 10)]
    assert [i for i in found if i in stayed] == stayed
    assert len(found) == len(set(found))
    assert "10" not in found


def test_a_listing_goes_on_after_a_restart(memory):
    memory.put(*(record(f"{n}", pattern(n)) for n in range(6)))
    page = memory.tasks.list_items(ListItems(None, 2))

    again = CatalogueTasks(memory.opened, memory.media, memory.decode)
    found = again.list_items(ListItems(None, 10, page["cursor"]))
    assert [item["id"] for item in found["items"]] == ["2", "3", "4", "5"]


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "!!!", "bnVsbA", "W10", "WzEsMiwzXQ", "WyJhIiwiYiJd", "é", "A" * 5000, "W1tbW1tb"],
    ids=lambda cursor: cursor[:10],
)
def test_a_cursor_that_is_none_is_refused(memory, cursor):
    memory.put(record("a"))

    with pytest.raises(QueryError) as refused:
        memory.tasks.list_items(ListItems(None, 10, cursor))
    assert refused.value.code == "bad_cursor"


def test_a_cursor_belongs_to_its_filter(memory):
    memory.put(*(record(str(n), price=n) for n in range(4)))
    cursor = memory.tasks.list_items(ListItems("price > 0", 1))["cursor"]

    with pytest.raises(QueryError, match="another filter"):
        memory.tasks.list_items(ListItems(None, 1, cursor))


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_page_has_a_size(memory, limit):
    with pytest.raises(QueryError, match="limit must be"):
        memory.tasks.list_items(ListItems(None, limit))


def test_a_filter_that_names_nothing_is_refused(memory):
    memory.put(record("a"))

    with pytest.raises(FilterError):
        memory.all(where="nothing = 1")
    with pytest.raises(FilterError):
        memory.delete(where="nothing = 1")
    assert memory.all() == ["a"]


def test_small_puts_neither_optimise_nor_read_other_items(memory):
    store = shop.RecordingStore()
    asked: list = []
    scroll = store.scroll
    store.scroll = lambda **more: (asked.append(more.get("where")), scroll(**more))[1]
    store.optimize = lambda: asked.append("optimize")
    memory.opened.store = store
    memory.put(record("a", title="x"))
    asked.clear()

    memory.put(record("b", title="y"))
    assert "optimize" not in asked
    assert None not in asked, "a scroll without a filter reads the whole collection"


def test_after_many_puts_the_collection_is_settled(memory, monkeypatch):
    import scenesearch.engine.item_writes as module

    monkeypatch.setattr(module, "SETTLE_AFTER", 4)
    settled: list = []
    monkeypatch.setattr(module.indexing, "settle", settled.append)
    for n in range(8):
        memory.put(record(str(n), pattern(n)))

    assert len(settled) == 2


def test_a_photo_that_does_not_fit_the_disk_is_not_acknowledged(memory):
    memory.put(record("a"))
    memory.media._min_free = 2**60

    with pytest.raises(NoSpaceError):
        memory.put(record("b", pattern(1)))
    assert memory.all() == ["a"]


def test_a_decoder_that_gives_up_costs_the_record_only(memory):
    def decode(photo):
        if photo.name == "slow":
            raise ImageError("slow: not decoded within 10 s", code="timed_out")
        return load_scene(photo.data)

    memory.tasks = CatalogueTasks(memory.opened, memory.media, decode)
    slow = record("slow", Photo(pattern(2).data, "slow"))
    answers = memory.tasks.put_items(PutItems((record("a"), slow)))
    assert [one["status"] for one in answers] == ["added", "failed"]
    assert answers[1]["error"]["code"] == "timed_out"
    assert not list(memory.media.root.rglob(hashlib.sha256(slow.photos[0].data).hexdigest() + "*"))


def test_what_a_catalogue_said_is_unchanged_when_it_is_put(memory, tmp_path):
    items = shop.colour_shop(tmp_path / "photos")[:3]
    memory.front.index(shop.write_catalog(tmp_path / "photos", items))
    first = items[0]
    again = ItemRecord(
        first.id,
        (Photo(Path(first.photos[0]).read_bytes()),),
        {k: list(v) if isinstance(v, tuple) else v for k, v in first.attributes.items()},
    )
    embedded = memory.embedded
    assert memory.put(again) == [(first.id, "changed")], "its photo lies elsewhere now"
    assert memory.put(again) == [(first.id, "unchanged")]
    assert memory.embedded == embedded


@pytest.mark.store
def test_threads_that_put_patch_delete_get_and_search_see_what_was_acknowledged(engine):
    """Each thread owns its items, and knows after every answer what must be read."""
    engine.put(*(record(f"base{n}", pattern(n)) for n in range(4)))
    wrong: list[str] = []
    # a write to the disk of a busy machine can take a second
    rounds = 6 if isinstance(engine.front.store, EdgeStore) else 60

    def work(number):
        drawn = random.Random(number)
        held: dict[str, float] = {}
        try:
            for _ in range(rounds):
                item_id = f"t{number}-{drawn.randrange(4)}"
                price = float(drawn.randrange(1000))
                match drawn.choice(["put", "patch", "delete", "search", "list"]):
                    case "put":
                        engine.put(record(item_id, pattern(drawn.randrange(40)), price=price))
                        held[item_id] = price
                    case "patch":
                        found = engine.patch(item_id, price=price)
                        if (found is not None) != (item_id in held):
                            wrong.append(f"patched {item_id}: {found}")
                        if found is not None:
                            held[item_id] = price
                    case "delete":
                        gone = engine.delete(item_id)["items"]
                        if gone != (held.pop(item_id, None) is not None):
                            wrong.append(f"deleted {gone} of {item_id}")
                    case "search":
                        look = engine.front.search(photos=shop.noise(drawn.randrange(40)))
                        mine = {m.item_id for m in look.matches if m.item_id[:2] == f"t{number}"}
                        if mine - set(held):
                            wrong.append(f"found deleted {mine - set(held)}")
                    case "list":
                        mine = {i for i in engine.all(7) if i.startswith(f"t{number}")}
                        if mine != set(held):
                            wrong.append(f"listed {mine}, holds {set(held)}")
                found = engine.get(item_id)
                if (found is None) == (item_id in held):
                    wrong.append(f"got {found} of {item_id}, holds {held.get(item_id)}")
                elif found is not None and found["attributes"] != {"price": held[item_id]}:
                    wrong.append(f"got {found} of {item_id}, holds {held[item_id]}")
        except Exception as error:
            wrong.append(repr(error))
            raise

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert wrong == []
    assert {f"base{n}" for n in range(4)} <= set(engine.all())


def test_a_sale_is_written_with_its_dates_and_patched_as_it_was_written(memory):
    now = datetime(2026, 5, 10, tzinfo=UTC).timestamp()
    memory.opened.store = PricedStore(memory.opened.store, lambda: now)
    sale = {"sale_price": 5, "sale_end": "2026-05-20"}
    memory.put(record("a", price=9, **sale), record("b", price=9))
    read = memory.get("a")["attributes"]

    assert read == {"price": 5.0, "list_price": 9.0, "sale_price": 5.0, "sale_end": "2026-05-20"}
    assert memory.all(where="price < 6") == ["a"]

    memory.patch("a", title="New")  # what was read is no new price

    assert memory.get("a")["attributes"] == {**read, "title": "New"}

    now += 11 * 86_400

    assert memory.get("a")["attributes"]["price"] == 9.0
    assert memory.all(where="price < 6") == []

    now -= 11 * 86_400
    memory.patch("a", sale_price=None)

    assert memory.get("a")["attributes"]["price"] == 9.0
    assert memory.refusal(record("c", price=9, sale_end="soon"))["code"] == "bad_date"
