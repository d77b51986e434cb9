"""A collection on a server that is not what it was: every answer is right, or says so.

Over the fakes, with a projection; run where QDRANT_URL names a server. What is asked is asked of
who had the collection open before, and of who opens it then. A wrong answer without an error is
silent where ``verify --deep`` finds nothing either.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shop
from qdrant_client import QdrantClient, models
from qdrant_proxy import client_of, collection, key, needs_server

from scenesearch import SceneSearch
from scenesearch.complete.completer import CENTRES_BLOB
from scenesearch.complete.known_scenes import BLOB as KNOWN_BLOB
from scenesearch.complete.known_scenes import KnownScene
from scenesearch.core.errors import SceneSearchError
from scenesearch.core.points import OOD_BLOB, PROJECTION_BLOB
from scenesearch.core.types import Item
from scenesearch.search.out_of_distribution import OodModel
from scenesearch.store.server import client as server_client
from scenesearch.store.server.client_meta import ClientMeta

pytestmark = [pytest.mark.store, needs_server]
SPACES = ("cutout", "context", "words")
FIELDS = ("item_id", "category", "price", "title", "words", "photo_sha256")
BLOBS = (PROJECTION_BLOB, OOD_BLOB, CENTRES_BLOB, KNOWN_BLOB)


@dataclass
class Stored:
    """A collection of 24 items, and the means to hurt it."""

    name: str
    client: QdrantClient
    items: list[Item]
    photo: Path

    @property
    def about(self) -> str:
        return f"{self.name}--meta"

    def front(self) -> SceneSearch:
        return SceneSearch(os.environ["QDRANT_URL"], collection=self.name)

    def points(self) -> list[Any]:
        return self.client.scroll(self.name, limit=1000, with_payload=True, with_vectors=True)[0]

    def read(self, kind: str) -> dict[str, Any]:
        (found,) = self.client.retrieve(self.about, [ClientMeta._id(kind)])
        return dict(found.payload or {})

    def write(self, kind: str, payload: dict[str, Any]) -> None:
        self.client.set_payload(self.about, payload, points=[ClientMeta._id(kind)], wait=True)

    def forget(self, kind: str) -> None:
        self.client.delete(self.about, [ClientMeta._id(kind)], wait=True)


@pytest.fixture
def stored(
    tmp_path: Path, clean_surroundings: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stored]:
    shop.use_fakes(monkeypatch)
    monkeypatch.setenv("SCENESEARCH_EMBEDDER__WHITEN", "8")
    monkeypatch.setenv("SCENESEARCH_QDRANT_API_KEY", key() or "")
    # what is read once a second, and looked at once a minute, is so each time
    monkeypatch.setattr(server_client, "RECORD_S", 0.0)
    monkeypatch.setattr(server_client, "LOOK_S", 0.0)
    items = shop.colour_shop(tmp_path / "photos")
    with collection() as name, client_of() as client:
        made = Stored(name, client, items, Path(items[0].photos[0]))
        with made.front() as front:
            front.put(items, settle=True)
            front.learn_scenes([KnownScene((items[0].id, items[4].id))])
            # the fakes have no classes to learn it from
            model = OodModel(np.full(4, 0.25, np.float32), np.linspace(-2, 0, 9), "photos")
            front.store.write_blob(OOD_BLOB, model.to_bytes())
            # what is learned when somebody asks
            front.complete([items[0].id])
        yield made


def questions(stored: Stored, front: SceneSearch) -> dict[str, Any]:
    """The answer to each question, or the error."""
    one, item = stored.items[0], stored.items[0].id
    asked: dict[str, Callable[[], Any]] = {
        "look": lambda: matches(front.shop_the_look(stored.photo)),
        "item": lambda: matches(front.search(items={item: 1.0})),
        "words": lambda: matches(front.search(words=str(one.attributes["title"]))),
        "filter": lambda: matches(front.search(items={item: 1.0}, where="price < 40")),
        "values": lambda: front.values("category"),
        "get": lambda: dict(front.get(item).attributes),  # type: ignore[union-attr]
        "scenes": lambda: len(front.scenes_of(item)),
        "complete": lambda: [one.item_id for one in front.complete([item]).suggestions],
    }
    answers: dict[str, Any] = {}
    for name, ask in asked.items():
        try:
            answers[name] = ask()
        except SceneSearchError as error:
            answers[name] = error
    return answers


def matches(look: Any) -> list[tuple[str, float]]:
    return [(match.item_id, round(match.score, 4)) for match in look.matches]


def other_type(stored: Stored) -> None:
    stored.write("schema", {"added": {"category": "integer"}})


def other_record(stored: Stored) -> None:
    text = stored.read("schema")["schema"]
    stored.write("schema", {"schema": text.replace('"float"', '"integer"', 1)})


def flip(stored: Stored, blob: str) -> None:
    data = bytearray(base64.b64decode(stored.read(f"blob:{blob}")["data"]))
    data[len(data) // 2] ^= 16
    stored.write(f"blob:{blob}", {"data": base64.b64encode(bytes(data)).decode()})


def other_vector(stored: Stored) -> None:
    point = stored.points()[0]
    turned = {"cutout": [-number for number in point.vector["cutout"]]}
    vectors = [models.PointVectors(id=point.id, vector=turned)]
    stored.client.update_vectors(stored.name, vectors, wait=True)


def foreign(stored: Stored, payload: dict[str, Any]) -> None:
    vector = stored.points()[0].vector
    point = models.PointStruct(id=7, vector=vector, payload=payload)
    stored.client.upsert(stored.name, [point], wait=True)


def other_distance(stored: Stored) -> None:
    """The same points in a collection made by hand, with a distance that is none of ours."""
    found, points = stored.client.get_collection(stored.name), stored.points()
    stored.client.delete_collection(stored.name)
    spaces = found.config.params.vectors
    assert isinstance(spaces, dict)
    euclid = models.Distance.EUCLID
    stored.client.create_collection(
        stored.name,
        vectors_config={
            name: models.VectorParams(size=space.size, distance=euclid)
            for name, space in spaces.items()
        },
        sparse_vectors_config=found.config.params.sparse_vectors,
    )
    stored.client.upsert(
        stored.name,
        [models.PointStruct(id=p.id, vector=p.vector, payload=p.payload) for p in points],
        wait=True,
    )


def without(stored: Stored, space: str) -> None:
    stored.client.delete_vectors(stored.name, [space], [stored.points()[0].id], wait=True)


DAMAGES: dict[str, Callable[[Stored], Any]] = {
    "the record is gone": lambda s: s.forget("schema"),
    "the record is cut": lambda s: s.write("schema", {"schema": '{"format"'}),
    "the record says something else": other_record,
    "a field has another type": other_type,
    "the companion is gone": lambda s: s.client.delete_collection(s.about),
    "the collection is gone": lambda s: s.client.delete_collection(s.name),
    **{f"{b} is gone": lambda s, b=b: s.forget(f"blob:{b}") for b in BLOBS},
    **{
        f"{b} is cut": lambda s, b=b: s.write(
            f"blob:{b}", {"data": s.read(f"blob:{b}")["data"][:40]}
        )
        for b in BLOBS
    },
    **{f"{b} has another bit": lambda s, b=b: flip(s, b) for b in BLOBS},
    **{
        f"the space {space} is gone": lambda s, space=space: s.client.delete_vector_name(
            s.name, space
        )
        for space in SPACES
    },
    **{
        f"a point is not in the space {space}": lambda s, space=space: without(s, space)
        for space in SPACES
    },
    **{
        f"the index of {field} is gone": lambda s, field=field: s.client.delete_payload_index(
            s.name, field, wait=True
        )
        for field in FIELDS
    },
    "a point has another vector": other_vector,
    "a point has another price": lambda s: s.client.set_payload(
        s.name, {"price": 1.0}, points=[s.points()[0].id], wait=True
    ),
    "a point has no payload": lambda s: s.client.clear_payload(
        s.name, [s.points()[0].id], wait=True
    ),
    "a foreign point": lambda s: foreign(s, {"hello": 1}),
    "a foreign point with nothing": lambda s: foreign(s, {}),
    "another distance": other_distance,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_never_silent(stored: Stored, damage: str) -> None:
    with stored.front() as running:
        right = questions(stored, running)
        assert not [name for name, one in right.items() if isinstance(one, Exception)]

        DAMAGES[damage](stored)
        then = questions(stored, running)
    with stored.front() as fresh:
        answers = [then, questions(stored, fresh)]
    wrong = [
        name
        for asked in answers
        for name, one in asked.items()
        if not isinstance(one, SceneSearchError) and one != right[name]
    ]
    with stored.front() as front:
        found = front.verify(deep=True)

    assert found.findings or not wrong, f"silent: {wrong}"


@pytest.mark.parametrize(
    ("setting", "value"), [("EMBEDDER__WHITEN", "4"), ("CUTOUT__BACKGROUND", "[0, 0, 0]")]
)
def test_a_collection_made_anew_is_never_mixed_with_what_it_was(
    stored: Stored, monkeypatch: pytest.MonkeyPatch, setting: str, value: str
) -> None:
    with stored.front() as running:
        questions(stored, running)
        for name in (stored.name, stored.about):
            stored.client.delete_collection(name)
        monkeypatch.setenv(f"SCENESEARCH_{setting}", value)
        with stored.front() as other:
            other.put(stored.items, settle=True)
            right = questions(stored, other)
            then = questions(stored, running)

    assert not [name for name, one in right.items() if isinstance(one, Exception)]
    for name, one in then.items():
        assert isinstance(one, SceneSearchError) or one == right[name], name


def test_repair_makes_indexes_and_what_was_learned_anew(stored: Stored) -> None:
    with stored.front() as front:
        right = questions(stored, front)
    stored.client.delete_payload_index(stored.name, "category", wait=True)
    stored.forget(f"blob:{PROJECTION_BLOB}")
    stored.forget(f"blob:{KNOWN_BLOB}")
    flip(stored, CENTRES_BLOB)
    other_vector(stored)

    with stored.front() as front:
        report = front.verify(deep=True, repair=True)
        again = front.verify(deep=True)
        after = questions(stored, front)

    assert {one.code for one in report.findings} >= {"index", "projection", "blob", "vectors"}
    assert again.sound, again.findings
    # nobody else knows the scenes, and what goes with an item goes by them, too
    assert after.pop("scenes") == 0
    assert sorted(after.pop("complete")) == sorted(right["complete"])
    assert after == {name: right[name] for name in after}
