"""Both clients against a real service on loopback, with models that fake."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time

import httpx
import pytest
import service_app as here

from scenesearch.client import AsyncClient, Client, ServiceError, ServiceUnreachableError
from scenesearch.core.errors import ConfigError, ImageError, QueryError
from scenesearch.service.http.serve import bind, make_server, port_of


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with here.serving(tmp_path_factory.mktemp("service")) as service:
        settings = service.app.state.shared.settings.service.model_copy(update={"port": 0})
        sockets = bind(settings)
        server = make_server(service.app, settings)
        thread = threading.Thread(target=server.run, args=(sockets,), daemon=True)
        thread.start()
        give_up = time.monotonic() + 20
        while not server.started:
            assert time.monotonic() < give_up
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port_of(sockets)}"
        server.should_exit = True
        thread.join(20)


@pytest.fixture
def client(url):
    with Client(url) as one:
        yield one


def test_both_clients_have_the_same_methods():
    def public(kind):
        return {
            name: list(inspect.signature(method).parameters)
            for name, method in inspect.getmembers(kind, inspect.isfunction)
            if not name.startswith("_")
        }

    assert public(Client) == public(AsyncClient)


def test_a_photo_is_looked_at_and_asked_again_without_being_sent_again(client):
    look = client.look(here.room_photo(), limit=5, facets=("category",))
    again = client.look(query_id=look.query_id, where="category = square")

    assert len(look.regions) == 2
    assert look.matches[0].attributes["category"]
    assert {match.attributes["category"] for match in again.matches} == {"square"}


def test_a_photo_may_be_a_path_bytes_or_a_file(client, tmp_path):
    path = tmp_path / "room.png"
    path.write_bytes(here.room_photo())
    with path.open("rb") as file:
        found = [client.look(one, limit=3) for one in (path, str(path), path.read_bytes(), file)]

    assert len({tuple(m.item_id for m in look.matches) for look in found}) == 1


def test_words_find_things_and_pages_follow_each_other(client):
    first = client.search("red square", limit=2)
    second = client.search("red square", limit=2, offset=first.next_offset)

    assert first.parsed.colours == ["red"]
    assert not {m.item_id for m in first.matches} & {m.item_id for m in second.matches}


def test_a_photo_of_a_thing_finds_the_thing(client):
    look = client.search(photo=here.product_photo("green", "wide"), limit=1)

    assert look.matches[0].item_id == "green-wide"


def test_tags_facets_and_models(client):
    assert client.tag(here.room_photo()).objects
    assert client.facets(field=["category"]).facets["category"]
    assert client.models()


def test_items_come_and_go(client):
    made = client.put_item("a/b c", [here.product_photo()], {"title": "New", "price": 3.5})
    patched = client.patch_item("a/b c", {"price": 4.0})
    picture = client.picture(made.photos[0].photo_url)
    listed = {item.id for item in client.items(page=7)}
    gone = client.delete_item("a/b c")

    assert made.attributes["title"] == "New"
    assert patched.attributes["price"] == 4.0
    assert picture.startswith(b"\xff\xd8")
    assert "a/b c" in listed
    assert len(listed) == 25
    assert gone.items == 1
    with pytest.raises(ServiceError) as caught:
        client.get_item("a/b c")
    assert (caught.value.status, caught.value.code) == (404, "not_found")
    assert caught.value.request_id


def test_the_asynchronous_client_gives_the_same(url, client):
    async def ask():
        async with AsyncClient(url) as one:
            looked = await one.look(here.room_photo(), limit=4)
            items = [item.id async for item in one.items(page=9)]
            several = await asyncio.gather(*(one.search("red", limit=3) for _ in range(8)))
            return looked, items, several

    looked, items, several = asyncio.run(ask())

    assert [m.item_id for m in looked.matches] == [
        m.item_id for m in client.look(here.room_photo(), limit=4).matches
    ]
    assert items == [item.id for item in client.items()]
    assert len({tuple(m.item_id for m in look.matches) for look in several}) == 1


@pytest.mark.parametrize("key", ["", "secret key", "secret\n", "secr\u00e9t"], ids=ascii)
def test_a_key_that_no_header_holds_is_refused_without_being_shown(key):
    with pytest.raises(ConfigError, match="printable ASCII") as refused:
        Client(key=key)

    assert refused.value.code == "bad_key"
    assert "secr" not in str(refused.value)


def test_something_else_than_a_service_is_an_error_that_says_so():
    page = httpx.MockTransport(lambda _: httpx.Response(200, text="<html>"))
    with Client("http://127.0.0.1", transport=page) as one, pytest.raises(ServiceError) as refused:
        one.models()

    assert refused.value.code == "bad_answer"
    assert "GET /v1/models was answered with 200" in str(refused.value)


def test_what_makes_no_sense_is_an_error_before_anything_is_sent():
    with Client("http://127.0.0.1:9", retries=0) as client:
        with pytest.raises(QueryError, match="limitt"):
            client.search("red", limitt=3)
        with pytest.raises(QueryError, match="limit"):
            client.search("red", limit=0)
        with pytest.raises(QueryError, match="query_id"):
            client.look()
        with pytest.raises(ImageError, match=r"nowhere\.jpg"):
            client.look("nowhere.jpg")
        with pytest.raises(QueryError, match="no picture"):
            client.picture("https://example.com/x.jpg")
    with pytest.raises(ConfigError, match="http://HOST:PORT"):
        Client("127.0.0.1:8080")


def test_what_the_service_refuses_says_why(client):
    with pytest.raises(ServiceError) as caught:
        client.search("red", where="prize < 3")

    assert caught.value.status == 422
    assert "prize" in str(caught.value)


def test_nobody_there_is_an_error_that_says_so():
    with (
        Client("http://127.0.0.1:9", retries=0) as client,
        pytest.raises(ServiceUnreachableError, match="scenesearch serve"),
    ):
        client.models()


class Answers(httpx.BaseTransport):
    """Gives prepared answers, and counts."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = 0

    def handle_request(self, request):
        self.asked += 1
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        status, headers = answer
        return httpx.Response(status, headers=headers, json={"id": 1, "code": "busy"})


