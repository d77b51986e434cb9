"""The plan of an index run: the catalogue against what is stored, as values."""

from __future__ import annotations

import pytest

from scenesearch.core.errors import ImageError
from scenesearch.core.types import Item, Record
from scenesearch.index.plan import (
    IndexPlan,
    ItemPlan,
    PhotoRef,
    StoredItem,
    make_plan,
    stored_items,
)


def item(item_id="a", *photos, **attributes):
    return Item(item_id, photos or ("1.jpg",), attributes)


def digest_of(path):
    """The content of ``1.jpg`` is ``c1``; a path may name other content after a ``=``."""
    if "missing" in path:
        raise FileNotFoundError(path)
    if "refused" in path:
        raise ImageError(f"{path}: refused")
    return "c" + path.partition("=")[2] if "=" in path else f"c{path[0]}"


def plan_of(items, stored=None, *, prune=False, **more):
    return make_plan(
        items,
        lambda _: stored or {},
        item_hash=lambda i: str(dict(i.attributes)),
        prune=stored if prune else (),
        photo_hash=digest_of,
        **more,
    )


def stored(hash_="{}", *, partial=(), **photos):
    """``stored(c1="1.jpg")``; the place is the order given."""
    places = {sha256: (path, place) for place, (sha256, path) in enumerate(photos.items())}
    return StoredItem(frozenset({hash_}), places, frozenset(partial))


def the_only(plan):
    (one,) = plan.items
    return one


def record(item_id="a", sha256="c1", *, regions=1, hash_="h", photo="1.jpg", index=0):
    payload = {
        "item_id": item_id,
        "item_hash": hash_,
        "photo": photo,
        "photo_sha256": sha256,
        "photo_index": index,
        "region_count": regions,
    }
    return Record("id", payload, {})


def test_an_item_that_is_not_stored_is_written_whole():
    one = the_only(plan_of([item("a", "1.jpg", "2.jpg")]))

    assert one.write == (PhotoRef("1.jpg", "c1", 0), PhotoRef("2.jpg", "c2", 1))
    assert (one.known, one.patch, one.moved, one.stale) == (False, False, (), ())


def test_an_item_that_is_stored_as_it_is_gives_no_work():
    plan = plan_of([item()], {"a": stored(c1="1.jpg")})

    assert plan == IndexPlan((), (), 1, ())


@pytest.mark.parametrize(
    ("wanted", "there", "expected"),
    [
        pytest.param(item("a", price=2), stored(c1="1.jpg"), {"patch": True}, id="attributes"),
        pytest.param(
            item("a", "2.jpg"),
            stored(c1="1.jpg"),
            {"write": (PhotoRef("2.jpg", "c2", 0),), "stale": ("c1",)},
            id="another photo",
        ),
        pytest.param(
            item("a", "1.jpg", "2.jpg"),
            stored(c1="1.jpg"),
            {"write": (PhotoRef("2.jpg", "c2", 1),)},
            id="one photo more",
        ),
        pytest.param(
            item("a", "1.jpg"), stored(c1="1.jpg", c2="2.jpg"), {"stale": ("c2",)}, id="one less"
        ),
        pytest.param(
            item("a", "new=1"),
            stored(c1="1.jpg"),
            {"moved": (PhotoRef("new=1", "c1", 0),)},
            id="another path",
        ),
        pytest.param(
            item("a", "2.jpg", "1.jpg"),
            stored(c1="1.jpg", c2="2.jpg"),
            {"moved": (PhotoRef("2.jpg", "c2", 0), PhotoRef("1.jpg", "c1", 1))},
            id="another order",
        ),
        pytest.param(
            item("a", "1.jpg"),
            stored(partial=("c1",)),
            {"write": (PhotoRef("1.jpg", "c1", 0),)},
            id="a photo half there",
        ),
        pytest.param(
            item("a", "1.jpg"),
            stored(partial=("c9",), c1="1.jpg"),
            {"stale": ("c9",)},
            id="half of a photo that is gone",
        ),
    ],
)
def test_only_what_changed_is_planned(wanted, there, expected):
    one = the_only(plan_of([wanted], {"a": there}))

    assert one == ItemPlan(wanted, str(dict(wanted.attributes)), known=True, **expected)


def test_two_hashes_on_one_item_are_an_interrupted_update_and_are_patched():
    there = StoredItem(frozenset({"{}", "older"}), {"c1": ("1.jpg", 0)})

    assert the_only(plan_of([item()], {"a": there})).patch


def test_the_same_content_twice_in_an_item_is_one_photo_at_its_first_place():
    one = the_only(plan_of([item("a", "1.jpg", "copy=1", "2.jpg")]))

    assert one.write == (PhotoRef("1.jpg", "c1", 0), PhotoRef("2.jpg", "c2", 2))


@pytest.mark.parametrize("path", ["missing.jpg", "refused.jpg"])
def test_a_photo_that_cannot_be_read_is_a_failure_and_deletes_nothing(path):
    plan = plan_of([item("a", "1.jpg", path)], {"a": stored(c1="1.jpg", c2="2.jpg")})

    assert plan.items == ()
    assert plan.unchanged == 0
    (failure,) = plan.failures
    assert (failure.item_id, failure.photo) == ("a", path)
    assert path in failure.reason


def test_a_failure_leaves_the_rest_of_its_item_to_be_written():
    plan = plan_of([item("a", "missing.jpg", "1.jpg"), item("b", "2.jpg")])

    assert [one.item.id for one in plan.items] == ["a", "b"]
    assert plan.items[0].write == (PhotoRef("1.jpg", "c1", 1),)


def test_stored_items_go_only_when_pruned_and_in_order():
    there = {name: stored(c1="1.jpg") for name in ("z", "a", "m")}

    assert plan_of([item("m")], there).gone == ()
    assert plan_of([item("m")], there, prune=True).gone == ("a", "z")


def test_an_item_whose_photos_all_fail_is_not_gone():
    plan = plan_of([item("a", "missing.jpg")], {"a": stored(c1="1.jpg")}, prune=True)

    assert plan.gone == ()


def test_each_item_is_reported_once():
    said = []

    plan_of([item("a"), item("b", "missing.jpg"), item("c")], each=lambda: said.append(1))

    assert len(said) == 3


def test_points_are_grouped_by_item_and_photo():
    found = stored_items(
        [
            record("a", "c1", index=1),
            record("a", "c2", photo="2.jpg", hash_="other"),
            record("b", "c1"),
        ]
    )

    assert found == {
        "a": StoredItem(frozenset({"h", "other"}), {"c1": ("1.jpg", 1), "c2": ("2.jpg", 0)}),
        "b": StoredItem(frozenset({"h"}), {"c1": ("1.jpg", 0)}),
    }


def test_a_photo_is_there_when_all_its_regions_are():
    found = stored_items(
        [record("a", "c1", regions=2), record("a", "c2", regions=2), record("a", "c2", regions=2)]
    )

    assert set(found["a"].photos) == {"c2"}
    assert found["a"].partial == {"c1"}
