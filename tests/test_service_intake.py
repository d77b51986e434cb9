"""What comes in: forms, JSON, base64 and addresses; refusals that cost nothing and say why."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from typing import NamedTuple

import pytest
from starlette.testclient import TestClient

from scenesearch.config.settings import Settings
from scenesearch.core.errors import SceneSearchError
from scenesearch.engine.remote.backend import BusyError
from scenesearch.engine.tasks import Answer
from scenesearch.service.http.app import create_app
from scenesearch.service.http.intake import NAME_LENGTH, clean_name

PHOTO = b"\xff\xd8 not looked at here"
TEXT = base64.b64encode(PHOTO).decode()


class Listening:
    """An engine that takes note of what it is asked, or has too much to do."""

    def __init__(self) -> None:
        self.tasks = []
        self.busy = False

    async def run(self, task, *, deadline_s=None, client=None):
        if self.busy:
            raise BusyError("64 photos wait already", retry_after_s=3)
        self.tasks.append(task)
        return Answer("{}")

    async def close(self):
        pass


class Fetched(NamedTuple):
    data: bytes


class Fetching:
    async def fetch(self, url):
        if "slow" in url:
            await asyncio.sleep(60)
        if "private" in url:
            raise SceneSearchError("The address is not public", code="address_not_allowed")
        return Fetched(PHOTO)


@pytest.fixture(scope="module")
def listening():
    return Listening()


@pytest.fixture(autouse=True)
def engine(listening):
    listening.tasks, listening.busy = [], False
    return listening


@pytest.fixture(scope="module")
def client(listening):
    return TestClient(create_app(Settings(), listening), base_url="http://127.0.0.1")


def fetching_within(deadline_s, engine):
    settings = Settings(service={"fetch": {"enabled": True}, "deadline_s": deadline_s})
    return TestClient(create_app(settings, engine, fetcher=Fetching()), base_url="http://127.0.0.1")


@pytest.fixture
def fetching(engine):
    return fetching_within(30, engine)


def form(*parts: tuple[str, bytes], boundary: str = "x") -> dict:
    """A form as raw bytes: (headers of a part, its content) each."""
    body = b"".join(
        b"--%s\r\n%s\r\n\r\n%s\r\n" % (boundary.encode(), headers.encode("utf-8"), content)
        for headers, content in parts
    )
    kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    return {"content": body + f"--{boundary}--\r\n".encode(), "headers": kind}


def part(name: str, more: str = "") -> str:
    return f'Content-Disposition: form-data; name="{name}"{more}'


PHOTO_PART = (part("photo", '; filename="a.jpg"'), PHOTO)


def code(response) -> str:
    assert response.headers["content-type"] == "application/problem+json"
    return response.json()["code"]


# --- what is taken ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param({"json": {"photo": {"base64": TEXT}}}, id="base64"),
        pytest.param({"json": {"photo": {"base64": f"data:image/jpeg;base64,{TEXT}"}}}, id="data"),
        pytest.param({"files": {"photo": ("a.jpg", PHOTO)}}, id="form"),
    ],
)
def test_a_photo_arrives_as_it_was_sent(client, engine, sent) -> None:
    assert client.post("/v1/look", **sent).status_code == 200
    assert engine.tasks[0].photo.data == PHOTO


@pytest.mark.parametrize("as_file", [False, True], ids=["text", "file"])
def test_options_of_a_form_are_json_in_a_part_of_their_own(client, engine, as_file) -> None:
    options = json.dumps({"limit": 7, "detection_limit": 3, "facets": ["category"]})
    sent = {"files": {"photo": ("a.jpg", PHOTO)}, "data": {"request": options}}
    if as_file:
        sent = {"files": [("photo", ("a.jpg", PHOTO)), ("request", ("blob", options.encode()))]}

    assert client.post("/v1/look", **sent).status_code == 200
    assert engine.tasks[0].detection_limit == 3
    assert engine.tasks[0].options == {"limit": 7, "facets": ["category"]}


def test_what_is_left_out_is_left_to_the_settings(client, engine) -> None:
    client.post("/v1/look", json={"query_id": "abc", "sort": "-price"})

    assert engine.tasks[0].options == {"sort": "-price"}


def test_a_whole_number_may_be_written_as_json_writes_it(client, engine) -> None:
    sent = {"content": b'{"query_id": "a", "limit": 20.0}'}
    sent["headers"] = {"Content-Type": "application/json"}

    assert client.post("/v1/look", **sent).status_code == 200
    assert engine.tasks[0].options == {"limit": 20}


def test_photos_of_a_search_keep_their_weights(client, engine) -> None:
    photos = [{"base64": TEXT, "weight": -0.5}]
    body = {"data": {"request": json.dumps({"photos": photos})}}

    assert client.post("/v1/search", files={"photo": ("a", PHOTO)}, **body).status_code == 200
    assert [weight for _, weight in engine.tasks[0].photos] == [1.0, -0.5]


# --- forms -----------------------------------------------------------------------------------


FORMS = {
    # what, request, status, code
    "no boundary": (
        {"content": b"--x--", "headers": {"Content-Type": "multipart/form-data"}},
        *(400, "bad_multipart"),
    ),
    "an empty boundary": (
        {"content": b"--x--", "headers": {"Content-Type": "multipart/form-data; boundary="}},
        *(400, "bad_multipart"),
    ),
    "another boundary than in the body": (
        {**form(PHOTO_PART), "headers": {"Content-Type": "multipart/form-data; boundary=y"}},
        *(400, "bad_multipart"),
    ),
    "a boundary of 300 bytes": (form(PHOTO_PART, boundary="b" * 300), 400, "bad_multipart"),
    "10,000 parts": (form(*[(part("a"), b"")] * 10_000), 400, "bad_multipart"),
    "1,001 files": (form(*[PHOTO_PART] * 1001), 400, "bad_multipart"),
    "a text of 10 MB": (form((part("request"), b" " * 10_000_000)), 413, "body_too_large"),
    "options of 10 MB as a file": (
        form(PHOTO_PART, (part("request", '; filename="r"'), b" " * 10_000_000)),
        *(413, "body_too_large"),
    ),
    "9 headers in a part": (
        form((part("photo", '; filename="a"') + "\r\nX-A: b" * 9, PHOTO)),
        *(400, "bad_multipart"),
    ),
    "a header of 5 KB": (
        form((part("photo", f'; filename="{"a" * 5000}"'), PHOTO)),
        *(400, "bad_multipart"),
    ),
    "a part without a name": (form(("Content-Disposition: form-data", b"")), 400, "bad_multipart"),
    "a part without headers": (form(("X: y", b"")), 400, "bad_multipart"),
    "a form in a form": (
        form((f"{part('photo')}\r\nContent-Type: multipart/mixed; boundary=z", b"--z--")),
        *(422, "validation"),
    ),
    "two photos": (form(PHOTO_PART, PHOTO_PART), 422, "validation"),
    "three photos": (form(*[PHOTO_PART] * 3), 400, "bad_multipart"),
    "no photo": (form((part("request"), b"{}")), 422, "validation"),
    "a photo as text": (form((part("photo"), PHOTO)), 422, "validation"),
    "an unknown part": (form(PHOTO_PART, (part("extra"), b"1")), 422, "validation"),
    "options twice": (
        form(PHOTO_PART, (part("request"), b"{}"), (part("request"), b"{}")),
        *(422, "validation"),
    ),
    "options that are no JSON": (form(PHOTO_PART, (part("request"), b"{")), 400, "bad_json"),
    "unknown options": (
        form(PHOTO_PART, (part("request"), b'{"top_k": 5}')),
        *(422, "validation"),
    ),
    "a photo in the options too": (
        form(PHOTO_PART, (part("request"), b'{"query_id": "a"}')),
        *(422, "validation"),
    ),
    "a charset that is no text": (
        {
            **form(PHOTO_PART),
            "headers": {"Content-Type": "multipart/form-data; boundary=x; charset=idna"},
        },
        *(415, "unsupported_media_type"),
    ),
    "an URL-encoded form": ({"data": {"photo": "a"}}, 415, "unsupported_media_type"),
    "no content type": ({"content": b"{}"}, 415, "unsupported_media_type"),
    "XML": (
        {"content": b"<a/>", "headers": {"Content-Type": "application/xml"}},
        *(415, "unsupported_media_type"),
    ),
    "a photo alone": (
        {"content": PHOTO, "headers": {"Content-Type": "image/jpeg"}},
        *(415, "unsupported_media_type"),
    ),
}


@pytest.mark.parametrize(("sent", "status", "said"), FORMS.values(), ids=FORMS)
def test_a_bad_form_is_refused_before_the_engine_hears_of_it(
    client, engine, sent, status, said
) -> None:
    response = client.post("/v1/look", **sent)

    assert (response.status_code, code(response)) == (status, said)
    assert engine.tasks == []


NAMES = {
    "../../etc/passwd": "passwd",
    "C:\\x": "x",
    "a\x00b.jpg": "ab.jpg",
    "n" * 10_000: "n" * NAME_LENGTH,
    "gpj.\u202eexe": "gpj.exe",
    "-rf": "-rf",
    ".htaccess": ".htaccess",
    "": "photo",
    "..": "..",
    "/": "photo",
    "a\r\nSet-Cookie: b": "aSet-Cookie: b",
    "<script>": "<script>",
}


@pytest.mark.parametrize(("name", "shown"), NAMES.items(), ids=range(len(NAMES)))
def test_the_name_of_an_upload_is_only_shown(name, shown) -> None:
    assert clean_name(name) == shown


def test_a_name_is_no_path_and_does_not_break_a_message(client, engine) -> None:
    client.post("/v1/look", files={"photo": ("../../'><b>\u202e.jpg", PHOTO)})

    assert engine.tasks[0].photo.name == "'><b>.jpg"


# --- base64 and addresses --------------------------------------------------------------------


BASE64 = {
    "white space inside": f"{TEXT[:4]} {TEXT[4:]}",
    "a line break at the end": TEXT + "\n",
    "no padding": TEXT.rstrip("=") + "A",
    "text after the padding": "QQ==QQ==",
    "the alphabet of addresses": "_-_-",
    "not ASCII": "é" * 4,
    "no base64 at all": "hello world!",
}


@pytest.mark.parametrize("text", BASE64.values(), ids=BASE64)
def test_what_is_not_base64_is_refused_by_name(client, text) -> None:
    response = client.post("/v1/look", json={"photo": {"base64": text}})

    assert (response.status_code, code(response)) == (400, "bad_base64")


def test_nothing_after_the_prefix_is_an_empty_photo(client) -> None:
    response = client.post("/v1/look", json={"photo": {"base64": "data:image/png;base64,"}})

    assert (response.status_code, code(response)) == (400, "empty_image")


@pytest.mark.parametrize(("more", "status"), [(0, 200), (1, 413)], ids=["at", "above"])
@pytest.mark.parametrize("as_form", [False, True], ids=["base64", "form"])
def test_a_photo_is_refused_above_the_limit_and_not_at_it(engine, more, status, as_form) -> None:
    app = create_app(Settings(images={"max_bytes": 30_000}), engine)
    client = TestClient(app, base_url="http://127.0.0.1")
    photo = b"x" * (30_000 + 3 * more)
    sent = {"json": {"photo": {"base64": base64.b64encode(photo).decode()}}}
    response = client.post("/v1/look", **({"files": {"photo": photo}} if as_form else sent))

    assert response.status_code == status
    if more:
        assert response.json()["limit"] == 30_000


def test_addresses_are_not_fetched_unless_that_is_on(client) -> None:
    response = client.post("/v1/look", json={"photo": {"url": "https://example.com/a.jpg"}})

    assert (response.status_code, code(response)) == (403, "fetch_disabled")


def test_a_fetched_photo_is_searched(fetching, engine) -> None:
    url = "https://example.com/rooms/a.jpg?size=2"

    assert fetching.post("/v1/look", json={"photo": {"url": url}}).status_code == 200
    assert (engine.tasks[0].photo.data, engine.tasks[0].photo.name) == (PHOTO, "a.jpg")


def test_a_question_that_makes_no_sense_fetches_nothing(fetching) -> None:
    asked = {"photo": {"url": "https://private/"}, "boxes": [[5, 5, 1, 1]]}

    assert code(fetching.post("/v1/look", json=asked)) == "bad_box"


def test_what_the_fetcher_refuses_is_refused(fetching) -> None:
    response = fetching.post("/v1/look", json={"photo": {"url": "https://private/"}})

    assert (response.status_code, code(response)) == (403, "address_not_allowed")


def test_photos_that_are_not_fetched_in_time_are_given_up_at_once(engine) -> None:
    """The deadline is the whole request's, and one slow photo holds up no other."""
    body = {"photos": [{"url": f"https://slow/{n}"} for n in range(3)]}
    begun = time.monotonic()

    response = fetching_within(0.2, engine).put("/v1/items/lamp-1", json=body)

    assert (response.status_code, code(response)) == (503, "deadline_exceeded")
    assert time.monotonic() - begun < 30
    assert not engine.tasks


