"""Backups: made beside writes, checked, put back elsewhere; and the commands of the docs."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from contextlib import closing
from pathlib import Path

import pytest
import service_app as service
import shop
from cases import first
from sparse import copy_tree

from scenesearch import wiring
from scenesearch.backup import back_up, check, check_embedded, read_manifest, restore
from scenesearch.config.settings import Settings
from scenesearch.core.batches import scroll_all
from scenesearch.core.errors import StoreError
from scenesearch.service.state import State
from scenesearch.service.state.database import Database
from scenesearch.store.embedded.edge import EdgeStore
from scenesearch.system.whole_file import copy_sparse

ROOT = Path(__file__).resolve().parents[1]


def photo(number):
    """A photo that no other number has, as a request has it."""
    colour = (number % 251, (number * 7) % 251, (number * 13) % 251)
    return {"base64": base64.b64encode(shop.png(shop.product(colour))).decode()}


def put_back(backup, folder):
    """Restore into a folder; returns what it came to."""
    settings = Settings(cache_dir=folder / "cache")

    def adopt(name, part):
        wiring.put_back(settings, folder / "store", name, part, embedded=True)

    return restore(
        backup,
        folder / "store",
        adopt,
        lambda name: wiring.build_store(settings, folder / "store", name),
    )


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A backup of a service with items that came with photos, scenes, feedback and a job."""
    folder = tmp_path_factory.mktemp("made")
    with service.serving(folder, section={"backup_dir": str(folder / "backups")}) as served:
        ask = served.client
        for number in range(5):
            body = {"photos": [photo(number)], "attributes": {"price": number}}
            assert ask.put(f"/v1/items/new-{number}", json=body).status_code == 201
        assert (
            ask.post("/v1/feedback", json={"kind": "like", "item_id": "new-1"}).status_code == 201
        )
        answer = ask.post("/v1/backups", json={"name": "first"})
        assert answer.status_code == 201, answer.text
        points = {
            name: shop.contents(store) for name, store in (("items", served.engine.opened.store),)
        }
        yield folder / "backups" / "first", answer.json(), points, folder / "store"


@pytest.mark.store
def test_a_backup_says_what_it_holds(made):
    folder, said, points, _ = made

    assert said["collections"] == {"items": len(points["items"])}
    assert said["photos"] == 5
    assert said["state"] is True
    assert said["bytes"] == sum(one for one, _ in read_manifest(folder).files.values())


@pytest.mark.store
def test_what_is_put_back_elsewhere_is_what_there_was(made, tmp_path):
    folder, _, points, before = made
    done = put_back(folder, tmp_path)
    with closing(EdgeStore(tmp_path / "store", "items")) as store:
        found = shop.contents(store)
    kept = f"{before.as_posix()}/photos/"
    moved = f"{(tmp_path / 'store').as_posix()}/photos/"
    for payload, _ in points["items"].values():
        payload["photo"] = payload["photo"].replace(kept, moved)

    assert found == points["items"]
    assert done.moved == 5
    photos = [Path(one["photo"]) for one, _ in found.values() if one["photo"].startswith(moved)]
    assert len(photos) == 5
    assert all(one.is_file() for one in photos)
    with closing(State(tmp_path / "store")) as state:
        assert [one.item_id for one in state.feedback.page(10)] == ["new-1"]


def test_a_check_finds_a_backup_whole_and_opens_it(made):
    folder, *_ = made
    manifest = check(folder)
    check_embedded(folder, manifest, EdgeStore)

    assert manifest.embedded


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (flip, "is not what was written"),
        (lambda one: os.truncate(one, one.stat().st_size - 1), "is not what was written"),
        (lambda one: one.unlink(), "cannot be read"),
        (lambda one: (one.parent / "more").write_bytes(b""), "is none of its files"),
    ],
    ids=["a bit", "cut off", "gone", "one more"],
)
@pytest.mark.parametrize(
    "part", first(1, ["state/*.sqlite", "photos/items/*/*", "collections/items/schema*"])
)
def test_a_check_finds_what_is_damaged(made, tmp_path, damage, says, part):
    copy_tree(made[0], tmp_path / "b")
    damage(next((tmp_path / "b").glob(part)))

    with pytest.raises(StoreError, match=says) as caught:
        put_back(tmp_path / "b", tmp_path / "new")
    assert caught.value.code == "backup_damaged"
    assert not (tmp_path / "new").exists()


