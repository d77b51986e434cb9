"""Products on the page: the first screen of a phone, cards, the detail, the wish list."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import page_browser as b
import pytest

pytest.importorskip("playwright", reason="playwright is not installed")
if b.CHROMIUM is None:
    pytest.skip("no Chromium on this machine (set CHROMIUM to its path)", allow_module_level=True)

pytestmark = pytest.mark.e2e
HAND = {"width": 390, "height": 844}
SALE = {
    "price": 40.0,
    "list_price": 50.0,
    "currency": "EUR",
    "in_stock": False,
    "colour": "red",
    "size": "M",
    "url": "https://shop.example/red",
    "group": "internal-7",
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with b.chromium() as found:
        yield found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with b.site(tmp_path_factory.mktemp("site")) as found:
        client = found.service.client
        client.patch("/v1/items/red-square", json={"attributes": SALE}).raise_for_status()
        yield found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_first_product_is_whole_on_the_first_screen_of_a_phone(
    browser: Any, site: Any, scheme: str
) -> None:
    how = {"viewport": HAND, "has_touch": True, "is_mobile": True, "color_scheme": scheme}
    with b.opened(browser, site.address, **how) as page:
        b.look(page)
        card = page.locator(".card").first
        price = card.locator(".card-price").bounding_box()
        photo = page.locator(".stage-photo").bounding_box()

        assert page.evaluate("scrollY") == 0
        assert price["y"] + price["height"] <= HAND["height"]
        assert photo["y"] + photo["height"] <= card.bounding_box()["y"]
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_the_sheet_is_drawn_over_a_photo_that_shrinks_and_objects_stay_at_hand(
    browser: Any, site: Any
) -> None:
    with b.opened(browser, site.address, viewport=HAND, has_touch=True, is_mobile=True) as page:
        b.look(page)
        before = page.locator(".stage-photo").bounding_box()
        page.evaluate("scrollTo(0, 150)")
        page.wait_for_timeout(100)
        after = page.locator(".stage-photo").bounding_box()
        row = page.locator(".work-objects").bounding_box()

        assert after["width"] < before["width"]
        assert row["y"] < after["y"] + after["height"]
        page.evaluate("scrollTo(0, 5000)")
        page.wait_for_timeout(100)
        head = page.locator(".top").bounding_box()
        row = page.locator(".work-objects").bounding_box()
        assert row["y"] == pytest.approx(head["y"] + head["height"], abs=2)


def test_the_whole_look_is_grouped_by_object_or_one_list(browser: Any, site: Any) -> None:
    with b.opened(browser, site.address) as page:
        b.look(page)
        groups = page.locator(".group")
        assert groups.count() == 3
        for group in groups.all():
            assert 1 <= group.locator(".card").count() <= 4
        page.get_by_role("button", name="One list").click()
        assert groups.count() == 0
        assert "view=list" in page.url
        page.get_by_role("button", name="One list").click()
        groups.nth(1).get_by_role("button", name="See all").click()
        assert page.get_by_role("heading", level=1).inner_text().startswith("2. ")


def with_kinds(route: Any) -> None:
    """The answer, as a service gives it that compares kinds: nothing is of the third's."""
    answer = route.fetch()
    found = answer.json()
    for index, region in enumerate(found["regions"]):
        for rank, match in enumerate(region["matches"]):
            match["parts"]["meaning"] = 0.0 if index == 2 or rank == 1 else 0.06
    route.fulfill(response=answer, json=found)


def test_what_is_of_another_kind_is_marked_and_comes_last(browser: Any, site: Any) -> None:
    with b.opened(browser, site.address) as page:
        page.route("**/v1/look", with_kinds)
        b.look(page)
        first = page.locator(".group").first.locator(".card")
        marks = [card.locator(".card-mark").count() for card in first.all()]
        assert marks[:3] == [0, 1, 0]
        closed = page.locator("details.weak")
        assert "Nothing of their kind" in closed.inner_text()
        assert closed.locator(".card").first.is_visible() is False
        closed.locator("summary").click()
        assert closed.locator(".card-mark").count() == closed.locator(".card").count() > 0
        assert page.locator(".object-more", has_text="nothing of its kind").count() == 1


def test_a_card_says_price_sale_stock_colour_and_size_in_two_stops_of_tab(
    browser: Any, site: Any
) -> None:
    with b.opened(browser, site.address) as page:
        b.look(page)
        card = page.locator(".card", has_text="€40.00").first
        text = card.inner_text()

        for part in ("€40.00", "€50.00", "Sold out", "red · M"):
            assert part in text
        assert card.locator("s").inner_text() == "€50.00"
        stops = card.locator("button:not([tabindex='-1']), a")
        assert stops.count() == 2
        labels = page.locator(".toolbar").inner_text()
        assert "Group" not in labels
        assert "Currency" not in labels


