"""The tools as an agent sees them, over a service without a port and models that fake."""

from __future__ import annotations

import asyncio
import json
import sys

import httpx
import pytest
import service_app as here

pytest.importorskip("mcp", reason="the extra mcp is not installed")

from mcp import Client as Agent

from scenesearch.client import AsyncClient
from scenesearch.mcp.server import build_server


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with here.serving(tmp_path_factory.mktemp("service")) as one:
        yield one


@pytest.fixture
def ask(service, tmp_path):
    """Calls tools one after the other; photos lie in a folder of the test."""
    (tmp_path / "room.png").write_bytes(here.room_photo())

    def run(*calls):
        async def work():
            transport = httpx.ASGITransport(service.app, raise_app_exceptions=False)
            async with (
                AsyncClient("http://127.0.0.1", transport=transport) as client,
                Agent(build_server(client, roots=(tmp_path,))) as agent,
            ):
                return [await agent.call_tool(name, arguments) for name, arguments in calls]

        return asyncio.run(work())

    return run


def told(result):
    assert not result.is_error, result.content
    return json.loads(result.content[0].text)


def test_an_agent_narrows_what_it_found_and_takes_it_back(ask):
    first, cheaper, neither = (
        told(one)
        for one in ask(
            ("search", {"words": "things"}),
            ("search", {"words": "things", "refine": [{"words": "cheaper"}]}),
            ("search", {"words": "things", "refine": [{"words": "not that one"}]}),
        )
    )
    best = first["matches"][0]

    assert first["suggested"]
    assert cheaper["refined"] == [{"said": "cheaper", "understood": [f"price < {best['price']:g}"]}]
    assert all(match["price"] < best["price"] for match in cheaper["matches"])
    assert best["item_id"] not in {match["item_id"] for match in neither["matches"]}


def test_an_agent_is_told_what_the_tools_are_for(service):
    async def work():
        transport = httpx.ASGITransport(service.app)
        async with (
            AsyncClient("http://127.0.0.1", transport=transport) as client,
            Agent(build_server(client)) as agent,
        ):
            return (await agent.list_tools()).tools

    tools = asyncio.run(work())

    assert [tool.name for tool in tools] == ["look", "search", "basket", "tag"]
    assert all(tool.description for tool in tools)
    assert "photo" in tools[3].input_schema["required"]


def test_a_photo_is_looked_at_and_asked_again(ask, tmp_path):
    (first,) = ask(("look", {"photo": str(tmp_path / "room.png"), "limit": 3}))
    look = told(first)
    (second,) = ask(
        ("look", {"query_id": look["query_id"], "where": "category = wide", "limit": 2})
    )

    assert len(look["objects"]) == 2
    assert {"label", "box", "colours", "matches"} <= set(look["objects"][0])
    assert len(look["matches"]) == 3
    assert {m["category"] for m in told(second)["matches"]} == {"wide"}


def test_things_are_found_by_words_and_by_likeness(ask):
    words, like = ask(
        ("search", {"words": "red square", "limit": 2}),
        ("search", {"like": ["red-square"], "unlike": ["red-wide"], "limit": 2}),
    )

    assert told(words)["matches"][0]["item_id"] == "red-square"
    assert "colour red" in told(words)["understood"]
    assert told(like)["matches"][0]["item_id"] != "red-square"


def test_a_budget_is_kept_and_a_product_swapped(ask, tmp_path):
    (first,) = ask(("basket", {"photo": str(tmp_path / "room.png"), "budget": 100}))
    baskets = told(first)
    (second,) = ask(
        (
            "basket",
            {"query_id": baskets["query_id"], "budget": 100, "keep": {"1": "green-square"}},
        )
    )

    assert [one["item_id"] for one in baskets["baskets"][0]["products"]] == [
        "red-square",
        "blue-wide",
    ]
    assert told(second)["baskets"][0]["products"][0]["item_id"] == "green-square"


def test_a_photo_is_tagged(ask, tmp_path):
    (row,) = ask(("tag", {"photo": str(tmp_path / "room.png")}))

    assert len(told(row)["objects"]) == 2


def test_an_answer_is_short(ask, tmp_path):
    (result,) = ask(("look", {"photo": str(tmp_path / "room.png"), "limit": 10}))

    assert len(result.content[0].text) < 8_000


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("look", {"photo": "/etc/passwd"}, "lies outside"),
        ("look", {}, "query_id"),
        ("look", {"query_id": "unknown"}, "send the photo again"),
        ("search", {"words": "red", "where": "prize < 3"}, "prize"),
        ("search", {}, "Nothing to look for"),
        ("search", {"words": "red", "limit": 1000}, "limit"),
        ("search", {"words": "red", "limits": 3}, "limits"),
    ],
)
def test_what_cannot_be_done_is_told_in_words(ask, tool, arguments, says):
    (result,) = ask((tool, arguments))

    assert result.is_error
    assert says in result.content[0].text
    assert "Traceback" not in result.content[0].text


@pytest.mark.e2e
def test_the_command_speaks_over_stdin_and_stdout(tmp_path, real_models):
    """The sample catalogue, in a process as an agent starts it."""
    from mcp import StdioServerParameters

    from scenesearch.demo.demo import demo_settings
    from scenesearch.system.resources import resource_dir

    settings = demo_settings()
    sample = resource_dir("sample")
    from scenesearch import SceneSearch

    with SceneSearch(tmp_path / "store", config=settings) as shop:
        shop.index(sample / "catalog.csv")
    profile = "offline" if settings.embedder.kind == "open_clip" else "cpu-small"
    command = ["-m", "scenesearch", "mcp", "--store", str(tmp_path / "store")]
    server = StdioServerParameters(
        command=sys.executable,
        args=[*command, "--config", profile],
        env={"SCENESEARCH_MODELS_DIR": str(real_models), "SCENESEARCH_CUTOUT__MATTING": "never"},
    )

    async def work():
        async with Agent(server) as agent:
            found = await agent.call_tool("search", {"words": "chair", "limit": 3})
            room = str(next(iter(sorted((sample / "rooms").glob("*.jpg")))))
            looked = await agent.call_tool("look", {"photo": room, "limit": 3})
            return told(found), told(looked)

    found, looked = asyncio.run(work())

    assert found["matches"]
    assert looked["objects"]
