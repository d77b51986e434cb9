"""``scenesearch scenes`` and ``scenesearch dupes``, run as a user runs them, on fakes."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
import shop
from cases import first
from PIL import Image
from sparse import copy_tree

from scenesearch.cli.main import main

HERE = Path(__file__).parent


@pytest.fixture(scope="module", autouse=True)
def settings(tmp_path_factory):
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name in [name for name in os.environ if name.startswith("SCENESEARCH_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("SCENESEARCH_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        monkeypatch.setenv("NO_COLOR", "1")
        yield shop.use_fakes(monkeypatch)


def run(capsys, *arguments):
    """Exit code, JSON of stdout where there is any, and stderr."""
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(sys, "argv", ["scenesearch", *map(str, arguments)])
        code = main()
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, json.loads(out) if out.startswith(("{", "[")) else out, err


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Rooms of coloured things: the fake detector calls each by its colour."""
    folder = tmp_path_factory.mktemp("photos")
    shop.save(shop.room(("red", "square"), ("blue", "tall")), folder / "hall" / "a.png")
    shop.save(shop.room(("red", "wide")), folder / "hall" / "b.png")
    shop.save(shop.room(("green", "square"), ("blue", "square")), folder / "attic" / "c.png")
    return folder


@pytest.fixture(scope="module")
def template(photos, tmp_path_factory):
    """A store with both collections: making their indexes takes a while, copying does not."""
    from scenesearch import SceneSearch, load_settings

    path = tmp_path_factory.mktemp("template") / "store"
    catalog = shop.write_catalog(photos.parent, shop.colour_shop(photos.parent / "items")[:6])
    with SceneSearch(path, config=load_settings()) as front:
        front.index(catalog)
    known = {"image": "photos0/attic/c.png", "items": ["red-square"]}
    manifest = photos.parent / "known.jsonl"
    known["image"] = str(photos.relative_to(photos.parent) / "attic" / "c.png")
    manifest.write_text(json.dumps(known) + "\n")
    with pytest.MonkeyPatch.context() as monkeypatch:
        arguments = ["scenes", "index", str(photos), "--items", str(manifest), "--json"]
        monkeypatch.setattr(sys, "argv", ["scenesearch", *arguments, "--store", str(path)])
        assert main() == 0
    return path


@pytest.fixture
def store(template, tmp_path):
    return copy_tree(template, tmp_path / "store")


def found(answer):
    return [Path(match["photo"]).stem for match in answer["matches"]]


@pytest.mark.store
def test_photos_are_indexed_once_and_again_only_when_they_changed(capsys, store, photos, tmp_path):
    copy_tree(photos, tmp_path / "photos")
    broken = tmp_path / "photos" / "broken.jpg"
    broken.write_bytes(b"no picture")

    code, same, _ = run(capsys, "scenes", "index", photos, "--store", store, "--json")
    assert (code, same["unchanged"], same["added"], same["photos"]) == (0, 3, 0, 3)

    mine = tmp_path / "photos"
    code, new, _ = run(capsys, "scenes", "index", mine, "--store", store, "--json")
    assert (code, new["added"], new["photos"]) == (3, 3, 6)
    assert new["failures"][0]["photo"] == str(broken)

    broken.unlink()
    shop.save(shop.room(("yellow", "square")), mine / "hall" / "a.png")
    code, changed, _ = run(capsys, "scenes", "index", mine, "--store", store, "--json")
    assert (code, changed["replaced"], changed["unchanged"], changed["photos"]) == (0, 1, 2, 6)


FOUND = [
    (["red"], ["a", "b"]),
    (["red and blue"], ["a"]),
    (["blue and not red"], ["c"]),
    (["2+ reds"], []),
    (["red blue"], []),
    (["--where", "labels = green"], ["c"]),
    (["blue", "--where", "width > 200 and labels != red"], ["c"]),
    (["red or blue", "--limit", "1"], ["c"]),
]


@pytest.mark.parametrize(("asked", "names"), FOUND, ids=[" ".join(a) for a, _ in FOUND])
def test_photos_are_found_by_words(capsys, template, asked, names):
    code, answer, _ = run(capsys, "scenes", "find", *asked, "--store", template, "--json")

    assert code == 0
    assert sorted(found(answer)) == names


