"""The ledger: what it decides, what it keeps, what it refuses."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from scenesearch.core.errors import DamagedError, NoSpaceError, StoreError, StoreUnavailableError
from scenesearch.tagging.ledger import Finished, Known, Ledger, decide, ledger_path, recorded_rows
from scenesearch.tagging.outputs import write_outputs
from scenesearch.tagging.rows import TagRow
from scenesearch.tagging.sources import Identity

NOW, OLD = Identity(10, "2"), Identity(10, "1")
DONE, FAILED = Known(NOW, "aa", "f", False), Known(NOW, "", "f", True)


@pytest.mark.parametrize(
    ("known", "identity", "options", "decision"),
    [
        (None, NOW, {}, "work"),
        (DONE, NOW, {}, "skip"),
        (DONE, OLD, {}, "verify"),
        (DONE, None, {}, "verify"),
        (DONE._replace(identity=None), None, {}, "verify"),
        (DONE, NOW, {"rehash": True}, "verify"),
        (DONE, NOW, {"retry_failed": True}, "skip"),
        (DONE._replace(fingerprint="g"), NOW, {}, "work"),
        (FAILED, NOW, {}, "skip"),
        (FAILED, OLD, {}, "work"),
        (FAILED, NOW, {"retry_failed": True}, "work"),
        (FAILED, NOW, {"rehash": True}, "skip"),
        (FAILED._replace(identity=None), None, {}, "skip"),
        (FAILED._replace(fingerprint="g"), NOW, {}, "work"),
    ],
)
def test_what_is_done_with_a_source(known, identity, options, decision):
    assert decide(known, identity, "f", **options) == decision


@pytest.fixture
def out(tmp_path):
    return tmp_path / "tags.jsonl"


def done(place, name, sha256="", **values):
    return Finished(place, name, NOW, sha256, TagRow(name, sha256, **values))


def sources(ledger):
    return [json.loads(text)["source"] for text in ledger.texts()]


def test_rows_come_back_in_the_order_of_their_places_whatever_was_first(out):
    with closing(Ledger(out, "f")) as ledger:
        ledger.begin()
        ledger.commit([done(2, "c"), done(0, "a")])
        ledger.commit([done(1, "b", error="bad_image")])

        assert sources(ledger) == ["a", "b", "c"]
        assert ledger.failed() == 1
        assert [json.loads(t)["source"] for t in ledger.texts(failed_only=True)] == ["b"]
    assert [row.source for row in recorded_rows(out)] == ["a", "b", "c"]


def test_a_run_begins_with_no_places_and_all_records(out):
    with closing(Ledger(out, "f")) as ledger:
        ledger.commit([done(0, "a", "11"), done(1, "gone", "22")])
    with closing(Ledger(out, "f")) as ledger:
        ledger.begin()
        ledger.commit([Finished(0, "a")])

        assert sources(ledger) == ["a"]
        assert ledger.known("gone") == Known(NOW, "22", "f", False)


def test_content_is_found_only_where_the_models_are_the_same_and_it_went_well(out):
    with closing(Ledger(out, "f")) as ledger:
        ledger.commit([done(0, "a", "11", warnings=("odd",)), done(1, "b", "22", error="x")])

        row, own = ledger.same_content("11")
        assert (row.source, row.warnings, own) == ("a", ("odd",), 0)
        assert ledger.same_content("22") is None
    with closing(Ledger(out, "g")) as ledger:
        assert ledger.same_content("11") is None


def test_a_new_time_of_change_is_kept_with_the_old_row(out):
    with closing(Ledger(out, "f")) as ledger:
        ledger.commit([done(0, "a", "11")])
        ledger.begin()
        ledger.commit([Finished(0, "a", OLD)])

        assert ledger.known("a") == Known(OLD, "11", "f", False)
        assert sources(ledger) == ["a"]


def test_a_batch_is_kept_whole_or_not_at_all(out):
    with closing(Ledger(out, "f")) as ledger:
        ledger.commit([done(0, "a")])
        with pytest.raises(StoreError):
            ledger.commit([done(1, "b"), done(0, "c")])

        assert ledger.known("b") is None
        assert sources(ledger) == ["a"]


def test_a_full_disk_is_its_own_error_and_what_was_kept_stays(out):
    with closing(Ledger(out, "f")) as ledger:
        ledger.commit([done(0, "a")])
        # SQLite's own limit gives the error that a full disk gives
        ledger._file.db.execute("PRAGMA max_page_count = 20")
        with pytest.raises(NoSpaceError, match="the disk is full"):
            ledger.commit([done(n, f"photo {n}", message="x" * 1000) for n in range(1, 500)])
        ledger._file.db.execute("PRAGMA max_page_count = 100000")
        ledger.commit([done(1, "b")])

        assert sources(ledger) == ["a", "b"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs flock")
def test_a_second_run_is_refused_and_told_who_is_there(out):
    script = (
        "import sys; from pathlib import Path; from scenesearch.tagging.ledger import Ledger\n"
        "ledger = Ledger(Path(sys.argv[1]), 'f'); print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(out)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"open\n"

        with pytest.raises(StoreUnavailableError, match=f"another run, process {other.pid};"):
            Ledger(out, "f")
        other.kill()
        other.communicate()
    Ledger(out, "f").close()


def damaged(path):
    path.write_bytes(b"SQLite format 3\0" + b"\1" * 5000)


def of_something_else(path):
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE songs (name TEXT)")


def of_another_version(path):
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA application_id = 1396921415")
        db.execute("PRAGMA user_version = 99")


def no_database(path):
    path.write_text("source,label\n" * 1000)


def a_folder(path):
    path.mkdir()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (damaged, "the ledger is damaged, or it is none"),
        (no_database, "the ledger is damaged, or it is none"),
        (of_something_else, "a database of something else"),
        (of_another_version, "version 99"),
        (a_folder, "the ledger failed"),
    ],
)
def test_a_file_that_is_no_ledger_is_refused_and_left_alone(out, spoil, said):
    spoil(ledger_path(out))
    before = ledger_path(out).read_bytes() if ledger_path(out).is_file() else None

    for _ in range(2):  # the refusal holds no lock
        with pytest.raises(StoreError, match=said) as caught:
            Ledger(out, "f")
        assert str(ledger_path(out)) in str(caught.value)
    if before is not None:
        assert ledger_path(out).read_bytes() == before


def change(out, statement):
    """As a bit that flips on the disk does it: behind the back of what keeps the sums."""
    with closing(sqlite3.connect(ledger_path(out), isolation_level=None)) as db:
        for (name,) in db.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            db.execute(f"DROP TRIGGER {name}")
        db.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE records SET row = '{}'",
        "UPDATE records SET row = replace(row, '\"a\"', '\"b\"')",
        "UPDATE records SET failed = 1",
        "UPDATE records SET scene_warnings = 1",
        "UPDATE records SET source = 'b'",
        "UPDATE records SET sum = sum + 1",
        "UPDATE places SET source = 'b'",
        "UPDATE places SET place = 1",
        "DELETE FROM records",
    ],
)
def test_a_row_that_is_not_what_was_written_is_named(out, statement):
    with closing(Ledger(out, "f")) as ledger:
        ledger.commit([done(0, "a", "11")])
    change(out, statement)

    with pytest.raises(DamagedError, match=r"the ledger is damaged.*scenesearch verify .*--repair"):
        list(recorded_rows(out))
    with (
        closing(Ledger(out, "f")) as ledger,
        pytest.raises(DamagedError, match="a row is not what was written"),
    ):
        list(ledger.texts())


@pytest.mark.parametrize(
    "column", ["size = 11", "stamp = '3'", "sha256 = '22'", "fingerprint = 'g'"]
)
def test_what_decides_about_a_source_is_compared_when_it_is_read(out, column):
    with closing(Ledger(out, "f")) as ledger:
        ledger.commit([done(0, "a", "11")])
    change(out, f"UPDATE records SET {column}")

    with closing(Ledger(out, "f")) as ledger, pytest.raises(DamagedError):
        ledger.known("a")


def test_a_damaged_row_is_not_changed_into_a_sound_one(out):
    with closing(Ledger(out, "f")) as ledger:
        ledger.commit([done(0, "a", "11")])
        ledger.begin()
        kept = ledger._file.db.execute(
            "SELECT sql FROM sqlite_master WHERE name = 'records_changed'"
        ).fetchone()[0]
        ledger._file.db.execute("DROP TRIGGER records_changed")
        ledger._file.db.execute("UPDATE records SET row = '{}'")
        ledger._file.db.execute(kept)

        with pytest.raises(DamagedError):
            ledger.commit([Finished(0, "a", OLD)])


def test_an_output_with_fewer_rows_than_sources_is_not_written(out):
    with closing(Ledger(out, "f")) as ledger:
        ledger.commit([done(0, "a", "11"), done(1, "b", "22")])
        write_outputs(ledger, out, 2)
        before = out.read_bytes()

        with pytest.raises(DamagedError, match="2 rows for 3 photos"):
            write_outputs(ledger, out, 3)
    assert out.read_bytes() == before


def test_a_ledger_that_was_left_open_is_looked_through_when_it_is_opened(out):
    with closing(Ledger(out, "f")) as ledger:
        ledger.begin()
        ledger.commit([done(n, f"photo {n}", message="x" * 1000) for n in range(50)])
    path = ledger_path(out)
    data = bytearray(path.read_bytes())
    # the first byte of a page says what it is
    data[5 * 4096] ^= 0xFF
    path.write_bytes(data)

    with closing(Ledger(out, "f")):
        pass  # it was closed well, and this page is not read
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA wal_autocheckpoint = 0")
        other.execute("PRAGMA user_version = 2")
        other.execute("CREATE TABLE more (x)")
        with pytest.raises(DamagedError, match="the ledger is damaged"):
            Ledger(out, "f")


def test_rows_of_a_run_that_never_was_are_an_error(out):
    with pytest.raises(StoreError, match=r"there is no .*ledger"):
        list(recorded_rows(out))
