"""Catalogue sync: the plan is what happens, nothing is deleted by mistake, and it goes on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import shop
from PIL import Image

from scenesearch import SceneSearch
from scenesearch.catalog import read_catalog
from scenesearch.cli.main import main
from scenesearch.config.settings import load_settings
from scenesearch.core.errors import CatalogError, ConfigError, StoreUnavailableError
from scenesearch.core.types import Item
from scenesearch.models.embed.cache import EmbeddingCache, Entry
from scenesearch.sync.plan import SyncRules
from scenesearch.sync.syncer import sync_lock
from scenesearch.sync.watch import Rounds, parse_duration, stamp
from scenesearch.wiring import build_cache, build_indexer, build_store, build_syncer

HERE = Path(__file__).parent


class Synced:
    """A shop's photos and manifest, and a collection kept like it.

    The store is one in memory, or, with ``embedded``, a real one that is opened for each use.
    """

    def __init__(self, folder, count=6, *, embedded=False):
        self.folder = folder
        self.home = folder / "store"
        self.manifest = folder / "catalog.csv"
        self.settings = load_settings()
        self.parts = shop.FakeParts(self.settings)
        self.memory = None if embedded else shop.RecordingStore()
        self.cache = EmbeddingCache(":memory:")
        self.items = shop.pattern_items(folder / "photos", count)
        self.write()

    def write(self, items=None, more=""):
        self.items = list(self.items if items is None else items)
        shop.write_catalog(self.folder, self.items)
        with self.manifest.open("a", encoding="utf-8") as file:
            file.write(more)

    @contextmanager
    def open(self):
        if self.memory is not None:
            yield self.memory, self.cache
            return
        store = build_store(self.settings, self.home, "items")
        cache = build_cache(self.settings, self.home)
        try:
            yield store, cache
        finally:
            cache.close()
            store.close()

    def sync(self, rules=None, *, dry_run=False):
        with self.open() as (store, cache):
            indexer = build_indexer(self.parts, store, "items", cache)
            syncer = build_syncer(self.parts, indexer, store, rules or SyncRules())
            planned = syncer.plan(lambda: read_catalog(self.manifest))
            return planned if dry_run else syncer.run(planned)

    @property
    def stored(self):
        with self.open() as (store, _):
            if store.schema is None:
                return {}
            return {record.payload["item_id"]: record.payload for record in store.scroll()}

    def photo(self, name, image, **how):
        path = self.folder / "photos" / name
        Image.fromarray(image).save(path, **how)
        return str(path)


@pytest.fixture
def synced(tmp_path):
    return Synced(tmp_path)


@pytest.fixture
def embedded(tmp_path):
    return Synced(tmp_path, embedded=True)


def kinds(plan):
    return {
        name: getattr(plan, name)
        for name in ("insert", "update", "attributes", "moved", "delete")
        if getattr(plan, name)
    }


def numbered(items, number, **changes):
    return [replace(item, **changes) if n == number else item for n, item in enumerate(items)]


# --- the table of changes ----------------------------------------------------------------------


def _inserted(s):
    photo = s.photo("new.png", shop.noise(77))
    return [*s.items, Item("new", (photo,), {"title": "New", "price": 1.0})]


def _another_photo(s):
    return numbered(s.items, 1, photos=(s.photo("other.png", shop.noise(78)),))


def _one_more_photo(s):
    more = s.photo("more.png", shop.noise(79))
    return numbered(s.items, 1, photos=(*s.items[1].photos, more))


def _same_path_other_content(s):
    s.photo("p001.png", shop.noise(80))
    return s.items


def _price(s):
    return numbered(s.items, 1, attributes={**s.items[1].attributes, "price": 99.0})


def _new_column(s):
    return numbered(s.items, 1, attributes={**s.items[1].attributes, "brand": "Nord"})


def _moved(s):
    moved = Path(s.items[1].photos[0]).with_name("moved.png")
    shutil.move(s.items[1].photos[0], moved)
    return numbered(s.items, 1, photos=(str(moved),))


def _deleted(s):
    return s.items[:1] + s.items[2:]


def _renamed(s):
    return numbered(s.items, 1, id="renamed")


@pytest.mark.parametrize(
    ("change", "expected", "embedded"),
    [
        (lambda s: s.items, {}, 0),
        (lambda s: s.items[::-1], {}, 0),
        (_inserted, {"insert": ("new",)}, 1),
        (_another_photo, {"update": ("p001",)}, 1),
        (_one_more_photo, {"update": ("p001",)}, 1),
        (_same_path_other_content, {"update": ("p001",)}, 1),
        (_price, {"attributes": ("p001",)}, 0),
        (_new_column, {"attributes": ("p001",)}, 0),
        (_moved, {"moved": ("p001",)}, 0),
        (_deleted, {"delete": ("p001",)}, 0),
        (_renamed, {"insert": ("renamed",), "delete": ("p001",)}, 0),
    ],
    ids=[
        *("nothing", "order", "insert", "another_photo", "one_more_photo", "same_path"),
        *("price", "new_column", "moved", "delete", "rename"),
    ],
)
def test_the_plan_says_what_happens_and_then_it_has_happened(synced, change, expected, embedded):
    synced.sync()
    synced.write(change(synced))
    planned = synced.sync(dry_run=True).plan
    done = synced.sync()

    assert kinds(planned) == kinds(done.plan) == expected
    assert planned.unchanged == 6 - (0 if expected in ({}, {"insert": ("new",)}) else 1)
    assert done.report.embedded == embedded
    assert planned.findings == ()
    assert set(synced.stored) == {item.id for item in synced.items}
    again = synced.sync(dry_run=True).plan
    assert kinds(again) == {}
    assert again.unchanged == len(synced.items)


@pytest.mark.store
def test_everything_at_once_in_an_embedded_store_that_is_opened_for_each_round(embedded):
    s = embedded
    s.sync()
    moved = s.folder / "photos" / "moved.png"
    shutil.move(s.items[3].photos[0], moved)
    items = numbered(_price(s), 2, photos=(s.photo("other.png", shop.noise(78)),))
    items = numbered(items, 3, photos=(str(moved),))
    s.write([*items[:4], *items[5:], _inserted(s)[-1]])
    done = s.sync()

    assert kinds(done.plan) == {
        "insert": ("new",),
        "update": ("p002",),
        "attributes": ("p001",),
        "moved": ("p003",),
        "delete": ("p004",),
    }
    stored = s.stored
    assert set(stored) == {"p000", "p001", "p002", "p003", "p005", "new"}
    assert stored["p001"]["price"] == 99.0
    assert stored["p002"]["photo"].endswith("other.png")
    assert stored["p003"]["photo"] == str(moved)
    assert done.report.embedded == 2
    assert kinds(s.sync(dry_run=True).plan) == {}


def test_new_attributes_and_paths_are_what_is_stored(synced):
    synced.sync()
    items = _price(synced)
    moved = Path(items[2].photos[0]).with_name("moved.png")
    shutil.move(items[2].photos[0], moved)
    synced.write(numbered(items, 2, photos=(str(moved),)))
    synced.sync()

    assert synced.stored["p001"]["price"] == 99.0
    assert synced.stored["p002"]["photo"] == str(moved)


def test_a_plan_loads_no_model_and_changes_nothing(synced):
    planned = synced.sync(dry_run=True)

    assert len(planned.plan.insert) == 6
    assert planned.report is None
    assert synced.parts.embedder.loads == 0
    assert synced.memory.names == []


# --- what must not be deleted ------------------------------------------------------------------


def test_an_item_whose_row_is_broken_stays_as_it_was(synced):
    synced.sync()
    items = [*synced.items[:1], *synced.items[3:]]
    synced.write(items, more="p001,photos/none.png,Pattern,1\n")
    done = synced.sync()

    assert done.plan.kept == ("p001",)
    assert kinds(done.plan) == {"delete": ("p002",)}
    assert [row.row for row in done.rows] == [6]
    assert done.failed
    assert set(synced.stored) == {"p000", "p001", "p003", "p004", "p005"}


def test_a_cell_that_is_broken_is_lost_and_its_item_is_not(synced):
    synced.sync()
    synced.write(synced.items[:-1], more="p005,photos/p005.png,Pattern,cheap\n")
    done = synced.sync()

    assert kinds(done.plan) == {"attributes": ("p005",)}
    assert not done.rows
    assert [note for note in done.notes if "'cheap' is not a price" in note]
    assert "price" not in synced.stored["p005"]


@pytest.mark.parametrize(
    "row",
    ["p001,photos/p001.png\n", ",photos/p001.png,Pattern,1\n", '"p001,photos/p001.png,P,1\n'],
    ids=["too_few_fields", "no_id", "quote_left_open"],
)
def test_a_row_whose_id_cannot_be_read_postpones_every_deletion(synced, row):
    synced.sync()
    items = synced.items
    changed = numbered(items, 0, attributes={**items[0].attributes, "price": 5.0})
    synced.write([changed[0], *items[3:]], more=row)
    done = synced.sync()

    assert done.plan.postponed == ("p001", "p002")
    assert done.plan.nameless_rows == 1
    assert kinds(done.plan) == {"attributes": ("p000",)}
    assert set(synced.stored) == {item.id for item in items}
    synced.write([changed[0], *items[3:]])
    assert synced.sync().plan.delete == ("p001", "p002")


def test_an_item_whose_photo_is_missing_or_broken_stays(synced):
    synced.sync()
    Path(synced.items[1].photos[0]).unlink()
    Path(synced.items[2].photos[0]).write_bytes(b"not a picture")
    done = synced.sync()

    assert done.plan.kept == ("p001",)
    assert [failure.item_id for failure in done.report.failures] == ["p002"]
    assert set(synced.stored) == {item.id for item in synced.items}


@pytest.mark.parametrize(
    ("left", "rules", "refused"),
    [
        (3, SyncRules(), False),
        (2, SyncRules(), True),
        (2, SyncRules(max_delete=0.7), False),
        (5, SyncRules(max_delete=0.0), True),
        (6, SyncRules(max_delete=0.0), False),
        (1, SyncRules(allow_mass_delete=True), False),
    ],
    ids=["half", "more", "share_raised", "none_allowed", "none_to_delete", "allowed"],
)
def test_a_manifest_that_lost_too_many_rows_is_refused(synced, left, rules, refused):
    synced.sync()
    everything = list(synced.items)
    synced.write(_inserted(synced)[-1:] + everything[:left])
    planned = synced.sync(rules, dry_run=True).plan

    assert (planned.refusal is not None) == refused
    if refused:
        with pytest.raises(CatalogError, match=rf"delete {6 - left} of 6 .*--allow-mass") as caught:
            synced.sync(rules)
        assert caught.value.code == "mass_delete"
        assert set(synced.stored) == {item.id for item in everything}
    else:
        synced.sync(rules)
        assert set(synced.stored) == {item.id for item in synced.items}


@pytest.mark.parametrize("text", ["id,image,title\n", ""], ids=["header_only", "no_bytes"])
def test_an_empty_manifest_deletes_everything_only_when_that_is_allowed(synced, text):
    synced.sync()
    synced.manifest.write_text(text)
    with pytest.raises(CatalogError, match="would delete all 6 stored items") as caught:
        synced.sync()

    assert caught.value.code == "mass_delete"
    assert len(synced.stored) == 6
    assert len(synced.sync(SyncRules(allow_mass_delete=True)).plan.delete) == 6
    assert synced.stored == {}


def test_an_empty_manifest_of_a_new_collection_is_an_error_as_for_indexing(synced):
    synced.manifest.write_text("id,image\n")
    with pytest.raises(CatalogError) as caught:
        synced.sync(SyncRules(allow_mass_delete=True))

    assert caught.value.code == "empty_catalog"


# --- the duplicate audit -----------------------------------------------------------------------


def large(image, side=320):
    return Image.fromarray(image).resize((side, side), Image.Resampling.NEAREST)


def recoloured(image):
    """The same pattern in a bluer hue; its greys hardly change."""
    blue = image.copy()
    product = (image < 250).any(axis=2)
    shift = np.array([-40, 0, 90])
    blue[product] = np.clip(image[product].astype(int) + shift, 0, 255)
    return blue


@pytest.mark.parametrize(
    ("make", "like", "same"),
    [
        (lambda s: shutil.copy(s.items[1].photos[0], s.folder / "photos" / "x.png"), "p001", True),
        (lambda s: s.photo("x.jpg", shop.noise(1), quality=95, subsampling=0), "p001", False),
        (lambda s: s.photo("x.png", shop.noise(500)), None, None),
        (lambda s: s.photo("x.png", recoloured(shop.noise(1))), None, None),
        (lambda s: s.photo("x.png", shop.product("red")), None, None),
    ],
    ids=["same_file", "encoded_again", "another_pattern", "another_colour", "flat"],
)
def test_a_new_item_with_another_items_photo_is_reported(synced, make, like, same):
    synced.sync()
    photo = str(make(synced))
    synced.write([*synced.items, Item("new", (photo,), {"title": "New"})])
    done = synced.sync()

    assert [(f.item_id, f.like, f.same) for f in done.plan.findings] == (
        [("new", like, same)] if like else []
    )
    assert "new" in synced.stored


def test_two_new_items_with_one_photo_are_reported_the_later_one_as_the_duplicate(synced):
    encoded = synced.photo("b.jpg", shop.noise(90), quality=95, subsampling=0)
    first = synced.photo("a.png", shop.noise(90))
    synced.write([Item("one", (first,)), Item("two", (first,)), Item("three", (encoded,))])
    findings = synced.sync().plan.findings

    assert [(f.item_id, f.like, f.same) for f in findings] == [
        ("two", "one", True),
        ("three", "one", False),
    ]
    assert "two looks like one (same photo)" in str(findings[0])


def test_variants_of_one_group_may_share_their_photos(synced):
    photo = synced.photo("a.png", shop.noise(90))
    groups = {"a": "chair", "b": "chair", "c": "table"}
    synced.write([Item(name, (photo,), {"group": group}) for name, group in groups.items()])

    assert [(f.item_id, f.like) for f in synced.sync().plan.findings] == [("c", "a")]


def test_a_strict_audit_leaves_out_only_what_has_no_photo_of_its_own(synced):
    synced.sync()
    copied = synced.items[1].photos[0]
    own = synced.photo("own.png", shop.noise(91))
    synced.write([*synced.items, Item("copy", (copied,)), Item("mixed", (copied, own))])
    done = synced.sync(SyncRules(audit_strict=True))

    assert done.plan.left_out == ("copy",)
    assert [f.item_id for f in done.plan.findings] == ["copy", "mixed"]
    assert done.plan.insert == ("mixed",)
    assert set(synced.stored) == {*(item.id for item in synced.items)} - {"copy"}


def test_without_an_audit_nothing_is_looked_for(synced):
    synced.sync()
    synced.write([*synced.items, Item("copy", synced.items[1].photos)])

    assert synced.sync(SyncRules(audit=False)).plan.findings == ()


# --- when a round is due -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("15m", 900), ("2h", 7200), ("1.5h", 5400), (" 10 M ", 600), ("0.5s", 0.5)],
)
def test_lengths_of_time_are_read(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "15", "0m", "-1h", "1d", "m", "1h30m", "nans"])
def test_what_is_no_length_of_time_is_refused(text):
    with pytest.raises(ConfigError, match="such as 30s, 15m or 1h"):
        parse_duration(text)


class Clocked(Rounds):
    """Rounds that give up after a second."""

    def __init__(self, path, *, every_s=None, watch=False, patience_s=1.0):
        super().__init__(
            path,
            every_s=every_s,
            watch=watch,
            poll_s=0.05,
            retry_s=0.1,
            stopped=lambda: time.monotonic() > self.end,
        )
        self.patience_s = patience_s

    def wait(self, **more):
        self.end = time.monotonic() + self.patience_s
        return super().wait(**more)


def test_a_change_starts_a_round_and_no_change_starts_none(tmp_path):
    manifest = tmp_path / "catalog.csv"
    manifest.write_text("a")
    rounds = Clocked(manifest, watch=True, patience_s=0.4)

    assert rounds.wait()
    assert not rounds.wait()
    manifest.write_text("ab")
    assert rounds.wait()
    assert not rounds.wait()
    assert rounds.wait(retry=True)


def test_a_file_that_is_still_written_waits_until_it_is_whole(tmp_path):
    manifest = tmp_path / "catalog.csv"
    manifest.write_text("old\n")
    rounds = Clocked(manifest, watch=True, patience_s=5)
    assert rounds.wait()

    def write():
        with manifest.open("w", buffering=1) as file:
            for n in range(40):
                file.write(f"row {n}\n")
                time.sleep(0.01)

    writer = threading.Thread(target=write)
    writer.start()
    time.sleep(0.05)
    due = rounds.wait()
    text = manifest.read_text()
    writer.join()

    assert due
    assert text.endswith("row 39\n")


def test_a_manifest_that_is_replaced_by_another_of_the_same_size_is_a_change(tmp_path):
    manifest = tmp_path / "catalog.csv"
    manifest.write_text("one")
    rounds = Clocked(manifest, watch=True)
    assert rounds.wait()
    new = tmp_path / "new"
    new.write_text("two")
    new.replace(manifest)

    assert rounds.wait()


def test_rounds_come_on_time_whether_anything_changed_or_not(tmp_path):
    rounds = Clocked(tmp_path / "missing.csv", every_s=0.2)
    times = []
    for _ in range(3):
        assert rounds.wait()
        times.append(time.monotonic())

    assert times[1] - times[0] >= 0.2
    assert times[2] - times[1] >= 0.2


def test_a_folder_changes_with_its_photos_but_not_with_hidden_files(tmp_path):
    (tmp_path / "lamps").mkdir()
    photo = tmp_path / "lamps" / "a.jpg"
    photo.write_text("a")
    stamps = [stamp(tmp_path)]
    (tmp_path / ".hidden").write_text("x")
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "b.jpg").write_text("x")
    stamps.append(stamp(tmp_path))
    photo.write_text("ab")
    stamps.append(stamp(tmp_path))
    photo.rename(photo.with_name("b.jpg"))
    stamps.append(stamp(tmp_path))
    photo.with_name("b.jpg").unlink()
    stamps.append(stamp(tmp_path))

    assert stamps[0] == stamps[1]
    assert len(set(stamps)) == 4
    assert stamp(tmp_path / "nothing") is None


def test_two_syncs_of_one_collection_do_not_run_at_once(tmp_path):
    file = tmp_path / "items.sync.lock"
    with (
        sync_lock(file, "collection 'items'"),
        pytest.raises(StoreUnavailableError, match="'items' is being synced by another") as caught,
        sync_lock(file, "collection 'items'"),
    ):
        pass

    assert "this process" in str(caught.value)
    with sync_lock(file, "collection 'items'"):
        pass


def test_the_cache_of_a_store_has_the_size_of_the_settings(tmp_path):
    entry = Entry({"cutout": np.random.default_rng(0).normal(size=5000)}, {})
    for cap, kept in ((0, True), (1, False)):
        for run in ("first", "second"):
            cache = build_cache(load_settings(cache_max_megabytes=cap), tmp_path / str(cap))
            cache.put({f"{run} {n}": [entry] for n in range(30)}, "model")
            known = cache.known([f"first {n}" for n in range(30)], "model")
            cache.close()

        assert (len(known) == 30) is kept


# --- the front door ----------------------------------------------------------------------------


@pytest.fixture
def front(embedded, monkeypatch):
    shop.use_fakes(monkeypatch)
    with SceneSearch(embedded.home, config=embedded.settings) as front:
        yield front


def test_the_plan_is_told_before_anything_is_changed_and_can_be_refused(front, embedded):
    def no(done):
        assert (len(done.plan.insert), done.report) == (6, None)
        raise RuntimeError("not today")

    with pytest.raises(RuntimeError, match="not today"):
        front.sync(embedded.manifest, planned=no)

    assert front.store.schema is None
    assert len(front.sync(embedded.manifest).plan.insert) == 6
    assert front.count() == 6


def test_while_syncing_others_stay_out_and_the_store_is_free_between_two_syncs(front, embedded):
    lock = embedded.home / "items.sync.lock"
    with front.syncing():
        front.sync(embedded.manifest)
        assert len(embedded.stored) == 6
        with pytest.raises(StoreUnavailableError, match="this process"), sync_lock(lock, "it"):
            pass
        embedded.write(embedded.items[:5])
        assert front.sync(embedded.manifest).plan.delete == ("p005",)

    with sync_lock(lock, "it"):
        assert front.count() == 5


# --- the command -------------------------------------------------------------------------------


@pytest.fixture
def cli(capsys, monkeypatch, tmp_path):
    shop.use_fakes(monkeypatch)
    monkeypatch.setenv("SCENESEARCH_CACHE_DIR", str(tmp_path / "cache"))

    def run(*arguments):
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["scenesearch", "sync", *map(str, arguments)])
        code = main()
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return SimpleNamespace(code=code, out=out, err=err)

    return run


def test_the_plan_is_shown_then_what_was_done(cli, embedded):
    done = cli(embedded.manifest, "--store", embedded.home)

    lines = done.out.splitlines()
    assert done.code == 0
    assert lines[0].split() == [
        "to",
        "insert",
        "6",
        "p000,",
        "p001,",
        "p002,",
        "p003,",
        "p004,",
        "...",
    ]
    assert lines[-1].startswith(
        "inserted 6, updated 0, attributes 0, moved 0, deleted 0, unchanged 0"
    )


def test_a_dry_run_leaves_no_file_and_json_is_data_alone(cli, embedded):
    done = cli(embedded.manifest, "--store", embedded.home, "--dry-run", "--json")

    assert done.code == 0
    assert json.loads(done.out)["insert"] == [item.id for item in embedded.items]
    assert json.loads(done.out)["dry_run"]
    assert not embedded.home.exists()


def test_a_refused_plan_is_shown_and_exits_2(cli, embedded):
    cli(embedded.manifest, "--store", embedded.home)
    embedded.write(embedded.items[:1])
    dry = cli(embedded.manifest, "--store", embedded.home, "--dry-run")
    real = cli(embedded.manifest, "--store", embedded.home)

    for done in (dry, real):
        assert done.code == 2
        assert "to delete                              5  p001, p002, p003, p004, p005" in done.out
        assert "would delete 5 of 6 stored items (83%), expected at most 50%" in done.err
    assert len(embedded.stored) == 6


def test_remarks_name_broken_rows_kept_items_and_duplicates_and_exit_3(cli, embedded):
    cli(embedded.manifest, "--store", embedded.home)
    items = [*embedded.items[:3], *embedded.items[4:], Item("copy", embedded.items[0].photos)]
    embedded.write(items, more="p003,photos/none.png,Pattern,1\n")
    done = cli(embedded.manifest, "--store", embedded.home)

    assert done.code == 3
    assert "row 8: there is no file" in done.err
    assert "warning: copy looks like p000 (same photo)" in done.err
    assert "1 items stay as they were, because their rows are broken" in done.err
    assert "kept, their rows are broken" in done.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--every", "soon"), "such as 30s, 15m or 1h"),
        (("--dry-run", "--watch"), "leave out --every and --watch"),
        (("--on-duplicate", "none"), "expected error, first, last, merge"),
        (("--max-delete", "2"), "--max-delete"),
    ],
    ids=["every", "dry_run", "on_duplicate", "max_delete"],
)
def test_a_wrong_option_says_so_and_exits_2(cli, embedded, arguments, said):
    done = cli(embedded.manifest, "--store", embedded.home, *arguments)

    assert done.code == 2
    assert said in done.err


class Watching:
    """``scenesearch sync`` as a process of its own; a line of JSON for each round."""

    def __init__(self, embedded, *arguments, **environment):
        command = [sys.executable, str(HERE / "cli_child.py"), "sync", str(embedded.manifest)]
        command += ["--store", str(embedded.home), "--json", "--poll", "0.1s", *arguments]
        clean = {k: v for k, v in os.environ.items() if not k.startswith("SCENESEARCH_")}
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**clean, "SCENESEARCH_CACHE_DIR": str(embedded.folder / "cache"), **environment},
        )

    def round(self):
        return json.loads(self.process.stdout.readline())

    def stop(self, number):
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=60)
        assert "Traceback" not in err
        return self.process.returncode

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        self.process.stdout.close()
        self.process.stderr.close()


@pytest.mark.process
def test_watching_picks_up_changes_survives_a_bad_manifest_and_stops_when_asked(embedded):
    with Watching(embedded, "--watch") as watching:
        first = watching.round()
        embedded.write(_price(embedded))
        second = watching.round()
        good = embedded.manifest.read_text()
        embedded.manifest.write_text("name,file\n1,2\n")
        third = watching.round()
        embedded.manifest.write_text(good + "p009,photos/p005.png,Again,1\n")
        fourth = watching.round()
        with (
            pytest.raises(StoreUnavailableError, match=f"process {watching.process.pid}"),
            sync_lock(embedded.home / "items.sync.lock", "it"),
        ):
            pass
        code = watching.stop(signal.SIGTERM)

    assert len(first["insert"]) == 6
    assert second["attributes"] == ["p001"]
    assert third["code"] == "missing_column"
    assert fourth["insert"] == ["p009"]
    assert fourth["duplicates"][0]["like"] == "p005"
    assert code == 0
    assert len(embedded.stored) == 7


@pytest.mark.process
def test_an_interrupt_stops_after_the_batch_and_nothing_is_done_twice(tmp_path):
    embedded = Synced(tmp_path, count=24, embedded=True)
    slow = {"SCENESEARCH_TEST_DELAY_S": "0.2", "SCENESEARCH_INDEX__BATCH": "4"}
    with Watching(embedded, "--every", "1h", **slow) as watching:
        cache = embedded.home / "embeddings.sqlite-wal"
        until = time.monotonic() + 60
        while not (cache.exists() and cache.stat().st_size > 100_000):
            assert time.monotonic() < until
            time.sleep(0.02)
        code = watching.stop(signal.SIGINT)
    done = embedded.sync()

    assert code == 130
    assert 0 < done.report.from_cache < 24
    assert done.report.embedded + done.report.from_cache == 24
    assert done.report.embedded == embedded.parts.embedder.embedded // 2
    assert len(embedded.stored) == 24
