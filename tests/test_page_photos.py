"""Every way a photo comes to the page, in Chromium: kinds, sizes, addresses, slow lines."""

from __future__ import annotations

import hashlib
import http.server
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import page_browser as b
import pytest
from PIL import Image

from scenesearch.config.fetch import FetchSettings
from scenesearch.fetch.fetcher import Fetcher

pytest.importorskip("playwright", reason="playwright is not installed")
if b.CHROMIUM is None:
    pytest.skip("no Chromium on this machine (set CHROMIUM to its path)", allow_module_level=True)

pytestmark = pytest.mark.e2e
FILE = "input[type=file]:not([capture])"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with b.chromium() as found:
        yield found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with b.site(tmp_path_factory.mktemp("site")) as found:
        yield found


def kept_as(kind: str) -> bytes:
    """The drawn room as a kind of file that Chromium does not show."""
    with Image.open(io.BytesIO(b.room())) as room:
        held = io.BytesIO()
        if kind == "heic":
            heif = pytest.importorskip("pillow_heif", reason="needs the extra scenesearch[serve]")
            heif.from_pillow(room.convert("RGB")).save(held, quality=90)
        else:
            room.convert("RGB").save(held, "TIFF")
    return held.getvalue()


@pytest.mark.parametrize("kind", ["heic", "tiff"])
def test_what_the_browser_cannot_show_is_sent_as_it_is_and_shown_as_the_service_reads_it(
    browser: Any, site: Any, tmp_path: Path, kind: str
) -> None:
    data = kept_as(kind)
    (tmp_path / f"own.{kind}").write_bytes(data)
    with b.opened(browser, site.address) as page:
        with page.expect_response("**/v1/look") as looked:
            page.set_input_files(FILE, tmp_path / f"own.{kind}")
        assert looked.value.json()["scene"]["sha256"] == hashlib.sha256(data).hexdigest()
        b.settled(page)
        photo = page.locator(".stage-photo")
        photo.wait_for()
        assert photo.evaluate("one => one.decode().then(() => one.naturalWidth > 100)")
        assert page.locator(".hotspot").count() == 3
        page.reload()
        b.settled(page)
        page.locator(".stage-photo").wait_for()


def test_a_photo_of_48_megapixels_is_sent_small(browser: Any, site: Any, tmp_path: Path) -> None:
    Image.new("RGB", (8000, 6000), "grey").save(tmp_path / "large.jpg")
    with b.opened(browser, site.address) as page:
        with page.expect_request("**/v1/look") as sent:
            page.set_input_files(FILE, tmp_path / "large.jpg")
        b.settled(page)

        with Image.open(io.BytesIO(b.multipart(sent.value)[0])) as small:
            assert small.size == (1600, 1200)


def test_progress_is_true_on_a_slow_line(browser: Any, site: Any, tmp_path: Path) -> None:
    # noise does not compress: 120 kB at 60 kB/s is two seconds on the way
    Image.effect_noise((500, 400), 90).convert("RGB").save(tmp_path / "noise.jpg", quality=95)
    size = (tmp_path / "noise.jpg").stat().st_size
    assert 80_000 < size < 600_000
    with b.opened(browser, site.address) as page:
        line = page.context.new_cdp_session(page)
        line.send("Network.enable")
        slow = {"offline": False, "latency": 20, "downloadThroughput": -1}
        line.send("Network.emulateNetworkConditions", {**slow, "uploadThroughput": size / 2})
        page.set_input_files(FILE, tmp_path / "noise.jpg")
        bar = page.get_by_role("progressbar", name="Sending the photo")
        bar.wait_for()
        seen = []
        while bar.count():
            seen.append(bar.evaluate_all("bars => bars[0]?.value ?? 1"))
            page.wait_for_timeout(100)
        b.settled(page)

        assert seen == sorted(seen)
        assert any(0.05 < share < 0.95 for share in seen), seen
        line.send("Network.emulateNetworkConditions", {**slow, "uploadThroughput": -1})


class Pictures(http.server.BaseHTTPRequestHandler):
    """Another site with one picture."""

    def do_GET(self) -> None:  # its name is the base class's
        self.send_response(200)
        self.send_header("Content-Type", "image/png")
        self.end_headers()
        self.wfile.write(b.room())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def elsewhere() -> Iterator[int]:
    """The port of a site with one picture."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pictures) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()


def paste(page: Any, text: str) -> None:
    page.evaluate(
        """text => {
            const data = new DataTransfer();
            data.setData('text/plain', text);
            const how = {clipboardData: data, bubbles: true, cancelable: true};
            document.body.dispatchEvent(new ClipboardEvent('paste', how));
        }""",
        text,
    )


def drop(page: Any, html: str) -> None:
    page.evaluate(
        """html => {
            const data = new DataTransfer();
            data.setData('text/html', html);
            data.setData('text/uri-list', 'https://shop.example/page');
            const how = {dataTransfer: data, bubbles: true, cancelable: true};
            document.querySelector('.drop').dispatchEvent(new DragEvent('drop', how));
        }""",
        html,
    )


def test_an_address_is_fetched_by_the_service_where_that_is_allowed(
    browser: Any, tmp_path: Path
) -> None:
    with b.site(tmp_path, {"fetch": {"enabled": True}}) as site, elsewhere() as port:
        state = site.service.app.state
        allowed = frozenset({("127.0.0.1", port)})
        fetcher = Fetcher(FetchSettings(enabled=True), private=allowed)
        state.shared = replace(state.shared, fetcher=fetcher)
        link = f"http://127.0.0.1:{port}/room.png"
        with b.opened(browser, site.address) as page:
            paste(page, link)
            b.settled(page)
            page.locator(".stage-photo").wait_for()
            assert page.locator(".hotspot").count() == 3
            assert link not in page.url
            page.reload()
            b.settled(page)
            page.locator(".stage-photo").wait_for()

            page.get_by_role("button", name="New search").click()
            with page.expect_request("**/v1/look") as asked:
                drop(page, f'<a href="https://shop.example/page"><img src="{link}"></a>')
            assert asked.value.post_data_json["photo"] == {"url": link}
            b.settled(page)


def test_where_addresses_are_not_fetched_the_page_says_so(browser: Any, site: Any) -> None:
    with b.opened(browser, site.address) as page:
        page.watch.expected = ("the server responded with a status of 403",)
        page.get_by_label("Search in words").fill("https://shop.example/room.jpg")
        page.keyboard.press("Enter")
        said = page.get_by_role("alert")

        assert "Addresses are not opened here" in said.inner_text()
        said.get_by_role("button", name="Another photo").click()
        page.get_by_role("heading", name="Find what is in a photo").wait_for()