# --- JSON and numbers ------------------------------------------------------------------------


RAW = {
    "100 levels": b"[" * 100 + b"]" * 100,
    "100,000 levels": b"[" * 100_000,
    "a number of a million digits": b'{"query_id": "a", "limit": ' + b"1" * 1_000_000 + b"}",
    "a name twice": b'{"query_id": "a", "query_id": "b"}',
    "NaN": b'{"query_id": "a", "score_min": NaN}',
    "Infinity": b'{"query_id": "a", "score_min": -Infinity}',
    "1e400": b'{"query_id": "a", "score_min": 1e400}',
    "half a surrogate pair": b'{"query_id": "a", "words": "\\ud800"}',
    "a byte order mark": b'\xef\xbb\xbf{"query_id": "a"}',
    "UTF-16": '{"query_id": "a"}'.encode("utf-16"),
    "Latin-1": b'{"query_id": "a", "words": "\xe9"}',
    "nothing": b"",
    "cut off": b'{"query_id": ',
}


@pytest.mark.parametrize("data", RAW.values(), ids=RAW)
@pytest.mark.parametrize("in_form", [False, True], ids=["body", "part"])
def test_json_that_others_would_read_differently_is_refused(client, engine, data, in_form) -> None:
    sent = {"content": data, "headers": {"Content-Type": "application/json"}}
    if in_form and len(data) < 1_000_000:
        sent = form(PHOTO_PART, (part("request"), data))
    response = client.post("/v1/look", **sent)

    assert response.status_code in (400, 422)
    assert code(response) in ("bad_json", "validation")
    assert engine.tasks == []


