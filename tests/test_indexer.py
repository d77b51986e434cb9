"""Indexing works on what changed, and on nothing else."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import shop
from cases import first
from fakes.models import FakeDetector, FakeEmbedder, FakeRemover

from scenesearch.core.conditions import Equals
from scenesearch.core.errors import CollectionMismatchError, DamagedError, StoreError
from scenesearch.core.points import CONTEXT, CUTOUT, PROJECTION_BLOB, SCHEMA_VERSION, point_id
from scenesearch.core.types import Item, Point
from scenesearch.images import load_scene
from scenesearch.models.cutout.cutter import CutRules
from scenesearch.models.embed.cache import EmbeddingCache
from scenesearch.models.embed.projection import Projection
from scenesearch.search.query import Query
from scenesearch.search.searcher import Searcher
from scenesearch.store.server import client as server_store
from scenesearch.store.server.client import ClientStore


@pytest.fixture
def items(tmp_path):
    return shop.colour_shop(tmp_path / "photos")


def with_photos(item, *photos):
    return replace(item, photos=tuple(photos))


def with_attributes(item, **attributes):
    kept = {**item.attributes, **attributes}
    return replace(item, attributes={k: v for k, v in kept.items() if v is not None})


# --- the first run -----------------------------------------------------------------------------


def test_a_first_run_stores_a_point_for_each_photo_with_everything_known_of_it(items):
    run = shop.Shop()

    report = run.index(items)

    assert (report.added, report.changed, report.unchanged, report.removed) == (24, 0, 0, 0)
    assert (report.embedded, report.from_cache, report.failures) == (24, 0, ())
    (payload,) = run.of("red-wide")
    assert payload["title"] == "red wide thing"
    assert payload["tags"] == ["red", "new"]
    assert payload["price"] == 10.0
    assert payload["photo"] == items[1].photos[0]
    assert (payload["region"], payload["region_count"]) == ("whole", 1)
    assert payload["cutout_method"] == "plain_background"
    assert payload["box"] == [8.0, 24.0, 56.0, 40.0]
    assert len(payload["photo_sha256"]) == 64


def test_vectors_of_every_space_are_stored_as_the_models_gave_them(items):
    run = shop.Shop(encoder=shop.make_encoder(colours=True))
    run.index(items[:1])

    (record,) = run.store.scroll(spaces=("cutout", "context", "colour"))

    image = load_scene(items[0].photos[0]).image
    x1, y1, x2, y2 = map(int, record.payload["box"])
    wanted = run.embedder.embed_images([image[y1:y2, x1:x2], image])
    np.testing.assert_allclose(record.vectors["cutout"], wanted[0], atol=1e-6)
    np.testing.assert_allclose(record.vectors["context"], wanted[1], atol=1e-6)
    assert np.linalg.norm(record.vectors["colour"]) == pytest.approx(1, abs=1e-5)
    assert record.payload["colour_names"]


def test_the_collection_records_how_it_was_made(items):
    run = shop.Shop(whiten=4)
    run.index(items)

    assert run.store.schema.metadata == {
        "schema": SCHEMA_VERSION,
        "embedder": "fake-embedder:64:0",
        "background": "255-255-255",
        "cutout": CutRules().fingerprint,
        "remover": "none",
        "regions": "whole",
        "colour": "0",
        "whiten": "4",
    }


def test_the_same_catalogue_gives_the_same_points_whatever_the_batches_and_threads(items):
    one = shop.Shop(batch=1, workers=1)
    other = shop.Shop(batch=1000, workers=4)

    one.index(items)
    other.index(list(reversed(items)))

    assert shop.contents(one.store) == shop.contents(other.store)


def test_an_item_with_several_photos_has_a_point_for_each_in_the_order_of_the_catalogue(items):
    photos = [item.photos[0] for item in items[:3]]
    run = shop.Shop()

    run.index([with_photos(items[0], *photos)])

    by_index = sorted(run.payloads(), key=lambda payload: payload["photo_index"])
    assert [payload["photo"] for payload in by_index] == photos
    assert {payload["item_id"] for payload in by_index} == {items[0].id}


def test_the_same_photo_twice_in_an_item_is_one_point(items, tmp_path):
    copy = tmp_path / "copy.png"
    copy.write_bytes(Path(items[0].photos[0]).read_bytes())
    run = shop.Shop()

    report = run.index([with_photos(items[0], items[0].photos[0], str(copy))])

    assert report.embedded == 1
    assert [payload["photo"] for payload in run.payloads()] == [items[0].photos[0]]


def test_a_photo_that_several_items_share_is_embedded_once_and_stored_for_each(items):
    shared = items[0].photos[0]
    run = shop.Shop()

    report = run.index([with_photos(item, shared) for item in items[:3]])

    assert report.embedded == 1
    assert run.embedder.embedded == 2  # a cutout and its context
    assert {p["item_id"] for p in run.payloads()} == {item.id for item in items[:3]}


def test_progress_counts_up_to_the_number_of_photos(items):
    run = shop.Shop()
    said = []
    indexer = run.indexer

    plan = indexer.plan(items, progress=lambda *one: said.append(one))
    indexer.run(plan, shop.FIELDS, progress=lambda *one: said.append(one))

    assert [done for stage, done, _ in said if stage == "scan"] == list(range(1, 25))
    assert [done for stage, done, _ in said if stage == "embed"] == [8, 16, 24]
    written = [done for stage, done, _ in said if stage == "store"]
    assert written == [8, 16, 24]
    assert {total for _, _, total in said} == {24}


# --- running again -----------------------------------------------------------------------------


def test_a_second_run_changes_nothing_and_loads_no_model(items):
    run = shop.Shop()
    run.index(items)
    before, writes = shop.contents(run.store), len(run.store.writes)
    fresh = shop.Shop(run.store, cache=run.cache)

    report = fresh.index(items)

    assert (report.added, report.changed, report.unchanged) == (0, 0, 24)
    assert fresh.embedder.loads == fresh.embedder.embedded == 0
    assert len(run.store.writes) == writes
    assert shop.contents(run.store) == before


def test_changed_attributes_are_written_without_embedding_anything(items):
    run = shop.Shop()
    run.index(items)
    vectors = {key: stored for key, (_, stored) in shop.contents(run.store).items()}
    changed = [with_attributes(items[0], price=1.5, title="now cheaper"), *items[1:]]
    fresh = shop.Shop(run.store, cache=run.cache)

    report = fresh.index(changed)

    assert (report.added, report.changed, report.unchanged, report.embedded) == (0, 1, 23, 0)
    assert fresh.embedder.loads == 0
    (payload,) = run.of(items[0].id)
    assert (payload["price"], payload["title"]) == (1.5, "now cheaper")
    assert {key: stored for key, (_, stored) in shop.contents(run.store).items()} == vectors
    assert run.store.names.count("upsert") == 3  # those of the first run


def test_an_attribute_that_the_catalogue_dropped_disappears(items):
    run = shop.Shop()
    run.index(items)

    run.index([with_attributes(items[0], tags=None), *items[1:]])

    (payload,) = run.of(items[0].id)
    assert "tags" not in payload
    assert payload["title"] == items[0].attributes["title"]
    assert run.store.count(Equals("tags", "red")) == 2


def test_a_new_column_is_added_to_the_collection(items):
    run = shop.Shop()
    run.index(items)

    run.index(
        [with_attributes(item, depth=n) for n, item in enumerate(items)],
        fields={"depth": "integer"},
    )

    assert run.store.schema.fields["depth"] == "integer"
    assert run.store.count(Equals("depth", 3)) == 1


def test_a_changed_photo_replaces_the_point_of_the_old_one(items):
    run = shop.Shop()
    run.index(items)
    (old,) = run.of(items[0].id)
    shop.save(shop.product("blue", "tall"), Path(items[0].photos[0]))

    report = run.index(items)

    assert (report.changed, report.unchanged) == (1, 23)
    (new,) = run.of(items[0].id)
    assert new["photo_sha256"] != old["photo_sha256"]
    assert new["box"] == [24.0, 8.0, 40.0, 56.0]
    # the same picture is another item's already, so the models had nothing to do
    assert (report.embedded, report.from_cache) == (0, 1)


def test_a_photo_that_moved_keeps_its_point_and_gets_its_new_path(items, tmp_path):
    run = shop.Shop()
    run.index(items)
    ids = set(shop.contents(run.store))
    moved = tmp_path / "elsewhere" / "one.png"
    moved.parent.mkdir()
    Path(items[0].photos[0]).rename(moved)
    fresh = shop.Shop(run.store, cache=run.cache)

    report = fresh.index([with_photos(items[0], str(moved)), *items[1:]])

    assert (report.changed, report.embedded, fresh.embedder.loads) == (1, 0, 0)
    assert [payload["photo"] for payload in run.of(items[0].id)] == [str(moved)]
    assert set(shop.contents(run.store)) == ids


def test_a_photo_added_to_an_item_leaves_the_others_alone(items):
    run = shop.Shop()
    run.index(items)

    both = with_photos(items[0], items[0].photos[0], items[1].photos[0])
    report = run.index([both, *items[1:]])

    assert report.from_cache == 1
    assert [payload["photo_index"] for payload in run.of(items[0].id)] in ([0, 1], [1, 0])


def test_photos_in_another_order_are_given_back_in_that_order(items):
    run = shop.Shop()
    photos = [item.photos[0] for item in items[:3]]
    run.index([with_photos(items[0], *photos)])

    report = run.index([with_photos(items[0], *reversed(photos))])

    assert (report.changed, report.embedded) == (1, 0)
    places = {payload["photo"]: payload["photo_index"] for payload in run.payloads()}
    assert places == {photo: 2 - n for n, photo in enumerate(photos)}
    assert run.index([with_photos(items[0], *reversed(photos))]).changed == 0


def test_a_photo_removed_from_an_item_goes_and_the_others_stay(items):
    run = shop.Shop()
    run.index([with_photos(items[0], items[0].photos[0], items[1].photos[0])])

    run.index([with_photos(items[0], items[1].photos[0])])

    assert [payload["photo"] for payload in run.payloads()] == [items[1].photos[0]]


def test_embeddings_come_from_the_cache_when_a_collection_is_made_again(items, tmp_path):
    path = tmp_path / "cache.sqlite"
    first = shop.Shop(cache=EmbeddingCache(path))
    first.index(items)
    first.cache.close()
    again = shop.Shop(cache=EmbeddingCache(path))

    report = again.index(items)

    assert (report.embedded, report.from_cache) == (0, 24)
    assert again.embedder.loads == 0
    assert shop.contents(again.store) == shop.contents(first.store)
    again.cache.close()


def test_what_is_damaged_in_the_cache_is_embedded_again(items, tmp_path):
    cache = EmbeddingCache(tmp_path / "cache.sqlite")
    first = shop.Shop(cache=cache)
    first.index(items)
    cache._db.execute(
        "UPDATE photos SET regions = "
        "CAST(substr(regions, 1, 400) || x'ff' || substr(regions, 402) AS BLOB) "
        "WHERE sha256 IN (SELECT sha256 FROM photos LIMIT 3)"
    )
    steps = []
    again = shop.Shop(cache=cache)
    indexer = again.indexer
    report = indexer.run(
        indexer.plan(items), shop.FIELDS, progress=lambda *step: steps.append(step)
    )

    assert (report.embedded, report.from_cache, report.added) == (3, 21, 24)
    assert again.embedder.embedded == 2 * 3  # the product, and with what is around it
    assert shop.contents(again.store) == shop.contents(first.store)
    assert max(done for _, done, _ in steps) == 24


def test_a_cache_that_loses_what_it_is_given_is_an_error(items):
    class Forgetful(EmbeddingCache):
        def put(self, photos, fingerprint):
            super().put(dict(list(photos.items())[:-1]), fingerprint)

    with pytest.raises(DamagedError, match="does not give back"):
        shop.Shop(cache=Forgetful(":memory:")).index(items)


def test_embeddings_of_another_model_are_not_taken_from_the_cache(items):
    first = shop.Shop()
    first.index(items)
    other = shop.Shop(cache=first.cache, embedder=FakeEmbedder(seed=1))

    assert other.index(items).embedded == 24


# --- removing ----------------------------------------------------------------------------------


def test_items_the_catalogue_lost_stay_unless_pruned(items):
    run = shop.Shop()
    run.index(items)

    kept = run.index(items[:20])
    pruned = run.index(items[:20], prune=True)

    assert (kept.removed, pruned.removed) == (0, 4)
    assert {p["item_id"] for p in run.payloads()} == {item.id for item in items[:20]}


def test_a_plan_changes_nothing_and_loads_no_model(items):
    run = shop.Shop()
    run.index(items[:10])
    before, writes = shop.contents(run.store), len(run.store.writes)
    fresh = shop.Shop(run.store, cache=EmbeddingCache(":memory:"))

    plan = fresh.indexer.plan([with_attributes(items[1], price=0.0), *items[12:]], prune=True)

    assert [one.item.id for one in plan.items] == [items[1].id, *(i.id for i in items[12:])]
    assert len(plan.gone) == 9
    assert len(run.store.writes) == writes
    assert shop.contents(run.store) == before
    assert fresh.embedder.loads == 0


# --- what can go wrong -------------------------------------------------------------------------


def test_an_unreadable_photo_is_a_failure_that_names_it_and_the_others_are_indexed(items, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"not a picture")
    bad = [
        with_photos(items[0], str(broken)),
        with_photos(items[1], str(tmp_path / "missing.png")),
    ]
    run = shop.Shop()

    report = run.index([*bad, *items[2:]])

    assert {(f.item_id, Path(f.photo).name) for f in report.failures} == {
        (items[0].id, "broken.png"),
        (items[1].id, "missing.png"),
    }
    assert all(failure.reason for failure in report.failures)
    assert {p["item_id"] for p in run.payloads()} == {item.id for item in items[2:]}


def test_an_item_none_of_whose_photos_can_be_read_does_not_count_as_added(items, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"not a picture")
    run = shop.Shop()

    report = run.index([with_photos(items[0], str(broken)), *items[1:]])

    assert (report.added, report.changed, report.embedded) == (23, 0, 23)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda path: path.unlink(), id="missing"),
        pytest.param(lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n half"), id="broken"),
        pytest.param(lambda path: path.write_bytes(b""), id="empty"),
    ],
)
def test_a_photo_that_became_unreadable_leaves_what_is_stored_of_its_item(items, spoil):
    run = shop.Shop()
    run.index(items)
    before = run.of(items[0].id)
    spoil(Path(items[0].photos[0]))

    report = run.index(items, prune=True)

    assert [failure.item_id for failure in report.failures] == [items[0].id]
    assert run.of(items[0].id) == before
    assert report.removed == 0


def test_new_attributes_of_an_item_are_written_though_its_photo_became_unreadable(items):
    run = shop.Shop()
    run.index(items)
    Path(items[0].photos[0]).write_bytes(b"broken")

    run.index([with_attributes(items[0], price=3.0), *items[1:]])

    assert [payload["price"] for payload in run.of(items[0].id)] == [3.0]


def test_a_photo_that_changes_while_it_is_read_is_a_failure_and_not_a_wrong_point(items):
    def load_another(path):
        return load_scene(items[1].photos[0] if path == items[0].photos[0] else path)

    run = shop.Shop(load=load_another)

    report = run.index(items[:2])

    assert [f.reason for f in report.failures] == [
        "the file changed while it was indexed; run again"
    ]
    assert {p["item_id"] for p in run.payloads()} == {items[1].id}


class Died(BaseException):
    """Stands for a process that ends here: nothing after it runs."""


def dying_at(run, method, call):
    """Let the store die in the middle of the nth call of a method."""
    real, count = getattr(run.store, method), 0

    def dies(*args, **kwargs):
        nonlocal count
        count += 1
        if count == call:
            raise Died
        return real(*args, **kwargs)

    setattr(run.store, method, dies)
    return lambda: delattr(run.store, method)


@pytest.fixture(scope="module")
def patterns(tmp_path_factory):
    return shop.pattern_items(tmp_path_factory.mktemp("patterns"), 60)


@pytest.fixture(scope="module")
def undisturbed_run(patterns):
    """What is there after a run that did not die; asked by size, made once."""

    @cache
    def indexed(whiten):
        run = shop.Shop(embedder=FakeEmbedder(16), batch=25, whiten=whiten)
        run.index(patterns)
        return run

    return indexed


@pytest.mark.parametrize("whiten", first(1, [4, 0, 16]), ids=["smaller", "raw", "whole"])
@pytest.mark.parametrize(
    ("method", "call"),
    [("create", 1), ("upsert", 1), ("upsert", 2), ("optimize", 1)],
    ids=str,
)
def test_a_run_that_died_anywhere_is_finished_by_the_next(
    patterns, undisturbed_run, whiten, method, call
):
    items, undisturbed = patterns, undisturbed_run(whiten)
    run = shop.Shop(embedder=FakeEmbedder(16), batch=25, whiten=whiten)
    revive = dying_at(run, method, call)
    with pytest.raises(Died):
        run.index(items)
    revive()

    run.index(items)

    assert run.store.read_blob(PROJECTION_BLOB) == undisturbed.store.read_blob(PROJECTION_BLOB)
    assert shop.contents(run.store) == shop.contents(undisturbed.store)
    assert run.embedder.embedded == 120  # nothing twice


def test_an_update_that_died_halfway_is_healed_by_the_next_run(items):
    run = shop.Shop()
    two = with_photos(items[0], items[0].photos[0], items[1].photos[0])
    run.index([two, *items[2:]])
    # a third photo arrives together with a new price, and the process dies between the two writes
    new = with_attributes(with_photos(two, *two.photos, items[2].photos[0]), price=99.0)
    revive = dying_at(run, "set_payload", 1)
    with pytest.raises(Died):
        run.index([new, *items[2:]])
    revive()
    assert len({payload["item_hash"] for payload in run.of(new.id)}) == 2

    report = run.index([new, *items[2:]])

    assert report.changed == 1
    assert [payload["price"] for payload in run.of(new.id)] == [99.0] * 3
    assert len({payload["item_hash"] for payload in run.of(new.id)}) == 1
    assert run.index([new, *items[2:]]).changed == 0


def test_a_photo_is_replaced_only_after_its_successor_is_stored(items):
    run = shop.Shop()
    run.index(items)
    shop.save(shop.product("blue", "tall"), Path(items[0].photos[0]))
    done = len(run.store.writes)

    run.index(items)

    assert run.store.names[done:] == ["upsert", "delete"]


@pytest.mark.parametrize(
    ("change", "key", "sides"),
    [
        ({"embedder": FakeEmbedder(64, seed=9)}, "embedder", ("64:0", "64:9")),
        ({"embedder": FakeEmbedder(32)}, "embedder", ("64:0", "32:0")),
        ({"whiten": 8}, "whiten", ("'0'", "'8'")),
        ({"detector": FakeDetector()}, "regions", ("whole", "fake-detector")),
        (
            {"encoder": shop.make_encoder(rules=CutRules(background=(0, 0, 0)))},
            "background",
            ("255-255-255", "0-0-0"),
        ),
        ({"encoder": shop.make_encoder(remover=FakeRemover())}, "remover", ("none", "fake-rem")),
        ({"encoder": shop.make_encoder(colours=True)}, "colour", ("'0'", "'64'")),
    ],
    ids=["model", "size", "projection", "regions", "background", "remover", "colours"],
)
def test_a_collection_of_other_models_is_refused_naming_both_sides(items, change, key, sides):
    run = shop.Shop()
    run.index(items)
    before = shop.contents(run.store)

    with pytest.raises(CollectionMismatchError, match=f"{key}: ") as caught:
        shop.Shop(run.store, cache=run.cache, **change).index(items)

    assert all(side in str(caught.value) for side in sides)
    assert "--collection" in str(caught.value)
    assert shop.contents(run.store) == before


# --- projections -------------------------------------------------------------------------------


def test_a_collection_too_small_to_fit_a_projection_uses_raw_vectors_and_says_so(items):
    run = shop.Shop(whiten=20)

    report = run.index(items)

    assert run.store.schema.vectors[CUTOUT] == 64
    assert run.store.read_blob(PROJECTION_BLOB) is None
    (note,) = report.notes
    assert note.startswith("cold start: 24 photos are too few")
    assert "60" in note


def test_a_cold_start_stays_raw_when_more_photos_come(tmp_path):
    items = shop.pattern_items(tmp_path, 60)
    run = shop.Shop(whiten=10)
    run.index(items[:20])

    run.index(items)

    assert run.store.read_blob(PROJECTION_BLOB) is None
    assert run.store.count() == 60


def test_a_collection_made_cold_and_left_empty_can_be_filled(items, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"not a picture")
    run = shop.Shop(whiten=4)
    run.index([with_photos(items[0], str(broken))])
    assert run.store.count() == 0

    run.index(items)

    assert run.store.count() == 24


@pytest.mark.parametrize("other", [30, 10], ids=["fitted on others", "too few to fit"])
@pytest.mark.store
def test_two_first_runs_at_once_end_in_one_space(patterns, other):
    from qdrant_client import QdrantClient

    client = QdrantClient(":memory:")
    first, second = (shop.Shop(ClientStore(client, "items"), whiten=8) for _ in range(2))
    halves = patterns[:30], patterns[30 : 30 + other]
    fit = first.fit

    def fit_while_the_other_runs(vectors, size):
        second.index(halves[1])
        return fit(vectors, size)

    first.fit = fit_while_the_other_runs
    first.index(halves[0])

    searcher = Searcher(first.store, first.encoder)
    for item in (*halves[0][::7], *halves[1][::3]):
        answer = searcher.look(Query(products=((load_scene(item.photos[0]), 1.0),)))
        assert answer.matches[0].item_id == item.id
        assert answer.matches[0].parts["similarity"] == pytest.approx(1, abs=1e-4)
    client.close()


@pytest.mark.parametrize("seed", [0, 9], ids=["same model", "another model"])
def test_a_collection_made_anew_under_a_searcher_is_seen_within_a_second(
    patterns, monkeypatch, seed
):
    from qdrant_client import QdrantClient

    monkeypatch.setattr(server_store, "RECORD_S", 0.0)
    client = QdrantClient(":memory:")
    first = shop.Shop(ClientStore(client, "items"), embedder=FakeEmbedder(16), whiten=8)
    first.index(patterns[:30])
    searcher = Searcher(first.store, first.encoder)
    asked = Query(products=((load_scene(patterns[3].photos[0]), 1.0),))
    assert searcher.look(asked).matches[0].item_id == patterns[3].id

    for name in ("items", "items--meta"):
        client.delete_collection(name)
    again = shop.Shop(ClientStore(client, "items"), embedder=FakeEmbedder(16, seed=seed), whiten=8)
    again.index(patterns[:60])

    if seed:
        with pytest.raises(CollectionMismatchError, match="embedder"):
            searcher.look(asked)
    else:
        match = searcher.look(asked).matches[0]
        assert match.item_id == patterns[3].id
        assert match.parts["similarity"] == pytest.approx(1, abs=1e-4)
    client.close()


@pytest.mark.parametrize("whiten", [16, 8], ids=["as long as raw", "shorter"])
@pytest.mark.parametrize("harm", ["missing", "another's", "missing in a record of before"])
def test_a_projection_that_is_lost_is_an_error_and_never_raw(patterns, whiten, harm):
    run = shop.Shop(embedder=FakeEmbedder(16), whiten=whiten)
    run.index(patterns[:50])
    if harm == "another's":
        run.store.write_blob(PROJECTION_BLOB, run.store.read_blob(PROJECTION_BLOB) + b"x")
    else:
        del run.store._blobs[PROJECTION_BLOB]
    if harm == "missing in a record of before":
        if whiten == 16:
            pytest.skip("nothing tells these from raw ones")
        run.store._schema = replace(run.store._schema, blobs={}, made="")
    before = shop.contents(run.store)

    with pytest.raises(StoreError, match=r"projection.*restore it") as caught:
        run.index(patterns)
    assert caught.value.code == "projection_lost"
    with pytest.raises(StoreError, match=r"projection.*restore it"):
        Searcher(run.store, run.encoder).open()
    assert shop.contents(run.store) == before


def test_a_projection_is_fitted_once_kept_and_used_for_what_comes_later(patterns):
    items = patterns
    run = shop.Shop(whiten=8)
    run.index(items[:50])
    kept = run.store.read_blob(PROJECTION_BLOB)

    run.index(items)

    assert run.store.schema.vectors == {CUTOUT: 8, CONTEXT: 8}
    assert run.store.read_blob(PROJECTION_BLOB) == kept
    projection = Projection.from_bytes(kept)
    (record,) = run.store.scroll(where=Equals("item_id", "p055"), spaces=(CUTOUT,))
    image = load_scene(items[55].photos[0]).image[16:48, 16:48]
    wanted = projection.apply(run.embedder.embed_images([image]))[0]
    np.testing.assert_allclose(record.vectors[CUTOUT], wanted, atol=1e-5)


def test_a_whitened_collection_is_searched_through_its_projection(patterns):
    items = patterns
    run = shop.Shop(whiten=8)
    run.index(items)
    searcher = Searcher(run.store, run.encoder)

    for n in (0, 17, 59):
        answer = searcher.look(Query(products=((load_scene(items[n].photos[0]), 1.0),)))

        assert answer.matches[0].item_id == items[n].id
        assert answer.matches[0].parts["similarity"] == pytest.approx(1, abs=1e-4)


# --- objects and cutouts -----------------------------------------------------------------------


def test_with_a_detector_every_object_of_a_photo_is_a_point_beside_the_whole(tmp_path):
    path = shop.save(shop.room(("red", "square"), ("blue", "tall")), tmp_path / "room.png")
    run = shop.Shop(detector=FakeDetector())

    run.index([Item("room", (path,), {})])

    regions = {p["region_key"]: p.get("label") for p in run.payloads()}
    assert regions == {"whole": None, "object:0": "red", "object:1": "blue"}
    assert {payload["region_count"] for payload in run.payloads()} == {3}
    assert run.index([Item("room", (path,), {})]).unchanged == 1


def test_a_photo_some_of_whose_regions_are_gone_is_stored_again_without_the_models(tmp_path):
    path = shop.save(shop.room(("red", "square"), ("blue", "tall")), tmp_path / "room.png")
    run = shop.Shop(detector=FakeDetector())
    run.index([Item("room", (path,), {})])
    before = shop.contents(run.store)
    run.store.delete(where=Equals("label", "red"))

    report = run.index([Item("room", (path,), {})])

    assert (report.changed, report.embedded, report.from_cache) == (1, 0, 1)
    assert shop.contents(run.store) == before


def test_a_photo_some_of_whose_regions_are_gone_is_removed_whole_when_its_item_drops_it(tmp_path):
    path = shop.save(shop.room(("red", "square"), ("blue", "tall")), tmp_path / "room.png")
    other = shop.save(shop.room(("green", "square")), tmp_path / "other.png")
    run = shop.Shop(detector=FakeDetector())
    run.index([Item("room", (path, other), {})])
    run.store.delete(where=Equals("label", "red"))

    run.index([Item("room", (other,), {})])

    assert {payload["photo"] for payload in run.payloads()} == {other}


def test_a_photo_without_a_plain_ground_goes_to_the_remover(tmp_path):
    ramp = np.tile(np.linspace(60, 200, 64).astype(np.uint8)[None, :, None], (64, 1, 3))
    busy = ramp.copy()
    busy[20:44, 20:44] = (220, 30, 30)
    path = shop.save(busy, tmp_path / "busy.png")
    run = shop.Shop(encoder=shop.make_encoder(remover=FakeRemover(tolerance=80)))

    run.index([Item("one", (path,), {})])

    (payload,) = run.payloads()
    assert payload["cutout_method"] == "matting"
    assert run.encoder.remover.mattes == 1


def test_a_collection_that_vanishes_under_a_run_is_an_error_of_the_store(items):
    run = shop.Shop()
    run.index(items)
    indexer = run.indexer
    plan = indexer.plan([with_attributes(items[0], price=0.5), *items[1:]])
    run.store.close()

    with pytest.raises(StoreError, match="closed"):
        indexer.run(plan, shop.FIELDS)


# --- a server where others write too -----------------------------------------------------------


def test_a_point_of_somebody_else_costs_nothing_and_is_no_answer(items):
    run = shop.Shop()
    run.index(items)
    searcher = Searcher(run.store, run.encoder)
    asked = Query(products=((load_scene(items[0].photos[0]), 1.0),), words="a")
    before = searcher.look(asked)
    stranger = point_id("items", "nobody", "0", "0")
    vectors = run.store.retrieve([before.matches[0].evidence[0].point_id], spaces=(CUTOUT,))[0]
    run.store.upsert([Point(stranger, vectors.vectors, {"title": "mine"})])

    report = run.index(items)
    after = searcher.look(asked)

    assert (report.added, report.changed, report.unchanged) == (0, 0, len(items))
    assert any("1 point" in note and "no item_id" in note for note in report.notes)
    assert [match.item_id for match in after.matches] == [m.item_id for m in before.matches]
    assert run.store.retrieve([stranger])
