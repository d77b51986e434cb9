"""The client as a distribution of its own: what it is made of, and that it needs nothing else."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from page_browser import site

import scenesearch
import scenesearch.client

HERE = Path(__file__).resolve().parents[1]
PACKAGE = Path(scenesearch.__file__).parent

ALONE = """
import sys

sys.path.insert(0, sys.argv[1])
for name in ("scenesearch", "numpy", "starlette", "fastapi"):
    sys.modules[name] = None  # importing it is an error
import scenesearch_client as made
from scenesearch_client.core.errors import QueryError

assert [getattr(made, name) for name in made.__all__]
with made.Client(sys.argv[2]) as client:
    print([match.item_id for match in client.search("red square", limit=3).matches])
    try:
        client.search("red", limit=0)
    except QueryError as error:
        print(error.code)
"""


@pytest.fixture(scope="module")
def sources():
    spec = importlib.util.spec_from_file_location("client_sources", HERE / "client/sources.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_has_the_clients_names_and_their_sources(sources, tmp_path):
    sources.write_sources(PACKAGE, tmp_path / "scenesearch_client", "1.2.3")

    there = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.py")}
    own = {path.name for path in (PACKAGE / "client").glob("*.py")}
    assert there >= {f"scenesearch_client/{name}" for name in own}
    assert "scenesearch_client/schemas/look.py" in there
    assert not any("/engine/" in name or "/service/" in name for name in there)
    assert '"1.2.3"' in (tmp_path / "scenesearch_client/version.py").read_text()
    assert (tmp_path / "scenesearch_client/LICENSE").read_text().startswith(" " * 10)


def test_it_takes_from_the_package_what_is_light(sources):
    rooms = {name.split(".")[1] for name in sources.modules_of(PACKAGE)}

    assert rooms == {"client", "config", "core", "schemas"}


def test_a_client_that_needs_another_room_cannot_be_made(sources, tmp_path):
    package = tmp_path / "scenesearch"
    for name in ("client", "engine"):
        (package / name).mkdir(parents=True)
        (package / name / "__init__.py").touch()
    (package / "client/__init__.py").write_text("from scenesearch.engine import tasks\n")

    with pytest.raises(ValueError, match="imports of the package"):
        sources.write_sources(package, tmp_path / "made", "1")


def test_its_version_is_that_of_the_package():
    project = tomllib.loads((HERE / "client/pyproject.toml").read_text(encoding="utf-8"))

    assert project["project"]["version"] == scenesearch.__version__


@pytest.mark.process
def test_alone_it_asks_a_service_with_nothing_of_the_package(sources, tmp_path):
    sources.write_sources(PACKAGE, tmp_path / "made/scenesearch_client", "1")
    with site(tmp_path / "served") as served:
        command = [sys.executable, "-P", "-c", ALONE, str(tmp_path / "made"), served.address]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        with scenesearch.client.Client(served.address) as client:
            same = [match.item_id for match in client.search("red square", limit=3).matches]

    assert done.stderr == ""
    assert done.stdout.splitlines() == [str(same), "validation"]
