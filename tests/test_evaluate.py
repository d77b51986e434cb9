"""Ground truth to figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scenesearch.errors import CatalogError, FilterError, ImageError, QueryError, StoreError
from scenesearch.evaluate import METRICS, Ranked, Truth, evaluate, read_truths


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
    )

    assert read_truths(path) == [
        Truth(tmp_path / "a.jpg", frozenset({"1", "2"}), "Kitchen"),
        Truth(tmp_path / "deep" / "b.jpg", frozenset(), "g"),
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
    Truth(Path("a.jpg"), frozenset({"1", "2"}), "kitchen"),
    Truth(Path("b.jpg"), frozenset({"3"}), "hall"),
]
ANSWERS = {"a.jpg": ("9", "1", "8", "2"), "b.jpg": ("7",)}


def search(image):
    return Ranked(ANSWERS[image.name], {"detect": 10.0, "engine": 5.0})


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

    result = evaluate(three, lambda image: Ranked((), next(times)))

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
    def fails(image):
        if image.name == "a.jpg":
            raise error
        return search(image)

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
    def fails(image):
        raise error

    with pytest.raises(type(error)):
        evaluate(TRUTHS, fails)


def test_without_an_answer_every_figure_is_zero():
    def fails(image):
        raise ImageError("no")

    result = evaluate(TRUTHS, fails)

    assert set(result.metrics.values()) == {0.0}
    assert result.total_ms == {"p50": 0.0, "p95": 0.0}
    assert len(result.failures) == 2


def test_an_evaluation_is_plain_json_with_rows_on_request():
    result = evaluate(TRUTHS, search)

    short, long = result.to_dict(), result.to_dict(rows=True)

    assert json.loads(json.dumps(long)) == long
    assert "rows" not in short
    assert short["queries"] == 2
    assert short["hit@5"] == 0.5
    assert [row["image"] for row in long["rows"]] == ["a.jpg", "b.jpg"]
