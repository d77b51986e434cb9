"""The page's address, its past, and what is kept when something fails; in Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import page_browser as b
import pytest

pytest.importorskip("playwright", reason="playwright is not installed")
if b.CHROMIUM is None:
    pytest.skip("no Chromium on this machine (set CHROMIUM to its path)", allow_module_level=True)

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with b.chromium() as found:
        yield found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with b.site(tmp_path_factory.mktemp("site")) as found:
        yield found


def shown(page: Any) -> dict[str, Any]:
    """What a person sees of the page's state."""
    b.settled(page)
    return {
        "title": page.title(),
        "heading": page.get_by_role("heading", level=1).inner_text(),
        "chips": page.locator(".chip-text").all_inner_texts(),
        "cards": page.locator(".card-open").all_inner_texts(),
        "marks": page.locator(".hotspot").count(),
    }


def give(page: Any, folder: Path, name: str = "own.png") -> None:
    """Choose a photo of one's own."""
    (folder / name).write_bytes(b.room())
    page.set_input_files("input[type=file]:not([capture])", folder / name)
    b.settled(page)


def test_an_own_photo_its_object_and_filters_survive_reload_and_a_link(
    browser: Any, site: Any, tmp_path: Path
) -> None:
    with b.opened(browser, site.address) as page:
        give(page, tmp_path)
        page.locator(".hotspot").nth(1).click()
        b.refine(page, "under 90")
        before = shown(page)
        address = page.url
        assert before["heading"].startswith("2. ")
        assert before["chips"] == ["Under 90"]

        page.reload()
        assert shown(page) == before
        # somebody else's browser has no photo: the service has, for a while
        with b.opened(browser, site.address) as other:
            other.goto("about:blank")
            other.goto(address)
            assert shown(other) == before
            other.locator(".stage-photo").wait_for()


def test_back_and_forward_go_through_what_was_shown(browser: Any, site: Any) -> None:
    with b.opened(browser, site.address) as page:
        b.look(page)
        steps = [shown(page)]
        page.locator(".hotspot").first.click()
        steps.append(shown(page))
        b.refine(page, "red")
        steps.append(shown(page))
        page.locator(".card-open").first.click()
        page.get_by_role("dialog").wait_for()

        page.go_back()
        page.get_by_role("dialog").wait_for(state="detached")
        assert shown(page) == steps[2]
        page.go_back()
        page.locator(".chip").wait_for(state="detached")
        assert shown(page) == steps[1]
        page.go_back()
        page.get_by_role("heading", name="The whole look").wait_for()
        assert shown(page) == steps[0]
        page.go_forward()
        page.go_forward()
        page.locator(".chip").wait_for()
        assert shown(page) == steps[2]
        for _ in range(3):
            page.go_back()
        page.get_by_role("heading", name="Find what is in a photo").wait_for()


def test_the_last_searches_are_there_again_until_they_are_forgotten(
    browser: Any, site: Any, tmp_path: Path
) -> None:
    with b.opened(browser, site.address) as page:
        give(page, tmp_path)
        b.refine(page, "green")
        before = shown(page)
        page.get_by_role("button", name="New search").click()
        page.get_by_label("Search in words").fill("blue")
        page.keyboard.press("Enter")
        b.settled(page)
        page.goto(f"{site.address}/")
        page.reload()
        page.get_by_role("heading", name="Your last searches").wait_for()
        links = page.locator(".recent a")
        assert links.locator(".sample-name").all_inner_texts() == ["“blue”", "The whole look"]
        links.nth(1).click()
        assert shown(page) == before

        page.goto(f"{site.address}/")
        page.get_by_role("button", name="Forget them").click()
        page.locator(".recent").wait_for(state="detached")
        page.reload()
        page.get_by_role("heading", name="Or try one of these").wait_for()
        page.wait_for_timeout(300)
        assert page.locator(".recent").count() == 0


def test_a_photo_that_nobody_kept_is_asked_for_again(browser: Any, site: Any) -> None:
    with b.opened(browser, site.address) as page:
        page.watch.expected = ("the server responded with a status of 410",)
        page.goto("about:blank")
        page.goto(f"{site.address}/#photo=p0&words=blue")
        said = page.get_by_role("alert")
        assert "not here any more" in said.inner_text()
        page.goto("about:blank")
        page.goto(f"{site.address}/#photo=p0&query=forgotten-{'x' * 20}")
        assert "The photo was forgotten" in said.inner_text()


def test_a_failed_refinement_keeps_what_was_there_and_is_undone(browser: Any, site: Any) -> None:
    with b.opened(browser, site.address) as page:
        page.watch.expected = ("status of 500",)
        b.look(page)
        before = shown(page)
        page.route("**/v1/look", lambda route: b.problem(route, 500, "internal"))
        b.refine(page, "red")
        said = page.get_by_role("alert").inner_text()

        assert "Something went wrong in the service" in said
        assert "what was found before" in said
        assert page.locator(".card-open").all_inner_texts() == before["cards"]
        page.get_by_role("button", name="Undo the change").click()
        page.get_by_role("alert").wait_for(state="detached")
        assert shown(page) == before


def test_the_newest_photo_wins_over_one_that_takes_long(
    browser: Any, site: Any, tmp_path: Path
) -> None:
    held = []
    with b.opened(browser, site.address) as page:
        page.unroute("**/samples/*.jpg")

        def hold(route: Any) -> None:
            held.append(route)

        page.route("**/samples/room-1.jpg", hold)
        page.get_by_role("button", name=b.SAMPLE).click()
        page.wait_for_timeout(100)
        give(page, tmp_path)
        newest = page.url
        held[-1].fulfill(body=b.room(), content_type="image/png")
        page.wait_for_timeout(500)

        assert page.url == newest
        assert "photo=room-1" not in newest


def test_what_alike_means_is_what_is_asked_for(browser: Any, site: Any) -> None:
    with b.opened(browser, site.address) as page:
        with page.expect_request("**/v1/look") as first:
            b.look(page)
        page.get_by_role("button", name="Match by").click()
        assert page.get_by_label("As this shop has it").is_checked()
        assert "preset" not in b.multipart(first.value)[1]
        with page.expect_request("**/v1/look") as second:
            page.get_by_label("Look and material").check()
        assert second.value.post_data_json["preset"] == "similar"
        b.settled(page)
        page.reload()
        b.settled(page)
        page.get_by_role("button", name="Match by").click()
        assert page.get_by_label("Look and material").is_checked()


def test_the_page_opens_at_its_top(browser: Any, site: Any) -> None:
    with b.opened(browser, site.address, viewport=b.PHONE) as page:
        page.get_by_role("button", name=re.compile("^Yellow armchair, black")).click()
        b.settled(page)
        assert page.evaluate("scrollY") == 0
        page.evaluate("scrollTo(0, 500)")
        page.reload()
        b.settled(page)
        assert page.evaluate("scrollY") == 0
