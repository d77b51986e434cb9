"""``scenesearch complete``, ``known-scenes`` and ``scenes-of`` as they are typed."""

from __future__ import annotations

import functools
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import shop
from sparse import copy_tree

from scenesearch.cli.main import main

HERE = Path(__file__).parent

pytestmark = pytest.mark.usefixtures("clean_surroundings")


@pytest.fixture(scope="module", autouse=True)
def parts():
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield shop.use_fakes(monkeypatch)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """24 products, eight colours in three shapes; the shape is the category."""
    from scenesearch import SceneSearch, load_settings

    folder = tmp_path_factory.mktemp("shop")
    catalog = shop.write_catalog(folder, shop.colour_shop(folder / "photos"))
    path = folder / "store"
    with SceneSearch(path, config=load_settings()) as front:
        front.index(catalog)
    return path


@pytest.fixture
def cli(capsys, monkeypatch, template):
    """Runs a command on the whole catalogue."""

    def run(*arguments, store=template):
        capsys.readouterr()
        words = ["scenesearch", *map(str, arguments), "--store", str(store)]
        monkeypatch.setattr(sys, "argv", words)
        code = main()
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return SimpleNamespace(code=code, out=out, err=err)

    return run


@pytest.fixture
def writing(cli, template, tmp_path):
    """Likewise, on a store of its own."""
    return functools.partial(cli, store=copy_tree(template, tmp_path / "store"))


@pytest.fixture
def truth(tmp_path):
    """A dozen rooms in which red squares stand with green tall things; the last is refused."""
    path = tmp_path / "rooms.jsonl"
    rows = [
        {"image": f"{i}.jpg", "items": ["red-square", "green-tall"], "room": "Hall"}
        for i in range(12)
    ]
    rows.append({"image": "cat.jpg", "items": []})
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def suggested(answer):
    return [one["item_id"] for group in answer["groups"] for one in group["suggestions"]]


@pytest.mark.store
def test_scenes_are_learned_once_and_lead_both_ways(writing, truth):
    first, again = (
        writing("known-scenes", "add", truth),
        writing("known-scenes", "add", truth, "--json"),
    )

    assert first.out == "12 scenes added, 0 replaced, 0 unchanged; 12 known\n"
    assert json.loads(again.out) == {"added": 0, "replaced": 0, "unchanged": 12, "total": 12}

    answer = json.loads(writing("complete", "red-square", "--json").out)
    tall = next(group for group in answer["groups"] if group["category"] == "tall")
    seen = next(one for one in tall["suggestions"] if one["item_id"] == "green-tall")
    assert (seen["together"], seen["reason"]) == (12, "seen together in 12 scenes")

    scenes = json.loads(writing("scenes-of", "green-tall", "--limit", 5, "--json").out)
    assert [Path(scene["image"]).name for scene in scenes] == [f"{i}.jpg" for i in range(5)]
    assert (
        writing("scenes-of", "green-tall")
        .out.splitlines()[0]
        .endswith("0.jpg  Hall  with red-square")
    )


def test_people_get_a_list_by_category_with_reasons(cli):
    done = cli("complete", "red-square", "--per-category", 2, "--limit", 4)

    lines = done.out.splitlines()
    assert done.code == 0
    assert [line for line in lines if not line.startswith(" ")] in (
        ["tall", "wide"],
        ["wide", "tall"],
    )
    assert sum(line.startswith("     ") for line in lines) == 4
    assert all(line.endswith("as red-square)") for line in lines if line.startswith(" "))
    assert "note: cold start: no known scenes" in done.err


def test_a_photo_is_completed_by_what_is_found_in_it(cli, tmp_path):
    photo = shop.save(shop.room(("red", "square"), ("blue", "tall")), tmp_path / "room.png")

    done = cli("complete", "--photo", photo, "--same", "--json")

    answer = json.loads(done.out)
    assert len(answer["anchors"]) >= 2
    assert suggested(answer)
    assert not set(answer["anchors"]) & set(suggested(answer))


