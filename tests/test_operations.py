"""What an operator does: collections as a whole, settings shown and read again, what is watched."""

from __future__ import annotations

import json
import logging
import os
import re
import uuid
from contextlib import closing
from pathlib import Path

import pytest
import service_fakes as fakes
import shop
import yaml
from sparse import copy_tree

from scenesearch import wiring
from scenesearch.cli.main import main
from scenesearch.config.settings import Settings, load_settings
from scenesearch.config.sources import settings_with_sources
from scenesearch.core.errors import StoreError
from scenesearch.engine.remote.gated import EngineBackend
from scenesearch.service.http.app import create_app
from scenesearch.service.http.metrics import Metrics
from scenesearch.service.http.reload import RELOADED, reload
from scenesearch.store.embedded.edge import EdgeStore

MONITORING = Path(__file__).resolve().parents[1] / "deploy" / "monitoring"


@pytest.fixture(scope="module")
def indexed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept")
    with closing(EdgeStore(folder / "store", "items")) as store:
        shop.Shop(store).index(shop.pattern_items(folder, 12))
    return folder / "store"


@pytest.fixture
def store(indexed, tmp_path):
    copy_tree(indexed, tmp_path / "store")
    return tmp_path / "store"


def command(monkeypatch, capsys, *words):
    monkeypatch.setattr("sys.argv", ["scenesearch", *map(str, words)])
    code = main()
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.mark.store
def test_collections_are_listed_described_and_compacted(store, monkeypatch, capsys):
    assert command(monkeypatch, capsys, "collections", "list", "-s", store)[1] == "items\n"
    code, out, _ = command(monkeypatch, capsys, "collections", "info", "-s", store, "--json")
    found = json.loads(out)

    assert code == 0
    assert found["points"] == 12
    assert found["made_with"]["embedder"]
    assert command(monkeypatch, capsys, "collections", "compact", "-s", store)[0] == 0
    with closing(EdgeStore(store, "items")) as kept:
        assert kept.count() == 12


def test_a_collection_is_dropped_whole_and_only_where_it_is_closed(store, monkeypatch, capsys):
    with closing(EdgeStore(store, "items")) as held:
        held.count()
        code, _, err = command(
            monkeypatch, capsys, "collections", "drop", "items", "-s", store, "--yes"
        )
        assert code == 5
        assert "open in this process" in err
    assert (
        command(monkeypatch, capsys, "collections", "drop", "items", "-s", store, "--yes")[0] == 0
    )
    assert command(monkeypatch, capsys, "collections", "list", "-s", store)[1] == ""
    assert not (store / "items").exists()
    assert not (store / "items.new").exists()


@pytest.mark.parametrize("verb", ["info", "drop", "compact"])
def test_a_collection_that_is_not_there_is_said_with_those_that_are(
    store, monkeypatch, capsys, verb
):
    more = ["--yes"] if verb == "drop" else []
    code, _, err = command(monkeypatch, capsys, "collections", verb, "itms", "-s", store, *more)

    assert code == 5
    assert "no collection 'itms'; there are: items" in err


def test_an_embedded_store_has_no_aliases(store):
    with pytest.raises(StoreError, match="no aliases"):
        wiring.name_collection(Settings(), store, "now", "items")


@pytest.mark.store
@pytest.mark.skipif("QDRANT_URL" not in os.environ, reason="QDRANT_URL names no Qdrant server")
def test_an_alias_of_a_server_means_a_collection_and_its_record(tmp_path):
    url = os.environ["QDRANT_URL"]
    settings = Settings(qdrant_api_key=os.environ.get("QDRANT_API_KEY"))
    names = [f"ops-{n}-{uuid.uuid4().hex[:8]}" for n in (5, 9)]
    alias = f"ops-now-{uuid.uuid4().hex[:8]}"
    try:
        for name, count in zip(names, (5, 9), strict=True):
            with closing(wiring.build_store(settings, url, name)) as made:
                shop.Shop(made).index(shop.pattern_items(tmp_path / name, count))
        for name, count in zip(names, (5, 9), strict=True):
            wiring.name_collection(settings, url, alias, name)
            assert wiring.describe_collection(settings, url, alias)["points"] == count
        assert set(names) <= set(wiring.list_collections(settings, url))
        with pytest.raises(StoreError, match="a collection itself"):
            wiring.name_collection(settings, url, names[0], names[1])
    finally:
        for name in names:
            wiring.drop_collection(settings, url, name)
    assert not set(names) & set(wiring.list_collections(settings, url))