def test_a_backup_that_was_not_finished_is_none(made, tmp_path):
    copy_tree(made[0], tmp_path / "b")
    (tmp_path / "b" / "backup.json").unlink()
    with pytest.raises(StoreError, match="was not finished"):
        check(tmp_path / "b")


@pytest.mark.store
def test_nothing_is_restored_over_something(made, tmp_path):
    put_back(made[0], tmp_path)
    before = (tmp_path / "store" / "service.sqlite").stat().st_mtime_ns
    with pytest.raises(StoreError, match="in place of nothing"):
        put_back(made[0], tmp_path)
    (tmp_path / "store" / "service.sqlite").rename(tmp_path / "aside")
    with pytest.raises(StoreError, match="in place of nothing"):
        put_back(made[0], tmp_path)

    assert (tmp_path / "aside").stat().st_mtime_ns == before


@pytest.mark.store
def test_a_backup_is_made_over_nothing_and_under_a_plain_name(made, tmp_path):
    folder, *_ = made
    with pytest.raises(StoreError, match="holds a backup already"):
        back_up(folder, {}, tmp_path, embedded=True)
    with service.serving(tmp_path, section={"backup_dir": str(folder.parent)}) as served:
        assert served.client.post("/v1/backups", json={"name": "first"}).status_code == 409
        for name in ("../up", "", ".hidden", "a/b", "x" * 65):
            assert served.client.post("/v1/backups", json={"name": name}).status_code == 422


@pytest.mark.store
def test_a_service_without_a_folder_for_them_makes_none(tmp_path):
    keys = {"read_keys": ["a-key-that-only-reads"], "backup_dir": str(tmp_path / "b")}
    with service.serving(tmp_path / "one", indexed=False) as served:
        assert served.client.post("/v1/backups", json={"name": "x"}).status_code == 404
    with service.serving(tmp_path / "two", indexed=False, section=keys) as served:
        header = {"X-API-Key": keys["read_keys"][0]}
        answer = served.client.post("/v1/backups", json={"name": "x"}, headers=header)
        assert answer.status_code == 403


def test_the_file_of_the_state_has_the_name_that_is_copied(tmp_path):
    from scenesearch.backup.state_files import STATE_FILE

    with closing(Database(tmp_path)) as database:
        assert database.path.name == STATE_FILE


def test_a_copy_has_holes_where_there_was_nothing(tmp_path):
    source = tmp_path / "a"
    with source.open("wb") as file:
        file.write(b"begin")
        file.seek(5_000_000)
        file.write(b"end")
        file.truncate(9_000_000)
    copy_sparse(source, tmp_path / "b")

    assert (tmp_path / "b").read_bytes() == source.read_bytes()
    assert (tmp_path / "b").stat().st_blocks * 512 < 1_000_000


# --- beside writes ---------------------------------------------------------------------------


class Writers:
    """Threads that insert, change, remove and judge until they are stopped.

    Attributes:
        puts: the last price acknowledged of each item; None once its removal was.
        likes: items whose feedback was acknowledged.
        begun: like ``puts``, for what was asked and not yet answered.
    """

    def __init__(self, client, name):
        self.client, self.name = client, name
        self.puts, self.begun, self.likes = {}, {}, []
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self._write, args=(n,)) for n in range(2)]
        for one in self.threads:
            one.start()

    def _write(self, n):
        count = 0
        while not self.stop.is_set():
            item = f"{self.name}-{n}-{count // 2}"
            price = count
            self.begun.setdefault(item, set()).add(price)
            body = {"photos": [photo(n * 1000 + count)], "attributes": {"price": price}}
            answer = self.client.put(f"/v1/items/{item}", json=body)
            assert answer.status_code in {200, 201}, answer.text
            self.puts[item] = price
            answer = self.client.post("/v1/feedback", json={"kind": "like", "item_id": item})
            assert answer.status_code == 201, answer.text
            self.likes.append(item)
            count += 1
            self.stop.wait(0.02)

    def end(self):
        self.stop.set()
        for one in self.threads:
            one.join()


