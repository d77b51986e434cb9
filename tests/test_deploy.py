"""The files of a deployment fit each other and the package; no Docker engine is needed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml

from scenesearch.config.settings import Settings, load_settings
from scenesearch.service.http.app import ROUTERS
from scenesearch.wiring import Parts

# the tools stand beside the package
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tools import bill

ROOT = Path(__file__).resolve().parents[1]
VARIABLE = re.compile(r"\$\{([A-Z_]+)(?::([-?])([^}]*))?\}")


@pytest.fixture(scope="module")
def services():
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]


@pytest.fixture(scope="module")
def dockerfile():
    return (ROOT / "Dockerfile").read_text("utf-8")


@pytest.fixture
def real_models_absent(monkeypatch, tmp_path):
    monkeypatch.setenv("SCENESEARCH_MODELS_DIR", str(tmp_path))
    monkeypatch.setenv("SCENESEARCH_CACHE_DIR", str(tmp_path / "cache"))


def test_every_variable_of_the_compose_file_is_in_the_example():
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    example = (ROOT / ".env.example").read_text("utf-8")
    named = set(re.findall(r"^([A-Z_]+)=", example, re.M))

    assert {found[0] for found in VARIABLE.findall(text)} == named


def test_what_must_not_be_empty_stops_compose():
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    without_default = {name for name, kind, _ in VARIABLE.findall(text) if kind != "-"}
    demanded = {name for name, kind, _ in VARIABLE.findall(text) if kind == "?"}

    assert without_default == demanded
    assert all("KEY" in name for name in demanded)


def test_images_are_pinned_and_watched(services, dockerfile):
    assert re.fullmatch(r"qdrant/qdrant:v\d+\.\d+\.\d+", services["qdrant"]["image"])
    assert services["qdrant"]["healthcheck"]["test"]
    assert "HEALTHCHECK" in dockerfile
    assert re.search(r"^ARG BASE=python:3\.11-slim-\w+$", dockerfile, re.M)


def test_the_service_is_not_kept_from_starting_by_a_server_that_is_not_there(services):
    assert services["scenesearch"]["depends_on"] == ["qdrant"]


def test_nothing_is_open_to_other_machines(services):
    assert "ports" not in services["qdrant"]
    assert all(port.startswith("127.0.0.1:") for port in services["scenesearch"]["ports"])


def test_services_have_no_rights_and_bounds(services, dockerfile):
    for service in services.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]
        assert service["mem_limit"]
        assert float(service["stop_grace_period"].removesuffix("s")) > 30
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    for stage in re.split(r"^FROM ", dockerfile, flags=re.M)[-2:]:
        assert stage.rstrip().endswith("USER scenesearch")


def test_what_must_last_lies_in_volumes(services):
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    volumes = yaml.safe_load(text)["volumes"]
    mounted = [one.split(":") for service in services.values() for one in service["volumes"]]
    at = {inside: outside for outside, inside, *_ in mounted if outside in volumes}

    assert at.keys() >= {"/qdrant/storage", "/qdrant/snapshots", "/data", "/cache", "/backup"}
    snapshots = services["qdrant"]["environment"]["QDRANT__STORAGE__SNAPSHOTS_PATH"]
    assert snapshots == "/qdrant/snapshots"


def test_the_example_starts_with_what_is_in_the_package(real_models_absent, services):
    """A profile that needs weights which nothing ships would make the service start for ever."""
    example = (ROOT / ".env.example").read_text("utf-8")
    (config,) = re.findall(r"^SCENESEARCH_CONFIG=(\S+)$", example, re.M)
    assert f":-{config}" in services["scenesearch"]["environment"]["SCENESEARCH_CONFIG"]

    parts = Parts(load_settings(config))

    assert parts.encoder.embedder.fingerprint
    assert parts.detector.fingerprint


def test_weights_of_a_deployment_are_no_files_of_the_wheel(services):
    example = (ROOT / ".env.example").read_text("utf-8")
    (folder,) = re.findall(r"^SCENESEARCH_MODELS=\./(\S+)$", example, re.M)

    assert not (ROOT / folder).exists()
    assert f"/{folder}/" in (ROOT / ".gitignore").read_text("utf-8").splitlines()


def test_the_environment_of_the_container_makes_settings(services, dockerfile, monkeypatch):
    """Every SCENESEARCH_ variable is a setting, or one the command line reads."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"SCENESEARCH_{name.upper()}", raising=False)
    values = {
        "SCENESEARCH_READ_KEY": "r" * 32,
        "SCENESEARCH_WRITE_KEY": "w" * 32,
        "SCENESEARCH_QDRANT_API_KEY": "q" * 32,
        "SCENESEARCH_CONFIG": "offline",
    }
    for name, value in services["scenesearch"]["environment"].items():
        monkeypatch.setenv(name, VARIABLE.sub(lambda found: values[found[1]], value))
    for name, value in re.findall(r"(SCENESEARCH_[A-Z_]+)=(\S+)", dockerfile):
        monkeypatch.setenv(name, value)

    settings = load_settings("offline")

    assert settings.service.host == "0.0.0.0"
    assert settings.service.log == "json"
    assert settings.qdrant_api_key == values["SCENESEARCH_QDRANT_API_KEY"]
    assert settings.service.read_keys[0].get_secret_value() == values["SCENESEARCH_READ_KEY"]
    assert settings.service.write_keys[0].get_secret_value() == values["SCENESEARCH_WRITE_KEY"]
    assert values["SCENESEARCH_READ_KEY"] not in json.dumps(settings.model_dump(mode="json"))


