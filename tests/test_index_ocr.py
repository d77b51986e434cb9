"""What is written in catalogue photos is found by words, and stays there through updates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shop
from fakes.models import FakeDetector, FakeEmbedder, FakeReader
from fakes.store import MemoryStore

from scenesearch.core.errors import CollectionMismatchError, MissingDependencyError
from scenesearch.core.protocols import TextQuery
from scenesearch.index.indexer import Indexer
from scenesearch.index.item_points import with_read

TEXTS = {"red": "Sunrise Oats 500 g", "blue": "Sail Salt"}


class ReadingShop(shop.Shop):
    """Every run with the same reader, or with none."""

    def __init__(self, *args, reader=None, **more):
        super().__init__(*args, **more)
        self.reader = reader

    @property
    def indexer(self):
        return Indexer(
            self.store,
            "items",
            self.encoder,
            self.cache,
            load=self.load,
            photo_hash=shop.photo_hash,
            item_hash=shop.item_hash,
            fit=shop.fit_projection,
            detector=self.detector,
            reader=self.reader,
            options=self.options,
        )


@pytest.fixture
def items(tmp_path):
    return [i for i in shop.colour_shop(tmp_path) if i.id.startswith(("red", "blue", "green"))]


@pytest.fixture
def run():
    return ReadingShop(MemoryStore(), reader=FakeReader(TEXTS))


def found(run, text):
    hits = run.store.query([TextQuery(text, 50, None, ("item_id",))])[0]
    return {hit.payload["item_id"] for hit in hits}


def test_text_in_a_photo_is_stored_and_found_beside_the_words_of_the_catalogue(run, items):
    run.index(items)

    (payload,) = run.of("red-wide")
    assert payload["ocr"] == "Sunrise Oats 500 g"
    assert payload["words"].startswith("red wide thing")
    assert payload["words"].endswith("Sunrise Oats 500 g")
    assert found(run, "oats") == {"red-wide", "red-tall", "red-square"}
    assert found(run, "thing") == {item.id for item in items}


def test_a_photo_without_text_has_no_such_field(run, items):
    run.index(items)

    (payload,) = run.of("green-wide")
    assert "ocr" not in payload
    assert payload["words"] == "green wide thing / wide / green"


@pytest.mark.parametrize("objects", [None, FakeDetector()], ids=["whole photos", "objects too"])
def test_each_photo_is_read_once_and_the_text_is_on_all_of_its_points(items, objects):
    run = ReadingShop(MemoryStore(), reader=FakeReader(TEXTS), detector=objects)
    run.index(items)

    payloads = run.of("blue-tall")
    assert len(payloads) == (1 if objects is None else 2)
    assert {payload["ocr"] for payload in payloads} == {"Sail Salt"}
    assert run.reader.photos == len(items)


def test_a_change_of_attributes_keeps_what_was_read_and_reads_nothing_again(run, items):
    run.index(items)
    read, embedded = run.reader.photos, run.embedder.embedded
    changed = [
        replace(item, attributes={"title": "walnut", "price": 1.0}) if "red" in item.id else item
        for item in items
    ]

    report = run.index(changed)

    assert report.changed == 3
    assert (run.reader.photos, run.embedder.embedded) == (read, embedded)
    (payload,) = run.of("red-wide")
    assert payload["words"] == "walnut / Sunrise Oats 500 g"
    assert payload["ocr"] == "Sunrise Oats 500 g"
    assert "category" not in payload
    assert found(run, "oats") == {"red-wide", "red-tall", "red-square"}
    assert found(run, "walnut") == {"red-wide", "red-tall", "red-square"}


def test_an_item_that_loses_its_words_keeps_those_in_its_photo(run, items):
    run.index(items)

    run.index([replace(item, attributes={"price": 1.0}) for item in items])

    assert run.of("red-wide")[0]["words"] == "Sunrise Oats 500 g"
    assert "words" not in run.of("green-wide")[0]


def test_photos_of_one_item_keep_their_own_texts(run, items):
    both = replace(items[0], photos=(items[0].photos[0], items[-1].photos[0]))
    other = items[-1].id.partition("-")[0]
    run.index([both])

    run.index([replace(both, attributes={"title": "walnut"})])

    words = {payload.get("ocr"): payload["words"] for payload in run.of(both.id)}
    texts = [TEXTS.get(name) for name in ("red", other)]
    assert words == {text: with_read("walnut", text) for text in texts}


def test_a_run_killed_between_words_and_hash_is_put_right_by_the_next(run, items):
    class Killed(Exception):
        pass

    run.index(items)
    changed = [replace(item, attributes={"title": "walnut"}) for item in items]
    store, real = run.store, run.store.set_payload

    def fail_on_hash(payload, **selection):
        if "item_hash" in payload:
            raise Killed
        real(payload, **selection)

    store.set_payload = fail_on_hash
    with pytest.raises(Killed):
        run.index(changed)
    store.set_payload = real

    assert run.index(changed).changed == len(items)
    assert run.of("red-wide")[0]["words"] == "walnut / Sunrise Oats 500 g"


def test_a_second_run_changes_nothing(run, items):
    run.index(items)
    before = shop.contents(run.store)

    report = run.index(items)

    assert (report.unchanged, report.embedded) == (len(items), 0)
    assert shop.contents(run.store) == before


def test_an_index_is_rebuilt_from_the_cache_without_reading_again(run, items):
    run.index(items)
    again = ReadingShop(MemoryStore(), reader=run.reader, encoder=run.encoder, cache=run.cache)
    read = run.reader.photos

    again.index(items)

    assert run.reader.photos == read
    assert shop.contents(again.store) == shop.contents(run.store)


def test_the_reader_is_part_of_the_cache_key_only_where_there_is_one(items):
    plain, reading = ReadingShop(), ReadingShop(reader=FakeReader(TEXTS))

    assert "reader" not in plain.indexer.metadata
    assert plain.indexer._embedder.key == shop.Shop().indexer._embedder.key
    assert reading.indexer.metadata["reader"] == reading.reader.fingerprint
    assert reading.reader.fingerprint in reading.indexer._embedder.key


def test_without_a_reader_everything_is_stored_as_before(items):
    plain, old = ReadingShop(), shop.Shop()
    plain.index(items)
    old.index(items)

    assert shop.contents(plain.store) == shop.contents(old.store)
    assert plain.store.schema == old.store.schema


@pytest.mark.parametrize(
    ("first", "second"),
    [(FakeReader(TEXTS), None), (None, FakeReader(TEXTS)), (FakeReader(TEXTS), FakeReader())],
    ids=["off", "on", "another reader"],
)
def test_a_collection_is_not_continued_with_another_reader(items, first, second):
    run = ReadingShop(MemoryStore(), reader=first)
    run.index(items)
    run.reader = second

    with pytest.raises(CollectionMismatchError, match="reader: collection has"):
        run.index(items)


def test_vectors_are_those_of_an_index_without_text(run, items):
    plain = shop.Shop(MemoryStore())
    run.index(items)
    plain.index(items)

    for record, other in zip(
        run.store.scroll(spaces=("cutout",)), plain.store.scroll(spaces=("cutout",)), strict=True
    ):
        np.testing.assert_array_equal(record.vectors["cutout"], other.vectors["cutout"])


@pytest.mark.parametrize(
    ("words", "read", "wanted"),
    [("a", "b", "a / b"), ("a", None, "a"), (None, "b", "b"), ("", "b", "b"), (None, None, None)],
    ids=["both", "no text", "no words", "empty words", "neither"],
)
def test_words_and_text_are_joined_where_both_are_there(words, read, wanted):
    assert with_read(words, read) == wanted


def test_the_setting_gives_the_indexer_a_reader(monkeypatch):
    from scenesearch import wiring
    from scenesearch.config.settings import load_settings

    reader = FakeReader()
    monkeypatch.setattr("scenesearch.wiring.parts.build_reader", lambda settings: reader)
    for on in (False, True):
        parts = wiring.Parts(load_settings(detectors=[], index={"ocr": on}))
        parts.__dict__["encoder"] = shop.make_encoder(FakeEmbedder())
        indexer = wiring.build_indexer(
            parts, MemoryStore(), "items", shop.EmbeddingCache(":memory:")
        )
        assert indexer.metadata.get("reader") == (reader.fingerprint if on else None)
        parts.close()


def test_the_setting_without_the_package_is_refused_at_once(monkeypatch):
    from scenesearch import wiring
    from scenesearch.config.settings import load_settings
    from scenesearch.models.ocr import rapidocr_reader

    def absent(name):
        raise rapidocr_reader.PackageNotFoundError(name)

    monkeypatch.setattr(rapidocr_reader, "version", absent)

    with pytest.raises(MissingDependencyError, match=r"scenesearch\[ocr\]"):
        wiring.build_reader(load_settings())
