"""The widget in a shop's own page: another origin, a strict policy, a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import page_browser as b
import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

pytest.importorskip("playwright", reason="playwright is not installed")
if b.CHROMIUM is None:
    pytest.skip("no Chromium on this machine (set CHROMIUM to its path)", allow_module_level=True)

pytestmark = pytest.mark.e2e
KEY = "pk-shop-example-2026-public"
DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = (DOCS / "widget.html").read_text(encoding="utf-8")
STYLE = (DOCS / "widget.css").read_text(encoding="utf-8")
LOUD = """
* { color: rgb(255, 0, 0) !important; font-size: 40px !important; letter-spacing: 9px !important }
button, a, ul, li, img { display: none !important; border: 9px solid red !important }
scenesearch-strip, scenesearch-look { display: block !important }
scenesearch-camera, img { display: inline-block !important }
"""
NOTES = """(() => {
  window.heard = [];
  for (const kind of ["click", "add", "view", "error"]) {
    document.addEventListener(`scenesearch:${kind}`, (event) => {
      if (kind === "click") event.preventDefault();
      window.heard.push([kind, event.detail.item_id]);
    });
  }
  window.shifts = 0;
  new PerformanceObserver((list) => {
    for (const one of list.getEntries()) window.shifts += one.value;
  }).observe({ type: "layout-shift", buffered: true });
  window.refused = [];
  addEventListener("securitypolicyviolation", (event) => {
    window.refused.push(`${event.violatedDirective} ${event.blockedURI}`);
  });
})()"""
FILLED = """() => [...document.querySelectorAll("scenesearch-strip")]
  .every((strip) => strip.shadowRoot.querySelector(".card"))"""
STYLES = """(strip) => [...strip.shadowRoot.querySelectorAll("h2, .title, .add, .card a, li")]
  .slice(0, 9).map((one) => getComputedStyle(one))
  .map((s) => [s.color, s.fontSize, s.letterSpacing, s.display, s.borderTopWidth])"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with b.chromium() as found:
        yield found


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The page of the docs at an origin of its own, and a service that lets that origin ask."""
    said: dict[str, str] = {}

    async def page(request: Any) -> Response:
        lang = request.query_params.get("lang", "en")
        text = said["shown"].replace('<html lang="en">', f'<html lang="{lang}">')
        policy = (
            f"default-src 'none'; script-src {said['service']}; connect-src {said['service']}; "
            f"img-src {said['service']}; style-src 'self'; base-uri 'none'; form-action 'self'; "
            "require-trusted-types-for 'script'; trusted-types 'none'"
        )
        headers = {"Content-Security-Policy": policy}
        return Response(text, media_type="text/html", headers=headers)

    async def style(request: Any) -> Response:
        return Response(said.get("style", ""), media_type="text/css")

    host = Starlette(routes=[Route("/page", page), Route("/widget.css", style)])
    with b.listening(host) as address:
        section = {
            "public_photos": True,
            "keys": [
                {"key": KEY, "scopes": ["search", "feedback"], "origins": [address]},
                {"key": "a-write-key-0123456789", "scopes": ["write"]},
            ],
        }
        with b.site(tmp_path_factory.mktemp("shop"), section=section) as site:
            headers = {"Authorization": "Bearer a-write-key-0123456789"}
            for item_id, values in {
                "pink-square": {"url": f"{address}/red", "currency": "EUR", "title": b.HOSTILE},
                "blue-wide": {"in_stock": False, "currency": "EUR"},
            }.items():
                site.service.client.patch(
                    f"/v1/items/{item_id}", json={"attributes": values}, headers=headers
                ).raise_for_status()
            text = PAGE.replace("https://search.example.com", site.address)
            for ours, theirs in {
                "armchair2-green": "blue-wide",
                "couch-terracotta": "no such item",
                "couch-blue": "red-square",
            }.items():
                text = text.replace(ours, theirs)
            said.update(page=text, service=site.address)
            yield SimpleNamespace(address=address, said=said, service=site.service)


def until(page: Any, expression: str) -> None:
    """Wait for something of the page; its policy lets the browser's own way of waiting not run."""
    for _ in range(100):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"not within 10 s: {expression}")


