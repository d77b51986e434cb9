"""Embeddings kept by content: nothing lost, nothing mixed up, and clear errors."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing

import numpy as np
import pytest

from scenesearch.core.errors import NoSpaceError, StoreError
from scenesearch.models.embed.cache import EmbeddingCache, Entry


def entry(seed, *, spaces=("cutout", "context"), dim=8, **payload):
    rng = np.random.default_rng(seed)
    return Entry({space: rng.normal(size=dim).astype(np.float32) for space in spaces}, payload)


def same(first, second):
    return (
        first.payload == second.payload
        and first.vectors.keys() == second.vectors.keys()
        and all(np.array_equal(first.vectors[k], second.vectors[k]) for k in first.vectors)
    )


@pytest.fixture
def cache(tmp_path):
    opened = EmbeddingCache(tmp_path / "embeddings.sqlite")
    yield opened
    opened.close()


def test_what_was_put_comes_back_bit_for_bit_and_in_order(cache):
    payload = {
        "box": [1.5, 2, 3, 4],
        "colours": [["red", [50.0, 1.0, 2.0], 0.5]],
        "label": "Sofa é",
    }
    entries = [entry(i, number=i, **payload) for i in range(12)]
    cache.put({"photo": entries}, "model")
    (back,) = cache.get(["photo"], "model").values()

    assert len(back) == 12
    assert all(same(a, b) for a, b in zip(entries, back, strict=True))
    assert back[0].vectors["cutout"].dtype == np.float32


@pytest.mark.parametrize(
    "entries",
    [
        [],
        [Entry({}, {})],
        [Entry({"a/b": np.ones(3, np.float32), "": np.zeros(0, np.float32)}, {"x": None})],
        [entry(0, spaces=("cutout",)), entry(1, spaces=("colour",), dim=3)],
    ],
    ids=["no_regions", "no_vectors", "odd_names", "other_spaces_by_region"],
)
def test_entries_of_any_form_survive(cache, entries):
    cache.put({"photo": entries}, "model")
    back = cache.get(["photo"], "model")["photo"]

    assert len(back) == len(entries)
    assert all(same(a, b) for a, b in zip(entries, back, strict=True))


def test_another_fingerprint_is_another_entry(cache):
    cache.put({"photo": [entry(1)]}, "old model")
    cache.put({"photo": [entry(2)]}, "new model")

    assert same(cache.get(["photo"], "old model")["photo"][0], entry(1))
    assert same(cache.get(["photo"], "new model")["photo"][0], entry(2))
    assert cache.get(["photo"], "third model") == {}
    assert cache.known(["photo"], "third model") == set()


def test_putting_again_replaces(cache):
    cache.put({"photo": [entry(1), entry(2)]}, "model")
    cache.put({"photo": [entry(3)]}, "model")

    assert [same(one, entry(3)) for one in cache.get(["photo"], "model")["photo"]] == [True]


def test_only_what_is_there_is_known(cache):
    cache.put({"a": [], "b": []}, "model")

    assert cache.known(["a", "c", "a"], "model") == {"a"}
    assert cache.known(iter(["b"]), "model") == {"b"}
    assert cache.get(["c", "b"], "model").keys() == {"b"}
    assert cache.get([], "model") == {}


def test_thousands_of_photos_are_asked_for_at_once(cache):
    names = [f"{i:05d}" for i in range(2500)]
    cache.put({name: [Entry({}, {"n": name})] for name in names}, "model")
    found = cache.get(names, "model")

    assert len(found) == 2500
    assert all(found[name][0].payload["n"] == name for name in names)


def test_entries_outlive_the_object(tmp_path):
    path = tmp_path / "deep" / "down" / "embeddings.sqlite"
    first = EmbeddingCache(path)
    first.put({"photo": [entry(1)]}, "model")
    first.close()
    second = EmbeddingCache(path)

    assert same(second.get(["photo"], "model")["photo"][0], entry(1))
    second.close()


def test_a_cache_in_memory_touches_no_disk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cache = EmbeddingCache(":memory:")
    cache.put({"photo": [entry(1)]}, "model")

    assert cache.known(["photo"], "model") == {"photo"}
    cache.close()
    assert list(tmp_path.iterdir()) == []


def test_threads_may_read_while_another_writes(cache):
    wrong = []

    def read():
        for _ in range(30):
            for key, entries in cache.get([f"{i}" for i in range(30)], "model").items():
                if not same(entries[0], entry(int(key))):
                    wrong.append(key)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for i in range(30):
        cache.put({f"{i}": [entry(i)]}, "model")
    for reader in readers:
        reader.join()

    assert wrong == []
    assert len(cache.known([f"{i}" for i in range(30)], "model")) == 30


def test_two_openings_share_one_file(tmp_path):
    path = tmp_path / "embeddings.sqlite"
    first, second = EmbeddingCache(path), EmbeddingCache(path)
    for i in range(10):
        first.put({f"a{i}": []}, "model")
        second.put({f"b{i}": []}, "model")

    wanted = {f"{x}{i}" for x in "ab" for i in range(10)}
    assert first.known(wanted, "model") == second.known(wanted, "model") == wanted
    first.close()
    second.close()


WRITER = """
import sys
import numpy as np
from scenesearch.models.embed.cache import EmbeddingCache, Entry
cache = EmbeddingCache(sys.argv[1])
for i in range(100_000):
    one = [Entry({"cutout": np.full(64, i, np.float32)}, {"i": i})]
    cache.put({f"{i}:{j}": one for j in range(5)}, "model")
    print(i, flush=True)