@pytest.mark.parametrize(
    ("answers", "asked"),
    [
        ([(503, {"Retry-After": "0"}), (503, {"Retry-After": "0"})], 3),
        ([(429, {"Retry-After": "0"})], 2),
        ([httpx.ConnectError("no")], 2),
        ([(503, {"Retry-After": "3600"})], 1),
        ([(500, {})], 1),
        ([(422, {})], 1),
    ],
    ids=["busy_twice", "too_fast", "broken", "too_long_to_wait", "fault", "wrong"],
)
def test_only_what_may_help_is_tried_again(answers, asked, monkeypatch):
    monkeypatch.setattr("scenesearch.client.wire.FIRST_WAIT_S", 0.0)
    transport = Answers(*answers, (204, {}))
    with Client(transport=transport, retries=3) as client:
        try:
            client.picture("/v1/photos/x")
        except (ServiceError, ServiceUnreachableError):
            assert transport.asked == asked
        else:
            assert transport.asked == asked


def test_what_must_not_be_done_twice_is_not_sent_twice_when_the_connection_breaks():
    transport = Answers(httpx.ReadError("gone"))
    with Client(transport=transport, retries=3) as client, pytest.raises(ServiceUnreachableError):
        client.feedback("A", "like")

    assert transport.asked == 1


def test_the_key_travels_in_a_header_and_never_in_an_error():
    seen = []

    class Refuses(httpx.BaseTransport):
        def handle_request(self, request):
            seen.append(request.headers["Authorization"])
            return httpx.Response(401, json={"code": "unauthorized", "detail": "no"})

    with (
        Client(key="secret-key-of-mine", transport=Refuses()) as client,
        pytest.raises(ServiceError) as caught,
    ):
        client.models()

    assert seen == ["Bearer secret-key-of-mine"]
    assert "secret" not in repr(caught.value)
