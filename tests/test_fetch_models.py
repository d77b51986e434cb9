"""Models from a hub: asked for, resumed, checked by the hub's own hash, and by it from then on."""

from __future__ import annotations

import hashlib
import json
import sys

import pytest
from hub_server import HubServer, git_sha1, serving

from scenesearch.cli.main import main as command
from scenesearch.config.settings import load_settings
from scenesearch.core.errors import ConfigError, ModelError, ModelLoadError, ModelNotFoundError
from scenesearch.models.fetched import NAME, read_fetched
from scenesearch.models.fetching import fetch_models
from scenesearch.models.hub import Hub, HubError
from scenesearch.models.weights import ModelRecord, WeightFinder, read_manifest
from scenesearch.system.lock_file import DirectoryLock

WEIGHTS = "open_clip_model.safetensors"
FILE = f"m/{WEIGHTS}"
RECORD = ModelRecord(
    "m",
    "embed",
    "open_clip",
    FILE,
    "MIT",
    "https://hub.example/maker/model",
    hub="maker/model",
    beside=("config.json",),
    profile="mine",
)


@pytest.fixture
def hub():
    made = HubServer()
    made.files = {WEIGHTS: bytes(range(256)) * 4000, "config.json": b'{"a": 1}'}
    made.large = {WEIGHTS}
    with serving(made) as served:
        yield served


def fetch(hub, folder, **options):
    return fetch_models([RECORD], folder, Hub(hub.endpoint, wait_s=0.001), **options)


def finder(folder):
    found = WeightFinder(folder)
    found.manifest = {"m": RECORD}
    return found


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def test_files_come_whole_and_the_hubs_hashes_are_written_down(hub, tmp_path):
    seen = []

    done = fetch(hub, tmp_path, progress=lambda *now: seen.append(now))

    assert (tmp_path / FILE).read_bytes() == hub.files[WEIGHTS]
    assert (tmp_path / "m" / "config.json").read_bytes() == hub.files["config.json"]
    assert [(one.name, one.new, one.sha256) for one in done] == [
        (FILE, True, sha256(hub.files[WEIGHTS])),
        ("m/config.json", True, sha256(hub.files["config.json"])),
    ]
    kept = read_fetched(tmp_path)
    assert kept[FILE].hub_hash == f"sha256:{sha256(hub.files[WEIGHTS])}"
    assert kept["m/config.json"].hub_hash == f"git-sha1:{git_sha1(hub.files['config.json'])}"
    assert kept[FILE].commit == hub.commit
    assert kept[FILE].endpoint == hub.endpoint
    assert seen[-1][1] == seen[-1][2]
    assert not list(tmp_path.rglob("*.part"))


def test_what_is_here_is_not_asked_for_again(hub, tmp_path):
    fetch(hub, tmp_path)
    hub.requests.clear()

    done = fetch(hub, tmp_path)

    assert not any(one.new for one in done)
    assert hub.requests == []


def test_a_transfer_that_breaks_off_goes_on_by_itself(hub, tmp_path):
    hub.cut[WEIGHTS] = [100_000, 1, 300_000]

    fetch(hub, tmp_path)

    ranges = [span for method, _, span in hub.requests if method == "GET" and span]
    assert "bytes=100000-" in ranges
    assert (tmp_path / FILE).read_bytes() == hub.files[WEIGHTS]


def test_a_run_that_was_stopped_goes_on_where_it_was(hub, tmp_path):
    hub.cut[WEIGHTS] = [200_000, *[0] * 20]

    with pytest.raises(HubError, match=r"broke off at 200,000 of 1,024,000 bytes.*goes on"):
        fetch(hub, tmp_path)
    assert not (tmp_path / FILE).exists()
    hub.cut.clear()
    hub.requests.clear()
    fetch(hub, tmp_path)

    assert [span for method, path, span in hub.requests if path == f"/kept/{WEIGHTS}"] == [
        "bytes=200000-"
    ]
    assert (tmp_path / FILE).read_bytes() == hub.files[WEIGHTS]


def test_a_server_without_ranges_begins_anew(hub, tmp_path):
    hub.cut[WEIGHTS] = [200_000]
    hub.ranges = False

    fetch(hub, tmp_path)

    assert (tmp_path / FILE).read_bytes() == hub.files[WEIGHTS]


def test_the_beginning_of_another_file_is_not_gone_on_with(hub, tmp_path):
    hub.cut[WEIGHTS] = [200_000, *[0] * 20]
    with pytest.raises(HubError):
        fetch(hub, tmp_path)
    hub.cut.clear()
    hub.files[WEIGHTS] = bytes(range(255, -1, -1)) * 4000

    fetch(hub, tmp_path)

    assert (tmp_path / FILE).read_bytes() == hub.files[WEIGHTS]