def test_a_container_is_given_the_time_that_the_service_takes_to_stop(services):
    grace = float(services["scenesearch"]["stop_grace_period"].removesuffix("s"))
    service = load_settings().service

    assert grace >= service.drain_s + service.deadline_s + 10


def test_the_lock_holds_what_the_image_is_to_have_and_no_torch():
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    locked = dict(re.findall(r"^([a-z0-9-]+)==(\S+) \\$", lock, re.M))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    shipped = (one for name in ("serve", "mcp", "ocr", "postgres") for one in extras[name])
    asked = [*project["dependencies"], *shipped]
    names = {re.match(r"[\w-]+", one)[0].lower().replace("_", "-") for one in asked}

    assert names - {"scenesearch"} <= locked.keys()
    assert "torch" not in locked
    # it writes over the headless one, and needs libGL
    assert [name for name in locked if "opencv" in name] == ["opencv-python-headless"]
    for name in locked:
        entry = lock.partition(f"\n{name}==")[2].partition("\n\n")[0]
        assert "--hash=sha256:" in entry.partition("==")[0]


def test_dependencies_are_a_layer_of_their_own_and_ours_the_last(dockerfile):
    stages = re.split(r"^FROM ", dockerfile, flags=re.M)
    copied = [re.findall(r"^COPY --from=(\w+)", stage, re.M) for stage in stages]

    assert copied[-3] == ["build", "ours"], "the locked dependencies and the weights"
    assert copied[-1] == ["ours"]
    assert stages[-1].startswith("base\n")


def test_licences_and_the_bill_name_what_is_locked():
    assert bill.stale() == []


def manifests():
    for path in sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml")):
        yield from yaml.safe_load_all(path.read_text("utf-8"))


def test_pods_get_no_variables_of_services_and_no_rights():
    pods = [
        one["spec"]["template"]["spec"] for one in manifests() if "template" in one.get("spec", {})
    ]
    assert len(pods) == 2
    for pod in pods:
        assert pod["enableServiceLinks"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]
            mounts = {one["name"] for one in container["volumeMounts"]}
            claims = next(
                (
                    [one["metadata"]["name"] for one in set_["spec"]["volumeClaimTemplates"]]
                    for set_ in manifests()
                    if set_["kind"] == "StatefulSet" and set_["spec"]["template"]["spec"] == pod
                ),
                [],
            )
            assert mounts == {one["name"] for one in pod["volumes"]} | set(claims)


def test_the_pod_of_the_service_is_as_the_image_and_its_settings_are(
    monkeypatch, tmp_path, dockerfile
):
    (pod,) = (one["spec"]["template"]["spec"] for one in manifests() if one["kind"] == "Deployment")
    (container,) = pod["containers"]
    for one in container["env"]:
        value = one["value"]
        if value.startswith("/run/keys/"):
            file = tmp_path / value.rpartition("/")[2]
            file.write_text(f"a-key-of-{file.name}-that-is-long\n", "utf-8")
            value = str(file)
        monkeypatch.setenv(one["name"], value)
    settings = load_settings("offline")
    secret = next(one for one in manifests() if one["kind"] == "Secret")

    assert secret["stringData"].keys() == {file.name for file in tmp_path.iterdir()}
    assert settings.qdrant_api_key == "a-key-of-qdrant_key-that-is-long"
    assert len(settings.service.read_keys) == len(settings.service.write_keys) == 1
    routes = {route.path for router in ROUTERS for route in router.routes}
    probes = {
        container[f"{kind}Probe"]["httpGet"]["path"]
        for kind in ("startup", "liveness", "readiness")
    }
    assert probes <= routes
    assert f"--uid {pod['securityContext']['runAsUser']} " in dockerfile
    service = load_settings().service
    assert pod["terminationGracePeriodSeconds"] >= service.drain_s + service.deadline_s + 10


