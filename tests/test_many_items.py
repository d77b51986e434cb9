"""Catalogues of more items than are held in memory: the same answers as for few."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenesearch.catalog import kept_items
from scenesearch.catalog.kept_items import item_of_json, item_to_json
from scenesearch.core.types import Item, Record
from scenesearch.index.plan import IndexPlan, ItemPlan, PhotoRef, kept_plans
from scenesearch.sync.audit import Seen, find_duplicates
from scenesearch.system import spool
from scenesearch.system.spool import spooled


@pytest.fixture
def few_held(monkeypatch):
    """Everything beyond three values goes to a file."""
    made = spool.spooled

    def held(values, to_json, of_json):
        return made(values, to_json, of_json, held=3)

    monkeypatch.setattr(kept_items, "spooled", held)
    monkeypatch.setattr("scenesearch.index.plan.spooled", held)
    monkeypatch.setattr("scenesearch.sync.audit.spooled", held)


def test_values_come_back_in_order_from_wherever_they_wait():
    values = spooled(range(1000), str, int, held=10)

    assert not isinstance(values, tuple)
    assert list(values) == list(range(1000)) == list(values)
    assert (len(values), values[0], values[-1], values[500]) == (1000, 0, 999, 500)
    assert values[10:13] == (10, 11, 12)
    assert values[5:5] == ()
    assert values[::400] == (0, 400, 800)
    with pytest.raises(IndexError):
        values[1000]


def test_few_values_are_a_tuple():
    assert spooled("abc", str, str, held=3) == ("a", "b", "c")


_TEXT = st.text(st.characters(exclude_categories=()), max_size=8)
_VALUE = st.one_of(
    _TEXT,
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(_TEXT, max_size=3).map(tuple),
)


@given(st.lists(st.builds(Item, _TEXT, st.just(("a\udcff.jpg",)), st.dictionaries(_TEXT, _VALUE))))
def test_an_item_comes_back_as_it_was(items):
    back = list(spooled(items, item_to_json, item_of_json, held=0))

    assert back == items
    kinds = [[type(value) for value in item.attributes.values()] for item in back]
    assert kinds == [[type(value) for value in item.attributes.values()] for item in items]


def test_a_plan_comes_back_as_it_was(few_held):
    plans = [
        ItemPlan(
            Item(f"i{n}", ("a.jpg",), {"tags": ("x",)}),
            "h",
            write=(PhotoRef("a.jpg", "c1", 0),),
            moved=(PhotoRef("b.jpg", "c2", 1),),
            stale=("c3",),
            patch=bool(n % 2),
            known=True,
        )
        for n in range(9)
    ]

    assert list(kept_plans(plans)) == plans


def test_a_folder_for_temporary_files_that_is_full_is_named(monkeypatch):
    class Full:
        def write(self, _):
            raise OSError(28, "No space left on device")

        def close(self):
            pass

    monkeypatch.setattr(spool.tempfile, "TemporaryFile", lambda **_: Full())

    with pytest.raises(spool.NoSpaceError, match=r"No space left on device; .*TMPDIR"):
        spooled(range(10), str, int, held=3)


def test_the_audit_of_many_finds_what_the_audit_of_few_finds(monkeypatch):
    draw = np.random.default_rng(5)
    looks = [f"{int(draw.integers(1, 2**63)):016x}" for _ in range(12)]

    def photo(n):
        return PhotoRef(f"{n}.jpg", f"c{n % 17}", 0)

    plans = [
        ItemPlan(
            Item(f"new{n}", (), {"group": f"g{n % 5}"} if n % 2 else {}),
            "h",
            write=(photo(n),),
            known=n % 7 == 0,
        )
        for n in range(60)
    ]
    stored = [
        Record(
            f"p{n}",
            {
                "item_id": f"old{n}",
                "photo": f"old{n}.jpg",
                "photo_sha256": f"c{n + 14}",
                "phash": looks[n],
                "region": "whole",
                "colours": [["grey", 50.0, 0.0, 0.0, 1.0]],
            },
            {},
        )
        for n in range(8)
    ]

    def look(paths):
        for path in paths:
            number = int(path.removesuffix(".jpg"))
            near = int(looks[number % 12], 16) ^ (1 << number % 60)
            yield Seen(f"{near:016x}", (50.0, 0.0, float(number % 2 * 30)))

    few = find_duplicates(IndexPlan(tuple(plans)), stored, look, near=4)
    monkeypatch.setattr("scenesearch.sync.audit.spooled", lambda *parts: spooled(*parts, held=2))
    many = find_duplicates(IndexPlan(kept_plans(plans)), stored, look, near=4)

    assert many == few
    assert {finding.same for finding in few} == {True, False}