def test_wrong_bytes_are_removed_and_nothing_is_kept(hub, tmp_path):
    hub.spoiled = {WEIGHTS}

    with pytest.raises(HubError, match="not what the hub names") as told:
        fetch(hub, tmp_path)

    assert told.value.code == "hub_wrong_hash"
    assert [one.name for one in tmp_path.rglob("*") if one.is_file()] == ["fetched.lock"]
    assert read_fetched(tmp_path) == {}


def test_more_bytes_than_were_named_are_refused(hub, tmp_path, monkeypatch):
    monkeypatch.setattr(HubServer, "bytes_of", lambda self, path: self.files[path] + b"more of it")

    with pytest.raises(HubError, match="more than the 1,024,000 bytes"):
        fetch(hub, tmp_path)


def test_a_hub_without_hashes_gives_nothing(hub, tmp_path):
    hub.hashed = False

    with pytest.raises(HubError, match="no hash") as told:
        fetch(hub, tmp_path)

    assert told.value.code == "hub_without_hash"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda hub: hub.files.pop("config.json"), "no such file"),
        (lambda hub: setattr(hub, "repository", "maker/other"), "no such repository"),
        (lambda hub: setattr(hub, "failing", [401]), "none but whom it knows"),
        (lambda hub: setattr(hub, "failing", [500] * 9), "status 500"),
    ],
)
def test_what_the_hub_has_not_is_said(hub, tmp_path, change, said):
    change(hub)

    with pytest.raises(HubError, match=said):
        fetch(hub, tmp_path)


def test_a_fault_that_passes_is_waited_for(hub, tmp_path):
    hub.failing = [503, 429]

    fetch(hub, tmp_path)

    assert (tmp_path / FILE).is_file()


def test_a_repository_of_another_name_is_followed(hub, tmp_path):
    hub.repository, hub.moved = "maker/renamed", "maker/model"

    fetch(hub, tmp_path)

    assert (tmp_path / FILE).read_bytes() == hub.files[WEIGHTS]


def test_nobody_who_answers_is_an_error_of_the_network(tmp_path):
    with pytest.raises(HubError, match=r"cannot be asked.*HF_ENDPOINT"):
        fetch_models([RECORD], tmp_path, Hub("http://127.0.0.1:1", wait_s=0))


@pytest.mark.parametrize("address", ["ftp://x", "huggingface.co", "", "https://", "file:///etc"])
def test_an_endpoint_is_an_address(address):
    with pytest.raises(HubError, match="is no address of a hub"):
        Hub(address)


def test_a_secure_hub_never_leads_to_less():
    hub = Hub("https://hub.example")

    assert hub._next("https://hub.example/a", "/b", "x") == "https://hub.example/b"
    for to in ("http://hub.example/b", "file:///etc/passwd", "ftp://hub.example/b"):
        with pytest.raises(HubError, match="redirected to"):
            hub._next("https://hub.example/a", to, "x")


def test_the_first_hash_holds_when_a_file_is_fetched_again(hub, tmp_path):
    fetch(hub, tmp_path)
    (tmp_path / FILE).unlink()
    hub.files[WEIGHTS] = b"another" * 1000

    with pytest.raises(HubError, match=r"another file now than when it was first.*--renew") as told:
        fetch(hub, tmp_path)
    assert told.value.code == "hub_file_changed"
    assert not (tmp_path / FILE).exists()

    fetch(hub, tmp_path, renew=True)
    assert (tmp_path / FILE).read_bytes() == hub.files[WEIGHTS]
    assert finder(tmp_path).find("m").sha256 == sha256(hub.files[WEIGHTS])


def test_it_is_fetched_again_by_the_commit_of_the_first_time(hub, tmp_path):
    fetch(hub, tmp_path)
    (tmp_path / FILE).unlink()
    hub.requests.clear()

    fetch(hub, tmp_path)

    assert hub.requests[0][1] == f"/maker/model/resolve/{hub.commit}/{WEIGHTS}"


def test_a_file_put_there_by_hand_is_noted_where_it_is_the_hubs(hub, tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / FILE).write_bytes(hub.files[WEIGHTS])

    done = fetch(hub, tmp_path)

    assert not done[0].new
    assert FILE in read_fetched(tmp_path)
    assert not any(method == "GET" and WEIGHTS in path for method, path, _ in hub.requests)


def test_a_file_put_there_by_hand_is_not_written_over(hub, tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / FILE).write_bytes(b"mine")

    with pytest.raises(HubError, match="is there and is not what"):
        fetch(hub, tmp_path)

    assert (tmp_path / FILE).read_bytes() == b"mine"


def test_two_do_not_fetch_into_one_folder(hub, tmp_path):
    lock = DirectoryLock(tmp_path / "fetched.lock", "it")
    try:
        with pytest.raises(ModelError, match="another process fetches"):
            fetch(hub, tmp_path)
    finally:
        lock.release()


# what is loaded