def test_the_parse_is_in_the_answer(capsys, template):
    _, answer, err = run(
        capsys, "scenes", "find", "blue and not 2+ reds", "--store", template, "--json"
    )

    assert answer["query"]["understood"] == "blue and not at least 2 red"
    assert "understood: blue and not at least 2 red" in err


def test_photos_are_found_by_photo_and_by_product(capsys, template, photos):
    like = run(
        capsys, "scenes", "find", "-p", photos / "hall" / "b.png", "--store", template, "--json"
    )[1]
    product = run(capsys, "scenes", "find", "-i", "red-square", "--store", template, "--json")[1]

    assert found(like)[0] == "b"
    assert like["matches"][0]["score"] == pytest.approx(1.0, abs=1e-4)
    assert found(product)[0] == "c"
    assert product["matches"][0]["known"]
    assert product["matches"][1]["label"] == "red"


WRONG = [
    (["unicorn"], "labels in this collection"),
    (["grene"], "did you mean 'green'"),
    (["red and"], "expected something to look for"),
    (["--where", "label = red"], "unknown field 'label'"),
    ([], "Give a query"),
    (["-i", "nothing"], "No item 'nothing'"),
    (["-i", "red-square", "-p", "x.png"], "not both"),
]


@pytest.mark.parametrize(("asked", "said"), WRONG, ids=[" ".join(a) or "-" for a, _ in WRONG])
def test_a_question_that_makes_no_sense_says_why(capsys, template, asked, said):
    code, _, err = run(capsys, "scenes", "find", *asked, "--store", template)

    assert code == 2
    assert said in err


def test_facets_are_counted_below_a_folder(capsys, template, photos):
    _, everywhere, _ = run(capsys, "scenes", "facets", "--store", template, "--json")
    _, hall, _ = run(
        capsys,
        *("scenes", "facets", "--folder", photos / "hall", "-f", "labels"),
        *("--store", template, "--json"),
    )

    assert {"value": "blue", "photos": 2} in everywhere["labels"]
    assert hall == {"labels": [{"value": "red", "photos": 2}, {"value": "blue", "photos": 1}]}


def test_forgotten_photos_are_gone(capsys, store, photos):
    photo = photos / "hall" / "a.png"
    code, done, _ = run(capsys, "scenes", "forget", photo, "x.png", "--store", store, "--json")
    assert (code, done) == (3, {"forgotten": 1, "not_there": 1})

    assert run(capsys, "scenes", "count", "--store", store, "--json")[1] == {"photos": 2}


def test_a_collection_that_is_not_there_says_how_to_make_it(capsys, tmp_path):
    code, _, err = run(capsys, "scenes", "find", "red", "--store", tmp_path / "none")

    assert code == 5
    assert "scenesearch scenes index" in err


def test_bad_lines_of_known_items_cost_themselves_only(tmp_path):
    from scenesearch.scenes.known_items import read_known_items

    path = tmp_path / "known.jsonl"
    lines = ['{"image": "a.jpg", "items": [1, "b"]}', "{", '{"image": "", "items": []}', ""]
    lines += ['{"image": "b.jpg", "items": "c"}', "[]", '{"image": "a.jpg", "items": ["b", "d"]}']
    path.write_text("\n".join(lines))

    known = read_known_items(path)

    assert known.of(str(tmp_path / "x" / ".." / "a.jpg")) == ("1", "b", "d")
    assert known.of("other.jpg") == ()
    assert [error.partition(", ")[2].partition(":")[0] for error in known.errors] == [
        "line 2",
        "line 3",
        "line 5",
        "line 6",
    ]


def test_near_copies_are_listed_with_the_largest_first(capsys, photos, tmp_path):
    copy_tree(photos, tmp_path / "p")
    image = Image.fromarray(shop.noise(1, side=256))
    image.save(tmp_path / "p" / "big.png")
    image.resize((160, 160)).convert("RGB").save(tmp_path / "p" / "small.jpg", quality=60)
    shutil.copy(tmp_path / "p" / "small.jpg", tmp_path / "p" / "small2.jpg")
    (tmp_path / "p" / "broken.png").write_bytes(b"no picture")

    code, answer, _ = run(capsys, "dupes", tmp_path / "p", "--json")

    assert code == 3
    assert answer["failures"][0]["photo"].endswith("broken.png")
    groups = [[Path(one["source"]).name for one in g["photos"]] for g in answer["groups"]]
    assert ["big.png", "small.jpg", "small2.jpg"] in groups
    assert answer["photos"] == 6