def under_writes(tmp_path, rounds):
    folder = tmp_path / "shop"
    with service.serving(folder, section={"backup_dir": str(folder / "backups")}) as served:
        writers = Writers(served.client, "w")
        try:
            for number in range(rounds):
                time.sleep(0.05)
                before, likes = dict(writers.puts), list(writers.likes)
                answer = served.client.post("/v1/backups", json={"name": f"b{number}"})
                assert answer.status_code == 201, answer.text
                there = tmp_path / f"there-{number}"
                put_back(folder / "backups" / f"b{number}", there)
                agree(there, before, likes, writers.begun)
                shutil.rmtree(there)
                shutil.rmtree(folder / "backups" / f"b{number}")
        finally:
            writers.end()
    return len(writers.likes)


def agree(there, puts, likes, begun):
    """What was acknowledged before the backup is there, and its parts fit each other."""
    with closing(EdgeStore(there / "store", "items")) as store:
        records = [one.payload for one in scroll_all(store)]
    found = {one["item_id"]: one for one in records}
    assert len(found) == len(records), "an item has one point here"
    for item, price in puts.items():
        # or as something that was asked later has it
        assert found[item]["price"] >= price, item
        assert found[item]["price"] in begun[item]
    kept = [Path(one["photo"]) for one in records if "/photos/items/" in one["photo"]]
    assert len(kept) >= len(puts)
    for path in kept:
        assert path.is_relative_to(there), path
        assert path.is_file(), path
    with closing(State(there / "store")) as state:
        judged = [one.item_id for one in state.feedback.page(1_000_000)]
    assert judged[: len(likes)] == likes or set(likes) <= set(judged)


@pytest.mark.store
def test_what_was_acknowledged_before_a_backup_is_in_it(tmp_path):
    assert under_writes(tmp_path, 2) > 2


@pytest.mark.process
def test_fifty_backups_under_writes_lose_nothing(tmp_path, record_property):
    record_property("writes", under_writes(tmp_path, 50))


def test_a_job_that_waits_is_done_after_a_restore(tmp_path):
    with closing(State(tmp_path / "state")) as state:
        job, _ = state.jobs.add([shop_record()])
        back_up(tmp_path / "b", {}, tmp_path / "state", embedded=True)
        # settled after the copy: it waits in the copy still
        state.jobs.cancel(job.id)
    restore(tmp_path / "b", tmp_path / "again", lambda *_: None, EdgeStore)
    with closing(State(tmp_path / "again")) as state:
        found = state.jobs.get(job.id)

    assert found is not None
    assert found.status == "queued"


def shop_record():
    from scenesearch.service.state.records import JobRecord

    return JobRecord(0, "a", (shop.png(shop.product("red")),), {}, 1)


def test_a_state_that_is_damaged_is_said(tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "service.sqlite").write_bytes(b"SQLite format 3\0" + b"x" * 9000)
    with pytest.raises(StoreError, match=r"service\.sqlite"):
        back_up(tmp_path / "b", {}, tmp_path / "state", embedded=True)

    assert not (tmp_path / "b" / "backup.json").exists()


# --- a server --------------------------------------------------------------------------------