def test_what_was_fetched_is_found(hub, tmp_path):
    fetch(hub, tmp_path)

    assert finder(tmp_path).find("m").path == tmp_path / FILE


@pytest.mark.parametrize("name", [FILE, "m/config.json"])
def test_what_changed_since_is_not_loaded(hub, tmp_path, name):
    fetch(hub, tmp_path)
    (tmp_path / name).write_bytes(b"changed")

    with pytest.raises(ModelLoadError, match=r"is not what was fetched from maker/model") as told:
        finder(tmp_path).find("m")

    assert told.value.code == "weights_changed"
    assert "scenesearch models fetch mine" in str(told.value)


def test_a_file_that_is_missing_beside_it_is_named(hub, tmp_path):
    fetch(hub, tmp_path)
    (tmp_path / "m" / "config.json").unlink()

    with pytest.raises(ModelNotFoundError, match=r"config\.json is missing beside"):
        finder(tmp_path).find("m")


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 2, "files": {}}', '{"version": 1}'])
def test_without_a_readable_manifest_nothing_that_was_fetched_is_loaded(hub, tmp_path, text):
    fetch(hub, tmp_path)
    (tmp_path / NAME).write_text(text)

    with pytest.raises(ModelLoadError, match="list of fetched models"):
        finder(tmp_path).find("m")


@pytest.mark.parametrize("profile", ["fashion", "general"])
def test_a_profile_whose_weights_are_missing_says_how_to_get_them(profile, tmp_path):
    from scenesearch.wiring import Parts

    parts = Parts(load_settings(profile, cache_dir=tmp_path))

    with pytest.raises(ModelNotFoundError, match=f"run: scenesearch models fetch {profile}"):
        _ = parts.encoder


def test_every_model_of_a_hub_is_one_of_a_profile():
    for one in read_manifest().values():
        if one.hub:
            assert load_settings(one.profile).embedder.weights == one.name
            assert one.source == f"https://huggingface.co/{one.hub}"


# the command


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["scenesearch", "models", *map(str, arguments)])
    return command()


@pytest.fixture
def fashion(tmp_path, monkeypatch):
    """A hub with the repository of the profile fashion, its files small."""
    made = HubServer(read_manifest()["marqo-fashion-siglip"].hub)
    made.files = {
        WEIGHTS: b"tensors" * 5000,
        **dict.fromkeys(("open_clip_config.json", "tokenizer_config.json"), b"{}"),
        "tokenizer.json": b'{"of": "words"}',
    }
    made.large = {WEIGHTS}
    monkeypatch.setenv("SCENESEARCH_MODELS_DIR", str(tmp_path / "weights"))
    with serving(made) as served:
        monkeypatch.setenv("HF_ENDPOINT", served.endpoint)
        yield served


def test_a_profile_is_fetched_by_its_name(fashion, tmp_path, monkeypatch, capsys):
    assert run(monkeypatch, "fetch", "fashion") == 0

    said = capsys.readouterr().out
    assert said.count("fetched: ") == 4
    assert (tmp_path / "weights" / "marqo-fashion-siglip" / WEIGHTS).is_file()
    assert run(monkeypatch, "fetch", "marqo-fashion-siglip", "--json") == 0
    assert [one["new"] for one in json.loads(capsys.readouterr().out)] == [False] * 4
    assert run(monkeypatch, "verify", "--json") == 0
    states = {one["name"]: one["state"] for one in json.loads(capsys.readouterr().out)}
    assert states["marqo-fashion-siglip"] == "verified"
    assert states["siglip-b16"] == "missing"


def test_a_changed_file_is_seen_by_verify(fashion, tmp_path, monkeypatch, capsys):
    run(monkeypatch, "fetch", "fashion")
    (tmp_path / "weights" / "marqo-fashion-siglip" / "tokenizer.json").write_bytes(b"[]")
    capsys.readouterr()

    assert run(monkeypatch, "verify") == 4
    assert "unknown hash" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["offline", "home-lite0"])
def test_what_needs_no_hub_is_said(name, fashion, monkeypatch, capsys):
    assert run(monkeypatch, "fetch", name) == 2
    assert "needs nothing from a model hub; profiles that do: fashion, general" in (
        capsys.readouterr().err
    )
    assert fashion.requests == []


def test_an_unknown_profile_is_said(monkeypatch, capsys):
    assert run(monkeypatch, "fetch", "fashon") == 2
    assert "fashion" in capsys.readouterr().err


def test_a_failure_has_the_exit_code_of_models(fashion, monkeypatch, capsys):
    fashion.files.pop(WEIGHTS)

    assert run(monkeypatch, "fetch", "fashion") == 4
    assert "no such file" in capsys.readouterr().err


def test_config_errors_are_of_the_settings():
    from scenesearch.wiring import fetch_profile

    with pytest.raises(ConfigError):
        fetch_profile("no-such-profile", endpoint="https://hub.example")
