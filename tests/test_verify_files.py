"""``verify`` of files: what is not what was written is named, and what can be read is kept."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import numpy as np
import pytest

from scenesearch.api.verifying import verify_file
from scenesearch.core.errors import StoreError
from scenesearch.models.embed.cache import EmbeddingCache, Entry
from scenesearch.service.state import State
from scenesearch.service.state.database import FORM
from scenesearch.service.state.jobs import OnceKey
from scenesearch.service.state.records import JobRecord
from scenesearch.tagging.ledger import Finished, Ledger, ledger_path
from scenesearch.tagging.rows import TagRow


def codes(report):
    return {one.code for one in report.findings if one.damage and not one.repaired}


@pytest.fixture
def store(tmp_path):
    with closing(EmbeddingCache(tmp_path / "embeddings.sqlite")) as cache:
        cache.put({f"{n}": [Entry({"cutout": np.ones(50)}, {"n": n})] for n in range(40)}, "f")
    return tmp_path


def test_damaged_entries_of_a_cache_are_named_and_left_out(store):
    path = store / "embeddings.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        (count,) = db.execute("SELECT count(*) FROM photos").fetchone()
        db.execute(
            "UPDATE photos SET regions = x'00' WHERE rowid_ IN (1)".replace(
                "rowid_ IN (1)", "sha256 IN (SELECT sha256 FROM photos LIMIT 2)"
            )
        )

    assert codes(verify_file(path, deep=True)) == {"rows"}
    repaired = verify_file(path, deep=True, repair=True)
    assert repaired.sound
    assert f"{count - 2} rows kept, 2 left out" in repaired.findings[0].repaired
    assert verify_file(path, deep=True).sound
    assert path.with_name("embeddings.sqlite.damaged-1").is_file()


def ledger(folder):
    out = folder / "tags.jsonl"
    with closing(Ledger(out, "f")) as opened_:
        opened_.begin()
        opened_.commit(
            [
                Finished(
                    n, f"photo {n}", None, f"{n:064x}", TagRow(f"photo {n}", message="x" * 500)
                )
                for n in range(200)
            ]
        )
    return ledger_path(out)


def state(folder):
    opened_ = State(folder, min_free_bytes=0)
    for n in range(5):
        opened_.jobs.add(
            [JobRecord(i, f"{n}-{i}", (b"photo %d" % i,)) for i in range(4)],
            once=OnceKey("me", str(n), "body"),
        )
    for n in range(200):
        opened_.feedback.add("me", "click", f"item {n}")
    opened_.close()
    return folder / "service.sqlite"


def without_triggers(path, statement):
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        triggers = db.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall()
        for name, _ in triggers:
            db.execute(f"DROP TRIGGER {name}")
        db.execute(statement)
        for _, sql in triggers:
            db.execute(sql)


@pytest.mark.parametrize(
    ("make", "statement", "left"),
    [
        (ledger, "UPDATE records SET row = '{}' WHERE source = 'photo 7'", 1),
        (ledger, "DELETE FROM records WHERE source = 'photo 7'", 0),
        (ledger, "UPDATE places SET source = 'photo 8' WHERE place = 7", 0),
        (state, "UPDATE feedback SET item_id = 'other' WHERE seq = 9", 1),
        (state, "UPDATE jobs SET total = 9 WHERE seq = 2", 10),
        (state, "UPDATE photos SET data = x'00' WHERE job = 2", None),
        (state, "DELETE FROM records WHERE job = 2 AND place = 1", None),
    ],
)
def test_a_damaged_row_of_a_file_is_named_and_left_out(tmp_path, make, statement, left):
    path = make(tmp_path)
    assert verify_file(path, forms={"service.sqlite": FORM}).sound
    without_triggers(path, statement)

    found = verify_file(path, forms={"service.sqlite": FORM})
    assert codes(found) == {"rows"}
    repaired = verify_file(path, forms={"service.sqlite": FORM}, repair=True)
    if left is not None:
        assert repaired.sound, repaired.findings
        assert f"{left} left out" in repaired.findings[0].repaired
    assert path.with_name(f"{path.name}.damaged-1").is_file()


@pytest.mark.parametrize("make", [ledger, state])
@pytest.mark.parametrize("spoil", ["page", "head", "cut"])
def test_a_file_with_a_broken_page_keeps_what_can_be_read(tmp_path, make, spoil):
    path = make(tmp_path)
    data = bytearray(path.read_bytes())
    if spoil == "page":
        middle = (len(data) // 4096 // 2) * 4096
        data[middle : middle + 4096] = b"\xa5" * 4096
    elif spoil == "head":
        data[:16] = b"no database here"
    else:
        del data[len(data) * 3 // 4 :]
    path.write_bytes(data)

    assert not verify_file(path, forms={"service.sqlite": FORM}).sound
    repaired = verify_file(path, forms={"service.sqlite": FORM}, repair=True)
    assert repaired.sound, repaired.findings
    if make is ledger:
        Ledger(tmp_path / "tags.jsonl", "f").close()
    else:
        State(tmp_path, min_free_bytes=0).close()


def test_a_file_that_is_none_of_ours_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("no")
    with pytest.raises(StoreError, match="no file that can be verified"):
        verify_file(tmp_path / "notes.txt")