"""


@pytest.mark.process
def test_a_killed_process_loses_nothing_that_was_acknowledged_and_no_half_batch(disk_path):
    path = disk_path / "embeddings.sqlite"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
    acknowledged = [int(writer.stdout.readline()) for _ in range(40)][-1]
    writer.kill()
    rest = writer.stdout.read().split()
    writer.stdout.close()
    writer.wait()
    acknowledged = max([acknowledged, *map(int, rest)])
    cache = EmbeddingCache(path)
    names = [f"{i}:{j}" for i in range(acknowledged + 2) for j in range(5)]
    found = cache.get(names, "model")
    cache.close()

    assert found.keys() >= set(names[: 5 * (acknowledged + 1)])
    assert len(found) % 5 == 0
    assert all(e[0].vectors["cutout"][0] == e[0].payload["i"] for e in found.values())


def test_a_full_disk_is_said_and_leaves_the_earlier_entries(cache):
    cache.put({"small": [entry(1)]}, "model")
    (pages,) = cache._db.execute("PRAGMA page_count").fetchone()
    cache._db.execute(f"PRAGMA max_page_count = {pages + 2}")
    large = {f"large {i}": [entry(i, dim=20_000)] for i in range(3)}
    with pytest.raises(NoSpaceError, match="nothing of this batch was written"):
        cache.put({"first": [], **large}, "model")

    assert cache.known(["first", "small", *large], "model") == {"small"}
    cache._db.execute("PRAGMA max_page_count = 1000000")
    cache.put(large, "model")
    assert cache.known(large, "model") == large.keys()


@pytest.mark.parametrize("kind", ["other_file", "folder", "below_a_file"])
def test_a_path_that_cannot_be_a_cache_says_so(tmp_path, kind):
    other = tmp_path / "notes.txt"
    other.write_text("not a database " * 100)
    path = {"other_file": other, "folder": tmp_path, "below_a_file": other / "cache.sqlite"}[kind]
    with pytest.raises(
        StoreError, match=r"embedding cache( is damaged, or it is none|: )"
    ) as caught:
        EmbeddingCache(path).known(["photo"], "model")

    assert str(path) in str(caught.value)
    assert other.read_text().startswith("not a database")


@pytest.mark.parametrize(
    "blob", [b"", b"\x00", b"PK\x03\x04 cut off"], ids=["empty", "zero", "cut"]
)
@pytest.mark.parametrize("summed", [True, False], ids=["summed", "of an older version"])
def test_a_damaged_entry_is_a_miss_and_leaves_the_cache(cache, blob, summed, caplog):
    cache.put({"photo": [entry(1)], "other": [entry(2)]}, "model")
    change = "" if summed else ", sum = NULL"
    cache._db.execute(f"UPDATE photos SET regions = ?{change} WHERE sha256 = 'photo'", (blob,))

    assert cache.get(["photo", "other"], "model").keys() == {"other"}
    assert "photo photo is damaged" in caplog.text
    assert cache.known(["photo", "other"], "model") == {"other"}
    cache.put({"photo": [entry(1)]}, "model")
    assert cache.get(["photo"], "model").keys() == {"photo"}


@pytest.mark.parametrize(
    "change",
    ["payload = '[{\"label\": 1}]'", "payload = CAST(x'ff' AS TEXT)", "sha256 = 'another'"],
    ids=["text", "no text", "key"],
)
def test_what_still_reads_well_and_is_not_what_was_written_is_a_miss(cache, change):
    cache.put({"photo": [entry(1)]}, "model")
    cache._db.execute(f"UPDATE photos SET {change}")

    assert cache.get(["photo", "another"], "model") == {}


def test_a_value_that_json_cannot_hold_leaves_the_cache_usable(cache):
    with pytest.raises(TypeError):
        cache.put({"photo": [Entry({}, {"bad": object()})]}, "model")

    cache.put({"photo": [entry(1)]}, "model")
    assert cache.known(["photo"], "model") == {"photo"}


# --- the cap on its size -----------------------------------------------------------------------

MEGABYTE = 1_000_000


def fill(path, numbers, *, cap=0):
    """A run of its own that keeps a photo of about 10 KB for each number."""
    with closing(EmbeddingCache(path, max_megabytes=cap)) as cache:
        for n in numbers:
            cache.put({f"{n:04}": [entry(n, spaces=("cutout",), dim=2500)]}, "model")


def used_bytes(path):
    with closing(sqlite3.connect(path)) as db:
        pages, free, page = (
            db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
    return (pages - free) * page


def names_in(path):
    """What both tables say there is; they must agree."""
    with closing(sqlite3.connect(path)) as db:
        photos = set(db.execute("SELECT sha256, fingerprint FROM photos"))
        uses = set(
            db.execute(
                "SELECT u.sha256, f.text FROM uses u JOIN fingerprints f ON f.id = u.fingerprint"
            )
        )
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert photos == uses
    return {name for name, _ in photos}


def test_above_its_cap_the_least_recently_used_entries_leave_and_the_file_shrinks(tmp_path):
    path = tmp_path / "embeddings.sqlite"
    fill(path, range(250))
    with closing(EmbeddingCache(path)) as reader:
        reader.get([f"{n:04}" for n in range(20)], "model")
        reader.known([f"{n:04}" for n in range(20, 30)], "model")
    before = path.stat().st_size
    fill(path, [900], cap=1)

    left = names_in(path)
    assert used_bytes(path) <= MEGABYTE
    assert path.stat().st_size <= MEGABYTE < before
    assert {f"{n:04}" for n in range(30)} | {"0900"} <= left
    # of the others the latest stayed
    others = sorted(left - {f"{n:04}" for n in range(30)} - {"0900"})
    assert others == [f"{n:04}" for n in range(250 - len(others), 250)]
    with closing(EmbeddingCache(path)) as cache:
        assert same(
            cache.get(["0249"], "model")["0249"][0], entry(249, spaces=("cutout",), dim=2500)
        )


def test_nothing_that_the_current_run_has_used_leaves_however_large_it_grows(tmp_path):
    path = tmp_path / "embeddings.sqlite"
    fill(path, range(40))
    old = [f"{n:04}" for n in range(10)]
    with closing(EmbeddingCache(path, max_megabytes=1)) as cache:
        assert cache.known(old, "model") == set(old)
        for n in range(100, 250):
            cache.put({f"{n:04}": [entry(n, spaces=("cutout",), dim=2500)]}, "model")
        assert cache.trim() == 0

    assert names_in(path) == {*old, *(f"{n:04}" for n in range(100, 250))}
    assert used_bytes(path) > MEGABYTE


def test_nothing_leaves_while_another_run_has_the_file_open(tmp_path):
    path = tmp_path / "embeddings.sqlite"
    fill(path, range(150))
    other = EmbeddingCache(path)
    other.known([], "model")
    fill(path, [900], cap=1)
    assert len(names_in(path)) == 151
    other.close()
    fill(path, [901], cap=1)

    assert len(names_in(path)) < 100


def test_a_run_that_was_killed_long_ago_does_not_hold_up_the_others(tmp_path):
    path = tmp_path / "embeddings.sqlite"
    fill(path, range(150))
    with closing(sqlite3.connect(path)) as db:
        db.execute("INSERT INTO runs VALUES ('killed', 1)")
        db.commit()
    fill(path, [900], cap=1)

    assert len(names_in(path)) < 100


def test_without_a_cap_everything_stays(tmp_path):
    path = tmp_path / "embeddings.sqlite"
    fill(path, range(150))
    fill(path, range(150, 200))

    assert len(names_in(path)) == 200


def test_a_negative_cap_is_refused():
    with pytest.raises(ValueError, match=r"0 \(no cap\) or more, got -1"):
        EmbeddingCache(":memory:", max_megabytes=-1)


# --- files of before it had one ----------------------------------------------------------------


def old_file(path, numbers):
    """A cache as the first version wrote it."""
    fill(path, numbers)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for table in ("uses", "fingerprints", "runs"):
            db.execute(f"DROP TABLE {table}")
        db.execute("ALTER TABLE photos DROP COLUMN sum")
        db.execute("PRAGMA user_version=0")
        db.execute("PRAGMA auto_vacuum=NONE")
        db.execute("VACUUM")
    return path


def test_an_older_file_is_brought_up_to_date_and_loses_nothing(tmp_path):
    path = old_file(tmp_path / "embeddings.sqlite", range(150))
    with closing(EmbeddingCache(path)) as cache:
        names = [f"{n:04}" for n in range(150)]
        assert cache.known(names, "model") == set(names)
        assert same(cache.get(["0007"], "model")["0007"][0], entry(7, spaces=("cutout",), dim=2500))
    EmbeddingCache(path).close()

    assert len(names_in(path)) == 150


def test_an_older_file_can_be_capped_and_then_shrinks(tmp_path):
    path = old_file(tmp_path / "embeddings.sqlite", range(150))
    with closing(EmbeddingCache(path)) as cache:
        cache.known([f"{n:04}" for n in range(20)], "model")
    fill(path, [900], cap=1)

    assert {f"{n:04}" for n in range(20)} < names_in(path)
    assert path.stat().st_size <= MEGABYTE


def test_a_file_of_a_newer_version_is_left_alone(tmp_path):
    path = tmp_path / "embeddings.sqlite"
    fill(path, [1])
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version=99")
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"version 99, expected at most 2: a newer scenesearch"):
        EmbeddingCache(path).known(["photo"], "model")

    assert path.read_bytes() == before


OPENER = """
import sys
from scenesearch.models.embed import cache, cache_eviction
from scenesearch.models.embed.cache import EmbeddingCache, Entry
cache_eviction.BATCH = 5
print("ready", flush=True)
sys.stdin.readline()
one = EmbeddingCache(sys.argv[1], max_megabytes=1)
one.known(["0149"], "model")
one.put({"new": [Entry({}, {})]}, "model")
print("done", flush=True)
sys.stdin.readline()
"""


@pytest.mark.process
@pytest.mark.parametrize("after_ms", [0, 3, 6, 10, 15, 25])
def test_killed_while_it_is_brought_up_to_date_or_made_smaller_it_is_whole(disk_path, after_ms):
    path = old_file(disk_path / "embeddings.sqlite", range(150))
    child = subprocess.Popen(
        [sys.executable, "-c", OPENER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    child.stdout.readline()
    child.stdin.write(b"\n")
    child.stdin.flush()
    time.sleep(after_ms / 1000)
    child.kill()
    child.communicate()
    with closing(EmbeddingCache(path)) as cache:
        left = cache.known([f"{n:04}" for n in range(150)], "model")
        found = cache.get(sorted(left), "model")
        assert found.keys() == left
        assert all(
            same(found[name][0], entry(int(name), spaces=("cutout",), dim=2500)) for name in left
        )

    assert "0149" in left
    assert names_in(path) >= left
