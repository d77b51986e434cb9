"""How the page and its parts are served, and that they need nothing from elsewhere."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from scenesearch.service.http import problems
from scenesearch.service.http.compress import packed
from scenesearch.service.http.routes import page
from scenesearch.service.http.routes.page import FOREVER, PAGE, read_assets
from scenesearch.system.resources import resource_dir

OWN = sorted(path for path in PAGE.rglob("*") if path.is_file() and "vendor" not in path.parts)
TEXTS = [path for path in OWN if path.suffix in {".html", ".css", ".js", ".svg"}]


@pytest.fixture
def client() -> Iterator[TestClient]:
    app = FastAPI(exception_handlers=problems.HANDLERS)
    app.include_router(page.router)
    with TestClient(app) as found:
        yield found


def parts_of(html: str) -> list[str]:
    return re.findall(r'(?:src|href)="(assets/[^"]+)"', html)


def test_the_page_names_parts_that_may_be_kept_for_ever(client: TestClient) -> None:
    answer = client.get("/")

    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    parts = parts_of(answer.text)
    assert len(parts) > 5
    for part in parts:
        found = client.get(f"/{part}")
        assert found.status_code == 200, part
        assert found.headers["cache-control"] == FOREVER


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("js/main.js", "text/javascript; charset=utf-8"),
        ("css/base.css", "text/css; charset=utf-8"),
        ("icons/icon.svg", "image/svg+xml"),
        ("vendor/htm-preact.js", "text/javascript; charset=utf-8"),
        ("vendor/preact-LICENSE.txt", "text/plain; charset=utf-8"),
        ("samples/room-1.jpg", "image/jpeg"),
        ("samples/CREDITS.md", "text/plain; charset=utf-8"),
    ],
)
def test_a_part_has_its_media_type_and_is_not_sent_twice(
    client: TestClient, name: str, media_type: str
) -> None:
    first = client.get(f"/assets/{name}")
    again = client.get(f"/assets/{name}", headers={"If-None-Match": first.headers["etag"]})

    assert first.headers["content-type"] == media_type
    assert first.headers["cache-control"] == "no-cache"
    assert (again.status_code, again.content) == (304, b"")
    assert client.head(f"/assets/{name}").headers["etag"] == first.headers["etag"]


@pytest.mark.parametrize(
    "name",
    [
        *("nothing.js", "", "js", "index.html", "js%2f..%2fcss/base.css", "%2e%2e/settings.py"),
        *(
            "..%2f..%2fsettings.py",
            "samples/%2e%2e/catalog.csv",
            "samples/catalog.csv",
            "/etc/passwd",
        ),
        *("v-0000000000000000/js/main.js", "js/main.js%00", "js%5cmain.js"),
    ],
)
def test_nothing_else_is_served(client: TestClient, name: str) -> None:
    answer = client.get(f"/assets/{name}")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_version_changes_with_any_part(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text('<script src="assets/a.js"></script>')
    part = tmp_path / "a.js"
    part.write_text("1")
    before = read_assets(tmp_path, tmp_path)
    part.write_text("2")
    after = read_assets(tmp_path, tmp_path)

    assert before.version != after.version
    assert f'"assets/{after.version}/a.js"'.encode() in after.index.data


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(PAGE).as_posix())
def test_a_part_names_no_address_elsewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")

    assert re.findall(r"(?:https?:)?//[\w-]+\.\w+", text) == []


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(PAGE).as_posix())
def test_a_part_writes_no_markup_and_runs_no_text(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    risky = r"innerHTML|outerHTML|insertAdjacent|dangerously|document\.write|\beval\(|new Function"

    assert re.findall(risky, text) == []


def test_the_page_holds_no_script_and_no_style_of_its_own() -> None:
    text = (PAGE / "index.html").read_text(encoding="utf-8")

    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=|javascript:", text) == []


def test_the_page_is_small() -> None:
    assert sum(path.stat().st_size for path in PAGE.rglob("*") if path.is_file()) < 300_000


def before_the_first_photo() -> set[Path]:
    """The page, its styles, and what its modules import at once; not what they fetch later."""
    html = (PAGE / "index.html").read_text(encoding="utf-8")
    waiting = [PAGE / name.removeprefix("assets/") for name in parts_of(html)]
    found = {PAGE / "index.html"}
    while waiting:
        path = waiting.pop().resolve()
        if path in found:
            continue
        found.add(path)
        if path.suffix == ".js":
            source = path.read_text(encoding="utf-8")
            named = r"""^(?:import|export)\b[^;]*?["'](\.[^"']+)["']"""
            waiting += [path.parent / name for name in re.findall(named, source, re.MULTILINE)]
    return found


def test_what_comes_before_the_first_photo_is_small() -> None:
    parts = before_the_first_photo()
    names = {path.name for path in parts}
    sizes = {path.name: len(packed(path.read_bytes(), page.ASSET_LEVEL)) for path in sorted(parts)}

    assert {"main.js", "start.js", "htm-preact.js"} <= names
    assert names.isdisjoint({"work.js", "detail.js", "stage.js", "toolbar.js", "camera.js"})
    assert sum(sizes.values()) < 60_000, sizes


def test_every_sample_on_the_page_comes_with_the_package() -> None:
    source = (PAGE / "js/samples.js").read_text(encoding="utf-8")
    named = re.findall(r'"(room-\d+)"', source)
    there = {path.stem for path in (resource_dir("sample") / "rooms").glob("*.jpg")}

    assert set(named) == there


@pytest.mark.parametrize(
    ("folder", "name"),
    [(PAGE / "vendor", "htm-preact.js"), (Path(__file__).with_name("vendor"), "axe.min.js")],
    ids=["htm-preact.js", "axe.min.js"],
)
def test_a_vendored_part_is_the_one_its_note_names(folder: Path, name: str) -> None:
    digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()

    assert digest in (folder / "README.md").read_text(encoding="utf-8")