def test_kubernetes_manifests_are_valid():
    validate = pytest.importorskip("kubernetes_validate", reason="pip install kubernetes-validate")
    for one in manifests():
        validate.validate(one, validate.latest_version(), strict=True)


def test_keys_in_files_take_the_place_of_those_in_the_environment(services):
    class Reset(yaml.SafeLoader):
        """Reads the tag of Compose for what is taken back."""

    Reset.add_constructor("!reset", lambda loader, node: None)
    text = (ROOT / "docker-compose.secrets.yml").read_text("utf-8")
    over = yaml.load(text, Reset)

    for name, service in over["services"].items():
        assert set(service["secrets"]) <= over["secrets"].keys()
        taken = {key for key, value in service["environment"].items() if value is None}
        keys = {key for key, value in services[name]["environment"].items() if "_KEY:?" in value}
        assert taken == keys
        files = {
            key.removesuffix("_FILE") for key, value in service["environment"].items() if value
        }
        assert files in (set(), taken)


def image(folder):
    """The environment of the example in the image, with a server that is not there yet."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SCENESEARCH_", "QDRANT_"))}
    return kept | {
        "QDRANT_URL": "http://127.0.0.1:9",
        "SCENESEARCH_QDRANT_API_KEY": "q" * 32,
        "SCENESEARCH_CONFIG": "offline",
        "SCENESEARCH_SERVICE__READ_KEYS": json.dumps(["r" * 32]),
        "SCENESEARCH_SERVICE__WRITE_KEYS": json.dumps(["w" * 32]),
        "SCENESEARCH_CACHE_DIR": str(folder / "cache"),
        "SCENESEARCH_SERVICE__STATE_DIR": str(folder / "data" / "state"),
        "SCENESEARCH_SERVICE__LOG": "json",
        "SCENESEARCH_SERVICE__PORT": "0",
    }


SERVE = [sys.executable, "-m", "scenesearch", "serve"]


@pytest.mark.process
def test_the_example_starts_and_waits_where_qdrant_is_not_there_yet(tmp_path):
    """With photos of inserted items, too: what nobody uses of them is found by asking the store."""
    kept = tmp_path / "data" / "state" / "photos" / "items" / "ab"
    kept.mkdir(parents=True)
    photo = kept / f"{'ab' * 32}.jpg"
    photo.write_bytes(b"a photo")
    with subprocess.Popen(
        SERVE, stderr=subprocess.PIPE, text=True, env=image(tmp_path), cwd=tmp_path
    ) as served:
        try:
            lines = map(json.loads, served.stderr)
            said = next(one["message"] for one in lines if "listening on" in one["message"])
            url = re.search(r"http://\S+/", said)[0]
            with urllib.request.urlopen(f"{url}livez", timeout=10) as answer:
                assert answer.status == 200
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(f"{url}readyz", timeout=10)
        finally:
            served.terminate()
            served.wait(30)

    refused.value.close()
    assert refused.value.code == 503
    assert photo.exists(), "nothing is known to be unused"


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="gives a folder away")
def test_a_volume_of_another_owner_is_said_with_what_helps():
    # the interpreter may be closed to other users: everything is imported before
    script = (
        "import os, sys; from pathlib import Path\n"
        "from scenesearch.core.errors import ConfigError\n"
        "from scenesearch.system.disk import check_writable; os.setgid(10001); os.setuid(10001)\n"
        "for name in ('own', 'roots'):\n"
        "    try: check_writable(Path(sys.argv[1]) / name, 'cache_dir')\n"
        "    except ConfigError as error: print(error)\n"
    )
    # the folders above those of tests are closed to others
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "own").mkdir()
        os.chown(Path(folder) / "own", 10001, 10001)
        (Path(folder) / "roots").mkdir(mode=0o755)
        done = subprocess.run(
            [sys.executable, "-c", script, folder], capture_output=True, text=True, timeout=60
        )

    assert done.stdout.startswith(f"cache_dir is {folder}/roots, which cannot be written by user ")
    assert "user 10001: it belongs to user 0; chown -R 10001 it" in done.stdout
    assert done.stdout.count("\n") == 1


def test_what_the_image_needs_is_sent_to_the_builder(dockerfile):
    sent = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if line.startswith("!")
    }
    copied = {
        name
        for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, re.M)
        for name in line.split()[:-1]
    }

    assert copied == sent
    assert all((ROOT / name).exists() for name in copied)