BAD_OPTIONS = {
    # 49
    "limit 0": {"limit": 0},
    "limit -1": {"limit": -1},
    "limit 1e9": {"limit": 10**9},
    "limit 2^60": {"limit": 2**60},
    "limit as text": {"limit": "ten"},
    "limit 1.5": {"limit": 1.5},
    "limit null": {"limit": None},
    "limit true": {"limit": True},
    "limit 101": {"limit": 101},
    # 50
    "offset -1": {"offset": -1},
    "offset 1e12": {"offset": 10**12},
    # 51
    "score_min 2": {"score_min": 2.0},
    "score_min -5": {"score_min": -5},
    "diversity 1.1": {"diversity": 1.1},
    # 52
    "a box the wrong way": {"boxes": [[10, 0, 5, 5]]},
    "a box without area": {"boxes": [[5, 5, 5, 9]]},
    "a box of three": {"boxes": [[0, 0, 5]]},
    "a negative box": {"boxes": [[-1, 0, 5, 5]]},
    "4,000 boxes": {"boxes": [[0, 0, 5, 5]] * 4000},
    "a box beyond 1": {"boxes": [[0, 0, 1.5, 1]], "box_format": "xyxy_norm"},
    "a point beyond 1": {"point": [2, 0.5], "box_format": "xyxy_norm"},
    "a point of three": {"point": [1, 2, 3]},
    "boxes and a point": {"boxes": [[0, 0, 5, 5]], "point": [1, 1]},
    "another box format": {"box_format": "xywh"},
    "detection_limit 31": {"detection_limit": 31},
    "another sensitivity": {"detection_sensitivity": "max"},
    # 53 and 54: the shape; what a filter says is looked at by the engine
    "a filter as JSON": {"where": {"$ne": None}},
    "a filter of Qdrant": {"where": {"must": [{"key": "a", "match": {"value": 1}}]}},
    "a filter of 4,001 characters": {"where": "a" * 4001},
    "an empty filter": {"where": ""},
    "a field with a control character": {"sort": "pri\x00ce"},
    "33 texts": {"texts": {str(n): 1 for n in range(33)}},
    "an empty text": {"texts": {" ": 1}},
    "a text of 513": {"texts": {"a" * 513: 1}},
    "33 items": {"items": {str(n): 1 for n in range(33)}},
    "a weight of 1e9": {"items": {"a": 1e9}},
    "a weight as text": {"items": {"a": "1"}},
    "words of 1,001": {"words": "a" * 1001},
    "a facet twice": {"facets": ["price", "price"]},
    "another preset": {"preset": "best"},
    "no weights": {"weights": {}},
    "a boost of 2": {"boosts": {"a = 1": 2}},
    "__proto__": {"__proto__": {"limit": 1}},
    "another name": {"top_k": 5},
}


