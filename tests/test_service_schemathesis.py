"""The whole API against its own OpenAPI text: every check of schemathesis, a seed that is fixed.

For more examples of each operation::

    SCENESEARCH_FUZZ_EXAMPLES=2000 pytest -m e2e tests/test_service_schemathesis.py
"""

from __future__ import annotations

import base64
import copy
import logging
import os
import warnings
from collections import Counter

import pytest
import service_app as service
from hypothesis import strategies as st

pytestmark = pytest.mark.e2e

KEY = "a-key-for-the-fuzzer"
SEED = 20_240_601
FILTERS = ("price < 50", "category = 'wide' or price >= 60", "not colour_names = 'blue'")
FIELDS = ("category", "price", "tags", "group", "colour_names")
ITEMS = ("red-tall", "blue-wide", "green-square", "new/item?", "a b%2Fc")
SPACES = ("cutout", "context", "colour")
REFUSALS = ["400", "401", "403", "404", "405", "409", "410", "413", "414", "415", "422", "431"]
NOT_SAID_BY_A_SCHEMA = frozenset(
    {
        # a filter's grammar, and the fields and items of this catalogue
        *("bad_filter", "unknown_field", "unknown_item", "bad_boost", "bad_cursor"),
        *("bad_scene_query", "unknown_label", "unknown_object", "over_budget"),
        # which bytes are a photo or a manifest, and where it ends
        *("unsupported_image", "empty_image", "bad_base64", "bad_box", "bad_point", "two_places"),
        *("unsupported_catalog", "bad_catalog", "bad_encoding", "missing_column"),
        *("truncated_image", "corrupt_image", "too_small", "bad_image"),
        # what only the numbers together say
        *("empty_query", "out_of_range", "empty_text"),
        # the models and the store of this catalogue
        *("bad_vector", "bad_preset", "invalid_vector", "unknown_space", "query_expired"),
        # how attributes are kept, and of which type they are in this catalogue
        *("bad_column", "duplicate_column", "bad_value", "bad_price", "bad_type", "nested_value"),
    }
)
"""Codes of refusals of what the schema allows; a refusal as ``validation`` is a wrong schema."""


def photo_texts() -> st.SearchStrategy[str]:
    photos = [service.room_photo(), service.product_photo("blue", "wide")]
    encoded = [base64.b64encode(photo).decode() for photo in photos]
    return st.sampled_from([*encoded, f"data:image/png;base64,{encoded[0]}"])


def register_formats() -> None:
    """Texts that mean something, so that most examples get further than the first look."""
    import schemathesis

    photos = [service.room_photo(), service.product_photo("blue", "wide"), b"no photo"]
    schemathesis.openapi.format("x-photo", photo_texts())
    schemathesis.openapi.format("binary", st.sampled_from(photos))
    names = {"x-filter": FILTERS, "x-field": FIELDS, "x-item": ITEMS, "x-space": SPACES}
    others = {"x-filter": r"price < [1-9][0-9]{1,4}", "x-item": r"sku-[0-9]{1,4}"}
    for name, known in names.items():
        # there are lists of more texts than there are that mean something
        other = st.from_regex(others.get(name, r"other_[a-z]{2,4}"), fullmatch=True)
        schemathesis.openapi.format(name, st.sampled_from(known) | other)


def described(app):
    """The OpenAPI text, with formats where a text means something."""
    raw = copy.deepcopy(app.openapi())
    schemas = raw["components"]["schemas"]
    for name in ("InlinePhoto", "WeightedInlinePhoto"):
        schemas[name]["properties"]["base64"] = {"type": "string", "format": "x-photo"}
    for schema in schemas.values():
        _mark(schema.get("properties", {}))
    for methods in raw["paths"].values():
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                if "$ref" not in parameter:
                    _mark({parameter["name"]: parameter["schema"]})
    return raw


