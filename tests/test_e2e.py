"""Whole commands as a user runs them: real weights, real photos, one process each."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

pytestmark = pytest.mark.e2e

ROOMS = 5
ROWS = 60


def run(*arguments, env, cwd=None):
    done = subprocess.run(
        [sys.executable, "-m", "scenesearch", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=env,
        cwd=cwd,
        timeout=280,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture(scope="module")
def environment(real_models, tmp_path_factory):
    """Nothing but the weights of this machine, and a cache of the tests' own."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("SCENESEARCH_")}
    return {
        **kept,
        "SCENESEARCH_MODELS_DIR": str(real_models),
        "SCENESEARCH_CACHE_DIR": str(tmp_path_factory.mktemp("cache")),
    }


@pytest.fixture(scope="module")
def shop(shared_data, environment, tmp_path_factory):
    """The products of five rooms and some more, indexed; and the ground truth of those rooms."""
    folder = tmp_path_factory.mktemp("shop")
    data = shared_data / "ikea"
    lines = (data / "scenes.jsonl").read_text(encoding="utf-8").splitlines()
    rooms = [json.loads(line) for line in lines[:ROOMS]]
    wanted = {item for room in rooms for item in room["items"]}
    with (data / "catalog.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    rows.sort(key=lambda row: row["id"] not in wanted)  # stable: the others keep their order
    catalog = folder / "catalog.csv"
    with catalog.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows[:ROWS])
    truth = folder / "truth.jsonl"
    truth.write_text("\n".join(json.dumps(room) for room in rooms), encoding="utf-8")
    command = ("index", catalog, "--image-root", data, "--store", folder / "store", "--json")

    done = run(*command, env=environment)

    assert done.returncode == 0, done.stderr
    return SimpleNamespace(
        data=data,
        rows=rows[:ROWS],
        rooms=rooms,
        truth=truth,
        command=command,
        store=("--store", folder / "store"),
        indexed=json.loads(done.stdout),
    )


def test_a_catalogue_is_indexed(shop):
    assert shop.indexed["added"] == ROWS
    # two sizes of one product may share a photo
    different = {(shop.data / row["image"]).read_bytes() for row in shop.rows}
    assert shop.indexed["photos_embedded"] == len(different)
    assert shop.indexed["failures"] == shop.indexed["bad_rows"] == []


def test_indexing_again_works_on_nothing(shop, environment):
    done = run(*shop.command, env=environment)

    summary = json.loads(done.stdout)
    assert done.returncode == 0
    assert (summary["added"], summary["changed"], summary["unchanged"]) == (0, 0, ROWS)
    assert summary["photos_embedded"] == 0


def test_a_room_is_searched_and_saved_in_every_form(shop, environment, tmp_path):
    room = shop.data / shop.rooms[0]["image"]
    saved = [tmp_path / f"look.{suffix}" for suffix in ("png", "html", "json")]
    options = [option for path in saved for option in ("--save", path)]

    done = run("look", room, *shop.store, *options, "--json", env=environment)

    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer == {**json.loads(saved[2].read_text("utf-8")), "timings_ms": answer["timings_ms"]}
    known = {row["id"] for row in shop.rows}
    assert answer["regions"]
    assert len(answer["matches"]) == 20
    assert {match["item_id"] for match in answer["matches"]} <= known
    assert all(region["label"] for region in answer["regions"] if region["kind"] == "object")
    with Image.open(saved[0]) as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 300
    page = saved[1].read_text(encoding="utf-8")
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert answer["matches"][0]["attributes"]["title"] in page


def test_the_same_room_has_the_same_answer_in_another_process(shop, environment):
    room = shop.data / shop.rooms[1]["image"]
    command = ("look", room, *shop.store, "--json")

    one, other = (json.loads(run(*command, env=environment).stdout) for _ in range(2))

    assert {**one, "timings_ms": {}} == {**other, "timings_ms": {}}


def test_a_look_is_printed_for_people(shop, environment):
    room = shop.data / shop.rooms[0]["image"]

    done = run("look", room, *shop.store, "--limit", 3, env=environment)

    assert done.returncode == 0
    assert done.stdout.splitlines()[0].startswith("1. ")
    assert "fused:" in done.stdout