def test_the_photos_of_a_collection_are_compared_by_vectors_too(capsys, template):
    code, answer, _ = run(capsys, "dupes", "--store", template, "--distance", 24, "--json")

    assert code == 0
    assert answer["photos"] == 3
    for group in answer["groups"]:
        assert all(one["similarity"] >= 0.95 for one in group["photos"][:2])


def test_photos_and_a_collection_at_once_are_refused(capsys, template, photos):
    assert run(capsys, "dupes", photos, "--store", template)[0] == 2
    assert run(capsys, "dupes")[0] == 2


# --- one photo, whatever it is called ----------------------------------------------------------


@pytest.fixture
def lib(photos, tmp_path, monkeypatch):
    """A folder of photos below the working directory, indexed under its plain name."""
    copy_tree(photos, tmp_path / "lib")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def index_again(capsys, source, *more):
    code, done, _ = run(capsys, "scenes", "index", source, *more, "--store", "store", "--json")
    assert code == 0
    return done


def rename(lib):
    (lib / "lib").rename(lib / "library")
    return "library"


def move(lib):
    (lib / "archive").mkdir()
    (lib / "lib").rename(lib / "archive" / "photos")
    return lib / "archive" / "photos"


def link(lib):
    (lib / "here").symlink_to(lib / "lib")
    return lib / "here" / "hall"


@pytest.mark.parametrize(
    "again",
    first(
        2,
        [
            move,
            link,
            lambda lib: "./lib",
            lambda lib: lib / "lib",
            lambda lib: "lib/../lib",
            lambda lib: "lib/hall",
            rename,
        ],
    ),
    ids=["moved", "link", "dot", "absolute", "dots", "part", "renamed"],
)
def test_a_photo_that_is_called_otherwise_is_not_tagged_nor_found_twice(capsys, lib, again):
    first = index_again(capsys, "lib")
    source = again(lib)
    done = index_again(capsys, source)
    once_more = index_again(capsys, source)
    code, answer, _ = run(capsys, "scenes", "find", "red", "--store", "store", "--json")

    assert first["added"] == 3
    assert (done["added"], done["replaced"], done["photos"]) == (0, 0, 3)
    assert done["unchanged"] == once_more["unchanged"] in (2, 3)
    assert code == 0
    assert len(answer["matches"]) == 2
    assert all(Path(match["photo"]).is_file() for match in answer["matches"])


@pytest.mark.store
def test_a_copy_beside_its_original_is_a_photo_of_its_own(capsys, lib):
    index_again(capsys, "lib")
    copy_tree(lib / "lib", lib / "copies")
    done = index_again(capsys, "copies")

    assert (done["added"], done["photos"]) == (3, 6)
    shutil.rmtree(lib / "lib")
    assert index_again(capsys, "copies")["photos"] == 6, "what is gone is not forgotten unasked"


@pytest.mark.store
def test_a_run_of_tagging_does_not_store_a_moved_photo_twice(capsys, lib):
    index_again(capsys, "lib")
    source = rename(lib)
    code, *_ = run(capsys, "tag", source, "--scenes", "store", "--out", "tags.jsonl")
    done = index_again(capsys, source)

    assert code == 0
    assert (done["unchanged"], done["photos"]) == (3, 3)


def test_the_better_copy_is_kept_and_what_was_thrown_away_is_not_looked_at(capsys, lib):
    folder = lib / "mine"
    folder.mkdir()
    picture = Image.open(lib / "lib" / "hall" / "a.png").convert("RGB")
    picture.save(folder / "a long name.jpg", quality=95)
    picture.save(folder / "z.jpg", quality=40)
    shutil.copy(folder / "a long name.jpg", folder / "b.jpg")
    picture.resize((picture.width // 2, picture.height // 2)).save(folder / "half.png")
    for hidden in ("#recycle", "@eaDir", ".thumbnails"):
        (folder / hidden).mkdir()
        picture.save(folder / hidden / "thrown.png")
    code, found_, _ = run(capsys, "dupes", "mine", "--json")

    assert code == 0
    assert found_["photos"] == 4
    (group,) = found_["groups"]
    assert Path(group["best"]).name == "b.jpg", "as large and as heavy, of the shorter name"
    names = {Path(one["source"]).name for one in group["photos"]}
    assert names >= {"b.jpg", "a long name.jpg", "z.jpg"}
