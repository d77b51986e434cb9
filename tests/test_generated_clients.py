"""Clients that other people's generators make of the description: they import, type and work."""

from __future__ import annotations

import asyncio
import importlib
import io
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
import service_app as service

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[1]
tool = SimpleNamespace(**runpy.run_path(str(ROOT / "tools" / "generated_clients.py")))


def needs(commands):
    gone = tool.missing(commands)
    return pytest.mark.skipif(bool(gone), reason=f"not on the PATH: {', '.join(gone)}")


@needs(tool.TYPESCRIPT)
def test_types_in_typescript_compile(tmp_path):
    tool.make_typescript(tmp_path / "typescript")


@needs(tool.PYTHON)
def test_a_client_in_python_types_and_asks_the_service(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tool.make_python(tmp_path / "python"))
    api = importlib.import_module(tool.NAME)
    look = importlib.import_module(f"{tool.NAME}.api.search.look")
    add = importlib.import_module(f"{tool.NAME}.api.items.add_item")
    models = importlib.import_module(f"{tool.NAME}.models")
    types = importlib.import_module(f"{tool.NAME}.types")

    async def ask(app):
        args = {"transport": httpx.ASGITransport(app)}
        async with api.Client(base_url="http://localhost", httpx_args=args) as client:
            photo = types.File(io.BytesIO(service.room_photo()), "room.png", "image/png")
            form = models.LookFilesBody(photo=photo, request=models.LookOptions(limit=3))
            first = await look.asyncio(client=client, body=form)
            again = models.LookRequest(query_id=first.query_id, words="in blue")
            second = await look.asyncio(client=client, body=again)
            refused = await look.asyncio(client=client, body=models.LookRequest(query_id="gone"))
            thing = types.File(io.BytesIO(service.product_photo()), "thing.png", "image/png")
            sent = models.AddItemFilesBody(photo=[thing], item=models.ItemAttributes(id="SKU-1"))
            added = await add.asyncio(client=client, body=sent)
            return first, second, refused, added

    try:
        with service.serving(tmp_path / "served") as served:
            first, second, refused, added = asyncio.run(ask(served.app))
    finally:
        for name in [one for one in sys.modules if one.split(".")[0] == tool.NAME]:
            del sys.modules[name]

    assert [one.matches[0].item_id for one in first.regions] == ["red-square", "blue-wide"]
    assert len(first.matches) == 3
    assert second.parsed.colours == ["blue"]
    assert (refused.status, refused.code) == (410, "query_expired")
    assert added.id == "SKU-1"
