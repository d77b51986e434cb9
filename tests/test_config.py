"""Settings: defaults, profiles over them, the environment over both, and messages that help."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from scenesearch.config.environment import check_environment
from scenesearch.config.settings import Settings, find_profile, load_settings
from scenesearch.core.errors import ConfigError
from scenesearch.models.weights import read_manifest
from scenesearch.system.resources import resource_dir

PROFILES = sorted(path.stem for path in resource_dir("configs").glob("*.yaml"))


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch):
    for name in os.environ:
        if name.startswith("SCENESEARCH_"):
            monkeypatch.delenv(name)


@pytest.fixture
def profile(tmp_path):
    def write(text):
        path = tmp_path / "profile.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_that_ships_loads_and_names_known_models(name):
    settings = load_settings(name)
    known = read_manifest()

    assert settings == load_settings(resource_dir("configs") / f"{name}.yaml")
    assert {one.model for one in settings.detectors} <= known.keys()
    assert settings.cutout.remover in known
    assert settings.embedder.weights in known


def test_the_defaults_are_valid_and_need_no_file():
    settings = load_settings()

    assert settings == Settings()
    assert settings.offline
    assert {one.model for one in settings.detectors} <= read_manifest().keys()


def test_an_empty_file_changes_nothing(profile):
    assert load_settings(profile("# only a comment\n")) == Settings()


def test_a_profile_changes_what_it_names_and_nothing_else(profile):
    settings = load_settings(profile("search: {limit: 5}\nthreads: 3\n"))
    plain = Settings()

    assert (settings.search.limit, settings.threads) == (5, 3)
    assert settings.search.model_copy(update={"limit": plain.search.limit}) == plain.search
    assert settings.embedder == plain.embedder


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("detectors: []", lambda s: s.detectors == ()),
        ("detectors: [{model: yolo26n, exclude: [person]}]", lambda s: s.detectors[0].exclude),
        ("cutout: {background: [0, 128, 255]}", lambda s: s.cutout.background == (0, 128, 255)),
        ("images: {max_bytes: 1000}", lambda s: s.images.max_bytes == 1000),
        ("search: {score_min: null}", lambda s: s.search.score_min is None),
        ("models_dir: weights", lambda s: s.models_dir == Path("weights")),
        ("regions: {whole: on, tiles: off}", lambda s: s.regions.whole == "on"),
        ("regions: {whole: on, tiles: off}", lambda s: s.regions.tiles == "off"),
        ("regions: {whole: 'on', tiles: fallback}", lambda s: s.regions.whole == "on"),
        ("search: {facets: [brand, colour]}", lambda s: s.search.facets == ("brand", "colour")),
    ],
    ids=[
        "no_detectors",
        "list_of_sections",
        "colour",
        "dataclass_section",
        "null",
        "path",
        "bare_on_is_no_boolean",
        "bare_off_is_no_boolean",
        "quoted_on",
        "tuple",
    ],
)
def test_values_are_read_as_a_yaml_author_means_them(profile, text, read):
    assert read(load_settings(profile(text)))


@pytest.mark.parametrize(
    ("text", "name", "hint"),
    [
        ("serach: {}", "'serach'", "did you mean search"),
        ("search: {limitt: 3}", "'search.limitt'", "did you mean limit?"),
        ("detectors: [{modell: x}]", "'detectors.0.modell'", "did you mean model?"),
        ("detectors: [{}, {imagesize: 1}]", "'detectors.1.imagesize'", "image_size"),
        ("images: {max_byte: 3}", "'images.max_byte'", "max_bytes"),
        ("regions: {zzz: 3}", "'regions.zzz'", "known here: limit, min_area, overlap"),
        ("3: 4", "'3'", "known here: allow_unknown_env, cache_dir"),
    ],
    ids=["section", "key", "in_a_list", "second_of_a_list", "dataclass", "far_off", "number"],
)
def test_an_unknown_key_names_its_place_and_the_nearest(profile, text, name, hint):
    path = profile(text)
    with pytest.raises(ConfigError, match="unknown setting") as caught:
        load_settings(path)

    assert str(path) in str(caught.value)
    assert name in str(caught.value)
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("search: {limit: many}", "search.limit: Input should be a valid integer"),
        ("search: {limit: 0}", "search.limit: Input should be greater than or equal to 1, got 0"),
        ("search: {fusion: bestrank}", "'best_rank', 'share'"),
        ("search: {diversity: .nan}", "search.diversity"),
        ("embedder: {kind: clip}", "embedder.kind: Input should be 'timm', 'open_clip' or 'onnx'"),
        ("embedder: {image_size: 224.5}", "embedder.image_size: Input should be a valid integer"),
        ("cutout: {background: white}", "cutout.background: Input should be a valid tuple"),
        ("cutout: {background: [1, 2]}", "cutout.background.2: Field required"),
        ("cutout: {background: [0, 0, 256]}", "cutout.background.2: Input should be less than"),
        ("images: {max_bytes: 0}", "ImageLimits.max_bytes must be above 0, got 0"),
        ("images: 3", "images: Input should be a dictionary"),
        ("regions: {whole: yes please}", "Input should be 'off', 'fallback' or 'on'"),
        ("detectors: {model: x}", "detectors: Input should be a valid tuple"),
        ("search:", "search: Input should be a valid dictionary"),
    ],
)
def test_a_wrong_value_says_where_what_was_expected_and_what_was_got(profile, text, says):
    path = profile(text)
    with pytest.raises(ConfigError) as caught:
        load_settings(path)

    assert str(caught.value).startswith(f"{path}: ")
    assert says in str(caught.value)
    assert "got" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "a: !!python/object/apply:os.mkdir ['{target}']",
        "a: !!python/name:os.mkdir",
        "a: !!python/object/new:pathlib.Path ['{target}']",
    ],
    ids=["apply", "name", "new"],
)
def test_yaml_that_would_run_python_is_refused_and_not_run(profile, tmp_path, text):
    target = tmp_path / "made"
    with pytest.raises(ConfigError, match="not a readable YAML file"):
        load_settings(profile(text.replace("{target}", target.as_posix())))

    assert not target.exists()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"a: [", "not a readable YAML file"),
        (b"a: b: c", "not a readable YAML file"),
        (b"\xff\xfe\x00", "not a readable YAML file"),
        (b"- a\n- b\n", "expected settings by name, got a list"),
        (b"just words", "expected settings by name, got a str"),
    ],
    ids=["unfinished", "two_colons", "not_utf8", "list", "text"],
)
def test_a_file_that_is_no_mapping_says_so_by_name(tmp_path, data, says):
    path = tmp_path / "bad.yaml"
    path.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        load_settings(path)

    assert str(path) in str(caught.value)
    assert says in str(caught.value)


def test_the_environment_goes_over_the_file_and_leaves_its_neighbours(profile, monkeypatch):
    monkeypatch.setenv("SCENESEARCH_SEARCH__LIMIT", "7")
    monkeypatch.setenv("SCENESEARCH_THREADS", "2")
    settings = load_settings(profile("search: {limit: 3, preset: exact}\nthreads: 1\n"))

    assert (settings.search.limit, settings.search.preset) == (7, "exact")
    assert settings.threads == 2


def test_overrides_of_the_caller_go_over_the_file(profile):
    assert load_settings(profile("threads: 1"), threads=4).threads == 4


@pytest.mark.parametrize(
    ("name", "value", "read", "expected"),
    [
        ("MODELS_DIR", "/weights", lambda s: s.models_dir, Path("/weights")),
        ("OFFLINE", "false", lambda s: s.offline, False),
        ("IMAGES__MAX_BYTES", "77", lambda s: s.images.max_bytes, 77),
        ("REGIONS__WHOLE", "on", lambda s: s.regions.whole, "on"),
        ("SEARCH__SCORE_MIN", "0.25", lambda s: s.search.score_min, 0.25),
        ("DETECTORS", '[{"model": "yolo26n"}]', lambda s: s.detectors[0].model, "yolo26n"),
        ("TRUSTED_SHA256", '["ab"]', lambda s: s.trusted_sha256, ("ab",)),
    ],
)
def test_environment_variables_reach_every_level(monkeypatch, name, value, read, expected):
    monkeypatch.setenv(f"SCENESEARCH_{name}", value)

    assert read(load_settings()) == expected


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("SEARCH__LIMITT", "7", "did you mean limit?"),
        ("IMAGES__MAX_BYTE", "7", "did you mean max_bytes"),
        ("SEARCH__LIMIT", "many", "search.limit"),
        ("SEARCH", "not json", 'field "search"'),
        ("DETECTORS", "yolo26n", 'field "detectors"'),
    ],
)
def test_a_bad_environment_variable_is_a_config_error(monkeypatch, name, value, says):
    monkeypatch.setenv(f"SCENESEARCH_{name}", value)
    with pytest.raises(ConfigError) as caught:
        load_settings()

    assert says in str(caught.value)


@pytest.mark.parametrize("name", ["home", "home.yaml", Path("home")], ids=repr)
def test_profiles_are_found_by_name(name):
    assert find_profile(name) == resource_dir("configs") / "home.yaml"


def test_a_file_of_the_caller_is_preferred_to_a_profile_of_that_name(tmp_path, monkeypatch):
    (tmp_path / "home.yaml").write_text("threads: 9")
    monkeypatch.chdir(tmp_path)

    assert load_settings("home.yaml").threads == 9


@pytest.mark.parametrize("name", ["hoem", "nowhere/else.yaml", "."])
def test_a_missing_profile_lists_those_that_exist(name):
    with pytest.raises(ConfigError) as caught:
        find_profile(name)

    assert repr(name) in str(caught.value)
    assert ", ".join(PROFILES) in str(caught.value)


def test_settings_are_frozen_and_show_no_key():
    settings = load_settings(qdrant_api_key="s3cret")

    with pytest.raises(ValidationError, match="frozen"):
        settings.threads = 2
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("SCENESEARCH_SERVICE_READ_KEYS", "SCENESEARCH_SERVICE__READ_KEYS"),
        ("SCENESEARCH_MODEL_DIR", "SCENESEARCH_MODELS_DIR"),
        ("scenesearch_ofline", "SCENESEARCH_OFFLINE"),
    ],
)
def test_a_misspelt_variable_is_refused_with_the_nearest_name(monkeypatch, name, near):
    monkeypatch.setenv(name, "x")
    with pytest.raises(ConfigError, match="is no setting") as caught:
        load_settings()
    assert name in str(caught.value)
    assert near in str(caught.value)
    monkeypatch.setenv("SCENESEARCH_ALLOW_UNKNOWN_ENV", "true")
    load_settings()


@pytest.mark.parametrize(
    "name",
    [
        "SCENESEARCH_PORT",
        "SCENESEARCH_PORT_8000_TCP",
        "SCENESEARCH_PORT_8000_TCP_ADDR",
        "SCENESEARCH_SERVICE_HOST",
        "SCENESEARCH_SERVICE_PORT",
        "SCENESEARCH_SERVICE_PORT_HTTP",
        "SCENESEARCH_CONFIG",
        "SCENESEARCH_READ_KEY",
        "SCENESEARCHER",
        "scenesearch_models_dir",
    ],
)
def test_what_a_cluster_compose_and_the_command_line_set_is_let_be(monkeypatch, name):
    monkeypatch.setenv(name, "tcp://10.0.0.1:80")
    load_settings()


INJECTED = {
    "SCENESEARCH_QDRANT_SERVICE_HOST": "10.43.0.9",
    "SCENESEARCH_QDRANT_SERVICE_PORT": "6333",
    "SCENESEARCH_QDRANT_SERVICE_PORT_REST": "6333",
    "SCENESEARCH_QDRANT_PORT": "tcp://10.43.0.9:6333",
    "SCENESEARCH_QDRANT_PORT_6333_TCP": "tcp://10.43.0.9:6333",
    "SCENESEARCH_QDRANT_PORT_6333_TCP_PROTO": "tcp",
    "SCENESEARCH_QDRANT_PORT_6333_TCP_PORT": "6333",
    "SCENESEARCH_QDRANT_PORT_6333_TCP_ADDR": "10.43.0.9",
}
"""What a container gets beside a Service of the name ``scenesearch-qdrant``."""


def test_what_a_cluster_sets_for_a_service_whose_name_begins_with_ours_is_let_be(monkeypatch):
    for name, value in INJECTED.items():
        monkeypatch.setenv(name, value)
    load_settings()


@pytest.mark.parametrize("name", ["SCENESEARCH_SERVER_PORT", "SCENESEARCH_SERVICE_READ__PORT"])
def test_a_name_that_only_looks_injected_is_refused(monkeypatch, name):
    monkeypatch.setenv(name, "80")
    with pytest.raises(ConfigError, match=name):
        load_settings()


def test_a_key_that_is_there_twice_is_refused_with_both_lines(profile):
    path = profile("threads: 1\nsearch: {limit: 3}\nsearch: {diversity: 0.1}\n")
    with pytest.raises(ConfigError) as caught:
        load_settings(path)

    assert str(caught.value) == (
        f"{path}: 'search' stands in line 2 and again in line 3; keep one of them"
    )


@pytest.mark.parametrize(
    "text", ["{a: " * 3000, "[" * 3000, "- " * 3000], ids=["map", "list", "block"]
)
def test_what_is_nested_without_end_is_refused_in_one_line(profile, text):
    with pytest.raises(ConfigError, match="more than 20 levels deep") as caught:
        load_settings(profile(f"search: {text}" if text[0] != "-" else text))

    assert "\n" not in str(caught.value)


def test_keys_may_lie_in_files(monkeypatch, tmp_path):
    keys, key = tmp_path / "read", tmp_path / "qdrant"
    keys.write_text(
        "# of the shop\nr-key-of-the-old-page-1\n\n r-key-of-the-new-page-2 \n", "utf-8"
    )
    key.write_text("between-us-two\n", "utf-8")
    monkeypatch.setenv("SCENESEARCH_SERVICE__READ_KEYS_FILE", str(keys))
    monkeypatch.setenv("SCENESEARCH_QDRANT_API_KEY_FILE", str(key))

    settings = load_settings(service={"queue": 3})

    read = [one.get_secret_value() for one in settings.service.read_keys]
    assert read == ["r-key-of-the-old-page-1", "r-key-of-the-new-page-2"]
    assert settings.qdrant_api_key == "between-us-two"
    assert settings.service.queue == 3


def test_a_file_of_keys_that_says_nothing_sure_is_refused(monkeypatch, tmp_path):
    file = tmp_path / "key"
    monkeypatch.setenv("SCENESEARCH_QDRANT_API_KEY_FILE", str(file))
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings()
    file.write_text("\n# none\n", "utf-8")
    with pytest.raises(ConfigError, match="holds no key"):
        load_settings()
    file.write_text("one\ntwo\n", "utf-8")
    with pytest.raises(ConfigError, match="2 lines, expected one key"):
        load_settings()
    monkeypatch.setenv("SCENESEARCH_QDRANT_API_KEY", "another")
    with pytest.raises(ConfigError, match="both set"):
        load_settings()


def test_every_variable_of_the_compose_file_is_known(monkeypatch):
    root = Path(__file__).resolve().parents[1]
    text = (root / "docker-compose.yml").read_text(encoding="utf-8")
    names = set(re.findall(r"\bSCENESEARCH_\w+", text))
    assert names
    check_environment(Settings, names)


def test_copies_of_a_collection_leave_room_for_a_node_that_is_down():
    chosen = load_settings(store={"shards": 6, "replicas": 3, "write_consistency": 2}).store

    assert (chosen.shards, chosen.replicas, chosen.write_consistency) == (6, 3, 2)
    for replicas, acknowledged in ((2, 2), (3, 3)):
        with pytest.raises(ConfigError, match="every write fails while a node is down"):
            load_settings(store={"replicas": replicas, "write_consistency": acknowledged})
    with pytest.raises(ConfigError, match="key needs cert"):
        load_settings(store={"key": "client.key"})
