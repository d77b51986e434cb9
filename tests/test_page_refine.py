"""Turns on the page: filters of one object, what is said of an answer, what it suggests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import page_browser as b
import pytest

pytestmark = pytest.mark.e2e
pytest.importorskip("playwright", reason="playwright is not installed")
if b.CHROMIUM is None:
    pytest.skip("there is no Chromium", allow_module_level=True)


@pytest.fixture(scope="module")
def site(tmp_path_factory: Any) -> Iterator[Any]:
    with b.site(tmp_path_factory.mktemp("refined")) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with b.chromium() as found:
        yield found


def chips(page: Any) -> list[str]:
    return list(page.locator(".chip-text").all_inner_texts())


def prices(page: Any) -> list[float]:
    texts = page.locator(".card-price").all_inner_texts()
    return [float(text.strip("€$ ")) for text in texts]


def press(page: Any, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()
    b.settled(page)


def choose(page: Any, number: int) -> None:
    page.locator(".object-chip").nth(number).click()
    page.get_by_role("heading", name=f"{number}. ").wait_for()


@pytest.mark.parametrize("viewport", [b.PHONE, b.DESKTOP], ids=["phone", "desktop"])
def test_a_chosen_object_has_filters_of_its_own(browser: Any, site: Any, viewport: Any) -> None:
    with b.opened(browser, site.address, viewport=viewport) as page:
        b.look(page)
        choose(page, 1)
        others = page.locator(".card-open").all_inner_texts()
        choose(page, 2)
        page.get_by_role("group", name="Filters for 2. ").wait_for()
        page.get_by_role("button", name="Category", exact=True).click()
        page.get_by_role("checkbox", name="Tall").check()
        b.settled(page)
        page.keyboard.press("Escape")

        assert chips(page) == ["Category: tall"]
        tall = page.locator(".card-open").all_inner_texts()
        assert tall
        assert all("tall" in title for title in tall)
        choose(page, 1)
        assert page.locator(".card-open").all_inner_texts() == others
        assert chips(page) == []
        page.locator(".object-chip").first.click()
        [chip] = chips(page)
        assert chip.startswith("2. ")
        assert chip.endswith("Category: tall")
        # a link has it too
        page.reload()
        b.settled(page)
        assert chips(page) == [chip]
        page.get_by_role("button", name=f"Remove {chip}").click()
        b.settled(page)
        choose(page, 2)
        assert page.locator(".card-open").all_inner_texts() != tall


def test_turns_are_said_one_after_the_other_and_each_is_undone(browser: Any, site: Any) -> None:
    with b.opened(browser, site.address) as page:
        page.get_by_label("Search in words").fill("thing")
        page.keyboard.press("Enter")
        b.settled(page)
        steps = [prices(page)]
        first = page.locator(".card-open").first.inner_text()
        b.refine(page, "not that one")
        assert first not in page.locator(".card-open").all_inner_texts()
        assert page.get_by_label("Refine in words").input_value() == "thing"
        steps.append(prices(page))
        b.refine(page, "more expensive")
        steps.append(prices(page))
        assert all(price > steps[1][0] for price in steps[2])
        bound = f"More expensive (over {steps[1][0]:g})"
        assert chips(page)[-2:] == ["Not that one", bound]

        # undoing the first leaves the second as it was meant
        press(page, "Remove Not that one")
        assert chips(page)[-1] == bound
        assert all(price > steps[1][0] for price in prices(page))
        page.go_back()
        b.settled(page)
        assert prices(page) == steps[2]
        press(page, f"Remove {bound}")
        assert prices(page) == steps[1]


def test_what_is_said_of_one_object_is_about_it_alone_and_asks_once(
    browser: Any, site: Any
) -> None:
    with b.opened(browser, site.address) as page:
        b.look(page)
        choose(page, 1)
        others = page.locator(".card-open").all_inner_texts()
        choose(page, 2)
        before = prices(page)
        asked: list[str] = []
        page.on("request", lambda one: asked.append(one.url) if "/v1/look" in one.url else None)
        b.refine(page, "something a bit cheaper")
        page.wait_for_timeout(400)

        assert len([url for url in asked if url.endswith("/v1/look")]) == 1
        assert all(price < before[0] for price in prices(page))
        assert chips(page) == [f"Something a bit cheaper (under {before[0]:g})"]
        choose(page, 1)
        assert page.locator(".card-open").all_inner_texts() == others


def test_what_splits_the_list_is_offered_and_taken_with_one_press(browser: Any, site: Any) -> None:
    with b.opened(browser, site.address) as page:
        b.look(page)
        choose(page, 2)
        offered = page.get_by_role("list", name="Narrow it").get_by_role("button")
        assert offered.first.inner_text() == "Cheaper"
        taken = offered.nth(1)
        text = taken.inner_text().split("\n")[0]
        before = set(page.locator(".card-open").all_inner_texts())
        kept = int(taken.locator(".option-count").inner_text().split()[0])
        taken.press("Enter")
        b.settled(page)

        assert chips(page) == [text]
        assert len(before & set(page.locator(".card-open").all_inner_texts())) == kept
        assert b.violations(page) == []


@pytest.mark.parametrize("viewport", [b.PHONE, b.DESKTOP], ids=["phone", "desktop"])
def test_the_look_is_chosen_within_a_budget_and_swapped_piece_by_piece(
    browser: Any, site: Any, viewport: Any
) -> None:
    with b.opened(browser, site.address, viewport=viewport) as page:
        b.look(page)
        page.get_by_role("button", name="Budget", exact=True).click()
        page.get_by_label("Together at most").fill("500")
        page.keyboard.press("Enter")
        lines = page.locator(".saved-line")
        lines.nth(2).wait_for()

        def costs() -> list[float]:
            texts = page.locator(".saved-line > div > span:last-child").all_inner_texts()
            return [float(text) for text in texts]

        def total() -> float:
            return float(page.locator(".basket-total strong").inner_text())

        assert total() == sum(costs()) <= 500
        assert b.violations(page) == []
        before = lines.locator("strong").all_inner_texts()
        swap = page.get_by_label("Instead, for 1. ")
        swap.select_option(index=1)
        page.wait_for_function(
            "title => document.querySelector('.saved-line strong').innerText !== title",
            arg=before[0],
        )
        after = lines.locator("strong").all_inner_texts()
        assert after[1:] == before[1:]
        assert total() == sum(costs()) <= 500
        page.get_by_label("Instead, for 2. ").select_option("")
        page.get_by_text("nothing chosen").wait_for()
        assert lines.locator("strong").all_inner_texts() == [after[0], after[2]]
        page.get_by_role("button", name="Save all 2").click()
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Saved products").click()
        page.get_by_role("heading", name="Saved products").wait_for()
        assert page.locator(".saved-line").count() == 2