def test_rooms_find_products_that_are_in_them(shop, environment):
    done = run(
        "eval", shop.truth, "--image-root", shop.data, *shop.store, "--json", env=environment
    )

    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["queries"] == ROOMS
    assert figures["failures"] == []
    # a fifth of the catalogue is right for each room, and the best of five hits must show it
    assert figures["hit@20"] >= 0.8
    assert figures["total_ms"]["p50"] > 0


def test_an_item_finds_others_and_not_itself(shop, environment):
    item = shop.rows[0]["id"]

    done = run("search", "--item", item, *shop.store, "--json", "-n", 5, env=environment)

    assert done.returncode == 0, done.stderr
    found = [match["item_id"] for match in json.loads(done.stdout)["matches"]]
    assert len(found) == 5
    assert item not in found


def test_a_photo_of_a_product_finds_the_product(shop, environment):
    for row in shop.rows[:3]:
        photo = shop.data / row["image"]
        done = run("search", "--photo", photo, *shop.store, "--json", env=environment)

        best = json.loads(done.stdout)["matches"][0]
        assert best["item_id"] == row["id"]
        assert best["parts"]["similarity"] > 0.99


def test_words_are_refused_by_a_model_without_a_text_tower(shop, environment):
    done = run("search", "--text", "a red chair", *shop.store, env=environment)

    assert done.returncode == 2
    assert "text tower" in done.stderr


def test_items_are_shown_counted_and_deleted(shop, environment):
    last = shop.rows[-1]["id"]

    got = run("items", "get", last, *shop.store, "--json", env=environment)
    before = run("items", "count", *shop.store, "--json", env=environment)
    deleted = run("items", "delete", last, *shop.store, "--json", env=environment)
    after = run("items", "count", *shop.store, "--json", env=environment)
    gone = run("items", "get", last, *shop.store, env=environment)

    (item,) = json.loads(got.stdout)
    assert item["title"] == shop.rows[-1]["title"]
    assert json.loads(before.stdout) == {"points": ROWS}
    assert json.loads(deleted.stdout) == {"points_deleted": 1}
    assert json.loads(after.stdout) == {"points": ROWS - 1}
    assert (gone.returncode, gone.stdout) == (3, "")


def test_a_deleted_item_comes_back_without_the_models(shop, environment):
    run("items", "delete", shop.rows[3]["id"], *shop.store, env=environment)

    summary = json.loads(run(*shop.command, env=environment).stdout)

    assert summary["photos_embedded"] == 0
    assert summary["photos_from_cache"] >= 1
    count = run("items", "count", *shop.store, "--json", env=environment)
    assert json.loads(count.stdout) == {"points": ROWS}


def test_the_doctor_finds_everything_well(shop, environment):
    done = run("doctor", *shop.store, "--json", env=environment)

    found = json.loads(done.stdout)
    assert (done.returncode, found["models"]) == (0, "ok")
    assert "tf_efficientnet_lite0" in found["embedder"]
    assert "yolov8n-seg" in found["detector"]
    assert found["store"]["state"] == "ok"


def test_the_doctor_names_what_is_missing(environment, tmp_path):
    empty = {**environment, "SCENESEARCH_MODELS_DIR": str(tmp_path)}

    done = run("doctor", "--store", tmp_path / "none", "--json", env=empty)

    assert done.returncode == 4
    assert "yolov8n-seg.pt" in json.loads(done.stdout)["models"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["look", "missing.jpg"], 2),
        (["index", "missing.csv"], 2),
        (["search", "--item", "1", "--store", "missing"], 5),
        (["models", "list"], 0),
        (["models", "verify"], 0),
    ],
    ids=["photo", "catalogue", "store", "list", "verify"],
)
def test_exit_codes(environment, tmp_path, arguments, code: int):
    assert run(*arguments, env=environment, cwd=tmp_path).returncode == code


def test_a_real_photo_that_is_broken_is_one_clear_line(shop, environment, tmp_path):
    whole = (shop.data / shop.rooms[0]["image"]).read_bytes()
    broken = Path(tmp_path / "broken.jpg")
    broken.write_bytes(b"\x00" + whole[1:2000])

    done = run("look", broken, *shop.store, env=environment)

    assert done.returncode == 2
    assert "broken.jpg" in done.stderr
    assert len(done.stderr.splitlines()) == 1