def test_settings_are_shown_with_where_they_are_from(tmp_path, monkeypatch, capsys):
    profile, keys = tmp_path / "shop.yaml", tmp_path / "keys"
    profile.write_text("threads: 2\nsearch: {limit: 7}\n", "utf-8")
    keys.write_text("a-write-key-of-20-letters\n", "utf-8")
    monkeypatch.setenv("SCENESEARCH_SEARCH__LIMIT", "9")
    monkeypatch.setenv("SCENESEARCH_SERVICE__WRITE_KEYS_FILE", str(keys))
    monkeypatch.setenv("SCENESEARCH_SERVICE__READ_KEYS", '["a-read-key-of-20-letters"]')
    found = {one.name: one for one in settings_with_sources(profile)}

    assert found["threads"][1:] == (2, str(profile))
    assert found["search.limit"][1:] == (9, "environment")
    assert found["service.queue"][1:] == (64, "default")
    assert found["service.write_keys"][1:] == ("(hidden)", "file")
    assert found["service.read_keys"][1:] == ("(hidden)", "environment")
    code, out, _ = command(
        monkeypatch, capsys, "config", "show", "-c", profile, "--changed", "--json"
    )
    assert code == 0
    assert "letters" not in out
    assert json.loads(out).keys() >= {"threads", "search.limit", "service.read_keys"}
    assert "service.queue" not in json.loads(out)


KEYS = ("the-first-read-key-there-is", "the-second-read-key-there-is")


def asked(app, key):
    return fakes.asked(app, "GET", "/v1/models", headers={"X-API-Key": key}).status_code


def test_keys_and_limits_are_read_again_while_it_runs(caplog, tmp_path, monkeypatch):
    file = tmp_path / "keys"
    file.write_text(KEYS[0], "utf-8")
    monkeypatch.setenv("SCENESEARCH_SERVICE__READ_KEYS_FILE", str(file))
    settings = load_settings(service={"queue": 5})
    backend = EngineBackend(settings)
    app = create_app(settings, fakes.ScriptedBackend())
    shared = app.state.shared
    assert [asked(app, key) for key in KEYS] == [200, 401]

    file.write_text(f"{KEYS[0]}\n{KEYS[1]}\n", "utf-8")
    reload(shared, load_settings)
    assert [asked(app, key) for key in KEYS] == [200, 200]
    file.write_text(KEYS[1], "utf-8")
    caplog.set_level(logging.INFO, "scenesearch.service")
    shared.backend = backend
    reload(shared, lambda: load_settings(service={"queue": 9, "threads": 3}, threads=7))
    shared.backend = fakes.ScriptedBackend()

    assert [asked(app, key) for key in KEYS] == [401, 200]
    assert backend._lanes["heavy"].limit == 9
    assert backend._lanes["light"].limit == 512
    assert "read the settings again: read_keys, queue" in caplog.text
    assert "not taken over before the next start: threads, service.threads" in caplog.text
    assert not any(key in caplog.text for key in KEYS)


def test_settings_that_are_wrong_leave_what_holds(caplog, tmp_path):
    profile = tmp_path / "a.yaml"
    profile.write_text("service: {queue: many}\n", "utf-8")
    app = fakes.app_with(read_keys=[KEYS[0]], host="0.0.0.0")
    reload(app.state.shared, lambda: load_settings(profile))
    assert "the old ones hold" in caplog.text
    # without a key it would be open to all
    reload(app.state.shared, load_settings)

    assert caplog.text.count("the old ones hold") == 2
    assert [asked(app, key) for key in KEYS] == [200, 401]


def test_what_is_read_again_are_settings_of_the_service():
    assert set(RELOADED) <= type(Settings().service).model_fields.keys()


def shown():
    """Names of everything at /metrics, once everything was counted."""
    metrics = Metrics(EngineBackend(Settings()))
    metrics.request("/v1/look", "POST", 200, 0.1)
    metrics._stages.labels("embed").observe(0.1)
    return set(re.findall(r"^(\w+)", metrics.render().decode(), re.M))


FUNCTIONS = {"sum", "by", "rate", "increase", "histogram_quantile", "le", "status", "stage"}
FROM_PROMETHEUS = {"up", "job", "route"}


def named(expression):
    """Names of metrics in an expression."""
    plain = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]', " ", expression)
    return set(re.findall(r"[a-z]\w+", plain)) - FUNCTIONS - FROM_PROMETHEUS


def test_alerts_and_panels_name_what_is_measured():
    rules = yaml.safe_load((MONITORING / "alerts.yml").read_text("utf-8"))["groups"][0]["rules"]
    board = json.loads((MONITORING / "grafana.json").read_text("utf-8"))
    panels = [target["expr"] for one in board["panels"] for target in one["targets"]]
    there = shown()
    used = {name for one in (*panels, *(rule["expr"] for rule in rules)) for name in named(one)}

    assert len(rules) >= 6
    assert used
    assert used - there == set()
    for rule in rules:
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"]["summary"]
