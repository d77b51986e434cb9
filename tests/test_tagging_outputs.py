"""The files of a run: all formats say the same, and each is whole or as it was."""

from __future__ import annotations

import csv
import json
from contextlib import closing

import numpy as np
import pyarrow.parquet as pq
import pytest
import tag_child as child

from scenesearch.core.errors import ConfigError, StoreError
from scenesearch.core.types import Scene, TextLine
from scenesearch.tagging.ledger import Finished, Ledger
from scenesearch.tagging.outputs import check_output, failures_path, write_outputs
from scenesearch.tagging.rows import TagRow


def some_rows(number):
    """Rows of all kinds: with and without objects, masks, text; failed ones."""
    rng = np.random.default_rng(3)
    tagger = child.PixelTagger()
    rows = []
    for n in range(number):
        name = f'photo, "{n}" ä\n漢.jpg'
        if n % 5 == 4:
            rows.append(TagRow(name, models="m", error="bad_image", message='broken, as "said"'))
            continue
        image = np.full((20, 30, 3), rng.integers(0, 256, 3), np.uint8)
        warnings = ("odd",) if n % 2 else ()
        (row,) = tagger.tag([Scene(image, f"{n:064x}", name, warnings)])
        text = (TextLine("a;b", 0.5, (0.0, 1.0, 2.0, 3.0)),) if n % 3 == 0 else ()
        rows.append(
            TagRow.from_dict(
                {
                    **row.to_dict(),
                    "text": [
                        {"text": t.text, "confidence": t.confidence, "box": list(t.box)}
                        for t in text
                    ],
                }
            )
        )
    return rows


@pytest.fixture
def written(tmp_path):
    """Writes rows into an output of a suffix."""

    def write(suffix, rows):
        out = tmp_path / f"tags{suffix}"
        with closing(Ledger(out, "f")) as ledger:
            ledger.begin()
            ledger.commit([Finished(n, row.source, row=row) for n, row in enumerate(rows)])
            write_outputs(ledger, out, len(rows))
        return out

    return write


def dicts(rows):
    return [row.to_dict() for row in rows]


def test_json_lines_hold_the_rows(written):
    rows = some_rows(12)

    lines = written(".jsonl", rows).read_text(encoding="utf-8").split("\n")

    assert lines.pop() == ""
    assert [json.loads(line) for line in lines] == dicts(rows)


@pytest.mark.parametrize("number", [0, 1, 12, 2500], ids=["none", "one", "some", "many groups"])
def test_parquet_holds_the_rows(written, number):
    rows = some_rows(number)

    file = pq.ParquetFile(written(".parquet", rows))

    assert file.read().to_pylist() == dicts(rows)
    assert file.num_row_groups == -(-number // 1024)


def test_a_csv_has_a_line_an_object_and_one_for_photos_without(written):
    rows = some_rows(12)

    with written(".csv", rows).open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))

    assert len(lines) == sum(max(len(row.objects), 1) for row in rows)
    by_photo = {row.source: row.to_dict() for row in rows}
    assert {len(row.objects) for row in rows} == {0, 1}
    for line in lines:
        wanted = by_photo[line["source"]]
        assert line["width"] == str(wanted["width"])
        assert line["error"] == (wanted["error"] or "")
        assert json.loads(line["tags"]) == wanted["tags"]
        if not wanted["objects"]:
            assert {line[name] for name in line if name.startswith("object_")} == {""}
            continue
        (one,) = wanted["objects"]
        assert json.loads(line["object_box"]) == one["box"]
        assert json.loads(line["object_mask"] or "null") == one["mask"]
        assert float(line["object_confidence"]) == one["confidence"]


def test_failures_are_listed_while_there_are_any(written):
    rows = some_rows(12)
    out = written(".csv", rows)
    bad = [row for row in rows if row.error]

    listed = failures_path(out).read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in listed] == dicts(bad)

    written(".csv", [row for row in rows if not row.error])
    assert not failures_path(out).exists()


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_a_row_that_cannot_be_read_leaves_the_output_as_it_was(written, suffix):
    out = written(suffix, some_rows(3))
    before = out.read_bytes()
    with closing(Ledger(out, "f")) as ledger:
        ledger._file.db.execute("DROP TRIGGER records_changed")
        spoil = "UPDATE records SET row = CAST(x'ff' AS TEXT) WHERE source LIKE '%2%'"
        ledger._file.db.execute(spoil)
        with pytest.raises(StoreError):
            write_outputs(ledger, out, 3)

    assert out.read_bytes() == before
    assert [path for path in out.parent.iterdir() if path.name.endswith(".tmp")] == []


def test_what_a_kill_left_is_overwritten_or_removed(written, tmp_path):
    for name in (".tags.jsonl.tmp", ".tags.jsonl.failures.jsonl.tmp"):
        (tmp_path / name).write_text("half a ro")

    written(".jsonl", some_rows(2))

    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_an_earlier_list_of_failures_that_cannot_be_removed_is_named(written, tmp_path):
    failures_path(tmp_path / "tags.jsonl").mkdir()

    with pytest.raises(StoreError, match=r"failures\.jsonl cannot be written"):
        written(".jsonl", [row for row in some_rows(3) if not row.error])


@pytest.mark.parametrize("name", ["tags.txt", "tags", "tags.parquet.gz", "folder.csv"])
def test_an_output_of_no_known_kind_is_refused(tmp_path, name):
    (tmp_path / "folder.csv").mkdir()

    with pytest.raises(ConfigError, match="output"):
        check_output(tmp_path / name)