def _mark(properties) -> None:
    means = {"where": "x-filter", "sort": "x-field", "collapse": "x-field", "item_id": "x-item"}
    means |= {"diversity_field": "x-field", "id": "x-item"}
    for name, schema in properties.items():
        if name in means and schema.get("type") == "string":
            schema["format"] = means[name]
            for rule in ("pattern", "minLength", "maxLength"):
                schema.pop(rule, None)
        elif name in ("facets", "field"):
            schema["items"] = {"type": "string", "format": "x-field"}
        elif name in ("ids", "item"):
            schema["items"] = {"type": "string", "format": "x-item"}
        elif name == "items" and schema.get("type") == "object":
            schema["propertyNames"] = {"format": "x-item"}
        elif name == "weights":
            schema["propertyNames"] = {"format": "x-space"}
        elif name == "boosts":
            schema["propertyNames"] = {"format": "x-filter"}


def fuzz(app, examples: int, phases: tuple[str, ...] = ()) -> tuple[Counter[str], list[str]]:
    """Runs some phases, or all; gives checks by outcome, and what failed."""
    import schemathesis
    from schemathesis.config import SchemathesisConfig
    from schemathesis.engine import from_schema

    config = SchemathesisConfig.from_dict(
        {
            "seed": SEED,
            "suppress-health-check": ["all"],
            "continue-on-failure": True,
            "headers": {"Authorization": f"Bearer {KEY}"},
            # an address or a body may be too long before anybody reads what is in it
            "checks": {"negative_data_rejection": {"expected-statuses": REFUSALS}},
            "phases": {
                name: {"enabled": not phases or name in phases}
                for name in ("examples", "coverage", "fuzzing", "stateful")
            },
            "generation": {"max-examples": examples, "deterministic": True, "database": "none"},
        }
    )
    schema = schemathesis.openapi.from_dict(described(app), config=config)
    schema.app = app

    @schema.hook
    def filter_failure(context, failure, case, response):
        kind = type(failure).__name__
        if kind == "UseAfterFree" and case.path.startswith("/v1/jobs"):
            # to delete a job is to cancel it; what became of it can still be read
            return False
        if kind != "RejectedPositiveData":
            return True
        return response.json().get("code") not in NOT_SAID_BY_A_SCHEMA

    counts: Counter[str] = Counter()
    failures: dict[str, str] = {}
    for event in from_schema(schema).execute():
        kind = type(event).__name__
        if kind in ("NonFatalError", "FatalError"):
            failures[f"{kind} {getattr(event, 'label', '')}"] = str(
                getattr(event, "value", None) or event.exception
            )
        if kind != "ScenarioFinished":
            continue
        counts["cases"] += len(event.recorder.cases)
        for interaction in event.recorder.interactions.values():
            if interaction.response is not None:
                counts[f"{event.recorder.label} -> {interaction.response.status_code}"] += 1
        for case_id, checks in event.recorder.checks.items():
            for check in checks:
                counts[f"{check.name}: {check.status.value}"] += 1
                if check.failure_info is not None:
                    found = check.failure_info
                    title = f"{event.phase.value} {event.recorder.label}: {found.failure.title}"
                    answer = event.recorder.interactions[case_id].response
                    failures.setdefault(
                        title,
                        f"{found.failure.message}\n{answer.text[:600] if answer else None}\n"
                        f"{found.code_sample[:1500]}",
                    )
    return counts, [f"{title}\n{text}" for title, text in failures.items()]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    register_formats()
    section = {
        "allowed_hosts": ["testserver"],
        "write_keys": [KEY],
        "query_ttl_s": 600,
        # a disk that stands still for a while is no fault of the answers
        "deadline_s": 600,
    }
    folder = tmp_path_factory.mktemp("fuzzed")
    with service.serving(folder, section=section) as found:
        yield found


def examples() -> int:
    return int(os.environ.get("SCENESEARCH_FUZZ_EXAMPLES", "200"))


@pytest.mark.parametrize(
    ("count", "phases"),
    [
        pytest.param(1, ("examples", "fuzzing"), id="a few examples"),
        pytest.param(examples(), (), id="many examples"),
    ],
)
@pytest.mark.timeout(3600)
def test_every_answer_is_as_the_openapi_text_says(served, count, phases, caplog) -> None:
    caplog.set_level(logging.CRITICAL)
    with warnings.catch_warnings():
        # its own, about descriptions and the like
        warnings.simplefilter("ignore")
        counts, failures = fuzz(served.app, count, phases)

    assert not failures, "\n\n".join(failures)
    assert counts["cases"] > 50
