"""The page in a real browser: a service over fakes on a port, Chromium, and what is watched."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import service_app
import uvicorn

AXE = Path(__file__).with_name("vendor") / "axe.min.js"
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chrome")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--use-fake-device-for-media-stream",  # a camera that shows a moving figure
)
PHONE, DESKTOP = {"width": 360, "height": 740}, {"width": 1440, "height": 900}
SAMPLE = "Living room: green armchair"
HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=2</script>&lt;b&gt;'


@contextmanager
def listening(app: Any) -> Iterator[str]:
    """An application on a free port of this machine; gives its address."""
    config = uvicorn.Config(
        app, port=0, lifespan="off", log_level="error", ws="none", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    for _ in range(500):
        if server.started:
            break
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)


@contextmanager
def site(folder: Path, section: Mapping[str, Any] | None = None) -> Iterator[Any]:
    """A service over 24 coloured things; ``address`` is where the page is."""
    with service_app.serving(folder, section=section) as service, listening(service.app) as address:
        yield SimpleNamespace(address=address, service=service)


@contextmanager
def chromium() -> Iterator[Any]:
    """The browser; skipped by whoever asks where there is none."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def room() -> bytes:
    """A drawn room in which the fake detector sees three things."""
    shop = service_app.shop
    things = (("red", "square"), ("blue", "wide"), ("green", "tall"))
    return bytes(service_app.png(shop.room(*things)))


class Watch:
    """What a page must never do, noted while it does anything at all."""

    def __init__(self, page: Any, origin: str) -> None:
        self.wrong: list[str] = []
        self.expected: tuple[str, ...] = ()
        self._origin = origin
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        page.on("request", self._request)
        page.on("dialog", lambda dialog: self.wrong.append(f"dialog: {dialog.message}"))

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.wrong.append(f"{message.type}: {message.text}")

    def _request(self, request: Any) -> None:
        if not request.url.startswith((f"{self._origin}/", "blob:", "data:")):
            self.wrong.append(f"request to {request.url}")

    def faults(self) -> list[str]:
        """Everything that was wrong, but what the test itself provoked."""
        return [one for one in self.wrong if not any(text in one for text in self.expected)]


@contextmanager
def opened(browser: Any, address: str, **context: Any) -> Iterator[Any]:
    """The page, on its first screen, with drawn rooms for samples; checked when it is left."""
    scheme = context.pop("color_scheme", "light")
    viewport = context.pop("viewport", DESKTOP)
    held = browser.new_context(
        color_scheme=scheme, viewport=viewport, reduced_motion="reduce", locale="en-GB", **context
    )
    page = held.new_page()
    page.set_default_timeout(15_000)
    page.watch = Watch(page, address)
    drawn = room()
    page.route(
        "**/samples/*.jpg", lambda route: route.fulfill(body=drawn, content_type="image/png")
    )
    try:
        page.goto(f"{address}/")
        page.get_by_role("heading", name="Find what is in a photo").wait_for()
        yield page
        assert page.watch.faults() == []
    finally:
        held.close()


def look(page: Any) -> None:
    """Choose the first sample, and wait for its objects."""
    page.get_by_role("button", name=SAMPLE).click()
    settled(page)


def settled(page: Any) -> None:
    """Wait until what was asked for is there."""
    page.locator(".work-results[aria-busy=false] .cards, .work-results .empty").first.wait_for()
    # quick changes are asked together: a wait for the last of them to begin, and to be answered
    page.wait_for_timeout(250)
    page.locator(".work-results[aria-busy=false]").wait_for()


def violations(page: Any) -> list[str]:
    """What axe finds wrong with the page as it is, as short texts."""
    # evaluated, not added as a script: the page's own policy forbids the latter
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate(
        """() => axe.run(document, {
            resultTypes: ['violations'], rules: {'target-size': {enabled: true}},
        })"""
    )
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


def focused(page: Any) -> str:
    """The name of what has the focus, as it is read aloud."""
    script = """() => {
        const element = document.activeElement;
        return element.getAttribute('aria-label') || element.querySelector('img')?.alt
            || element.closest('label')?.innerText || element.innerText || '';
    }"""
    return str(page.evaluate(script)).strip()


def tab_to(page: Any, name: str) -> None:
    """Press Tab until something of that name has the focus."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if focused(page).lower().startswith(name.lower()):
            return
    raise AssertionError(f"Tab never came to {name!r}")


def refine(page: Any, words: str) -> None:
    """Ask for something in words, and wait for the answer."""
    page.get_by_label("Refine in words").fill(words)
    page.keyboard.press("Enter")
    page.wait_for_timeout(250)
    page.locator(".work-results[aria-busy=false]").wait_for()


def problem(route: Any, status: int, code: str, headers: dict[str, str] | None = None) -> None:
    """Answer with a problem, as the service writes it."""
    body = {"title": code, "status": status, "code": code, "detail": "", "request_id": "request-7"}
    route.fulfill(
        status=status,
        headers={"content-type": "application/problem+json", **(headers or {})},
        body=json.dumps(body),
    )


def multipart(request: Any) -> tuple[bytes, Any]:
    """The photo and the options of an upload."""
    head = f"content-type: {request.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + request.post_data_buffer)
    parts = {
        part.get_param("name", header="content-disposition"): part.get_payload(decode=True)
        for part in message.iter_parts()
    }
    return parts["photo"], json.loads(parts["request"])
