"""The files of a deployment fit each other and the package; no Docker engine is needed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from scenesearch.config.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parents[1]
VARIABLE = re.compile(r"\$\{([A-Z_]+)(?::([-?])([^}]*))?\}")


@pytest.fixture(scope="module")
def services():
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]


@pytest.fixture(scope="module")
def dockerfile():
    return (ROOT / "Dockerfile").read_text("utf-8")


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


def test_images_are_pinned_and_healthy_before_they_are_used(services):
    assert re.fullmatch(r"qdrant/qdrant:v\d+\.\d+\.\d+", services["qdrant"]["image"])
    assert services["scenesearch"]["depends_on"] == {"qdrant": {"condition": "service_healthy"}}
    assert services["qdrant"]["healthcheck"]["test"]


def test_nothing_is_open_to_other_machines(services):
    for service in services.values():
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def test_the_service_has_no_rights(services, dockerfile):
    service = services["scenesearch"]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert re.search(r"^USER (?!root)", dockerfile, re.M)
    assert "HEALTHCHECK" in dockerfile


def test_the_environment_of_the_container_makes_settings(services, dockerfile, monkeypatch):
    """Every SCENESEARCH_ variable is a setting, or one the command line reads."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"SCENESEARCH_{name.upper()}", raising=False)
    values = {
        "SCENESEARCH_READ_KEY": "r" * 32,
        "SCENESEARCH_WRITE_KEY": "w" * 32,
        "SCENESEARCH_QDRANT_API_KEY": "q" * 32,
        "SCENESEARCH_CONFIG": "cpu-small",
    }
    for name, value in services["scenesearch"]["environment"].items():
        monkeypatch.setenv(name, VARIABLE.sub(lambda found: values[found[1]], value))
    for name, value in re.findall(r"(SCENESEARCH_[A-Z_]+)=(\S+)", dockerfile):
        monkeypatch.setenv(name, value)
        assert name.removeprefix("SCENESEARCH_").split("__")[0].lower() in Settings.model_fields

    settings = load_settings("cpu-small")

    assert settings.service.host == "0.0.0.0"
    assert settings.qdrant_api_key == values["SCENESEARCH_QDRANT_API_KEY"]
    assert settings.service.read_keys[0].get_secret_value() == values["SCENESEARCH_READ_KEY"]
    assert settings.service.write_keys[0].get_secret_value() == values["SCENESEARCH_WRITE_KEY"]
    assert values["SCENESEARCH_READ_KEY"] not in json.dumps(settings.model_dump(mode="json"))


def test_a_container_is_given_the_time_that_the_service_takes_to_stop(services):
    grace = float(services["scenesearch"]["stop_grace_period"].removesuffix("s"))
    service = load_settings().service

    assert grace >= service.drain_s + service.deadline_s + 10


def test_extras_that_the_image_installs_exist(dockerfile):
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = re.search(r"'\.\[([a-z0-9,]+)\]'", dockerfile)

    assert extras is not None
    assert set(extras[1].split(",")) <= set(project["optional-dependencies"])


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
