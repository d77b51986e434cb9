"""The front door: what is exported is what is meant to be, and all of it works."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from fakes.models import FakeDetector, FakeEmbedder, FakeReader, FakeRemover

import scenesearch

HERE = Path(__file__).parent

PUBLIC = {
    "Baskets",
    "CompleteOptions",
    "Completion",
    "Evidence",
    "IndexOutcome",
    "KnownScene",
    "Look",
    "Match",
    "RegionMatches",
    "RunOptions",
    "SceneSearch",
    "SceneSearchError",
    "SearchOptions",
    "Settings",
    "SyncReport",
    "SyncRules",
    "TagOptions",
    "TagRow",
    "TagSummary",
    "Turn",
    "__version__",
    "load_settings",
}
"""Written down a second time on purpose: adding or losing a name is a decision."""


FRONT_DOOR = {
    *("add_scenes", "answer", "basket", "changed", "close", "complete", "count", "count_scenes"),
    *("delete", "encode_scene", "forget_scenes", "get", "hashed_scenes", "index", "learn_scenes"),
    *("likeness", "load", "match_to", "prepare", "put", "regions", "scenes", "scenes_of"),
    *("search", "set_attributes", "settle", "shop_the_look", "store", "sync", "syncing", "tag"),
    *("tag_to", "understand", "values", "verify"),
}
"""What SceneSearch can do; what only the engine needs is not among it."""


def test_the_public_names_are_those_written_down():
    assert set(scenesearch.__all__) == PUBLIC
    assert list(scenesearch.__all__) == sorted(scenesearch.__all__)


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_every_public_name_is_there_and_documented(name):
    value = getattr(scenesearch, name)

    if name != "__version__":
        assert inspect.getdoc(value)
        assert value.__module__.startswith("scenesearch.")


def test_a_name_that_is_not_there_is_an_attribute_error_that_names_it():
    with pytest.raises(AttributeError, match="No scenesearch attribute shop"):
        scenesearch.shop  # noqa: B018

    assert not hasattr(scenesearch, "torch")


def test_the_stub_names_what_there_is():
    assert set(dir(scenesearch)) >= PUBLIC


def test_the_version_is_that_of_the_distribution():
    import tomllib

    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))

    assert scenesearch.__version__ == project["project"]["version"]


def test_every_public_method_of_the_front_door_says_what_it_does():
    for name, member in inspect.getmembers(scenesearch.SceneSearch):
        if not name.startswith("_"):
            assert inspect.getdoc(member), name


def test_the_front_door_is_what_is_written_down_and_names_its_arguments():
    methods = {
        name: member
        for name, member in inspect.getmembers(scenesearch.SceneSearch)
        if not name.startswith("_")
    }
    open_ended = {
        name
        for name, member in methods.items()
        if inspect.isfunction(member)
        for one in inspect.signature(member).parameters.values()
        if one.kind is one.VAR_KEYWORD
    }

    assert set(methods) == FRONT_DOOR
    assert open_ended == set()


def test_the_fakes_are_documented_and_say_what_they_count():
    for fake in (FakeDetector, FakeEmbedder, FakeReader, FakeRemover):
        assert "Attributes:" in (inspect.getdoc(fake) or "")


def test_the_typed_usage_file_uses_every_public_name():
    text = (HERE / "typing" / "api.py").read_text(encoding="utf-8")

    assert all(name in text for name in PUBLIC)