def test_the_picture_opens_a_detail_with_zoom_photos_link_similar_and_why(
    browser: Any, site: Any
) -> None:
    with b.opened(browser, site.address) as page:
        b.look(page)
        card = page.locator(".card", has_text="€40.00").first
        place = card.locator(".picture").bounding_box()
        page.mouse.click(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
        detail = page.get_by_role("dialog")
        detail.get_by_role("link", name="Open in the shop").wait_for()
        zoom = detail.get_by_role("button", name="Look closer")
        zoom.press("Enter")
        near = detail.locator(".gallery-main.is-near")
        near.press("ArrowRight")
        assert near.evaluate("one => one.style.getPropertyValue('--x')") == "65%"
        assert detail.get_by_role("heading", name="Why this match").count() == 1
        detail.get_by_role("heading", name="Goes with").wait_for()
        similar = detail.locator(".strip button").first
        title = similar.locator(".strip-title").inner_text()
        similar.click()
        detail.get_by_role("heading", name=title, exact=True, level=2).wait_for()
        page.keyboard.press("Escape")
        detail.wait_for(state="detached")
        page.wait_for_url(lambda address: "product=" not in address)
        assert b.focused(page).startswith(card.locator(".card-open").inner_text())


def test_a_wish_list_is_kept_exported_and_shared(browser: Any, site: Any, tmp_path: Path) -> None:
    permissions = ["clipboard-read", "clipboard-write"]
    with b.opened(browser, site.address, permissions=permissions) as page:
        b.look(page)
        titles = []
        for card in page.locator(".group").first.locator(".card").all()[:2]:
            card.get_by_role("button", name="Save").click()
            titles.append(card.locator(".card-open").inner_text())
        page.reload()
        b.settled(page)
        page.get_by_role("button", name="Saved products, 2").click()
        dialog = page.get_by_role("dialog")
        dialog.locator(".saved-line").nth(1).wait_for()
        assert dialog.locator(".saved-line strong").all_inner_texts() == titles[::-1]
        with page.expect_download() as got:
            dialog.get_by_role("button", name="JSON").click()
        kept = json.loads(got.value.path().read_text("utf-8"))
        assert [one["title"] for one in kept] == titles[::-1]
        with page.expect_download() as got:
            dialog.get_by_role("button", name="CSV").click()
        assert got.value.path().read_text("utf-8").startswith("id,title,price,url")
        page.evaluate("() => { navigator.share = undefined; }")
        dialog.get_by_role("button", name="Share").click()
        page.wait_for_timeout(100)
        link = page.evaluate("navigator.clipboard.readText()")
        with b.opened(browser, site.address) as other:
            other.goto("about:blank")
            other.goto(link)
            shared = other.get_by_role("dialog")
            shared.get_by_role("button", name="Save all 2").click()
            assert shared.locator("section").nth(1).locator(".saved-line").count() == 2
        dialog.get_by_role("button", name=f"Remove {titles[1]}").click()
        assert dialog.locator(".saved-line").count() == 1


def test_an_opinion_is_taken_back_by_a_second_press(browser: Any, site: Any) -> None:
    with b.opened(browser, site.address) as page:
        b.look(page)
        thumb = page.locator(".act.is-like").first
        with page.expect_response("**/v1/feedback") as first:
            thumb.click()
        assert first.value.json()["kind"] == "like"
        assert thumb.get_attribute("aria-pressed") == "true"
        with page.expect_response("**/v1/feedback") as second:
            thumb.click()

        assert second.value.status == 201
        assert second.value.json()["kind"] == "withdraw"
        assert thumb.get_attribute("aria-pressed") == "false"


def test_an_area_begins_at_the_chosen_object_and_is_moved_from_there(
    browser: Any, site: Any
) -> None:
    with b.opened(browser, site.address) as page:
        b.look(page)
        page.locator(".hotspot").nth(1).click()
        outline = page.locator(".outline").bounding_box()
        page.get_by_role("button", name="Move or resize its box").click()
        crop = page.locator(".crop").bounding_box()
        assert crop["x"] == pytest.approx(outline["x"], abs=2)
        assert crop["width"] == pytest.approx(outline["width"], abs=4)
        handle = page.locator(".crop-handle.at-se").bounding_box()
        middle = handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2
        with page.expect_request("**/v1/look") as asked:
            page.mouse.move(*middle)
            page.mouse.down()
            page.mouse.move(middle[0] - 20, middle[1] - 10, steps=4)
            page.mouse.up()
        box = asked.value.post_data_json["boxes"][0]
        frame = page.locator(".stage-frame").bounding_box()
        width = (box[2] - box[0]) * frame["width"]
        assert width == pytest.approx(crop["width"] - 20, abs=3)
        b.settled(page)
        page.keyboard.press("Escape")
        assert b.focused(page).startswith("Search an area")


def test_show_more_leaves_the_focus_on_the_first_new_product(browser: Any, site: Any) -> None:
    with b.opened(browser, site.address) as page:
        page.get_by_label("Search in words").fill("thing")
        page.keyboard.press("Enter")
        b.settled(page)
        shown = page.locator(".card-open")

        def few(route: Any) -> None:
            asked = route.request.post_data_json
            route.continue_(post_data=json.dumps({**asked, "limit": 5}))

        page.route("**/v1/search", few)
        b.refine(page, "things")
        before = shown.count()
        assert before == 5
        page.get_by_role("button", name="Show more").press("Enter")
        shown.nth(before).wait_for()
        page.wait_for_timeout(100)
        assert b.focused(page) == shown.nth(before).inner_text()


def test_json_curl_times_and_the_key_are_in_a_menu(browser: Any, site: Any) -> None:
    with b.opened(browser, site.address) as page:
        b.look(page)
        assert page.locator(".summary").inner_text() == "3 objects"
        page.get_by_role("button", name="More", exact=True).click()
        menu = page.locator("#panel-menu")
        names = ("Link to this page", "Answer as JSON", "Request as curl", "API key")
        for name in names:
            assert menu.get_by_role("button", name=name).count() == 1
        assert "in the service" in menu.inner_text()


def test_an_object_that_is_chosen_ends_the_drawing_of_an_area(browser: Any, site: Any) -> None:
    with b.opened(browser, site.address) as page:
        b.look(page)
        page.get_by_role("button", name="Search an area").click()
        page.get_by_role("button", name="Search this area").click()
        b.settled(page)
        assert page.get_by_role("heading", level=1).inner_text() == "In your area"
        page.locator(".object-chip").last.click()
        page.locator(".crop").wait_for(state="detached")
        page.locator(".object-chip", has_text="Your area").click()
        page.locator(".crop").wait_for()