@pytest.mark.parametrize("asked", BAD_OPTIONS.values(), ids=BAD_OPTIONS)
def test_an_option_out_of_its_range_is_refused_by_its_name(client, engine, asked) -> None:
    response = client.post("/v1/look", json={"query_id": "a", **asked})

    assert response.status_code == 422
    assert code(response) in ("validation", "bad_box", "bad_point", "two_places")
    assert engine.tasks == []
    assert any(name in response.text for name in asked)


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param({}, id="neither"),
        pytest.param({"photo": {"base64": TEXT}, "query_id": "a"}, id="both"),
        pytest.param({"photo": {"base64": TEXT, "url": "https://a"}}, id="two sources"),
        pytest.param({"photo": {}}, id="no source"),
        pytest.param({"photo": TEXT}, id="text alone"),
        pytest.param({"query_id": "../a"}, id="an id with a path"),
    ],
)
def test_a_look_needs_exactly_one_photo(client, asked) -> None:
    assert client.post("/v1/look", json=asked).status_code == 422


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"items": {"a": -1}}, id="only away"),
        pytest.param({"vectors": [{"vector": []}]}, id="an empty vector"),
        pytest.param({"vectors": [{"vector": [0.1] * 8193}]}, id="a long vector"),
        pytest.param({"photos": [{"base64": TEXT}] * 9}, id="nine photos"),
    ],
)
def test_a_search_needs_something_to_look_for(client, engine, asked) -> None:
    assert client.post("/v1/search", json=asked).status_code == 422
    assert engine.tasks == []


