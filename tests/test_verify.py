"""``verify``: what is not what was written is named, and repair makes it so."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shop
from qdrant_client import QdrantClient, models
from qdrant_client.qdrant_remote import QdrantRemote
from sparse import copy_tree

from scenesearch import SceneSearch
from scenesearch.api.opened import Opened
from scenesearch.api.verifying import verify_file, verify_store
from scenesearch.complete.known_scenes import BLOB as KNOWN
from scenesearch.complete.known_scenes import KnownScene, encode_scenes
from scenesearch.core.conditions import Equals
from scenesearch.core.errors import (
    DamagedError,
    StoreBrokeError,
    StoreError,
    StoreUnavailableError,
)
from scenesearch.core.points import OOD_BLOB, PROJECTION_BLOB
from scenesearch.core.types import Item, Point
from scenesearch.service.state.database import FORM
from scenesearch.store.bm25 import Terms
from scenesearch.store.embedded.edge import EdgeStore
from scenesearch.store.server.client import ClientStore
from scenesearch.store.server.client_meta import ClientMeta
from scenesearch.store.sums import PAYLOAD_SUM
from scenesearch.tagging.ledger import Finished, Ledger, ledger_path
from scenesearch.tagging.rows import TagRow
from scenesearch.verify.collection import Checking
from scenesearch.verify.report import Report

pytestmark = [pytest.mark.store, pytest.mark.usefixtures("clean_surroundings")]


@pytest.fixture(scope="module", autouse=True)
def parts():
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("SCENESEARCH_EMBEDDER__WHITEN", "8")
        # the process that an embedded store is looked through in costs half a second a start
        monkeypatch.setattr(
            "scenesearch.store.process.store.ProcessStore", lambda made, name, folder: made()
        )
        yield shop.use_fakes(monkeypatch)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, parts):
    """A store of 24 items, with everything that lies beside one."""
    folder = tmp_path_factory.mktemp("whole")
    items = shop.colour_shop(folder / "photos")
    with SceneSearch(folder / "store") as front:
        front.put(items, settle=True)
        photo = Path(items[0].photos[0]).read_bytes()
        kept = Opened(folder / "store", front.settings).photo_folder.keep(photo)
        front.put([Item("kept", (str(kept),), {"title": "kept thing"})])
        scenes = [shop.save(shop.room(("red", "wide")), folder / "rooms" / "0.png")]
        front.add_scenes(scenes)
    return folder


@pytest.fixture
def store(whole, tmp_path, monkeypatch):
    monkeypatch.setenv("SCENESEARCH_EMBEDDER__WHITEN", "8")
    copy_tree(whole / "store", tmp_path / "store")
    return tmp_path / "store"


def verify(folder, **options) -> Report:
    with closing(Opened(folder, SceneSearch(folder).settings)) as opened:
        return verify_store(opened, **options)


def codes(report: Report) -> set[str]:
    return {one.code for one in report.findings if one.damage and not one.repaired}


def opened(folder, collection="items"):
    return closing(EdgeStore(folder, collection, min_free_bytes=0, counted=False))


def answers(folder):
    with SceneSearch(folder) as front:
        look = front.search(items="red-square")
        words = front.search("blue thing")
        return (
            front.count(),
            [(m.item_id, round(m.score, 5)) for m in look.matches],
            [(m.item_id, round(m.score, 5)) for m in words.matches],
            front.get("green-tall").attributes,
        )


@pytest.mark.parametrize("deep", [False, True])
def test_what_was_written_is_sound(store, deep):
    before = {p: p.read_bytes() for p in store.rglob("*") if p.is_file() and "shard" not in p.parts}
    report = verify(store, deep=deep)

    assert report.sound
    assert report.findings == ()
    said = " ".join(report.checked)
    assert "items: 25 points" in said
    assert "scenes: 2 points" in said or "scenes: " in said
    assert "embedding cache" in said
    assert "1 photos" in said
    after = {p: p.read_bytes() for p in before}
    assert {p.name for p in before if before[p] != after[p] and p.suffix != ".lock"} <= {
        "embeddings.sqlite"  # who has it open is noted there
    }


def test_data_of_an_earlier_build_are_sound(tmp_path, monkeypatch):
    import old_data

    monkeypatch.chdir(tmp_path)
    old_data.unpack("a1e3309", "store", tmp_path)
    old_data.unpack("a1e3309", "ledger", tmp_path)
    old_data.unpack("a1e3309", "service", tmp_path)
    report = verify(Path("store"), deep=True, forms={"service.sqlite": FORM})
    ledger = verify_file(Path("tags/rooms.jsonl.ledger"))

    assert report.sound, report.findings
    assert ledger.sound, ledger.findings
    assert {one.code for one in (*report.findings, *ledger.findings)} == {"older"}


def rewrite(folder, change, collection="items", item="red-square"):
    """As the engine would have it, had its files changed: what ``change`` gives, with its sums."""
    with opened(folder, collection) as store:
        page = store.inspect(limit=1000).points
        for point in page:
            if point.payload.get("item_id") == item:
                change(store, point)


def turn_a_sign(store, point):
    row = point.vectors["cutout"].copy()
    row[0] = -row[0]
    raw = store._open()
    operation = raw.requests.upsert(
        [point.id], [{**point.vectors, "cutout": row}], [dict(point.payload)]
    )
    store._write(raw, operation, "spoil")


def change_the_price(store, point):
    raw = store._open()
    where = raw.requests.those([point.id])
    store._write(raw, raw.requests.set_payload(where, {"price": 1.0}), "spoil")


def take_a_vector(store, point):
    raw = store._open()
    vectors = {k: v for k, v in point.vectors.items() if k != "context"}
    store._write(raw, raw.requests.upsert([point.id], [vectors], [dict(point.payload)]), "spoil")


def call_it_another(store, point):
    raw = store._open()
    other = point.id[:-1] + ("0" if point.id[-1] != "0" else "1")
    store._write(raw, raw.requests.upsert([other], [point.vectors], [dict(point.payload)]), "spoil")
    store.delete(ids=[point.id])


def change_its_words(store, point):
    raw = store._open()
    from scenesearch.store.bm25 import text_terms

    store._write(raw, raw.requests.set_words([(point.id, text_terms("other", 5.0))]), "spoil")


@pytest.mark.parametrize(
    ("change", "code", "again"),
    [
        (turn_a_sign, "vectors", False),
        (take_a_vector, "vectors", False),
        (change_its_words, "words", False),
        (change_the_price, "payload", True),
        (call_it_another, "payload", True),
    ],
)
def test_a_damaged_point_is_named_and_mended(store, whole, parts, change, code, again):
    before = answers(whole / "store")
    rewrite(store, change)

    found = verify(store, deep=True)
    assert code in codes(found)
    repaired = verify(store, repair=True, deep=True)
    assert repaired.sound, repaired.findings
    assert any(one.repaired for one in repaired.findings)
    if again:
        # what nobody knows any more comes with the next run, of the cache
        with SceneSearch(store) as front:
            front.put(shop.colour_shop(whole / "photos"), settle=True)
    assert answers(store) == before
    assert parts.made[-1].embedder.embedded == 0
    assert verify(store, deep=True).sound


def test_vectors_are_compared_with_the_cache_where_they_have_no_sum(store):
    def forge(store, point):
        row = np.roll(point.vectors["cutout"], 1)
        raw = store._open()
        payload = {k: v for k, v in point.payload.items() if not k.startswith("sum:")}
        vectors = {
            **point.vectors,
            "cutout": row,
            "words": Terms(*zip(*point.words.items(), strict=True)),
        }
        store._write(raw, raw.requests.upsert([point.id], [vectors], [payload]), "spoil")

    rewrite(store, forge)

    assert codes(verify(store, deep=True)) >= {"vectors", "cache_differs"}
    assert verify(store, deep=True, repair=True).sound


def test_a_collection_that_has_less_than_when_it_was_closed_is_named_and_written_anew(store, whole):
    census = json.loads((store / "items/census.json").read_text())
    with opened(store) as edge:
        kept = (store / "items/census.json").read_bytes()
        edge.delete(where=Equals("item_id", "kept"))
    (store / "items/census.json").write_bytes(kept)

    found = verify(store)
    assert codes(found) == {"count"}
    assert f"24 points, of {census['points']}" in found.findings[0].what
    repaired = verify(store, repair=True)
    assert repaired.sound, repaired.findings
    assert (store / "items.damaged-1").is_dir()
    assert verify(store, deep=True).sound
    assert answers(store)[0] == 24


def take_the_colours(store, point):
    raw = store._open()
    vectors = {k: v for k, v in point.vectors.items() if k != "colour"}
    store._write(raw, raw.requests.upsert([point.id], [vectors], [dict(point.payload)]), "spoil")


def take_all_vectors(store, point):
    raw = store._open()
    store._write(raw, raw.requests.upsert([point.id], [{}], [dict(point.payload)]), "spoil")


@pytest.mark.parametrize(
    ("change", "code"),
    [(take_the_colours, "vectors"), (take_all_vectors, "vectors"), (change_the_price, "payload")],
)
def test_damage_is_known_after_a_repair_that_was_killed_once_all_was_written_anew(
    store, whole, monkeypatch, change, code
):
    """What was read of damaged points is not what was written, in the new collection either."""
    before = answers(whole / "store")
    census = (store / "items/census.json").read_bytes()
    rewrite(store, change)
    (store / "items/census.json").write_bytes(census.replace(b'"points"', b'"points": 99, "was"'))

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as here:
        here.setattr("scenesearch.api.verifying._Collection._rewrite", killed)
        with pytest.raises(KeyboardInterrupt):
            verify(store, deep=True, repair=True)

    assert (store / "items.damaged-1").is_dir()
    found = verify(store, deep=True)
    assert codes(found) == {code}
    assert [(one.where, one.code) for one in found.findings if not one.damage] == [
        ("items.damaged-1", "aside")
    ]
    assert verify(store, deep=True, repair=True).sound
    if code == "payload":
        with SceneSearch(store) as front:
            front.put(shop.colour_shop(whole / "photos"), settle=True)
    assert answers(store) == before


@pytest.mark.parametrize("look", [verify, lambda s: SceneSearch(s).count()])
def test_a_repair_that_was_killed_while_it_took_the_old_ones_place_is_ended(store, look):
    (store / "items").rename(store / "items.mended")

    look(store)

    assert verify(store, deep=True).sound
    assert not (store / "items.mended").exists()


def test_an_index_that_keeps_a_collection_from_being_opened_costs_no_point(store, whole):
    """It is made of the payloads; and what was learned is not taken for damaged besides."""
    known = encode_scenes((KnownScene(frozenset({"red-square", "kept"})),))
    with opened(store) as items:
        items.write_blob(KNOWN, known)
    flags = (store / "items/shard").glob("segments/*/payload_index/*-title-null/*/flags_a.dat")
    for file in flags:
        os.truncate(file, 0)

    found = verify(store)

    assert [(one.where, one.code) for one in found.findings if one.damage] == [
        ("items", "unreadable")
    ]
    assert "room for 0" in found.findings[0].what
    mended = verify(store, repair=True)
    assert mended.sound
    assert [one.repaired for one in mended.findings] == ["written anew with all 25 points"]
    assert answers(store) == answers(whole / "store")
    with opened(store) as items:
        assert items.read_blob(KNOWN) == known


def test_a_lost_engine_is_set_aside_and_the_next_index_fills_the_new_collection(
    store, whole, parts
):
    before = answers(whole / "store")
    shutil.rmtree(store / "items/shard/segments")
    for file in (store / "items/shard").iterdir():
        if file.is_file():
            file.unlink()

    assert not verify(store).sound
    verify(store, repair=True)
    with SceneSearch(store) as front:
        front.put(shop.colour_shop(whole / "photos"), settle=True)
        kept = next((store / "photos").rglob("*.png"))
        front.put([Item("kept", (str(kept),), {"title": "kept thing"})])
    assert parts.made[-1].embedder.embedded == 0
    assert answers(store) == before


def test_a_lost_projection_is_worked_out_again(store, whole):
    before = answers(whole / "store")
    (store / "items/blobs" / PROJECTION_BLOB).unlink()

    assert "projection" in codes(verify(store))
    repaired = verify(store, repair=True, deep=True)
    assert repaired.sound, repaired.findings
    assert answers(store) == before


def test_a_projection_that_nobody_can_work_out_again_is_fitted_anew(store, whole):
    with SceneSearch(store) as front:
        front.put(shop.pattern_items(store / "more", 6))
        front.delete(ids=["red-tall"])
        before = front.count()
    (store / "items/blobs" / PROJECTION_BLOB).unlink()
    # the scenes had the same one
    shutil.rmtree(store / "scenes")

    repaired = verify(store, repair=True, deep=True)
    assert repaired.sound, repaired.findings
    assert "fitted anew" in repaired.findings[0].repaired
    assert verify(store, deep=True).sound
    with SceneSearch(store) as front:
        assert front.count() == before
        match = front.search(items="red-wide").matches[0]
        assert front.search(photos=shop.product("red", "wide")).matches[0].item_id == "red-wide"
        assert match.item_id != "red-wide"


@pytest.mark.parametrize("name", [OOD_BLOB, KNOWN])
def test_what_was_learned_is_learned_again(store, name):
    (store / "items/blobs" / name).write_bytes(b"\0damaged")

    assert codes(verify(store)) == {"blob"}
    assert verify(store, repair=True).sound
    with SceneSearch(store) as front:
        front.settle()
        assert front.complete("red-square") is not None


def test_a_record_that_is_gone_is_named(store):
    (store / "items/schema.json").unlink()

    assert codes(verify(store)) == {"record"}
    assert not verify(store, repair=True).sound


def test_points_of_strangers_are_a_note(store):
    with opened(store) as edge:
        edge.upsert([Point(f"{7:032x}", {"cutout": np.ones(8)}, {"mine": 1})])
        raw = edge._open()
        gone = dict.fromkeys(["sum:vectors", PAYLOAD_SUM])
        edge._write(raw, raw.requests.set_payload(raw.requests.those([f"{7:032x}"]), gone), "x")

    report = verify(store, deep=True)
    assert report.sound
    assert [one.code for one in report.findings] == ["stranger"]


def test_a_photo_that_was_kept_and_changed_is_named_and_set_aside(store):
    kept = next((store / "photos").rglob("*.png"))
    kept.write_bytes(kept.read_bytes()[:-1] + b"\0")

    assert verify(store).sound
    assert codes(verify(store, deep=True)) == {"photo"}
    assert verify(store, deep=True, repair=True).sound
    assert not kept.exists()


def ledger(folder):
    out = folder / "tags.jsonl"
    with closing(Ledger(out, "f")) as opened_:
        opened_.commit([Finished(0, "photo", None, "", TagRow("photo"))])
    return ledger_path(out)


def test_the_command_says_what_is_damaged_and_ends_with_7(store, capsys, monkeypatch):
    from scenesearch.cli.main import main

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["scenesearch", "verify", *map(str, arguments)])
        return main(), capsys.readouterr().out

    assert run(store, "--deep")[0] == 0
    rewrite(store, turn_a_sign)
    code, said = run(store, "--deep")
    assert (code, "damaged: items: 1 points have no good vectors" in said) == (7, True)
    code, said = run(store, "--deep", "--json")
    found = json.loads(said)
    assert (code, found["sound"]) == (7, False)
    assert {one["code"] for one in found["findings"]} >= {"vectors"}
    code, said = run(store, "--repair", "--deep")
    assert (code, "repaired: items" in said) == (0, True)
    path = ledger(store)
    assert run(path.with_suffix(""))[0] == 0
    assert run(path)[0] == 0


@pytest.fixture(params=["memory", "server"])
def client(request):
    if request.param == "memory":
        yield QdrantClient(":memory:")
        return
    url, key = os.environ.get("QDRANT_URL"), os.environ.get("QDRANT_API_KEY")
    if url is None:
        pytest.skip("QDRANT_URL names no Qdrant server")
    headers = {"api-key": key} if key else None
    with closing(QdrantClient(url, headers=headers, check_compatibility=False)) as made:
        yield made
        for name in ("verified", "verified--meta"):
            made.delete_collection(name)


def test_a_collection_on_a_server_is_looked_through_as_well(whole, client):
    # ids are made of the name, and of these points of another's
    name, index = "verified", isinstance(client._client, QdrantRemote)
    remote = ClientStore(client, name)
    with opened(whole / "store") as local:
        schema = replace(local.schema, metadata={"schema": "mine"})
        remote.create(schema, {PROJECTION_BLOB: local.read_blob(PROJECTION_BLOB)})
        remote.upsert(
            [
                Point(p.id, p.vectors, {k: v for k, v in p.payload.items() if "sum:" not in k})
                for p in local.inspect(limit=1000).points
            ]
        )

    def found():
        return codes(Checking(ClientStore(client, name), name, deep=True).run().report)

    assert found() == set()
    one, two, *_ = remote.inspect(limit=3).points
    turned = {"cutout": (-one.vectors["cutout"]).tolist()}
    client.update_vectors(name, [models.PointVectors(id=one.id, vector=turned)])
    assert found() == {"vectors"}
    client.set_payload(name, {"title": "other"}, points=[two.id])
    assert found() >= {"vectors", "payload"}
    if index:
        client.delete_payload_index(name, "item_id", wait=True)
        assert "index" in found()
    client.delete(f"{name}--meta", [ClientMeta._id(f"blob:{PROJECTION_BLOB}")])
    assert "projection" in found()
    client.delete_collection(f"{name}--meta")
    assert found() == {"record"}


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (StoreUnavailableError("no answer"), None),
        (StoreError("the key may not", code="store_forbidden"), None),
        (StoreBrokeError("its process was killed"), "unreadable"),
        (StoreError("the engine said: no"), "unreadable"),
        (DamagedError("is damaged"), "unreadable"),
    ],
    ids=lambda one: type(one).__name__,
)
def test_what_cannot_be_looked_at_is_no_damage(store, error, found):
    class Broken(EdgeStore):
        def inspect(self, cursor=None, limit=1000):
            raise error

    with closing(Broken(store, "items", min_free_bytes=0)) as edge:
        checking = Checking(edge, "items")
        if found is None:
            with pytest.raises(type(error)):
                checking.run()
        else:
            assert codes(checking.run().report) == {found}
