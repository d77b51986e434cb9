"""The description of the API: committed as it is, complete, and true to the answers."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import pytest

import scenesearch
from scenesearch.config.search import Preset
from scenesearch.search.rank.presets import PRESETS

PROBLEM = "application/problem+json"
ROOT = Path(__file__).resolve().parents[1]
tool = SimpleNamespace(**runpy.run_path(str(ROOT / "tools" / "openapi.py")))


@pytest.fixture(scope="module")
def described():
    return tool.openapi()


def operations(described):
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]


def resolved(described, response):
    name = response.get("$ref", "").rpartition("/")[2]
    return described["components"]["responses"][name] if name else response


def test_the_committed_file_is_what_the_service_says() -> None:
    committed = (ROOT / "docs" / "openapi.json").read_text(encoding="utf-8")

    assert committed == tool.openapi_text(), "run python tools/openapi.py"


def test_it_is_openapi_3_1_with_the_version_of_the_package(described) -> None:
    assert described["openapi"].startswith("3.1")
    assert described["info"]["version"] == scenesearch.__version__


def test_every_reference_leads_somewhere(described) -> None:
    text = json.dumps(described)
    named = {part.split('"')[0] for part in text.split('"#/components/')[1:]}
    there = {f"{kind}/{name}" for kind, of in described["components"].items() for name in of}

    assert named
    assert named <= there


def test_schemas_use_words_of_json_schema_alone(described) -> None:
    text = json.dumps(described["components"]["schemas"])

    # what the framework writes where it cannot translate a rule
    assert '"ge":' not in text
    assert '"le":' not in text


def test_every_operation_says_what_it_is_and_how_it_fails(described) -> None:
    for label, operation in operations(described):
        assert operation["operationId"].isidentifier(), label
        assert operation["summary"], label
        assert operation["tags"], label
        assert {"401", "422", "503"} <= set(operation["responses"]), label
        for status, response in operation["responses"].items():
            if int(status) >= 400 and " /v1/" in label:
                assert list(resolved(described, response)["content"]) == [PROBLEM], (label, status)


def test_it_says_where_it_is_served_and_what_it_asks_for(described) -> None:
    schemes = described["components"]["securitySchemes"]

    assert described["servers"][0]["url"] == "/"
    assert {name for one in described["security"] for name in one} == set(schemes)
    open_to_all = {label for label, operation in operations(described) if not operation["security"]}
    assert open_to_all == {"GET /livez", "GET /readyz"}


def test_generators_of_clients_can_say_all_of_it(described) -> None:
    """They take a union for any value, and forms beside JSON need something that is optional."""
    for _, operation in operations(described):
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if body is not None:
            name = body["schema"]["$ref"].rpartition("/")[2]
            schema = described["components"]["schemas"][name]
            assert schema["type"] == "object", name
            assert not {"oneOf", "anyOf"} & set(schema), name
        assert {"$ref": "#/components/parameters/RequestId"} in operation["parameters"]


def test_names_of_operations_are_unique(described) -> None:
    names = [operation["operationId"] for _, operation in operations(described)]

    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("path", "method"),
    [
        *(("/v1/look", "post"), ("/v1/search", "post"), ("/v1/tag", "post")),
        *(("/v1/items", "post"), ("/v1/items/{item_id}", "put")),
        *(("/v1/scenes", "post"), ("/v1/scenes/search", "post")),
    ],
)
def test_a_photo_can_come_as_json_or_as_a_form(described, path, method) -> None:
    content = described["paths"][path][method]["requestBody"]["content"]

    assert set(content) == {"application/json", "multipart/form-data"}
    assert "photo" in content["multipart/form-data"]["schema"]["required"]


@pytest.mark.parametrize(
    ("name", "field", "expected"),
    [
        ("LookRequest", "limit", {"minimum": 1, "maximum": 100, "default": 20}),
        ("LookRequest", "offset", {"minimum": 0, "maximum": 900}),
        ("LookRequest", "detection_limit", {"minimum": 1, "maximum": 30, "default": 5}),
        ("LookRequest", "boxes", {"maxItems": 30}),
        ("LookRequest", "texts", {"maxProperties": 32}),
        ("LookRequest", "items", {"maxProperties": 32}),
        ("LookRequest", "words", {"maxLength": 1000}),
        ("LookRequest", "where", {"maxLength": 4000}),
        ("SearchRequest", "photos", {"maxItems": 8}),
        ("WeightedVector", "vector", {"minItems": 1, "maxItems": 8192}),
        ("ItemRequest", "photos", {"minItems": 1, "maxItems": 8}),
        ("ItemRequest", "id", {"minLength": 1, "maxLength": 512}),
        ("DeleteRequest", "ids", {"minItems": 1, "maxItems": 1000}),
    ],
)
def test_limits_are_stated(described, name, field, expected) -> None:
    schema = described["components"]["schemas"][name]

    assert schema["additionalProperties"] is False
    found = schema["properties"][field]
    assert {rule: found.get(rule) for rule in expected} == expected


def test_the_presets_are_those_of_the_ranking() -> None:
    assert set(get_args(Preset)) == set(PRESETS)