@pytest.mark.parametrize(
    "path",
    [
        *("/v1/facets?x=1", "/v1/facets?limit=ten", "/v1/facets?limit=1.5", "/v1/facets?limit="),
        *("/v1/facets?field=price&field=price", "/v1/facets?limit=0", "/v1/models?x=1"),
        *("/v1/items?limit=101", "/v1/items?cursor=%00", "/v1/items?offset=1", "/v1/items/a?b=c"),
        *("/v1/photos/../etc", "/v1/photos/1", "/v1/scenes/facets?limit=-1", "/v1/items/a%00b"),
        "/v1/photos/00000000-0000-0000-0000-000000000000?width=31",
        "/v1/photos/00000000-0000-0000-0000-000000000000?width=1e3",
    ],
)
def test_an_address_with_what_nobody_reads_is_refused(client, engine, path) -> None:
    response = client.get(path)

    assert response.status_code in (404, 422)
    assert code(response) in ("validation", "not_found")
    assert engine.tasks == []


def test_parameters_of_the_address_are_refused_where_a_body_is_read(client) -> None:
    assert client.post("/v1/look?limit=5", json={"query_id": "a"}).status_code == 422


def test_a_full_queue_says_when_to_come_back(client, engine) -> None:
    engine.busy = True
    response = client.post("/v1/look", json={"query_id": "a"})

    assert (response.status_code, code(response)) == (503, "busy")
    assert response.headers["retry-after"] == "3"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/look", "POST"),
        ("/v1/facets", "GET, HEAD"),
        ("/v1/items", "GET, HEAD, POST"),
        ("/v1/items/a%2Fb", "DELETE, GET, HEAD, PATCH, PUT"),
        ("/v1/items/delete", "POST"),
        ("/v1/scenes/facets", "GET, HEAD"),
    ],
)
def test_another_method_is_told_which_there_are(client, path, allowed) -> None:
    response = client.options(path)

    assert (response.status_code, response.headers["allow"]) == (405, allowed)


def test_head_answers_as_get_without_the_body(client) -> None:
    response = client.head("/v1/models")

    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-type"] == "application/json"
