"""Sales with dates: the price of the moment, for filters, sorting, answers and REST alike."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import shop
from hypothesis import given
from hypothesis import strategies as st

from scenesearch.api import SceneSearch
from scenesearch.core.batches import scroll_all
from scenesearch.core.conditions import AllOf, AnyOf, Between, Condition, Equals, Not, OneOf
from scenesearch.core.sales import as_of, bounds, last_moment, moment, priced, regular, with_bounds
from scenesearch.core.types import Item
from scenesearch.filters.evaluate import matches
from scenesearch.store.priced import PricedStore
from scenesearch.sync.plan import SyncRules


@pytest.fixture(scope="module", autouse=True)
def parts() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield shop.use_fakes(monkeypatch)


@pytest.fixture(autouse=True)
def _surroundings(clean_surroundings: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCENESEARCH_CUTOUT__MATTING", "never")


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


SALE = {"price": 9.0, "sale_price": 5.0}


@pytest.mark.parametrize(
    ("attributes", "held"),
    [
        ({**SALE, "sale_start": "2026-05-01"}, (at("2026-05-01"), None)),
        ({**SALE, "sale_end": "2026-05-31"}, (0, at("2026-05-31T23:59:59"))),
        ({**SALE, "sale_end": "2026-05-31T08:00Z"}, (0, at("2026-05-31T08:00"))),
        (SALE, None),
        ({"price": 9.0, "sale_price": 9.0, "sale_end": "2026-05-31"}, None),
        ({"price": 9.0, "sale_end": "2026-05-31"}, None),
        ({**SALE, "sale_end": "soon"}, None),
    ],
)  # fmt: skip
def test_when_a_sale_holds(attributes: dict[str, Any], held: tuple[float, Any] | None) -> None:
    found = bounds(attributes)

    assert (found is None) == (held is None)
    if found is not None and held is not None:
        assert found[0] == held[0]
        assert found[1] == (held[1] or found[1])


def test_a_date_is_read_as_shops_write_it() -> None:
    assert moment("2/19/18, 1:06 AM") == datetime(2018, 2, 19, 1, 6, tzinfo=UTC)
    assert moment("2026-05-01T08:00+0200") == datetime(2026, 5, 1, 6, tzinfo=UTC)
    assert moment("soon") is moment("") is moment(None) is None
    assert last_moment("2026-05-31") == datetime(2026, 5, 31, 23, 59, 59, tzinfo=UTC)
    assert last_moment("2026-05-31T00:00") == datetime(2026, 5, 31, tzinfo=UTC)


prices = st.sampled_from([1.0, 5.0, 7.5, 9.0, 20.0])
days = st.none() | st.sampled_from(["2026-05-01", "2026-05-15", "2026-05-31", "never"])
items = st.fixed_dictionaries(
    {},
    optional={"price": prices, "list_price": prices, "sale_price": prices}
    | {"sale_start": days, "sale_end": days},
)
tests = st.sampled_from(["price", "list_price"]).flatmap(
    lambda field: (
        st.builds(Equals, st.just(field), prices)
        | st.builds(OneOf, st.just(field), st.tuples(prices, prices))
        | st.builds(Between, st.just(field), gte=prices, lt=st.none() | prices)
    )
)
conditions = st.recursive(
    tests,
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(AllOf, st.tuples(inner, inner))
        | st.builds(AnyOf, st.tuples(inner, inner))
    ),
    max_leaves=4,
)
FIELDS: dict[str, Any] = dict.fromkeys(
    ("price", "list_price", "sale_price"), "float"
) | dict.fromkeys(("sale_from", "sale_until"), "integer")


@given(items, conditions, st.sampled_from(["2026-04-30", "2026-05-15", "2026-05-31", "2026-06-01"]))
def test_a_filter_on_what_is_stored_is_one_on_what_is_paid(
    attributes: dict[str, Any], condition: Condition, day: str
) -> None:
    now = at(day)
    stored = with_bounds({k: v for k, v in attributes.items() if v is not None})
    asked = as_of(condition, now)

    assert asked is not None
    assert matches(asked, stored, FIELDS) == matches(condition, priced(stored, now), FIELDS)


@given(items, st.sampled_from(["2026-04-30", "2026-05-15", "2026-06-01"]))
def test_what_was_read_is_stored_as_it_was(attributes: dict[str, Any], day: str) -> None:
    stored = {k: v for k, v in attributes.items() if v is not None}
    if bounds(regular(stored)) is None or "list_price" in stored:
        return
    shown = {k: v for k, v in priced(with_bounds(stored), at(day)).items() if "from" not in k}
    shown.pop("sale_until", None)

    assert regular(shown) == stored


FEED = """id\ttitle\tlink\timage_link\tprice\tsale_price\tsale_price_effective_date
a\tA\thttps://s.test/a\ta.png\t90.00 EUR\t60.00 EUR\t2026-05-10T00:00Z/2026-05-20T00:00Z
b\tB\thttps://s.test/b\tb.png\t80.00 EUR\t40.00 EUR\t/2026-05-12T00:00Z
c\tC\thttps://s.test/c\tc.png\t70.00 EUR\t\t
d\tD\thttps://s.test/d\td.png\t99.00 EUR\t65.00 EUR\t
"""
PAID = {
    "2026-05-01": {"a": (90.0, None), "b": (40.0, 80.0), "c": (70.0, None), "d": (65.0, 99.0)},
    "2026-05-15": {"a": (60.0, 90.0), "b": (80.0, None), "c": (70.0, None), "d": (65.0, 99.0)},
    "2026-05-25": {"a": (90.0, None), "b": (80.0, None), "c": (70.0, None), "d": (65.0, 99.0)},
}


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sales")
    for seed, name in enumerate("abcd"):
        shop.save(shop.noise(seed), folder / f"{name}.png")
    (folder / "feed.tsv").write_text(FEED)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("SCENESEARCH_CUTOUT__MATTING", "never")
        with SceneSearch(folder / "store") as front:
            front.index(folder / "feed.tsv")
    return folder


def opened(folder: Path, day: str) -> SceneSearch:
    front = SceneSearch(folder / "store")
    store = front.store
    assert isinstance(store, PricedStore)
    store._clock = lambda: at(day)
    return front


@pytest.mark.parametrize("day", PAID)
def test_what_is_paid_is_what_is_asked_for(day: str, indexed: Path) -> None:
    paid = PAID[day]
    with opened(indexed, day) as front:
        stored = {one: front.get(one) for one in paid}
        read = {str(r.payload["item_id"]): dict(r.payload) for r in scroll_all(front.store)}
        few = {
            str(r.payload["item_id"]): dict(r.payload)
            for r in scroll_all(front.store, fields=("item_id", "price"))
        }
        cheap = {
            m.item_id for m in front.search(photos=indexed / "a.png", where="price < 70").matches
        }
        look = front.search(photos=indexed / "a.png", sort="price", candidates=50)
        rising = [m.item_id for m in look.matches]
        words = {m.item_id for m in front.search("under 65 euro").matches}
        reduced = front.count("list_price > 0")

    for one, (price, former) in paid.items():
        assert stored[one] is not None
        for found in (stored[one].attributes, read[one]):  # type: ignore[union-attr]
            assert (found["price"], found.get("list_price")) == (price, former)
        assert few[one] == {"item_id": one, "price": price}
    assert cheap == {one for one, (price, _) in paid.items() if price < 70}
    assert rising == sorted(paid, key=lambda one: paid[one][0])
    assert [m.attributes["price"] for m in look.matches] == sorted(p for p, _ in paid.values())
    assert words == {one for one, (price, _) in paid.items() if price < 65}
    assert reduced == sum(former is not None for _, former in paid.values())


def test_a_sale_that_passes_changes_nothing_that_is_stored(indexed: Path) -> None:
    rules = SyncRules(audit=False)
    for day in PAID:
        with opened(indexed, day) as front:
            done = front.sync(indexed / "feed.tsv", rules=rules, dry_run=True)

        assert done.plan.unchanged == 4, day


def test_items_that_were_read_can_be_written_back(indexed: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes((indexed / "a.png").read_bytes())
    sale = {"price": 90.0, "sale_price": 60.0, "sale_end": "2026-05-20"}
    with SceneSearch(tmp_path / "store") as front:
        front.put([Item("a", (str(tmp_path / "a.png"),), sale)])
        store = front.store
        assert isinstance(store, PricedStore)
        for day, price in (("2026-05-15", 60.0), ("2026-05-20", 60.0), ("2026-05-21", 90.0)):
            store._clock = lambda day=day: at(day)  # type: ignore[misc]
            found = front.get("a")

            assert found is not None
            assert found.attributes["price"] == price
            front.set_attributes([Item("a", (), found.attributes)])
        front.set_attributes([Item("a", (), {"price": 50.0})])
        found = front.get("a")

        assert found is not None
        assert found.attributes == {"price": 50.0}


def test_a_collection_without_sales_is_passed_on_as_it_is(indexed: Path, tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("id,image,price,sale_price\na,a.png,9,5\n")
    (tmp_path / "a.png").write_bytes((indexed / "a.png").read_bytes())
    with SceneSearch(tmp_path / "store") as front:
        front.index(path)
        found = front.get("a")
        store = front.store
        assert isinstance(store, PricedStore)

        assert found is not None
        assert found.attributes == {"price": 5.0, "list_price": 9.0}
        assert store._now() is None
