"""Tagging runs: what is worked on, what is left alone, in which order rows come."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import tag_child as child
from PIL import Image

from scenesearch.core.errors import CatalogError, ConfigError, ModelError
from scenesearch.tagging.run import RunOptions, run_tagging, tag_stream

pytestmark = pytest.mark.process

PHOTOS = 7


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    for n in range(PHOTOS):
        child.photo(folder / f"{n}.jpg", n)
    return folder


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out" / "tags.jsonl"


def run(sources, out, tagger=None, **options):
    """The tagger and the summary of a run."""
    tagger = tagger or child.PixelTagger()
    options.setdefault("workers", 1)
    sources = sources if isinstance(sources, list) else [sources]
    return tagger, run_tagging(sources, tagger, out, options=RunOptions(**options))


def rows(out):
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def names(out):
    return [Path(row["source"]).name for row in rows(out)]


def test_every_photo_has_a_row_in_the_order_of_the_sources(photos, out):
    seen = []
    options = RunOptions(batch=3, workers=2)
    tagger = child.PixelTagger()

    summary = run_tagging([photos], tagger, out, options=options, progress=seen.append)

    assert names(out) == [f"{n}.jpg" for n in range(PHOTOS)]
    assert [row["width"] for row in rows(out)] == [48] * PHOTOS
    assert tagger.batches == [3, 3, 1]
    assert [now.photos for now in seen] == [3, 6, 7]
    assert (summary.photos, summary.done, summary.skipped, summary.failed) == (PHOTOS, PHOTOS, 0, 0)
    assert {"decode", "tag", "write", "wait", "output"} <= summary.stages.keys()
    assert {path.name for path in out.parent.iterdir()} == {
        *("tags.jsonl", "tags.jsonl.ledger", "tags.jsonl.ledger.lock"),
    }


def test_a_second_run_loads_no_model_and_gives_the_same(photos, out):
    run(photos, out)
    before = out.read_bytes()

    tagger, summary = run(photos, out)

    assert (tagger.loads, tagger.tagged) == (0, [])
    assert (summary.done, summary.skipped) == (0, PHOTOS)
    assert out.read_bytes() == before


def test_only_what_changed_is_tagged_again(photos, out):
    run(photos, out)
    child.photo(photos / "2.jpg", 200)
    child.photo(photos / "new.jpg", 300)

    tagger, summary = run(photos, out)

    assert [Path(name).name for name in tagger.tagged] == ["2.jpg", "new.jpg"]
    assert (summary.done, summary.skipped) == (2, PHOTOS - 1)


def test_a_touched_photo_is_compared_by_content_and_then_by_its_new_time(photos, out):
    run(photos, out)
    os.utime(photos / "3.jpg", ns=(1, 1))

    tagger, summary = run(photos, out)
    again, summary_again = run(photos, out)

    assert tagger.tagged == again.tagged == []
    assert "decode" in summary.stages
    assert "decode" not in summary_again.stages


def test_a_photo_changed_behind_its_time_is_found_by_rehashing(photos, out):
    before = (photos / "1.jpg").stat()
    run(photos, out)
    replaced = child.photo(photos / "1.jpg", 1, size=(48, 40)).read_bytes()
    (photos / "1.jpg").write_bytes(replaced[: before.st_size].ljust(before.st_size, b"\0"))
    os.utime(photos / "1.jpg", ns=(before.st_atime_ns, before.st_mtime_ns))

    assert run(photos, out)[1].skipped == PHOTOS
    _, summary = run(photos, out, rehash=True)

    assert summary.skipped == PHOTOS - 1


def test_another_model_tags_everything_again(photos, out):
    run(photos, out)

    tagger, _ = run(photos, out, child.PixelTagger("pixels:2"))

    assert len(tagger.tagged) == PHOTOS
    assert {row["models"] for row in rows(out)} == {"pixels:2"}


@pytest.mark.parametrize("batch", [1, 3, 50], ids=["far apart", "in other batches", "in one batch"])
def test_the_same_content_is_tagged_once_and_has_a_row_under_each_name(photos, out, batch):
    for name in ("1b.jpg", "5b.jpg", "6b.png"):
        (photos / name).write_bytes((photos / f"{name[0]}.jpg").read_bytes())

    tagger, summary = run(photos, out, batch=batch)

    assert sorted(Path(name).name for name in tagger.tagged) == [f"{n}.jpg" for n in range(PHOTOS)]
    assert (summary.done, summary.same_content) == (PHOTOS + 3, 3)
    found = {Path(row.pop("source")).name: row for row in rows(out)}
    assert found["1.jpg"] == found["1b.jpg"]
    # what is odd about one file is not said of the other
    assert found["6.jpg"]["warnings"] == []
    assert "extension .png" in found["6b.png"].pop("warnings")[0]
    assert found["6b.png"].items() <= found["6.jpg"].items()


def broken(photos):
    (photos / "2.jpg").write_bytes(b"")
    (photos / "4.jpg").write_bytes((photos / "4.jpg").read_bytes()[:300])


def test_a_bad_photo_is_a_row_with_its_error_and_is_listed_beside(photos, out):
    broken(photos)

    tagger, summary = run(photos, out)

    bad = [row for row in rows(out) if row["error"]]
    assert [row["error"] for row in bad] == ["empty_image", "truncated_image"]
    assert all(Path(row["source"]).name in row["message"] for row in bad)
    assert all(row["models"] == tagger.fingerprint and not row["objects"] for row in bad)
    assert names(out) == [f"{n}.jpg" for n in range(PHOTOS)]
    failures = out.with_name("tags.jsonl.failures.jsonl")
    assert rows(failures) == bad
    assert (summary.done, summary.failed) == (PHOTOS - 2, 2)


def test_what_failed_is_left_alone_until_it_changes_or_is_to_be_retried(photos, out):
    broken(photos)
    run(photos, out)

    _, left = run(photos, out)
    assert (left.failed, left.skipped, left.done) == (2, PHOTOS - 2, 0)
    assert "decode" not in left.stages

    _, retried = run(photos, out, retry_failed=True)
    assert (retried.failed, retried.skipped) == (2, PHOTOS - 2)
    assert "decode" in retried.stages

    for n in (2, 4):
        child.photo(photos / f"{n}.jpg", n)
    _, mended = run(photos, out)
    assert (mended.failed, mended.done) == (0, 2)
    assert not out.with_name("tags.jsonl.failures.jsonl").exists()


def test_sources_that_are_gone_have_no_row_and_are_remembered(photos, out):
    run(photos, out)

    run(photos / "[0-2].jpg", out)
    assert names(out) == ["0.jpg", "1.jpg", "2.jpg"]
    tagger, _ = run([photos / "6.jpg", photos / "0.jpg"], out)

    assert names(out) == ["6.jpg", "0.jpg"]
    assert tagger.tagged == []


def test_rows_of_a_list_that_name_no_photo_are_errors_too(photos, out):
    (photos / "list.csv").write_text("image,title\n1.jpg,one\n,two\nnowhere.jpg,three\n")

    _, summary = run(photos / "list.csv", out)

    assert [row["error"] for row in rows(out)] == [None, "missing_image", "not_found"]
    assert summary.failed == 2


def test_a_model_that_breaks_ends_the_run_and_the_batches_before_are_kept(photos, out):
    tagger = child.PixelTagger()
    tagger.fail_at = 2

    with pytest.raises(ModelError, match="on purpose"):
        run(photos, out, tagger, batch=2)
    assert not out.exists()
    after, summary = run(photos, out, batch=2)

    assert [Path(name).name for name in after.tagged] == ["4.jpg", "5.jpg", "6.jpg"]
    assert summary.skipped == 4
    assert names(out) == [f"{n}.jpg" for n in range(PHOTOS)]


def test_large_photos_make_smaller_batches(photos, out):
    tagger, _ = run(photos, out, batch=100, batch_bytes=2 * 48 * 32 * 3)

    assert tagger.batches == [2, 2, 2, 1]


def test_a_photo_that_takes_too_long_is_a_row_and_the_run_goes_on(photos, out):
    Image.fromarray(np.zeros((6000, 8000, 3), np.uint8)).save(photos / "3.png", compress_level=1)

    _, summary = run(photos, out, timeout_s=0.02)

    errors = {Path(row["source"]).name: row["error"] for row in rows(out)}
    assert errors["3.png"] == "timed_out"
    assert summary.done + summary.failed == PHOTOS + 1


def test_photos_in_object_storage_are_read_tagged_and_remembered(photos, out):
    import fsspec

    memory = fsspec.filesystem("memory")
    for path in photos.iterdir():
        memory.pipe(f"/tagging/{path.name}", path.read_bytes())
    memory.pipe("/tagging/broken.jpg", b"no photo")
    try:
        _, first = run("memory://tagging", out)
        again, second = run("memory://tagging", out)
    finally:
        memory.rm("/tagging", recursive=True)

    assert (first.done, first.failed) == (PHOTOS, 1)
    assert names(out) == [*(f"{n}.jpg" for n in range(PHOTOS)), "broken.jpg"]
    assert again.tagged == []
    assert (second.skipped, second.failed) == (PHOTOS, 1)


@pytest.mark.parametrize(
    ("sources", "name", "error", "said"),
    [
        (["nowhere"], "tags.jsonl", CatalogError, "there is no 'nowhere'"),
        (["."], "tags.xls", ConfigError, r"expected \.jsonl, \.parquet, \.csv"),
        (["."], "tags", ConfigError, "ends in ''"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_written(
    tmp_path, monkeypatch, sources, name, error, said
):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(error, match=said):
        run(sources, Path(name))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["batch", "batch_bytes", "ahead_bytes", "workers", "timeout_s"])
def test_options_that_make_no_sense_are_refused(name):
    with pytest.raises(ValueError, match=f"RunOptions.{name} must be above 0"):
        RunOptions(**{name: 0})


# streams


def test_a_stream_gives_rows_in_order_and_remembers_nothing(photos):
    broken(photos)
    tagger = child.PixelTagger()

    found = list(tag_stream([photos], tagger, options=RunOptions(workers=1, batch=2)))

    assert [Path(row.source).name for row in found] == [f"{n}.jpg" for n in range(PHOTOS)]
    assert [row.error for row in found if row.error] == ["empty_image", "truncated_image"]
    assert sorted(path.name for path in photos.parent.iterdir()) == ["photos"]


def test_a_stream_reads_no_further_than_it_must(photos):
    drawn = []
    read, write = os.pipe()
    tagger = child.PixelTagger()

    def feed():
        for _ in range(1000):
            for path in sorted(photos.iterdir()):
                os.write(write, f"{path.parent}/./{'x/../' * len(drawn)}{path.name}\n".encode())
        os.close(write)

    with open(read, "rb", buffering=0) as stdin:  # noqa: PTH123 - a pipe
        stream = tag_stream(["-"], tagger, options=RunOptions(workers=1, batch=2), stdin=stdin)
        threading.Thread(target=feed, daemon=True).start()
        assert next(stream).source.endswith("0.jpg")
        time.sleep(0.2)

        assert len(tagger.tagged) <= 4
        stream.close()


def test_leaving_a_stream_early_ends_its_processes(photos):
    import psutil

    before = set(psutil.Process().children())
    stream = tag_stream([photos], child.PixelTagger(), options=RunOptions(workers=2, batch=1))
    next(stream)
    assert len(set(psutil.Process().children()) - before) >= 2

    stream.close()

    left = set(psutil.Process().children()) - before
    # Python's own tracker of semaphores stays
    assert [p for p in left if "spawn_main" in " ".join(p.cmdline())] == []
