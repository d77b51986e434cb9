"""The answer as values, JSON, a table and files."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scenesearch.core.types import Colour, Region, Scene
from scenesearch.look.as_json import hex_colours, look_values
from scenesearch.look.look import Look
from scenesearch.look.values import Evidence, Match, RegionMatches


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def a_scene(width=60, height=40):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Scene(pixels, "ab" * 32, "photos/room.jpg", ("extension does not fit",))


def a_match(item_id="p1", score=0.5, region=0, **attributes):
    evidence = Evidence(region, "p1.jpg", "uuid-1", {"cutout": 0.81, "context": 0.4}, 0.3)
    return Match(item_id, score, {"cutout": 0.3}, (evidence,), attributes, None)


def a_look(**changes):
    region = Region("object:0", "object", (1.23456, 2, 30, 40), "sofa", 0.87654321, weight=1.5)
    found = RegionMatches(
        region,
        (a_match("p1", 0.9), a_match("p2", 0.8)),
        (Colour("dark red", (35.123, 50.0, 30.0), 0.62345),),
        "plain",
        "mask is empty",
        ("label and catalogue disagree",),
    )
    whole = RegionMatches(Region("whole", "whole", (0, 0, 60, 40)), ())
    values = {
        "scene": a_scene(),
        "regions": (found, whole),
        "matches": (a_match("p2", 0.7, title="Sofa", price=49.9),),
        "facets": {"category": (("sofa", 2), ("table", 1))},
        "timings_ms": {"detect": 12.34567},
        "notes": ("understood: price < 50",),
    }
    return Look(**(values | changes))


@pytest.mark.parametrize("region", [-2, -1, 2, 99])
def test_evidence_of_a_region_that_is_not_there_is_refused(region):
    with pytest.raises(ValueError, match=rf"'px' is {region}, expected an index into the 2"):
        a_look(matches=(a_match("px", region=region),))


def test_evidence_of_a_regions_own_list_is_checked_too():
    found = RegionMatches(Region("whole", "whole", (0, 0, 9, 9)), (a_match(region=1),))

    with pytest.raises(ValueError, match=r"Evidence\.region"):
        Look(None, (found,), ())


def test_evidence_may_belong_to_no_region():
    look = Look(None, (), (a_match(region=None),))

    assert look.to_dict()["matches"][0]["evidence"][0]["region"] is None


def test_a_look_says_in_one_line_what_it_is():
    assert repr(a_look()) == "Look('photos/room.jpg': 2 regions, 1 matches)"
    assert repr(Look(None, (), ())) == "Look('no photo': 0 regions, 0 matches)"


def test_to_dict_gives_everything_but_the_pixels():
    result = a_look().to_dict()

    assert result["box_format"] == "xyxy_px"
    assert result["scene"] == {
        "source": "photos/room.jpg",
        "sha256": "ab" * 32,
        "width": 60,
        "height": 40,
        "warnings": ["extension does not fit"],
    }
    first = result["regions"][0]
    assert {name: value for name, value in first.items() if name != "matches"} == {
        "number": 1,
        "key": "object:0",
        "kind": "object",
        "box": [1.23, 2.0, 30.0, 40.0],
        "area_share": 0.4555,
        "position": "left",
        "label": "sofa",
        "confidence": 0.876543,
        "weight": 1.5,
        "has_mask": False,
        "cutout_method": "plain",
        "cutout_reason": "mask is empty",
        "colours": [
            {"name": "dark red", "lab": [35.12, 50.0, 30.0], "share": 0.6234, "hex": "#9e2226"}
        ],
        "notes": ["label and catalogue disagree"],
    }
    assert [(m["rank"], m["item_id"]) for m in first["matches"]] == [(1, "p1"), (2, "p2")]
    assert result["regions"][1]["matches"] == []
    assert result["matches"] == [
        {
            "rank": 1,
            "item_id": "p2",
            "score": 0.7,
            "verdict": "exact",
            "parts": {"cutout": 0.3},
            "evidence": [
                {
                    "region": 0,
                    "photo": "p1.jpg",
                    "point_id": "uuid-1",
                    "scores": {"cutout": 0.81, "context": 0.4},
                    "contribution": 0.3,
                }
            ],
            "attributes": {"title": "Sofa", "price": 49.9},
            "photo": None,
            "variants": [],
        }
    ]
    assert result["facets"] == {
        "category": [{"value": "sofa", "count": 2}, {"value": "table", "count": 1}]
    }
    assert result["timings_ms"] == {"detect": 12.346}
    assert result["notes"] == ["understood: price < 50"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(float("nan"), None, id="NaN"),
        pytest.param(float("-inf"), None, id="infinite"),
        pytest.param(np.float32("nan"), None, id="NaN of numpy"),
        pytest.param(np.float32(19.99), 19.99, id="float32 without its noise"),
        pytest.param(np.float64(0.1), 0.1, id="float64"),
        pytest.param(np.longdouble(2), 2.0, id="long double"),
        pytest.param(np.int64(7), 7, id="integer of numpy"),
        pytest.param(np.bool_(True), True, id="bool of numpy"),
        pytest.param(np.array([[1, 2]]), [[1, 2]], id="array"),
        pytest.param(np.array(3), 3, id="array without axes"),
        pytest.param(10**30, 10**30, id="large integer"),
        pytest.param(("a", "b"), ["a", "b"], id="tuple"),
        pytest.param({"b", "a"}, ["a", "b"], id="set, sorted"),
        pytest.param({1: {"x": float("nan")}}, {"1": {"x": None}}, id="nested"),
        pytest.param(datetime.date(2024, 2, 29), "2024-02-29", id="date"),
        pytest.param(Decimal("1.50"), "1.50", id="decimal"),
        pytest.param(b"\xff", "�", id="bytes"),
        pytest.param(None, None, id="None"),
    ],
)
def test_any_attribute_becomes_json(value, expected):
    attributes = a_look(matches=(a_match(odd=value),)).to_dict()["matches"][0]["attributes"]

    assert attributes == {"odd": expected}
    assert type(attributes["odd"]) is type(expected)
    json.dumps(attributes, allow_nan=False)


def test_numbers_that_are_not_finite_become_null():
    nan = float("nan")
    evidence = Evidence(0, "p.jpg", "u", {"cutout": nan}, nan)
    odd = Match("p", nan, {"cutout": nan}, (evidence,), {}, None)
    region = Region("object:0", "object", (nan, 0, 1, 1), "sofa", nan)
    found = RegionMatches(region, (odd,), (Colour("grey", (nan, 0, 0), nan),))
    look = Look(a_scene(), (found,), (odd,), {"size": ((nan, 1),)}, {"detect": nan})

    text = json.dumps(look.to_dict(), allow_nan=False)

    assert text.count("null") >= 10
    assert "NaN" not in text


def test_to_pandas_lists_the_fused_matches_then_each_regions():
    table = a_look().to_pandas()

    columns = ["list", "region", "rank", "item_id", "score"]
    rows = table[columns].astype(object).where(table[columns].notna(), None)
    assert rows.to_numpy().tolist() == [
        ["fused", None, 1, "p2", 0.7],
        ["region", 0, 1, "p1", 0.9],
        ["region", 0, 2, "p2", 0.8],
    ]
    assert table["title"].tolist()[0] == "Sofa"
    assert table["label"].tolist()[1:] == ["sofa", "sofa"]
    assert table["part_cutout"].tolist() == [0.3, 0.3, 0.3]


def test_to_pandas_keeps_an_attribute_whose_name_is_taken():
    attributes = {"score": "A+", "rank": 9, "part_cutout": "x", "colour": "red"}
    match = dataclasses.replace(a_match(region=None), attributes=attributes)
    table = Look(None, (), (match,)).to_pandas()

    row = table.iloc[0]
    assert (row["score"], row["attr_score"]) == (0.5, "A+")
    assert (row["rank"], row["attr_rank"]) == (1, 9)
    assert (row["part_cutout"], row["attr_part_cutout"]) == (0.3, "x")
    assert row["colour"] == "red"


def test_to_pandas_of_nothing_has_the_columns():
    table = Look(None, (), ()).to_pandas()

    assert table.empty
    assert {"list", "region", "rank", "item_id", "score", "title"} <= set(table.columns)
    assert pd.concat([table, a_look().to_pandas()]).shape[0] == 3


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("look.png", b"\x89PNG\r\n"),
        ("LOOK.PNG", b"\x89PNG\r\n"),
        ("look.html", b"<!doctype html>"),
        ("look.json", b"{\n"),
    ],
)
def test_save_writes_what_the_suffix_says(tmp_path, name, start):
    path = a_look().save(tmp_path / name)

    assert path == tmp_path / name
    assert path.read_bytes().startswith(start)
    assert names_in(tmp_path) == [name]


def test_save_takes_text_as_a_path(tmp_path):
    assert a_look().save(str(tmp_path / "a.json")) == tmp_path / "a.json"


@pytest.mark.parametrize("name", ["look.jpg", "look", "look.html.gz", ".png"])
def test_save_names_the_suffixes_it_knows(tmp_path, name):
    with pytest.raises(ValueError, match=r"expected one of \.png, \.html, \.json"):
        a_look().save(tmp_path / name)

    assert names_in(tmp_path) == []


def test_saved_json_reads_back_as_to_dict(tmp_path):
    look = a_look(notes=("Ömlaut 中文 \ud800",))
    path = look.save(tmp_path / "look.json")

    assert json.loads(path.read_text("utf-8")) == look.to_dict()
    assert "Ömlaut 中文" in path.read_text("utf-8")


def test_save_into_a_missing_folder_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*; create it first"):
        a_look().save(tmp_path / "missing" / "look.json")


def test_a_failed_save_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "look.json"
    path.write_text("old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        a_look().save(path)

    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["look.json"]


def test_saving_over_a_folder_fails_and_leaves_nothing_behind(tmp_path):
    (tmp_path / "look.json").mkdir()

    with pytest.raises(OSError):
        a_look().save(tmp_path / "look.json")

    assert names_in(tmp_path) == ["look.json"]


def test_a_saved_file_has_the_permissions_of_any_new_file(tmp_path):
    path = a_look().save(tmp_path / "look.json")
    (tmp_path / "plain").touch()

    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_saving_through_a_link_keeps_the_link(tmp_path):
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to("real.json")

    a_look().save(tmp_path / "link.json")

    assert (tmp_path / "link.json").is_symlink()
    assert json.loads((tmp_path / "real.json").read_text())["box_format"] == "xyxy_px"


def test_a_name_as_long_as_the_file_system_allows_can_be_saved(tmp_path):
    name = "x" * 250 + ".json"

    assert a_look().save(tmp_path / name).is_file()


def test_the_values_load_no_drawing_library():
    code = (
        "import sys; from scenesearch.look.look import Look; Look(None, (), ()).to_dict(); "
        "print([m for m in ('PIL', 'pandas', 'matplotlib', 'jinja2') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "[]"


def test_a_look_of_real_photos_can_be_saved_every_way(shared_data, tmp_path):
    from scenesearch.images import load_scene

    scene = load_scene(sorted((shared_data / "ikea" / "scenes").glob("*.jpg"))[0])
    photos = sorted((shared_data / "ikea" / "catalog").glob("*.jpg"))[:4]
    matches = tuple(Match(p.stem, 0.5, {}, (), {"title": p.stem}, str(p)) for p in photos)
    found = RegionMatches(Region("object:0", "object", (50, 50, 200, 200), "sofa", 0.9), matches)
    look = Look(scene, (found,), matches)

    for suffix in ("png", "html", "json"):
        assert Path(look.save(tmp_path / f"look.{suffix}")).stat().st_size > 500


@pytest.mark.parametrize(
    ("lab", "shade"),
    [((100, 0, 0), "#ffffff"), ((0, 0, 0), "#000000"), ((53.24, 80.09, 67.2), "#ff0000")],
)
def test_lab_becomes_the_hex_of_srgb(lab, shade) -> None:
    assert hex_colours([Colour("x", lab, 1.0)]) == [shade]


def fields_of(value, path=""):
    """Names of what a look holds; what is under ``parts``, ``scores`` and the like is data."""
    if isinstance(value, dict) and path.rpartition(".")[2] not in OPEN:
        for name, one in value.items():
            yield from fields_of(one, f"{path}.{name}".lstrip("."))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        yield from fields_of(value[0], f"{path}[]")
    else:
        yield path


OPEN = {"attributes", "facets", "parts", "scores", "timings_ms"}


@pytest.mark.parametrize("form", ["python", "rest"])
def test_the_table_of_renamed_fields_names_what_a_look_holds(form):
    table = json.loads(Path(__file__, "../data/look_fields_a1e3309.json").resolve().read_text())
    known = table[form]

    if form == "python":
        values = a_look().to_dict()
    else:
        values = look_values(a_look(), photo_url=lambda point_id: f"/{point_id}")
        values |= {"query_id": None, "next_offset": None}
    assert set(fields_of(values)) == {*known["fields"].values(), *known["added"]}


@pytest.mark.parametrize(
    ("score", "parts", "verdict"),
    [
        (0.99, {}, "exact"),
        (0.6, {"meaning": 0.065}, "exact"),
        (0.59, {"meaning": 0.01}, "similar"),
        (0.4, {}, "similar"),
        (0.39, {"meaning": 0.065}, "related"),
        (0.99, {"meaning": 0.0}, "related"),  # alike, and of another kind
        (0.8, {"words_category": 1.0}, "exact"),
        (0.8, {"words_category": 0.0}, "related"),
    ],
)
def test_a_verdict_is_told_by_the_score_and_the_kind(
    score: float, parts: dict[str, float], verdict: str
) -> None:
    assert Match("a", score, parts, (), {}, None).verdict == verdict