@pytest.mark.store
@pytest.mark.skipif("QDRANT_URL" not in os.environ, reason="QDRANT_URL names no Qdrant server")
def test_a_server_is_backed_up_under_writes_and_put_back(tmp_path):
    url, key = os.environ["QDRANT_URL"], os.environ.get("QDRANT_API_KEY")
    settings = Settings(qdrant_api_key=key, cache_dir=tmp_path / "cache")
    name = f"backup-{uuid.uuid4().hex[:10]}"
    shelf = shop.Shop(wiring.build_store(settings, url, name))
    shelf.index(shop.pattern_items(tmp_path, 40))
    stop, acknowledged = threading.Event(), []

    def write():
        ids = sorted(shop.contents(shelf.store))
        while not stop.is_set():
            number = len(acknowledged)
            shelf.store.set_payload({"stock": number}, ids=[ids[number % len(ids)]])
            acknowledged.append((ids[number % len(ids)], number))

    writer = threading.Thread(target=write)
    try:
        shelf.store.add_fields({"stock": "integer"})
        writer.start()
        for round_ in range(10):
            time.sleep(0.05)
            before = dict(acknowledged)
            copy = wiring.copyable(settings, url, name)
            back_up(tmp_path / f"b{round_}", {name: copy}, tmp_path, embedded=False)
            manifest = check(tmp_path / f"b{round_}")
            assert not manifest.embedded
            with pytest.raises(StoreError, match="already"):
                wiring.put_back(settings, url, name, copied(tmp_path, round_, name), embedded=False)
            assert set(before) <= set(dict(acknowledged))
        stop.set()
        writer.join()
        drop(url, key, name)
        back = copied(tmp_path, 9, name)
        wiring.put_back(settings, url, name, back, embedded=False)
        with closing(wiring.build_store(settings, url, name)) as store:
            found = shop.contents(store)
        assert len(found) == 40
        for point, number in before.items():
            assert found[point][0]["stock"] >= number
    finally:
        stop.set()
        writer.join()
        shelf.store.close()
        drop(url, key, name)


def copied(folder, round_, name):
    return folder / f"b{round_}" / "collections" / name


def drop(url, key, name):
    for collection in (name, f"{name}--meta"):
        request = urllib.request.Request(
            f"{url}/collections/{collection}", method="DELETE", headers={"api-key": key or ""}
        )
        urllib.request.urlopen(request, timeout=60).close()


# --- the commands of the docs ------------------------------------------------------------------


def commands(heading):
    """The lines of the shell blocks under a heading of docs/deploy.md."""
    text = (ROOT / "docs" / "deploy.md").read_text("utf-8")
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", section, re.S)
    return [line for line in blocks[0].splitlines() if line.strip()]


@pytest.mark.process
def test_the_commands_of_the_docs_back_up_a_service_that_runs(tmp_path):
    home = tmp_path.as_posix()
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SCENESEARCH_", "QDRANT_"))}
    port = "18733"
    environment = kept | {
        "SCENESEARCH_CACHE_DIR": f"{home}/cache",
        "SCENESEARCH_SERVICE__PORT": port,
        "SCENESEARCH_SERVICE__WRITE_KEYS": json.dumps(["w" * 20]),
        "SCENESEARCH_SERVICE__BACKUP_DIR": f"{home}/backups",
        "SCENESEARCH_CONFIG": "offline",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    lines = [line.replace("/srv/scenesearch", home) for line in commands("Backup")]
    serve = [sys.executable, "-m", "scenesearch", "serve", "--store", f"{home}/store"]
    with subprocess.Popen(
        serve, stderr=subprocess.PIPE, text=True, env=environment, cwd=ROOT
    ) as served:
        try:
            assert served.stderr is not None
            assert any("listening on" in line for line in served.stderr), "it did not start"
            threading.Thread(target=served.stderr.read, daemon=True).start()
            body = {"photos": [photo(3)], "attributes": {"price": 7}}
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/v1/items/kept",
                json.dumps(body).encode(),
                {"Content-Type": "application/json", "X-API-Key": "w" * 20},
                method="PUT",
            )
            with urllib.request.urlopen(request, timeout=60) as answer:
                assert answer.status == 201
            said = [run(line, environment) for line in lines]
        finally:
            served.terminate()
            served.wait(60)
            served.stderr.close()

    assert any("whole" in one for one in said)
    assert any("restored from" in one for one in said)
    with closing(EdgeStore(tmp_path / "restored", "items")) as store:
        (record,) = scroll_all(store)
    assert Path(record.payload["photo"]).is_relative_to(tmp_path / "restored")
    with closing(sqlite3.connect(tmp_path / "restored" / "service.sqlite")) as db:
        assert db.execute("SELECT count(*) FROM jobs").fetchone() == (0,)


def run(line, environment):
    line = line.replace("scenesearch ", f"{sys.executable} -P -m scenesearch ", 1)
    done = subprocess.run(
        line, shell=True, capture_output=True, text=True, env=environment, timeout=120
    )
    assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
    return done.stdout