@contextmanager
def opened(
    browser: Any,
    shop: Any,
    *,
    lang: str = "en",
    style: str = "",
    change: tuple[str, str] = ("", ""),
    **context: Any,
) -> Iterator[Any]:
    """The page, filled; ``change`` is what is written instead of something in it."""
    shop.said["style"] = STYLE + style
    shop.said["shown"] = re.sub(*change, shop.said["page"], flags=re.DOTALL)
    held = browser.new_context(viewport=context.pop("viewport", b.DESKTOP), **context)
    page = held.new_page()
    page.set_default_timeout(15_000)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
    page.add_init_script(NOTES)
    drawn = {"body": b.room(), "content_type": "image/png"}
    drawn["headers"] = {
        "Access-Control-Allow-Origin": shop.address,
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    page.route("**/samples/drawn.png", lambda route: route.fulfill(**drawn))
    try:
        page.goto(f"{shop.address}/page?lang={lang}")
        page.locator("scenesearch-strip .card").first.wait_for()
        until(page, FILLED)
        page.wait_for_timeout(200)
        yield page
        # what is gone, or no photo, the browser writes down by itself
        assert [one for one in wrong if not re.search("status of (404|415)", one)] == []
        assert page.evaluate("window.refused") == []
    finally:
        held.close()


def test_strips_show_what_is_similar_and_what_goes_with_it_and_nothing_moves(
    browser: Any, shop: Any
) -> None:
    with opened(browser, shop) as page:
        similar, fits = page.locator("scenesearch-strip").all()
        titles = similar.locator(".title").all_inner_texts()

        assert similar.get_by_role("heading").inner_text() == "Similar products"
        assert fits.get_by_role("heading").inner_text() == "Goes well with it"
        assert len(titles) == 8
        assert b.HOSTILE in titles, "text is text"
        assert page.evaluate("window.hacked") is None
        assert page.evaluate("window.shifts") == 0
        # pictures come from the service, without a key
        shot = similar.locator("img").first
        assert shot.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0


def test_the_shop_hears_what_is_seen_clicked_and_wanted(browser: Any, shop: Any) -> None:
    with opened(browser, shop) as page:
        similar = page.locator("scenesearch-strip").first
        similar.scroll_into_view_if_needed()
        until(page, "window.heard.some(([kind]) => kind === 'view')")
        similar.get_by_role("link").first.click()
        similar.get_by_role("button", name="Add to basket").first.click()
        page.wait_for_timeout(100)
        heard = page.evaluate("window.heard")

        assert ["click", "pink-square"] in heard
        assert [kind for kind, _ in heard].count("add") == 1
        assert page.url.endswith("/page?lang=en"), "the shop said that it goes there itself"
    listed = shop.service.client.get(
        "/v1/feedback", headers={"Authorization": "Bearer a-write-key-0123456789"}
    ).json()["feedback"]
    assert [(one["kind"], one["item_id"]) for one in listed] == [("click", "pink-square")]


def test_a_photo_is_searched_from_beside_the_field(browser: Any, shop: Any) -> None:
    with opened(browser, shop) as page:
        button = page.get_by_role("button", name="Search with a photo")
        button.click()
        dialog = page.get_by_role("dialog")
        dialog.locator("input[type=file]").set_input_files(
            {"name": "room.png", "mimeType": "image/png", "buffer": b.room()}
        )
        dialog.locator(".card").first.wait_for()
        rows = dialog.get_by_role("list").all()
        firsts = [one.locator(".title").first.inner_text() for one in rows]

        assert sorted(firsts) == ["blue wide thing", "green tall thing", "red square thing"]
        page.keyboard.press("Escape")
        assert not dialog.is_visible()
        assert page.evaluate("document.activeElement.localName") == "scenesearch-camera"
        assert page.evaluate("window.shifts") == 0


def test_what_is_no_photo_is_said_in_words(browser: Any, shop: Any) -> None:
    with opened(browser, shop) as page:
        page.get_by_role("button", name="Search with a photo").click()
        dialog = page.get_by_role("dialog")
        dialog.locator("input[type=file]").set_input_files(
            {"name": "x.txt", "mimeType": "text/plain", "buffer": b"no photo"}
        )

        assert dialog.get_by_role("alert").inner_text() == "That did not work. Try again."


def test_hotspots_show_products_as_they_are_now(browser: Any, shop: Any) -> None:
    with opened(browser, shop) as page:
        spot = page.get_by_role("button", name="Show: chair")
        picture, round_ = page.locator("scenesearch-look img").bounding_box(), spot.bounding_box()
        across = (round_["x"] + round_["width"] / 2 - picture["x"]) / picture["width"]
        assert across == pytest.approx(0.28, abs=0.005), "on the picture, however wide the page is"
        assert round_["width"] >= 24
        spot.click()
        sheet = page.locator("scenesearch-look .sheet")
        sheet.locator(".card").wait_for()

        assert sheet.locator(".title").inner_text() == "blue wide thing", "and not what was written"
        assert "Sold out" in sheet.inner_text()
        assert sheet.get_by_role("button", name="Add to basket").is_disabled()
        page.keyboard.press("Escape")
        assert page.get_by_role("button", name="Show: chair").evaluate(
            "button => button.getRootNode().activeElement === button"
        )
        page.get_by_role("button", name="Show: couch").click()
        sheet.locator(".card").wait_for()
        assert "No longer available" in sheet.inner_text()
        assert page.evaluate("window.shifts") == 0


def test_without_hotspots_the_service_says_what_it_sees(browser: Any, shop: Any) -> None:
    picture = rf'<scenesearch-look><img crossorigin src="{shop.said["service"]}/samples/drawn.png">'
    with opened(browser, shop, change=("<scenesearch-look>.*?</script>", picture)) as page:
        until(page, "document.querySelector('scenesearch-look').shadowRoot.querySelector('.spot')")
        spots = page.locator("scenesearch-look .spot")

        assert spots.count() == 3
        spots.nth(0).click()
        first = page.locator("scenesearch-look .sheet .card .title").first.inner_text()
        assert first in ("red square thing", "blue wide thing", "green tall thing")


def test_a_button_is_put_over_the_end_of_a_field(browser: Any, shop: Any) -> None:
    change = ("<scenesearch-camera></scenesearch-camera>|data-feedback", "data-camera='#search'")
    with opened(
        browser, shop, change=change, style="#search { width: 300px; height: 48px }"
    ) as page:
        field = page.locator("#search").bounding_box()
        button = page.get_by_role("button", name="Search with a photo").bounding_box()

        assert field["x"] < button["x"] < field["x"] + field["width"]
        assert button["x"] + button["width"] <= field["x"] + field["width"]
        assert abs(button["y"] - field["y"]) <= 3
        assert page.evaluate("window.shifts") == 0


@pytest.mark.parametrize(
    ("lang", "heading", "direction"),
    [
        ("de-AT", "Ähnliche Produkte", "ltr"),
        ("fr", "Produits similaires", "ltr"),
        ("es", "Productos parecidos", "ltr"),
        ("ar", "منتجات مشابهة", "rtl"),
        ("fi", "Similar products", "ltr"),
    ],
)
def test_it_speaks_the_language_of_the_page(
    browser: Any, shop: Any, lang: str, heading: str, direction: str
) -> None:
    with opened(browser, shop, lang=lang, viewport=b.PHONE) as page:
        strip = page.locator("scenesearch-strip").first

        assert strip.get_by_role("heading").inner_text() == heading
        card = strip.locator(".card").first
        assert card.evaluate("e => getComputedStyle(e).direction") == direction
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_styles_of_the_page_do_not_reach_it_and_its_do_not_reach_the_page(
    browser: Any, shop: Any
) -> None:
    def looks(page: Any) -> Any:
        return page.locator("scenesearch-strip").first.evaluate(STYLES)

    with opened(browser, shop) as page:
        plain = looks(page)
        own = page.locator("#end").evaluate("e => getComputedStyle(e).font")
    with opened(browser, shop, style=LOUD) as page:
        assert looks(page) == plain
    with opened(browser, shop, style=":root { --scenesearch-text: rgb(1, 2, 3) }") as page:
        assert looks(page)[0][0] == "rgb(1, 2, 3)"
        assert page.locator("#end").evaluate("e => getComputedStyle(e).font") == own
        sheets = "document.adoptedStyleSheets.length + document.styleSheets.length"
        assert page.evaluate(sheets) == 1


def test_axe_finds_nothing_wrong(browser: Any, shop: Any) -> None:
    with opened(browser, shop) as page:
        assert b.violations(page) == []
        page.get_by_role("button", name="Show: chair").click()
        page.locator("scenesearch-look .sheet .card").wait_for()
        assert b.violations(page) == []
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Search with a photo").click()
        assert b.violations(page) == []


def test_a_page_of_another_origin_is_refused(browser: Any, shop: Any) -> None:
    with b.listening(
        Starlette(
            routes=[
                Route(
                    "/page",
                    lambda request: Response(
                        re.sub(r"<link.*", "", shop.said["page"]), media_type="text/html"
                    ),
                )
            ]
        )
    ) as other:
        page = browser.new_page()
        page.add_init_script(NOTES)
        page.goto(f"{other}/page")
        until(page, "window.heard.some(([kind]) => kind === 'error')")

        assert page.locator("scenesearch-strip .card").count() == 0
        page.close()