def test_a_photo_is_bought_under_a_budget(cli, tmp_path):
    (tmp_path / "room.png").write_bytes(shop.png(shop.room(("red", "square"), ("blue", "wide"))))
    done = cli("basket", tmp_path / "room.png", "--budget", "100")
    kept = cli(
        *("basket", tmp_path / "room.png", "-b", "100", "--keep", "1=green-square"),
        *("--leave-out", "2", "--json"),
    )

    assert done.code == 0, done
    assert done.out.startswith("closest: ")
    assert "red-square" in done.out
    assert json.loads(kept.out)["baskets"][0]["choices"][0]["item_id"] == "green-square"
    assert json.loads(kept.out)["baskets"][0]["missing"][0]["why"] == "left out"


def test_a_photo_becomes_a_page_that_an_editor_changes(cli, tmp_path):
    photo = tmp_path / "room.png"
    photo.write_bytes(shop.png(shop.room(("red", "square"), ("blue", "wide"))))
    data = tmp_path / "look.json"
    made = cli("shoppable", photo, "--pick", "2=", "--pick", "1=green-square", "-o", data)
    found = json.loads(data.read_text())

    assert made.code == 0, made
    assert [one["id"] for spot in found["hotspots"] for one in spot["products"]] == ["green-square"]

    found["hotspots"][0]["products"].append({"id": "gone"})
    data.write_text(json.dumps(found))
    done = cli("shoppable", data, "-o", tmp_path / "look.html")
    assert (done.code, "gone: not in the catalogue" in done.err) == (3, True), done
    assert "green square thing" in (tmp_path / "look.html").read_text()

    assert cli("shoppable", data, "--pick", "1=red-square", "-o", data).code == 2
    assert cli("shoppable", photo, "-o", tmp_path / "look.gif").code == 2


@pytest.mark.store
def test_photos_are_matched_by_the_folder(cli, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "room.png").write_bytes(shop.png(shop.room(("red", "square"))))
    (tmp_path / "photos" / "bad.jpg").write_text("no photo")
    out = tmp_path / "matches.csv"
    done = cli("match", tmp_path / "photos", "-o", out, "--top", "1", "--preset", "exact", "--json")

    assert done.code == 3, done
    assert json.loads(done.out)["done"] == 1
    assert "red-square" in out.read_text()
    assert "unsupported_image" in out.read_text()


def test_a_filter_and_a_limit_hold(cli):
    done = cli("complete", "red-square", "--where", "price <= 30", "--limit", 3, "--json")

    answer = json.loads(done.out)
    found = [one for group in answer["groups"] for one in group["suggestions"]]
    assert len(found) == 3
    assert all(one["attributes"]["price"] <= 30 for one in found)


def test_scenes_can_be_forgotten(writing, truth):
    writing("known-scenes", "add", truth)

    assert writing("known-scenes", "clear").out == "12 scenes removed\n"
    assert json.loads(writing("known-scenes", "clear", "--json").out) == {"removed": 0}
    none = writing("scenes-of", "green-tall")
    assert (none.code, none.out) == (0, "")
    assert "known-scenes add" in none.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("complete",), "Give item ids"),
        (("complete", "red-square", "--photo", "x.jpg"), "not both"),
        (("complete", "no-such"), "No item 'no-such'"),
        (("complete", "red-square", "--limit", "0"), "limit is 0"),
        (("complete", "red-square", "--diversity", "3"), "diversity 3"),
        (("complete", "red-square", "--where", "weight < 2"), "unknown field 'weight'"),
        (("scenes-of", "no-such"), "No item 'no-such'"),
        (("known-scenes", "add", "none.jsonl"), "cannot be read as ground truth"),
    ],
    ids=lambda value: " ".join(value)[:40],
)
def test_a_mistake_is_one_line_and_exit_code_2(cli, arguments, said):
    done = cli(*arguments)

    assert done.code == 2
    assert said in done.err
    assert done.err.startswith("scenesearch: ")
    assert done.out == ""
