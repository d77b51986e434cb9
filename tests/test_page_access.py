"""The page without a mouse, without sight, large, and from right to left; in Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import page_browser as b
import pytest

pytest.importorskip("playwright", reason="playwright is not installed")
if b.CHROMIUM is None:
    pytest.skip("no Chromium on this machine (set CHROMIUM to its path)", allow_module_level=True)

pytestmark = pytest.mark.e2e
TABLET = {"width": 820, "height": 1180}
TWICE = {"width": 720, "height": 450}
"""A desktop of 1440 by 900 at 200 % zoom."""
ARABIC = "أريكة حمراء"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with b.chromium() as found:
        yield found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with b.site(tmp_path_factory.mktemp("site")) as found:
        change = {"attributes": {"title": ARABIC, "price": 10.0, "currency": "EUR"}}
        found.service.client.patch("/v1/items/red-square", json=change).raise_for_status()
        yield found


def overflow(page: Any) -> int:
    """Pixels that stick out of the window sideways."""
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))


def outside(page: Any) -> list[str]:
    """Buttons that are cut off by the window, but in rows that scroll."""
    script = """() => [...document.querySelectorAll('button, a, input, select')].filter(one => {
        const box = one.getBoundingClientRect();
        const rows = '.toolbar, .objects, .cards.is-row, .strip, .gallery-row, .hidden, .skip';
        const isShown = box.width > 1 && one.checkVisibility();
        return isShown && !one.closest(rows) && (box.left < -1 || box.right > innerWidth + 1);
    }).map(one => one.outerHTML.slice(0, 90))"""
    return list(page.evaluate(script))


def test_a_keyboard_alone_saves_opens_and_comes_back_to_where_it_was(
    browser: Any, site: Any
) -> None:
    with b.opened(browser, site.address) as page:
        b.tab_to(page, "Skip to the content")
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        b.tab_to(page, b.SAMPLE)
        page.keyboard.press("Enter")
        b.settled(page)
        title = page.locator(".card-open").first.inner_text()
        b.tab_to(page, title)
        page.keyboard.press("Enter")
        page.get_by_role("dialog").wait_for()
        b.tab_to(page, "Save")
        page.keyboard.press("Space")
        page.keyboard.press("Escape")
        assert b.focused(page) == title
        page.keyboard.press("Tab")
        assert b.focused(page) == f"Save: {title}"
        assert page.locator(".act.is-heart").first.get_attribute("aria-pressed") == "true"
        page.keyboard.press("End")
        assert b.focused(page) == f"Bad match: {title}"
        page.keyboard.press("ArrowRight")
        assert b.focused(page) == f"Save: {title}"


def test_a_panel_and_an_area_that_are_closed_give_the_focus_back(browser: Any, site: Any) -> None:
    with b.opened(browser, site.address) as page:
        b.look(page)
        for name in ("Category", "More"):
            page.get_by_role("button", name=name, exact=True).press("Enter")
            page.keyboard.press("Tab")
            page.keyboard.press("Escape")
            assert b.focused(page).startswith(name)
        page.get_by_role("button", name="Search an area").press("Enter")
        assert b.focused(page).startswith("Area to search")
        page.keyboard.press("Escape")
        assert b.focused(page).startswith("Search an area")


def test_samples_and_searches_have_names_of_their_own(browser: Any, site: Any) -> None:
    with b.opened(browser, site.address) as page:
        names = [one.get_attribute("alt") for one in page.locator(".samples img").all()]
        assert len(names) == len(set(names)) == 8


@pytest.mark.parametrize("viewport", [TWICE, TABLET], ids=["zoomed", "tablet"])
def test_axe_finds_nothing_and_nothing_sticks_out_large(
    browser: Any, site: Any, viewport: dict[str, int]
) -> None:
    with b.opened(browser, site.address, viewport=viewport) as page:
        states = [b.violations(page) + outside(page)]
        assert overflow(page) <= 0
        b.look(page)
        states.append(b.violations(page) + outside(page))
        assert overflow(page) <= 0
        page.locator(".hotspot").nth(1).click()
        page.get_by_role("button", name="Move or resize its box").click()
        states.append(b.violations(page) + outside(page))
        page.locator(".crop-move").press("Escape")
        page.locator(".card-open").first.click()
        page.locator(".strip").first.wait_for()
        states.append(b.violations(page) + outside(page))
        assert overflow(page) <= 0

        assert states == [[], [], [], []]


@pytest.mark.parametrize("viewport", [b.PHONE, b.DESKTOP], ids=["phone", "desktop"])
def test_the_page_reads_from_right_to_left(
    browser: Any, site: Any, viewport: dict[str, int]
) -> None:
    with b.opened(browser, site.address, viewport=viewport) as page:
        page.evaluate("document.documentElement.dir = 'rtl'")
        assert overflow(page) <= 0
        b.look(page)
        assert (overflow(page), outside(page), b.violations(page)) == (0, [], [])
        brand = page.locator(".brand").bounding_box()
        assert brand["x"] > viewport["width"] / 2
        heart = page.locator(".act.is-heart").first
        heart.focus()
        page.keyboard.press("ArrowLeft")
        assert b.focused(page).startswith("More like this")
        page.get_by_role("button", name="More", exact=True).click()
        panel = page.locator("#panel-menu").bounding_box()
        assert panel["x"] >= 0
        assert panel["x"] + panel["width"] <= viewport["width"]


def test_a_title_is_written_in_its_own_direction(browser: Any, site: Any) -> None:
    with b.opened(browser, site.address) as page:
        b.look(page)
        title = page.locator(".card-open", has_text=ARABIC).first
        assert title.evaluate("one => getComputedStyle(one).direction") == "rtl"
        other = page.locator(".card-open", has_text="thing").first
        assert other.evaluate("one => getComputedStyle(one).direction") == "ltr"
