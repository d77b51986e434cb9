"""The command line: what goes where, and with which exit code."""

from __future__ import annotations

import functools
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
import shop
from sparse import copy_tree

from scenesearch.cli import output
from scenesearch.cli.main import main
from scenesearch.core.types import Item

HERE = Path(__file__).parent


@pytest.fixture(scope="module", autouse=True)
def parts():
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield shop.use_fakes(monkeypatch)


@pytest.fixture(autouse=True)
def _surroundings(clean_surroundings, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("SCENESEARCH_CUTOUT__MATTING", "never")


class Done:
    """What a command did."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return f"exit {self.code}\n{self.out}\n--- stderr\n{self.err}"


@pytest.fixture
def cli(capsys, monkeypatch):
    def run(*arguments):
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["scenesearch", *map(str, arguments)])
        code = main()
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return Done(code, out, err)

    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("shop")


@pytest.fixture(scope="module")
def items(folder):
    return shop.colour_shop(folder / "photos")


@pytest.fixture(scope="module")
def catalog(folder, items):
    return shop.write_catalog(folder, items)


@pytest.fixture(scope="module")
def room(folder):
    return shop.save(shop.room(("red", "square"), ("blue", "tall")), folder / "room.png")


@pytest.fixture(scope="module")
def template(tmp_path_factory, catalog):
    from scenesearch import SceneSearch, load_settings

    path = tmp_path_factory.mktemp("template") / "store"
    with SceneSearch(path, config=load_settings()) as front:
        front.index(catalog)
    return path


@pytest.fixture(scope="module")
def reading(template, tmp_path_factory):
    """``--store`` and the whole catalogue, for commands that only ask."""
    path = copy_tree(template, tmp_path_factory.mktemp("reading") / "store")
    return ("--store", str(path))


@pytest.fixture
def store(template, tmp_path):
    """``--store`` and the whole catalogue, for commands that write."""
    path = copy_tree(template, tmp_path / "store")
    return ("--store", str(path))


def ids(answer):
    return [match["item_id"] for match in answer["matches"]]


# --- index -------------------------------------------------------------------------------------


def test_indexing_says_what_it_did(cli, tmp_path, catalog):
    done = cli("index", catalog, "--store", tmp_path / "new")

    assert done.code == 0
    assert done.out.startswith("added 24, changed 0, removed 0, unchanged 0 items\n")
    assert "photos embedded: 24, from the cache: 0" in done.out
    assert done.err == ""


def test_indexing_says_that_there_is_nothing_to_matte_with(cli, tmp_path, catalog, monkeypatch):
    monkeypatch.delenv("SCENESEARCH_CUTOUT__MATTING")

    done = cli("index", catalog, "--store", tmp_path / "new")

    assert done.code == 0
    assert done.err.startswith("no matting: the weights of 'isnet-general-use' are not on this")


def test_indexing_again_changes_nothing_and_json_is_data_alone(cli, store, catalog):
    done = cli("index", catalog, *store, "--json")

    summary = done.json
    assert done.code == 0
    assert (summary["added"], summary["unchanged"], summary["photos_embedded"]) == (0, 24, 0)
    assert summary["dry_run"] is False
    assert summary["failures"] == summary["bad_rows"] == []


def test_a_dry_run_says_what_would_happen(cli, tmp_path, catalog):
    done = cli("index", catalog, "--store", tmp_path / "new", "--dry-run")

    assert done.code == 0
    assert done.out.startswith("would add 24")
    assert "photos to embed, at most: 24" in done.out
    assert not (tmp_path / "new").exists()


def test_pruning_on_the_command_line(cli, store, folder, items, tmp_path):
    smaller = shop.write_catalog(folder, items[:4], f"{tmp_path.name}.csv")

    done = cli("index", smaller, *store, "--prune", "--json")

    assert (done.code, done.json["removed"]) == (0, 20)


@pytest.fixture
def troubled(folder, items, tmp_path):
    """A catalogue with a row that has no id, and an item whose photo is no photo."""
    (folder / "photos" / "broken.png").write_bytes(b"not a picture")
    bad = Item("bad", (str(folder / "photos" / "broken.png"),), {})
    path = shop.write_catalog(folder, [*items[:3], bad], f"{tmp_path.name}.csv")
    with path.open("a", encoding="utf-8") as file:
        file.write(",photos/red-tall.png,Nameless,,,,\n")
    return path


def test_bad_rows_and_photos_are_named_and_the_rest_is_indexed(cli, tmp_path, troubled):
    done = cli("index", troubled, "--store", tmp_path / "new")

    assert done.code == 3
    assert done.out.startswith("added 3,")
    assert "row 6: " in done.err
    assert "broken.png: " in done.err


def test_failures_are_part_of_the_json(cli, tmp_path, troubled):
    done = cli("index", troubled, "--store", tmp_path / "new", "--json")

    assert done.code == 3
    assert [(row["row"], row["column"]) for row in done.json["bad_rows"]] == [(6, "id")]
    assert [one["item_id"] for one in done.json["failures"]] == ["bad"]


def test_only_the_first_of_many_failures_are_printed(cli, tmp_path, folder, items):
    (folder / "photos" / "broken.png").write_bytes(b"not a picture")
    broken = (str(folder / "photos" / "broken.png"),)
    many = [Item(f"b{n}", broken, {}) for n in range(25)]
    path = shop.write_catalog(folder, [items[0], *many], f"{tmp_path.name}.csv")
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f",photos/{n}.png\n" for n in range(30))

    done = cli("index", path, "--store", tmp_path / "new")

    assert done.code == 3
    assert done.err.count("\nrow ") + done.err.startswith("row ") == 20
    assert "more; --json lists all" in done.err


# --- exit codes --------------------------------------------------------------------------------


def test_exit_code_2_for_what_was_asked_wrongly(cli, reading, room, tmp_path, catalog, troubled):
    (tmp_path / "text.jpg").write_text("not a photo")
    (tmp_path / "bad.yaml").write_text("serch: {limit: 3}")
    wrong = {
        "no such command": ["serve-coffee"],
        "no such option": ["look", room, "--colour"],
        "no argument": ["look"],
        "no catalogue": ["index", tmp_path / "nothing.csv"],
        "strict": ["index", troubled, "--strict", "--store", tmp_path / "new"],
        "duplicates": ["index", catalog, "--on-duplicate", "maybe", "--store", tmp_path / "new"],
        "encoding": ["index", catalog, "--encoding", "klingon", "--store", tmp_path / "new"],
        "no photo": ["look", tmp_path / "nothing.jpg", *reading],
        "no picture": ["look", tmp_path / "text.jpg", *reading],
        "box": ["look", room, *reading, "--box", "1,2,3"],
        "box of words": ["look", room, *reading, "--box", "a,b,c,d"],
        "box outside": ["look", room, *reading, "--box", "900,900,999,999"],
        "box format": ["look", room, *reading, "--box-format", "yxyx"],
        "point": ["look", room, *reading, "--point", "1"],
        "suffix": ["look", room, *reading, "--save", tmp_path / "look.gif"],
        "no folder": ["look", room, *reading, "--save", tmp_path / "no" / "look.html"],
        "filter": ["look", room, *reading, "--where", "prize < 3"],
        "preset": ["search", "--text", "red", *reading, "--preset", "best"],
        "range": ["search", "--text", "red", *reading, "--diversity", "7"],
        "no number": ["search", "--text", "red", *reading, "--limit", "ten"],
        "nothing asked": ["search", *reading],
        "unknown item": ["search", "--item", "nothing", *reading],
        "empty text": ["search", "--text", "", *reading],
        "unknown field": ["search", "--text", "red", "--sort", "size", *reading],
        "delete nothing": ["items", "delete", *reading],
        "no truth": ["eval", tmp_path / "nothing.jsonl", *reading],
        "no profile": ["look", room, *reading, "--config", "no-such"],
        "bad profile": ["look", room, *reading, "--config", tmp_path / "bad.yaml"],
    }

    for name, arguments in wrong.items():
        done = cli(*arguments)

        assert done.code == 2, (name, done)
        assert done.out == "", (name, done)
        assert done.err.strip(), name
        # one line for what we raise; usage errors come in a box
        assert done.err.startswith("scenesearch: ") or "Usage" in done.err, (name, done)


def test_exit_code_4_when_models_are_missing(cli, monkeypatch, tmp_path, room):
    import scenesearch.wiring
    from scenesearch.models.weights import WeightFinder

    class RealParts(shop.FakeParts):
        def __init__(self, settings):
            WeightFinder(tmp_path / "empty").find("yolov8n-seg")

    monkeypatch.setattr(scenesearch.wiring, "Parts", RealParts)

    done = cli("look", room, "--store", tmp_path / "new")

    assert done.code == 4
    assert "yolov8n-seg.pt" in done.err
    assert str(tmp_path / "empty") in done.err


def test_exit_code_5_when_the_store_cannot_be_used(cli, store, tmp_path, room, catalog):
    from scenesearch import SceneSearch, load_settings

    (tmp_path / "file").write_text("no folder")
    (tmp_path / "black.yaml").write_text("cutout: {background: [0, 0, 0]}")
    wrong = {
        "no collection": ["look", room, "--store", tmp_path / "nothing"],
        "no collection to count": ["items", "count", "--store", tmp_path / "nothing"],
        "a file": ["index", catalog, "--store", tmp_path / "file"],
        "a bad name": ["items", "count", *store, "--collection", "No Such"],
        "other models": ["index", catalog, *store, "--config", tmp_path / "black.yaml"],
        "other models to search": ["look", room, *store, "--config", tmp_path / "black.yaml"],
        "no server": ["items", "count", "--store", "http://127.0.0.1:9"],
    }
    for name, arguments in wrong.items():
        done = cli(*arguments)
        assert (done.code, done.out) == (5, ""), (name, done)
        assert done.err.startswith("scenesearch: "), (name, done)

    with SceneSearch(store[1], config=load_settings()) as holder:
        holder.count()
        done = cli("look", room, *store)
    assert done.code == 5
    assert "only one store at a time" in done.err


def test_exit_code_5_when_there_is_nothing_to_evaluate(cli, tmp_path, room):
    truth = tmp_path / "truth.jsonl"
    truth.write_text(json.dumps({"image": room, "items": ["red-square"]}))

    assert cli("eval", truth, "--store", tmp_path / "nothing").code == 5


def test_exit_code_6_when_the_disk_is_full(cli, tmp_path, catalog, monkeypatch):
    monkeypatch.setenv("SCENESEARCH_MIN_FREE_MEGABYTES", str(10**9))

    done = cli("index", catalog, "--store", tmp_path / "new")

    assert done.code == 6
    assert "free" in done.err


def test_a_fault_of_ours_is_not_dressed_up(cli, monkeypatch, reading):
    from scenesearch.api import SceneSearch

    def broken(*_):
        raise RuntimeError("a fault")

    monkeypatch.setattr(SceneSearch, "count", broken)

    with pytest.raises(RuntimeError, match="a fault"):
        cli("items", "count", *reading)


# --- look --------------------------------------------------------------------------------------


def test_a_look_is_printed_object_by_object_and_fused(cli, reading, room):
    done = cli("look", room, *reading, "--limit", 3)

    lines = done.out.splitlines()
    assert done.code == 0
    assert lines[0].startswith("1. red 100%")
    assert "red-square  red square thing  square  10" in lines[1]
    assert "fused:" in lines
    assert len(lines) - lines.index("fused:") - 1 == 3
    assert " ms (" in done.err


def test_a_look_as_json_is_data_alone(cli, reading, room):
    done = cli("look", room, *reading, "--json", "--facet", "category", "--facet", "tags")

    answer = done.json
    assert set(ids(answer)[:2]) == {"red-square", "blue-tall"}
    assert [region["label"] for region in answer["regions"]] == ["red", "blue"]
    assert set(answer["facets"]) == {"category", "tags"}
    assert done.err == ""


def test_a_look_is_saved_in_every_form(cli, reading, room, tmp_path):
    saved = [tmp_path / f"look.{suffix}" for suffix in ("png", "html", "json")]

    done = cli("look", room, *reading, *(x for path in saved for x in ("--save", path)))

    assert done.code == 0
    assert saved[0].read_bytes().startswith(b"\x89PNG")
    assert "<html" in saved[1].read_text(encoding="utf-8")
    assert json.loads(saved[2].read_text(encoding="utf-8"))["regions"]
    assert [f"saved {path}" in done.err for path in saved] == [True] * 3


@pytest.mark.parametrize(
    ("options", "boxes"),
    [
        (["--box", "10,96,40,144"], [[10, 96, 40, 144]]),
        (
            ["--box", "10,96,40,144", "--box", "70,90,86,150"],
            [[10, 96, 40, 144], [70, 90, 86, 150]],
        ),
        (["--box", "0,0,0.5,1", "--box-format", "xyxy_norm"], [[0, 0, 120, 240]]),
        (["--point", "20,120"], [[10, 105, 40, 135]]),
        (["--point", "0.3125,0.5", "--box-format", "xyxy_norm"], [[70, 96, 86, 144]]),
    ],
    ids=["a box", "two boxes", "normalised", "a point", "a normalised point"],
)
def test_places_are_given_in_pixels_or_normalised(cli, reading, room, options, boxes):
    done = cli("look", room, *reading, *options, "--json")

    assert [region["box"] for region in done.json["regions"]] == boxes


def test_words_move_a_look(cli, reading, room):
    plain = cli("look", room, *reading, "--box", "10,105,40,135", "--json").json
    moved = cli(
        *("look", room, *reading, "--box", "10,105,40,135", "--json"),
        *("--text", "green", "--text", "green green", "--not-text", "red"),
    ).json

    assert ids(plain)[0] == "red-square"
    assert ids(moved)[0] != "red-square"


def test_options_of_a_look_reach_the_search(cli, reading, room):
    done = cli(
        *("look", room, *reading, "--json", "--limit", 4, "--per-region", 1),
        *("--where", "category = wide", "--sort", "-price", "--preset", "exact"),
        *("--diversity", 0.2, "--diversity-field", "group", "--expansion", 1),
    )

    answer = done.json
    assert [len(region["matches"]) for region in answer["regions"]] == [1, 1]
    prices = [match["attributes"]["price"] for match in answer["matches"]]
    assert len(prices) == 4
    assert prices == sorted(prices, reverse=True)
    assert {match["attributes"]["category"] for match in answer["matches"]} == {"wide"}


def test_no_good_match_is_said(cli, reading, room):
    done = cli("look", room, *reading, "--score-min", 1.0, "--preset", "category")

    assert done.code == 0
    assert "no good match" in done.out


# --- search ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "first"),
    [
        (["--text", "green"], "green-"),
        (["--item", "red-tall"], ("red-", "orange-", "pink-")),
        (["--item", "red-tall", "--not-item", "red-wide"], ("pink-", "orange-", "purple-", "red-")),
        (["--text", "pink", "--not-text", "purple"], "pink-"),
    ],
    ids=["text", "item", "unlike an item", "not text"],
)
def test_one_thing_is_searched(cli, reading, options, first):
    done = cli("search", *options, *reading, "--json")

    assert done.code == 0
    assert done.json["matches"][0]["item_id"].startswith(first)
    assert done.json["regions"] == []


def test_a_thing_is_searched_by_its_photo(cli, reading, folder):
    photo = folder / "photos" / "cyan-wide.png"

    done = cli("search", "--photo", photo, *reading, "--limit", 1)

    assert done.out.splitlines()[:2] == [
        "matches:",
        "   1 cyan-wide  cyan wide thing  wide  50  1.000  exact",
    ]


def test_a_search_that_finds_nothing_says_so(cli, reading):
    done = cli("search", "--item", "red-tall", "--where", "price > 1000000", *reading)

    assert done.code == 0
    assert "nothing like this in the catalogue" in done.err
    assert "matches:" not in done.out


def test_facets_and_variants_of_a_search(cli, reading):
    done = cli(
        *("search", "--text", "red", *reading, "--collapse", "group"),
        *("--facet", "category", "--limit", 24),
    )

    assert "category: square 8, tall 8, wide 8" in done.out
    assert len([line for line in done.out.splitlines() if "thing" in line]) == 8


# --- items -------------------------------------------------------------------------------------


def test_an_item_is_shown(cli, reading, folder):
    done = cli("items", "get", "red-tall", *reading)

    assert done.code == 0
    assert done.out.splitlines()[:3] == [
        "red-tall",
        f"  photo: {folder / 'photos' / 'red-tall.png'}",
        "  title: red tall thing",
    ]


def test_an_item_that_is_not_there_is_exit_code_3(cli, reading):
    done = cli("items", "get", "red-tall", "nothing", *reading, "--json")

    assert done.code == 3
    assert [item["id"] for item in done.json] == ["red-tall"]
    assert done.err == "nothing: not in the collection\n"


def test_items_are_counted(cli, reading):
    assert cli("items", "count", *reading).out == "24\n"
    assert cli("items", "count", *reading, "--where", "price < 25", "--json").json == {"points": 6}


@pytest.mark.parametrize(
    ("chosen", "left"),
    [(["red-tall", "red-wide"], 22), (["--where", "category = wide"], 16), (["nothing"], 24)],
    ids=["ids", "filter", "unknown"],
)
def test_items_are_deleted(cli, store, chosen, left):
    done = cli("items", "delete", *chosen, *store)

    assert done.out == f"deleted {24 - left} points\n"
    assert cli("items", "count", *store, "--json").json == {"points": left}


# --- eval --------------------------------------------------------------------------------------


@pytest.fixture
def truth(tmp_path, room):
    path = tmp_path / "truth.jsonl"
    rows = [{"image": room, "items": ["red-square", "blue-tall"], "group": "rooms"}] * 2
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_figures_are_printed(cli, reading, truth):
    done = cli("eval", truth, *reading)

    assert done.code == 0
    assert "hit@1      1.000  [1.000, 1.000]\n" in done.out
    assert "p50 " in done.out


def test_figures_as_json_with_rows(cli, reading, truth):
    done = cli("eval", truth, *reading, "--json", "--rows")

    assert done.json["queries"] == 2
    assert done.json["hit@10"] == 1.0
    assert done.json["map@200"] == 1.0
    assert len(done.json["rows"]) == 2


def test_a_photo_that_cannot_be_evaluated_is_exit_code_3(cli, reading, truth, tmp_path):
    with truth.open("a", encoding="utf-8") as file:
        file.write('\n{"image": "missing.jpg", "items": ["a"]}')

    done = cli("eval", truth, *reading, "--json")

    assert done.code == 3
    assert done.json["queries"] == 2
    assert "missing.jpg" in done.err


@pytest.mark.parametrize(
    "options",
    [
        ["--where", "prize < 3"],
        ["--set", "fusion=best"],
        ["--set", "limit=ten"],
        ["--set", "nothing"],
        ["--set", "no_such=1"],
    ],
    ids=" ".join,
)
def test_what_is_wrong_for_every_photo_is_said_once(cli, reading, truth, options):
    done = cli("eval", truth, *reading, *options)

    assert (done.code, done.out) == (2, "")
    assert done.err.count("scenesearch: ") == 1
    assert "room.png" not in done.err


@pytest.mark.e2e
def test_every_ranking_step_is_tried(cli, reading, truth):
    done = cli("eval", truth, *reading, "--ablate", "--json")

    from scenesearch.evaluation.ablation import VARIANTS

    assert done.code == 0
    assert set(done.json) >= {variant.name for variant in VARIANTS}
    assert done.json["fusion: share"]["queries"] == 2


def test_two_configurations_are_compared(cli, reading, truth, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text("search: {fusion: reciprocal_rank}")

    done = cli("eval", truth, *reading, "--compare", other)

    assert done.code == 0
    assert done.out.startswith("| variant | hit@10 |")


# --- models and doctor -------------------------------------------------------------------------


def test_models_are_listed_with_where_they_are(cli, monkeypatch, tmp_path):
    monkeypatch.setenv("SCENESEARCH_MODELS_DIR", str(tmp_path))

    rows = {row["name"]: row for row in cli("models", "list", "--json").json}

    assert rows["yolov8n-seg"]["state"] == "missing"
    assert rows["yolov8n-seg"]["licence"] == "AGPL-3.0"
    assert "yolov8n-seg" in cli("models", "list").out


def test_a_model_with_another_hash_is_exit_code_4(cli, monkeypatch, tmp_path):
    (tmp_path / "yolov8n-seg.pt").write_bytes(b"something else")
    monkeypatch.setenv("SCENESEARCH_MODELS_DIR", str(tmp_path))

    done = cli("models", "verify", "--json")

    assert done.code == 4
    states = {row["name"]: row["state"] for row in done.json}
    assert states["yolov8n-seg"] == "unknown hash"


def test_the_doctor_finds_everything_well(cli, reading):
    done = cli("doctor", *reading, "--json")

    assert done.code == 0
    assert done.json["models"] == "ok"
    assert done.json["embedder"] == "fake-embedder:64:0"
    assert done.json["store"]["points"] == 24
    assert done.json["store"]["made_with"]["embedder"] == "fake-embedder:64:0"
    assert done.json["packages"]["numpy"]
    assert "models: ok" in cli("doctor", *reading).out


@pytest.mark.process
def test_the_doctor_looks_deep_and_finds_what_was_changed(cli, store):
    assert cli("doctor", *store, "--deep", "--json").json["stored"]["state"] == "sound"
    cache = Path(store[1]) / "embeddings.sqlite"
    with closing(sqlite3.connect(cache)) as db, db:
        db.execute("UPDATE photos SET sum = sum + 1")

    done = cli("doctor", *store, "--deep", "--json")

    assert done.code == 7
    assert any("embeddings.sqlite" in one for one in done.json["stored"]["damages"])


def test_the_doctor_says_what_is_amiss(cli, tmp_path):
    (tmp_path / "items").mkdir()
    (tmp_path / "items" / "schema.json").write_text("{broken")

    done = cli("doctor", "--store", tmp_path, "--json")

    assert done.code == 5
    assert "schema.json" in done.json["store"]


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        ({"mean_words": 1000.0}, 0, "index into a new --collection"),
        ({"blobs": {"projection.npz": "0" * 64}}, 5, "projection"),
    ],
    ids=["texts have grown", "projection lost"],
)
def test_the_doctor_reads_what_a_collection_knows_of_itself(cli, store, change, code, says):
    record = Path(store[1]) / "items" / "schema.json"
    known = {**json.loads(record.read_text()), **change}
    del known["sum"]  # as an earlier version wrote it
    record.write_text(json.dumps(known))

    done = cli("doctor", *store, "--json")

    assert done.code == code
    assert says in json.dumps(done.json["store"])


# --- streams -----------------------------------------------------------------------------------


def test_progress_is_plain_lines_where_there_is_no_terminal(cli, tmp_path, catalog, monkeypatch):
    monkeypatch.setattr(output, "_lines", functools.partial(output._lines, every_s=0.0))

    done = cli("index", catalog, "--store", tmp_path / "new", "--json")

    assert done.json["added"] == 24
    assert "reading: 24 of 24\n" in done.err
    assert "embedding: 24 of 24\n" in done.err
    assert "writing: 24 of 24\n" in done.err
    assert "\x1b" not in done.err
    assert "\r" not in done.err


def child(*arguments, delay_s=0.0, **more):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SCENESEARCH_")}
    environment |= {"SCENESEARCH_TEST_DELAY_S": str(delay_s), **more.pop("env", {})}
    command = [sys.executable, str(HERE / "cli_child.py"), *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, **more)


@pytest.mark.process
@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_progress_is_a_bar_on_a_terminal(tmp_path, catalog):
    leader, follower = os.openpty()
    with child(
        *("index", catalog, "--store", tmp_path / "new", "--json"),
        stderr=follower,
        env={"TERM": "xterm-256color", "COLUMNS": "80"},
    ) as process:
        os.close(follower)
        seen = b""
        while True:
            try:
                part = os.read(leader, 65536)
            except OSError:  # Linux says so when the child is gone
                break
            if not part:
                break
            seen += part
        assert process.stdout is not None
        data = json.loads(process.stdout.read())
    os.close(leader)

    assert process.returncode == 0
    assert data["added"] == 24
    assert "━" in seen.decode()
    assert "embedding" in seen.decode()
    assert "24/24" in seen.decode()


@pytest.mark.process
@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_an_interrupted_run_is_exit_code_130_and_goes_on_where_it_stopped(tmp_path, folder):
    many = shop.pattern_items(folder / "patterns", 150)
    catalog = shop.write_catalog(folder, many, "patterns.csv")
    settings = tmp_path / "small.yaml"
    settings.write_text("index: {batch: 10, workers: 1}")
    command = ("index", catalog, "--store", tmp_path / "new", "--config", settings, "--json")
    cache = tmp_path / "new" / "embeddings.sqlite-wal"
    with child(*command, delay_s=0.2, stderr=subprocess.PIPE, text=True) as process:
        until = time.monotonic() + 60
        # the log of the cache grows with the first batch that is kept
        while not (cache.is_file() and cache.stat().st_size > 60_000):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)

    assert process.returncode == 130, err
    assert out == ""
    assert "interrupted" in err
    assert "Traceback" not in err

    with child(*command, text=True) as process:
        out, _ = process.communicate(timeout=60)
    summary = json.loads(out)
    assert process.returncode == 0
    assert summary["added"] == 150
    assert summary["photos_from_cache"] > 0
    assert summary["photos_embedded"] + summary["photos_from_cache"] == 150


@pytest.mark.process
@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX pipes")
def test_a_reader_that_went_away_is_no_error():
    reader, writer = os.pipe()
    os.close(reader)

    done = subprocess.run(
        [sys.executable, "-m", "scenesearch", "models", "list"],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    os.close(writer)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.process
def test_the_installed_command_and_the_module_are_the_same():
    from scenesearch import __version__

    module = subprocess.run(
        [sys.executable, "-m", "scenesearch", "--version"], capture_output=True, text=True
    )

    assert (module.returncode, module.stdout) == (0, f"{__version__}\n")


def test_help_names_every_command_and_the_exit_codes(cli):
    done = cli("--help")

    assert done.code == 0
    for command in ("index", "look", "search", "items", "eval", "models", "doctor"):
        assert command in done.out
    assert "130" in done.out


def test_no_command_at_all_shows_the_help(cli):
    done = cli()

    assert done.code == 2
    assert "Usage" in done.out + done.err
