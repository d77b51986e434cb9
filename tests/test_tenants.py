"""Several tenants in one collection: none sees, counts or changes what is another's."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from random import Random

import pytest
import qdrant_proxy
import service_app
import tenant_requests as requests
from pydantic import ValidationError

from scenesearch.config.service import KeySettings
from scenesearch.config.settings import load_settings
from scenesearch.core.errors import ConfigError
from scenesearch.core.types import CollectionSchema
from scenesearch.service.http.reload import reload
from scenesearch.store.server.client import ClientStore
from scenesearch.tenants import index_field

ACME, BETA, ADMIN = "acme-key-0123456789", "beta-key-0123456789", "admin-key-0123456789"
READS = "acme-read-key-012345"
KEYS = [
    {"key": ACME, "scopes": ["write"], "tenant": "acme"},
    {"key": READS, "scopes": ["read"], "tenant": "acme"},
    {"key": BETA, "scopes": ["write"], "tenant": "beta"},
    {"key": ADMIN, "scopes": ["write"]},
]
THINGS = [(c, s) for c in ("red", "blue", "green", "yellow") for s in ("square", "wide")]


def header(key):
    return {"authorization": f"Bearer {key}"}


def photo(colour="red", shape="square"):
    return {"base64": base64.b64encode(service_app.product_photo(colour, shape)).decode()}


def room():
    return {"base64": base64.b64encode(service_app.room_photo()).decode()}


def ask(client, method, path, key=ACME, body=None):
    return client.request(method, path, json=body, headers=header(key))


def put(client, key, item_id, thing=("red", "square"), **attributes):
    body = {"photos": [photo(*thing)], "attributes": attributes}
    return ask(client, "PUT", f"/v1/items/{item_id}", key, body)


def fill(client):
    for number, thing in enumerate(THINGS):
        price = 1.0 + number
        for key, item, values in (
            (ACME, f"acme/{number}", {"category": "chair", "title": "a chair"}),
            (
                BETA,
                f"beta/{number}",
                {"category": f"{requests.MARK} gadget", "title": requests.MARK},
            ),
        ):
            answer = put(client, key, item, thing, price=price, **values)
            assert answer.status_code == 201, answer.text


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    section = {"keys": KEYS, "ucp": True}
    folder = tmp_path_factory.mktemp("tenants")
    with service_app.serving(folder, section=section, tenant_field="tenant") as found:
        fill(found.client)
        yield found


def known_of(client):
    """What somebody of acme may have got hold of."""
    items = ask(client, "GET", "/v1/items?limit=100", BETA).json()["items"]
    looked = ask(client, "POST", "/v1/look", BETA, {"photo": room()}).json()
    record = {"id": "beta/0", "photos": [photo()], "attributes": {"category": requests.MARK}}
    job = ask(client, "POST", "/v1/jobs", BETA, {"records": [record]}).json()
    ask(client, "POST", "/v1/feedback", BETA, {"kind": "like", "item_id": f"beta/{requests.MARK}"})
    return requests.Known(
        "acme",
        [f"acme/{number}" for number in range(len(THINGS))],
        [one["id"] for one in items],
        [one["photos"][0]["point_id"] for one in items],
        [job["id"]],
        [looked["query_id"]],
        [photo(*thing)["base64"] for thing in THINGS] + [room()["base64"]],
    )


def all_of(client, key, tenant):
    """Everything that a tenant has, as it sees it itself."""
    gone = {"created", "started", "finished", "status", "done", "total", "failed"}
    jobs = ask(client, "GET", "/v1/jobs?limit=100", key).json()["jobs"]
    return {
        "items": ask(client, "GET", "/v1/items?limit=100", key).json()["items"],
        "facets": ask(client, "GET", "/v1/facets", key).json()["facets"],
        "jobs": [{k: v for k, v in job.items() if k not in gone} for job in jobs],
        "feedback": ask(client, "GET", "/v1/feedback?limit=1000", key).json()["feedback"],
        "told": ask(client, "GET", f"/v1/tenants/{tenant}", ADMIN).json(),
    }


def check(client, rounds, seed):
    """Requests of every kind with acme's key: what is beta's is neither seen nor changed."""
    random, known = Random(seed), known_of(client)
    before = all_of(client, BETA, "beta")
    nobody = {"beta/": "beta/no", "": "0"}
    for number in range(rounds):
        asked, name = requests.ask(random, known)
        answer = ask(client, asked.method, asked.path, ACME, asked.body)
        said = f"seed {seed}, request {number}: {asked.method} {asked.path} {asked.body!r:.300}"
        assert answer.status_code < 500, f"{said}: {answer.text}"
        assert requests.MARK not in answer.text, f"{said}: {answer.text}"
        shown = answer.text
        for one in known.other:
            # what was sent may come back
            shown = shown.replace(one, "") if one in f"{asked.path} {asked.body}" else shown
        assert "beta/" not in shown, f"{said}: {shown}"
        if name is None:
            continue
        # the same of what nobody has, as long and of the same letters
        instead = nobody["beta/"] + name[-1] if name.startswith("beta/") else name[:-1] + "_"
        if name in known.points or name in known.jobs:
            instead = name[:-1] + ("0" if name[-1] != "0" else "1")
        twin = asked.twin(name, instead)
        other = ask(client, twin.method, twin.path, ACME, twin.body)
        assert answer.status_code == other.status_code, f"{said}: {answer.text} {other.text}"
        if asked.method != "GET" or "json" in answer.headers.get("content-type", ""):
            ids = ("request_id",)
            one, two = (
                json.dumps({k: v for k, v in reply.json().items() if k not in ids})
                for reply in (answer, other)
            )
            assert requests.same_but_for(one, name, two, instead), f"{said}: {one} {two}"

    assert all_of(client, BETA, "beta") == before
    mine = ask(client, "GET", "/v1/items?limit=100", ADMIN).json()["items"]
    whose = {one["id"]: one["attributes"]["tenant"] for one in mine if "/" in one["id"]}
    assert all(item.startswith(f"{tenant}/") for item, tenant in whose.items())


def test_no_request_of_a_tenants_key_sees_or_changes_what_is_anothers(served):
    check(served.client, 120, seed=23)


@pytest.mark.process
def test_nor_do_two_thousand(served):
    check(served.client, 2_000, seed=10_000)


def test_facets_and_counts_are_of_the_tenant_alone(served):
    found = ask(served.client, "GET", "/v1/facets").json()
    # whatever was written before this by its own keys
    mine = ask(served.client, "GET", "/v1/items?limit=100").json()["items"]
    kinds = {one["attributes"].get("category") for one in mine} - {None}

    assert found["items"] == len(mine)
    assert {one["value"] for one in found["facets"]["category"]} == kinds
    assert ask(served.client, "GET", "/v1/facets?field=tenant").json()["facets"]["tenant"] == [
        {"value": "acme", "count": found["points"]}
    ]


def test_words_of_another_tenants_categories_mean_nothing(served):
    body = {"words": f"{requests.MARK} gadget"}
    mine = ask(served.client, "POST", "/v1/search", ACME, body).json()
    theirs = ask(served.client, "POST", "/v1/search", BETA, body).json()

    assert [one["item_id"][:5] for one in theirs["matches"]] == ["beta/"] * len(THINGS)
    assert not [one for one in mine["matches"] if one["item_id"].startswith("beta/")]
    assert theirs["parsed"]["categories"] == [body["words"]]
    assert mine["parsed"]["categories"] == []


def test_what_a_tenant_inserts_is_its_own(served):
    answer = put(served.client, ACME, "acme/new", price=3.0)

    assert answer.status_code == 201
    assert answer.json()["attributes"]["tenant"] == "acme"
    ask(served.client, "DELETE", "/v1/items/acme/new")


@pytest.mark.parametrize("item_id", ["beta/0", "beta/nobody", "SKU-1", "acmes/1"])
def test_an_id_that_is_no_tenants_own_is_refused_in_the_same_words(served, item_id):
    answer = put(served.client, ACME, item_id)

    assert (answer.status_code, answer.json()["code"]) == (422, "other_tenant")
    assert answer.json()["detail"].replace(item_id, "ID") == (
        "the id 'ID' is none of this key's: expected one that begins with 'acme/'; send the item "
        "as acme/ID"
    )


@pytest.mark.parametrize("name", ["tenant", "Tenant"])
def test_nothing_is_given_to_another_tenant(served, name):
    answer = put(served.client, ACME, "acme/0", **{name: "beta"})
    patched = ask(served.client, "PATCH", "/v1/items/acme/0", ACME, {"attributes": {name: "beta"}})

    for one in (answer, patched):
        assert (one.status_code, one.json()["code"]) == (422, "other_tenant")
        assert "expected 'acme', the tenant of this key" in one.json()["detail"]


def test_an_item_that_was_indexed_for_a_tenant_is_its_own_under_any_id(served):
    assert put(served.client, ADMIN, "SKU-9", tenant="acme").status_code == 201

    assert ask(served.client, "GET", "/v1/items/SKU-9").status_code == 200
    assert put(served.client, ACME, "SKU-9", price=9.0).status_code == 200
    assert put(served.client, BETA, "SKU-9").status_code == 422
    assert ask(served.client, "DELETE", "/v1/items/SKU-9", BETA).status_code == 404
    assert ask(served.client, "DELETE", "/v1/items/SKU-9").status_code == 200


def test_a_reading_key_of_a_tenant_lists_and_does_not_write(served):
    items = ask(served.client, "GET", "/v1/items?limit=100", READS).json()["items"]

    assert {one["attributes"]["tenant"] for one in items} == {"acme"}
    assert put(served.client, READS, "acme/x").status_code == 403


@pytest.mark.parametrize(
    "path", ["/metrics", "/v1/tenants", "/v1/scenes/facets", "/v1/tenants/acme"]
)
def test_what_is_everybodys_is_for_keys_of_nobody(served, path):
    answer = ask(served.client, "GET", path)

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert "without a tenant" in answer.json()["detail"]
    assert ask(served.client, "GET", path, ADMIN).status_code == 200


def test_jobs_of_a_tenant_store_its_items_and_refuse_the_rest(served):
    records = [{"id": one, "photos": [photo()]} for one in ("acme/j", "beta/j", "beta/0")]
    job = ask(served.client, "POST", "/v1/jobs", ACME, {"records": records}).json()
    while (now := ask(served.client, "GET", f"/v1/jobs/{job['id']}").json())["finished"] is None:
        pass

    assert (now["done"], now["failed"]) == (1, 2)
    errors = ask(served.client, "GET", f"/v1/jobs/{job['id']}/errors").json()["errors"]
    assert {one["code"] for one in errors} == {"other_tenant"}
    assert ask(served.client, "GET", f"/v1/jobs/{job['id']}", BETA).status_code == 404
    assert ask(served.client, "GET", f"/v1/jobs/{job['id']}", ADMIN).status_code == 200
    ask(served.client, "DELETE", "/v1/items/acme/j")


@pytest.mark.store
def test_tenants_are_counted_exported_and_removed(tmp_path):
    with service_app.serving(
        tmp_path, section={"keys": KEYS}, indexed=False, tenant_field="tenant"
    ) as served:
        client = served.client
        fill(client)
        ask(client, "POST", "/v1/feedback", BETA, {"kind": "like", "item_id": "beta/0"})
        listed = ask(client, "GET", "/v1/tenants", ADMIN).json()["tenants"]
        lines = ask(client, "GET", "/v1/tenants/beta/items", ADMIN).text.splitlines()
        gone = ask(client, "DELETE", "/v1/tenants/beta", ADMIN).json()

        assert [(one["tenant"], one["items"]) for one in listed] == [("acme", 8), ("beta", 8)]
        assert [json.loads(line)["id"] for line in lines] == [f"beta/{n}" for n in range(8)]
        assert (gone["items"], gone["feedback"]) == (8, 1)
        assert ask(client, "GET", "/v1/tenants/beta", ADMIN).status_code == 404
        assert ask(client, "GET", "/v1/facets", BETA).json()["items"] == 0
        assert ask(client, "GET", "/v1/facets").json()["items"] == 8


def test_a_service_without_the_field_has_no_tenants(tmp_path):
    with service_app.serving(tmp_path, indexed=False) as served:
        answer = served.client.get("/v1/tenants")

    assert answer.status_code == 404
    assert "store.tenant_field" in answer.json()["detail"]


@pytest.mark.store
def test_a_collection_of_before_gets_the_field_with_the_first_question(tmp_path):
    section = {"keys": KEYS}
    with service_app.serving(tmp_path, section=section, tenant_field="tenant") as served:
        before = ask(served.client, "GET", "/v1/facets").json()
        searched = ask(served.client, "POST", "/v1/search", ACME, {"words": "red"}).json()

    assert before["items"] == 0
    assert searched["matches"] == []


@pytest.mark.store
def test_a_collection_whose_tenants_are_texts_is_refused(tmp_path):
    # a text holds where its words do: "acme corp" would be acme's
    section = {"keys": [{**KEYS[0]}, KEYS[3]]}
    with service_app.serving(tmp_path, section=section, tenant_field="title") as served:
        answer = ask(served.client, "GET", "/v1/facets")

    assert answer.status_code == 503
    assert "expected keyword" in answer.json()["detail"]


# --- keys and quotas ----------------------------------------------------------------------------


@pytest.mark.parametrize("tenant", ["Acme", "a/b", 'a" or price > 0', "", "-a", "a" * 65])
def test_a_tenants_name_is_plain(tenant):
    with pytest.raises(ValidationError, match="tenant"):
        KeySettings(key=ACME, tenant=tenant)


def test_a_tenants_key_needs_the_field_that_says_whose_an_item_is():
    with pytest.raises(ConfigError, match=r"expected store\.tenant_field"):
        load_settings(service={"keys": [KEYS[0]]})


def test_a_filter_beside_the_tenant_holds_too(served):
    keys = [
        *KEYS,
        {"key": "acme-cheap-01234567", "tenant": "acme", "where": "price < 3 or price = 3"},
    ]
    changed = served.app.state.shared.settings
    service = changed.service.model_copy(update={"keys": tuple(KeySettings(**one) for one in keys)})
    served.app.state.shared.settings = changed.model_copy(update={"service": service})
    body = {"words": "chair", "limit": 50}
    found = ask(served.client, "POST", "/v1/search", "acme-cheap-01234567", body).json()

    assert {one["attributes"]["price"] for one in found["matches"]} <= {1.0, 2.0, 3.0}
    assert {one["attributes"]["tenant"] for one in found["matches"]} == {"acme"}


LIMITED, OTHER = "limited-key-0123456", "limited-key-too-0123"


@pytest.fixture(scope="module")
def limited(tmp_path_factory):
    per_day = {"photos": 3, "searches": 4, "items": 2}
    keys = [{"key": key, "scopes": ["write"], "per_day": per_day} for key in (LIMITED, OTHER)]
    keys.append({"key": ADMIN, "scopes": ["write"]})
    with service_app.serving(tmp_path_factory.mktemp("limited"), section={"keys": keys}) as found:
        yield found.client


def left(answer):
    parts = (one.split(";") for one in answer.headers["ratelimit"].split(", "))
    return {name.strip('"'): int(rest[0].removeprefix("r=")) for name, *rest in parts}


def test_a_day_has_so_many_photos_searches_and_items(limited):
    looks = [ask(limited, "POST", "/v1/look", LIMITED, {"photo": room()}) for _ in range(3)]
    again = {"query_id": looks[0].json()["query_id"]}
    refined = ask(limited, "POST", "/v1/look", LIMITED, again)
    over = ask(limited, "POST", "/v1/look", LIMITED, again)

    assert [one.status_code for one in (*looks, refined, over)] == [200, 200, 200, 200, 429]
    assert left(looks[0]) == {"photos": 2, "searches": 3, "items": 2}
    assert left(refined) == {"photos": 0, "searches": 0, "items": 2}
    assert over.json()["code"] == "quota_used"
    assert over.json()["limit"] == 4
    assert 0 < int(over.headers["retry-after"]) <= 86_400
    assert left(over) == {"searches": 0}
    assert '"photos";q=3;w=86400' in over.headers["ratelimit-policy"]
    assert put(limited, LIMITED, "a").status_code == 201
    records = {"records": [{"id": one, "photos": [photo()]} for one in "bc"]}
    assert ask(limited, "POST", "/v1/jobs", LIMITED, records).status_code == 429
    assert put(limited, LIMITED, "b").status_code == 201
    assert put(limited, LIMITED, "c").status_code == 429
    text = ask(limited, "GET", "/metrics", ADMIN).text
    used = [line for line in text.splitlines() if line.startswith("scenesearch_quota_used{")]
    mine = hashlib.sha256(LIMITED.encode()).hexdigest()[:8]
    assert f'scenesearch_quota_used{{caller="{mine}",what="items"}} 2.0' in used
    free = ask(limited, "POST", "/v1/search", ADMIN, {"words": "red"})
    assert free.status_code == 200
    assert "ratelimit" not in free.headers


def test_a_job_that_is_sent_again_costs_nothing(limited):
    body = {"records": [{"id": one, "photos": [photo()]} for one in "ab"]}
    sent = [
        limited.post("/v1/jobs", json=body, headers={**header(OTHER), "idempotency-key": "one"})
        for _ in range(3)
    ]

    assert [one.status_code for one in sent] == [202, 202, 202]
    assert len({one.json()["id"] for one in sent}) == 1


def test_a_key_is_added_limited_and_withdrawn_while_the_service_runs(served):
    shared = served.app.state.shared
    now = shared.settings

    def read_again(keys):
        service = {"keys": keys, "host": "127.0.0.1", "ucp": True}
        reload(shared, lambda: load_settings(service=service, store={"tenant_field": "tenant"}))

    new = {"key": "gamma-key-012345678", "scopes": ["write"], "tenant": "gamma"}
    try:
        read_again([*KEYS, new])
        added = put(served.client, new["key"], "gamma/1")
        read_again([*KEYS, {**new, "per_day": {"items": 1}}])
        once, twice = (put(served.client, new["key"], f"gamma/{n}") for n in (1, 2))
        read_again(KEYS)
        withdrawn = put(served.client, new["key"], "gamma/1")
        reload(shared, lambda: load_settings(store={"tenant_field": "x"}, service={"keys": [new]}))
        kept = ask(served.client, "GET", "/v1/items")
    finally:
        shared.settings = now

    statuses = [one.status_code for one in (added, once, twice, withdrawn, kept)]
    assert statuses == [201, 200, 429, 401, 200]
    ask(served.client, "DELETE", "/v1/tenants/gamma", ADMIN)


@pytest.mark.store
def test_an_index_of_the_field_keeps_a_tenants_points_together():
    from scenesearch.store.server.client_translate import field_schema

    assert field_schema("keyword", tenant=True).is_tenant is True


@pytest.mark.process
def test_a_field_of_before_is_indexed_as_that_of_tenants(tmp_path, monkeypatch, capsys):
    from scenesearch.cli.main import main

    with service_app.serving(tmp_path, section={}, indexed=False) as served:
        body = {"id": "a", "photos": [photo()], "attributes": {"tenant": "acme"}}
        assert served.client.post("/v1/items", json=body).status_code == 201
    where = ("--store", str(tmp_path / "store"))

    def run(field):
        monkeypatch.setenv("SCENESEARCH_STORE__TENANT_FIELD", field)
        monkeypatch.setattr("sys.argv", ["scenesearch", "tenants", "index", *where])
        return main()

    assert run("tenant") == 0
    assert "tenant is indexed" in capsys.readouterr().out
    assert run("shop") == 0, "a new field"
    assert run("words") != 0, "a text"
    monkeypatch.delenv("SCENESEARCH_STORE__TENANT_FIELD")
    section = {"keys": KEYS}
    with service_app.serving(
        tmp_path, section=section, indexed=False, tenant_field="tenant"
    ) as served:
        assert ask(served.client, "GET", "/v1/facets").json()["items"] == 1


@pytest.mark.store
@pytest.mark.skipif("QDRANT_URL" not in os.environ, reason="needs a server: QDRANT_URL")
def test_a_server_keeps_a_tenants_points_together():
    url, key = qdrant_proxy.first_url(), qdrant_proxy.key()
    schema = CollectionSchema({"cutout": 4}, {"item_id": "keyword", "tenant": "keyword"})
    names = [f"tenants-{os.getpid()}-{number}" for number in range(2)]
    with qdrant_proxy.client_of() as client:
        try:
            new = ClientStore(url, names[0], api_key=key, tenant_field="tenant")
            new.create(schema)
            ClientStore(url, names[1], api_key=key).create(schema)
            old = ClientStore(url, names[1], api_key=key, tenant_field="tenant")
            index_field(old, load_settings(store={"tenant_field": "tenant"}))

            for name in names:
                fields = client.get_collection(name).payload_schema
                assert fields["tenant"].params.is_tenant is True
                assert fields["item_id"].params is None
        finally:
            for name in names:
                client.delete_collection(name)
                client.delete_collection(f"{name}--meta")


@pytest.mark.store
def test_the_command_counts_exports_and_removes(tmp_path, monkeypatch, capsys):
    from scenesearch.cli.main import main

    with service_app.serving(
        tmp_path, section={"keys": KEYS}, indexed=False, tenant_field="tenant"
    ) as served:
        fill(served.client)
    monkeypatch.setenv("SCENESEARCH_STORE__TENANT_FIELD", "tenant")

    def run(*words):
        monkeypatch.setattr(
            "sys.argv", ["scenesearch", "tenants", *words, "--store", str(tmp_path / "store")]
        )
        assert main() == 0
        return capsys.readouterr().out

    assert [one["items"] for one in json.loads(run("list", "--json"))] == [8, 8]
    lines = [json.loads(line) for line in run("export", "beta").splitlines()]
    assert [one["id"] for one in lines] == [f"beta/{n}" for n in range(8)]
    assert all(one["photos"] and one["attributes"]["tenant"] == "beta" for one in lines)
    assert json.loads(run("remove", "beta", "--json"))["items"] == 8
    assert [one["tenant"] for one in json.loads(run("list", "--json"))] == ["acme"]
