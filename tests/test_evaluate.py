"""Ground truth to figures."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import shop

from scenesearch.cli.main import main
from scenesearch.config.search import SearchOptions
from scenesearch.core.errors import CatalogError, FilterError, ImageError, QueryError, StoreError
from scenesearch.evaluation.ablation import BASE, VARIANTS, Variant, ablate
from scenesearch.evaluation.breakdown import (
    UNKNOWN,
    Answered,
    Breakdown,
    by_kind,
    by_label,
    by_value,
)
from scenesearch.evaluation.evaluate import (
    METRICS,
    REFUSED,
    Ranked,
    RankedRegion,
    Truth,
    compare,
    evaluate,
    read_truths,
)
from scenesearch.models.encode import RegionRules


def written(tmp_path, *lines):
    path = tmp_path / "truth.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_ground_truth_is_read_with_paths_beside_the_file(tmp_path):
    path = written(
        tmp_path,
        '{"image": "a.jpg", "items": ["1", 2], "room": "Kitchen"}',
        "",
        '{"image": "deep/b.jpg", "items": [], "group": "g"}',
        '{"image": "c.jpg", "items": [], "boxes": [[1, 2, 3.5, 4], {"box": [0, 0, 9, 9]}]}',
    )

    assert read_truths(path) == [
        Truth(tmp_path / "a.jpg", frozenset({"1", "2"}), group="Kitchen"),
        Truth(tmp_path / "deep" / "b.jpg", frozenset(), group="g"),
        Truth(tmp_path / "c.jpg", frozenset(), ((1.0, 2.0, 3.5, 4.0), (0.0, 0.0, 9.0, 9.0))),
    ]


def test_paths_start_where_they_are_said_to(tmp_path):
    path = written(tmp_path, '{"image": "a.jpg", "items": ["1"]}')

    (truth,) = read_truths(path, image_root=Path("/elsewhere"))

    assert truth.image == Path("/elsewhere/a.jpg")


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path):
    path = tmp_path / "truth.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"image": "a.jpg", "items": ["1"]}\n')

    assert len(read_truths(path)) == 1


@pytest.mark.parametrize(
    "line",
    [
        "not json",
        "[1, 2]",
        '"text"',
        '{"image": "a.jpg"}',
        '{"items": ["1"]}',
        '{"image": "a.jpg", "items": 5}',
        '{"image": "a.jpg", "items": "12"}',
        '{"image": "a.jpg", "items": {"1": 2}}',
        "null",
    ],
)
def test_a_line_of_another_form_is_refused_with_its_number(tmp_path, line):
    path = written(tmp_path, '{"image": "a.jpg", "items": ["1"]}', line)

    with pytest.raises(CatalogError, match="line 2: expected"):
        read_truths(path)


def test_a_file_without_ground_truth_is_refused(tmp_path):
    with pytest.raises(CatalogError, match="no ground truth"):
        read_truths(written(tmp_path, "", " "))


@pytest.mark.parametrize("kind", ["missing", "folder", "binary"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, kind):
    path = tmp_path / "truth.jsonl"
    if kind == "folder":
        path.mkdir()
    if kind == "binary":
        path.write_bytes(b"\xff\xfe\x00\xd8")

    with pytest.raises(CatalogError, match=r"truth\.jsonl: cannot be read"):
        read_truths(path)


TRUTHS = [
    Truth(Path("a.jpg"), frozenset({"1", "2"}), group="kitchen"),
    Truth(Path("b.jpg"), frozenset({"3"}), group="hall"),
]
ANSWERS = {"a.jpg": ("9", "1", "8", "2"), "b.jpg": ("7",), "stranger.jpg": ()}


def search(truth):
    return Ranked(ANSWERS[truth.image.name], {"detect": 10.0, "engine": 5.0})


def test_figures_are_means_over_the_photos():
    result = evaluate(TRUTHS, search)

    assert set(result.metrics) == set(METRICS)
    assert result.metrics["hit@1"] == 0
    assert result.metrics["hit@5"] == 0.5
    assert result.metrics["recall@50"] == 0.5
    assert result.metrics["map@200"] == pytest.approx((1 / 2 + 2 / 4) / 2 / 2)
    assert [row["hit@5"] for row in result.rows] == [1.0, 0.0]
    assert [row["group"] for row in result.rows] == ["kitchen", "hall"]
    low, high = result.intervals["hit@5"]
    assert low <= 0.5 <= high


def test_the_first_photo_warms_up_and_is_not_timed():
    times = iter([{"detect": 900.0}, {"detect": 10.0}, {"detect": 20.0, "engine": 4.0}])
    three = [*TRUTHS, Truth(Path("a.jpg"), frozenset({"1"}))]

    result = evaluate(three, lambda _: Ranked((), next(times)))

    assert result.latency_ms == {"detect": 15.0, "engine": 2.0}
    assert result.total_ms["p50"] == pytest.approx(17.0)


def test_one_photo_alone_is_timed():
    assert evaluate(TRUTHS[:1], search).total_ms["p50"] == 15.0


@pytest.mark.parametrize(
    "error",
    [ImageError("a.jpg: not a photo"), QueryError("no colours in it", code="empty_query")],
    ids=["unreadable", "nothing to search"],
)
def test_a_photo_that_cannot_be_searched_is_a_failure_and_the_others_count(error):
    def fails(truth):
        if truth.image.name == "a.jpg":
            raise error
        return search(truth)

    said = []
    result = evaluate(TRUTHS, fails, each=lambda: said.append(1))

    assert result.failures == (("a.jpg", str(error)),)
    assert len(result.rows) == 1
    assert len(said) == 2


@pytest.mark.parametrize(
    "error",
    [StoreError("no collection"), FilterError("bad filter"), QueryError("no preset 'x'")],
    ids=lambda error: type(error).__name__,
)
def test_what_no_photo_is_to_blame_for_ends_the_run(error):
    def fails(truth):
        raise error

    with pytest.raises(type(error)):
        evaluate(TRUTHS, fails)


def test_without_an_answer_there_are_no_figures():
    def fails(truth):
        raise ImageError("no")

    result = evaluate(TRUTHS, fails)

    assert result.metrics == {}
    assert result.total_ms == {"p50": 0.0, "p95": 0.0}
    assert len(result.failures) == 2


def test_a_photo_of_nothing_in_the_catalogue_measures_refusals_and_nothing_else():
    nothing = frozenset()
    truths = [
        *TRUTHS,
        Truth(Path("stranger.jpg"), nothing),
        Truth(Path("b.jpg"), nothing, group="street"),
    ]

    result = evaluate(truths, search)

    assert result.metrics[REFUSED] == 0.5
    assert result.metrics["hit@5"] == 0.5
    assert "hit@5" not in result.rows[2]
    assert result.groups["street"] == {REFUSED: 0.0}


def test_figures_of_the_searcher_are_averaged_over_the_photos_that_have_them():
    def likeness(truth):
        figures = {"ils@10": 0.4} if truth.image.name == "a.jpg" else {}
        return Ranked((), {}, figures)

    assert evaluate(TRUTHS, likeness).metrics["ils@10"] == 0.4


# --- comparisons -------------------------------------------------------------------------------


def evaluation(*answers):
    """Of photos that each hold item 1; an answer of None is a photo that could not be searched."""
    truths = [Truth(Path(f"{n}.jpg"), frozenset({"1"})) for n in range(len(answers))]

    def given(truth):
        answer = answers[int(truth.image.stem)]
        if answer is None:
            raise ImageError("no")
        return Ranked(answer)

    return evaluate(truths, given)


def test_a_comparison_is_paired_photo_by_photo():
    old = evaluation(*[("2", "1")] * 20)
    new = evaluation(*[("1", "2")] * 20)

    (difference,) = compare(old, new, ["hit@1"])

    assert (difference.old, difference.new, difference.gain) == (0, 1, 1)
    assert difference.interval == (1, 1)
    assert difference.certain


def test_a_comparison_without_a_change_is_not_certain():
    old, new = evaluation(("1",), ("2",)), evaluation(("1",), ("2",))

    (difference,) = compare(old, new, ["hit@1"])

    assert difference.gain == 0
    assert not difference.certain


def test_the_same_file_name_in_two_folders_is_two_photos():
    truths = [
        Truth(Path("kitchen/1.jpg"), frozenset({"1"})),
        Truth(Path("hall/1.jpg"), frozenset({"1"})),
    ]
    hit_then_miss = evaluate(
        truths, lambda truth: Ranked(("1",) if "kitchen" in str(truth.image) else ())
    )
    miss_then_hit = evaluate(
        truths, lambda truth: Ranked(("1",) if "hall" in str(truth.image) else ())
    )

    (difference,) = compare(hit_then_miss, miss_then_hit, ["hit@1"])

    assert difference.gain == 0
    assert difference.interval[0] < 0 < difference.interval[1]


def test_only_photos_that_both_could_search_are_compared():
    old = evaluation(("1",), None, ("2",))
    new = evaluation(None, ("1",), ("1",))

    (difference,) = compare(old, new, ["hit@1"])

    assert (difference.old, difference.new) == (0, 1)
    assert compare(evaluation(None), evaluation(("1",)), ["hit@1"]) == []


def test_a_metric_that_nobody_has_is_left_out():
    assert compare(evaluation(("1",)), evaluation(("1",)), ["ils@10"]) == []


# --- ablations ---------------------------------------------------------------------------------


def test_an_ablation_prepares_each_choice_of_regions_once_a_photo():
    variants = [
        Variant("base"),
        Variant("fusion", {"fusion": "share"}),
        Variant("tiles", {}, {"tiles": "on"}),
        Variant("tiles and fusion", {"fusion": "share"}, {"tiles": "on"}),
    ]
    prepared, answered = [], []

    def prepare(truth, regions):
        prepared.append((truth.image.name, dict(regions)))
        return truth

    def answer(truth, changed):
        answered.append((truth.image.name, dict(changed)))
        return search(truth)

    found = ablate(TRUTHS, prepare, answer, variants)

    assert list(found) == [variant.name for variant in variants]
    assert prepared == [
        (name, regions) for name in ("a.jpg", "b.jpg") for regions in ({}, {"tiles": "on"})
    ]
    assert len(answered) == 8
    assert all(one.metrics["hit@5"] == 0.5 for one in found.values())


def test_a_variant_that_the_collection_cannot_do_costs_the_others_nothing():
    def answer(prepared, changed):
        if "collapse" in changed:
            raise QueryError("Unknown field 'title'", code="unknown_field")
        return search(prepared)

    found = ablate(
        TRUTHS, lambda truth, _: truth, answer, [BASE, Variant("x", {"collapse": "title"})]
    )

    assert len(found[BASE.name].rows) == 2
    assert (len(found["x"].rows), len(found["x"].failures)) == (0, 2)


def test_the_variants_on_trial_have_names_and_options_that_exist():
    names = [variant.name for variant in VARIANTS]

    assert len(set(names)) == len(names)
    assert VARIANTS[0] == BASE
    for variant in VARIANTS:
        SearchOptions(**variant.options)
        RegionRules(**variant.regions)


def test_an_evaluation_is_plain_json_with_rows_on_request():
    result = evaluate(TRUTHS, search)

    short, long = result.to_dict(), result.to_dict(rows=True)

    assert json.loads(json.dumps(long)) == long
    assert "rows" not in short
    assert short["queries"] == 2
    assert short["hit@5"] == 0.5
    assert [row["image"] for row in long["rows"]] == ["a.jpg", "b.jpg"]


# --- where right answers come from --------------------------------------------------------------


def answered(right, ranked, earned=(), regions=()):
    truth = Truth(Path("a.jpg"), frozenset(right))
    return Answered(truth, Ranked(tuple(ranked), regions=tuple(regions), earned=tuple(earned)))


def test_right_items_are_counted_by_what_they_are_and_how_far_down_they_are():
    fillers = [f"x{n}" for n in range(60)]
    answers = [
        answered({"lamp1", "chair1", "lost"}, ["lamp1", *fillers[:30], "chair1"]),
        answered({"lamp1", "lamp2"}, [*fillers[:9], "lamp2", *fillers[9:50], "lamp1"]),
    ]

    found = by_value(answers, {"lamp1": "lamp", "lamp2": "lamp", "chair1": "chair"})

    assert [(one.value, one.items, dict(one.found)) for one in found] == [
        ("lamp", 3, {10: 2, 50: 2}),
        (UNKNOWN, 1, {10: 0, 50: 0}),
        ("chair", 1, {10: 0, 50: 1}),
    ]
    assert found[0].recall(10) == pytest.approx(2 / 3)


def test_regions_are_credited_with_the_right_items_they_earned_among_the_first_ten():
    chair = RankedRegion("object", "chair", ("a", "b"))
    bed = RankedRegion("object", "bed", ("c",))
    tile = RankedRegion("tile", None, ("d", "a"))
    fillers = [f"x{n}" for n in range(9)]
    answers = [
        answered({"a", "c"}, ["a", "b", "c", "d"], (0, 0, 1, 2), (chair, bed, tile)),
        answered({"d", "e"}, ["d", *fillers, "e"], (0, *[0] * 9, 0), (tile,)),
        answered((), ["a"], (0,), (bed,)),
    ]

    kinds = {one.name: one for one in by_kind(answers)}
    labels = {one.name: one for one in by_label(answers)}

    assert {name: (one.regions, one.earned) for name, one in kinds.items()} == {
        "object": (2, 2),
        "tile": (2, 1),
    }
    assert kinds["object"].share == pytest.approx(2 / 3)
    assert kinds["object"].precision == pytest.approx((0.1 + 0.1) / 2)
    assert {name: (one.regions, one.earned) for name, one in labels.items()} == {
        "(tile)": (2, 1),
        "bed": (1, 1),
        "chair": (1, 1),
    }


def test_what_no_region_earned_is_credited_to_none():
    answers = [answered({"a"}, ["a"], (None,), (RankedRegion("whole", None, ("a",)),))]

    assert [(one.name, one.earned, one.share) for one in by_kind(answers)] == [("whole", 0, 0.0)]


def test_a_breakdown_without_a_field_has_regions_alone_and_is_json():
    answers = [answered({"a"}, ["a"], (0,), (RankedRegion("whole", None, ("a",)),))]

    found = json.loads(json.dumps(Breakdown.of(answers, None, {}).to_dict()))

    assert found["values"] == []
    assert found["region_kinds"] == [
        {"name": "whole", "regions": 1, "earned@10": 1, "share": 1.0, "precision@10": 0.1}
    ]


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """``scenesearch eval`` with further arguments, over a store of the small shop and two rooms."""
    folder = tmp_path_factory.mktemp("eval")
    catalogue = shop.write_catalog(folder, shop.colour_shop(folder))
    rooms = {"a.png": ("red", "square"), "b.png": ("blue", "tall")}
    for name, thing in rooms.items():
        shop.save(shop.room(thing), folder / name)
    truth = written(
        folder,
        *(json.dumps({"image": name, "items": ["-".join(rooms[name])]}) for name in rooms),
    )
    with pytest.MonkeyPatch.context() as monkeypatch:
        shop.use_fakes(monkeypatch)

        def run(command, *arguments):
            given = [command, *arguments, "--store", folder / "store"]
            monkeypatch.setattr(sys, "argv", ["scenesearch", *map(str, given)])
            return main()

        assert run("index", catalogue) == 0
        yield lambda *arguments: run("eval", truth, *arguments)


@pytest.mark.e2e
def test_the_command_line_says_where_right_answers_come_from(evaluated, capsys):
    assert evaluated("--json") == 0

    found = json.loads(capsys.readouterr().out)["by"]
    assert found["field"] == "category"
    assert {one["value"]: one["found@10"] for one in found["values"]} == {"square": 1, "tall": 1}
    assert [(one["name"], one["earned@10"]) for one in found["region_kinds"]] == [("object", 2)]
    assert {one["name"] for one in found["labels"]} == {"red", "blue"}
    assert found["labels"][0]["precision@10"] == pytest.approx(0.1)


@pytest.mark.e2e
def test_right_answers_are_reported_by_another_field_as_a_table(evaluated, capsys):
    assert evaluated("--by", "group") == 0

    out = capsys.readouterr().out
    assert "| group | right items | in the first 10 | in the first 50 |" in out
    assert "| red | 1 | 1.000 (1) | 1.000 (1) |" in out
    assert "| object | 2 | 2 | 1.000 | 0.100 |" in out


def test_reporting_by_a_field_that_is_not_there_is_refused(evaluated, capsys):
    assert evaluated("--by", "brand") != 0
    assert "brand" in capsys.readouterr().err
