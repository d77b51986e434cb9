"""The page as people use it: in Chromium, over a real engine with models that fake."""

from __future__ import annotations

import io
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
KEY = "a-read-key-of-sixteen-letters"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with b.chromium() as found:
        yield found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with b.site(tmp_path_factory.mktemp("site")) as found:
        changes = {
            "red-square": {"title": b.HOSTILE},
            "red-wide": {"url": "https://shop.example/red", "currency": "EUR"},
        }
        for item_id, attributes in changes.items():
            body = {"attributes": attributes}
            found.service.client.patch(f"/v1/items/{item_id}", json=body).raise_for_status()
        yield found


def test_a_keyboard_alone_goes_from_a_sample_to_a_filtered_and_steered_answer(
    browser: Any, site: Any
) -> None:
    with b.opened(browser, site.address) as page:
        b.tab_to(page, b.SAMPLE)
        page.keyboard.press("Enter")
        b.settled(page)
        b.tab_to(page, "Object 1:")
        page.keyboard.press("ArrowRight")
        assert b.focused(page).startswith("Object 2:")
        page.keyboard.press("Enter")
        b.settled(page)
        name = page.get_by_role("heading", level=1).inner_text()
        assert name.startswith("2. ")
        b.tab_to(page, "Colour")
        page.keyboard.press("Enter")
        b.tab_to(page, "green")
        page.keyboard.press("Space")
        page.keyboard.press("Escape")
        assert b.focused(page).startswith("Colour")
        b.settled(page)
        titles = page.locator(".card-title").all_inner_texts()
        assert titles
        assert all("green" in title for title in titles)
        b.tab_to(page, "Save")
        page.keyboard.press("ArrowRight")
        assert b.focused(page).startswith("More like this")
        page.keyboard.press("Enter")
        b.settled(page)

        chips = page.locator(".chip-text").all_inner_texts()
        assert [chip.split(":")[0].split(" like")[0] for chip in chips] == ["Colour", "More"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [b.PHONE, b.DESKTOP], ids=["phone", "desktop"])
def test_axe_finds_nothing_wrong_in_any_state(
    browser: Any, site: Any, scheme: str, viewport: dict[str, int]
) -> None:
    with b.opened(browser, site.address, color_scheme=scheme, viewport=viewport) as page:
        page.watch.expected = ("the server responded with a status of 500",)
        assert b.violations(page) == [], "first screen"
        page.get_by_role("button", name="API key").click()
        assert b.violations(page) == [], "key"
        page.keyboard.press("Escape")
        b.look(page)
        assert b.violations(page) == [], "look"
        page.locator(".hotspot").nth(1).click()
        for panel in ("Category", "Colour", "Price", "Match by", "More"):
            page.get_by_role("button", name=panel, exact=True).click()
            assert b.violations(page) == [], panel
            page.keyboard.press("Escape")
        page.locator(".card-open").first.click()
        page.locator(".strip").first.wait_for()
        assert b.violations(page) == [], "detail"
        page.keyboard.press("Escape")
        page.locator(".act.is-heart").first.click()
        page.get_by_role("button", name="Saved products").click()
        page.locator(".saved-line").wait_for()
        assert b.violations(page) == [], "saved"
        page.keyboard.press("Escape")
        page.locator(".act.is-more").first.click()
        b.refine(page, "red, under 50 eur, not wide")
        assert b.violations(page) == [], "refined"
        page.get_by_role("button", name="Move or resize its box").click()
        page.get_by_role("button", name="Search this area").click()
        b.settled(page)
        assert b.violations(page) == [], "area"
        b.refine(page, "under 1")
        page.get_by_text("Nothing fits all of that").wait_for()
        assert b.violations(page) == [], "empty"
        page.route("**/v1/look", lambda route: b.problem(route, 500, "internal"))
        b.refine(page, "over 1")
        page.get_by_role("alert").wait_for()
        assert b.violations(page) == [], "error"


@pytest.mark.parametrize("width", [360, 768, 1600])
def test_hotspots_are_large_enough_apart_and_on_the_photo(
    browser: Any, site: Any, width: int
) -> None:
    viewport = {"width": width, "height": 800}
    with b.opened(browser, site.address, viewport=viewport) as page:
        b.look(page)
        spots = [one.bounding_box() for one in page.locator(".hotspot").all()]
        photo = page.locator(".stage-frame").bounding_box()
        overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")

        assert len(spots) == 3
        assert overflow <= 0
        for i, one in enumerate(spots):
            assert min(one["width"], one["height"]) >= 24
            assert photo["x"] <= one["x"]
            assert one["x"] + one["width"] <= photo["x"] + photo["width"]
            for other in spots[i + 1 :]:
                across, down = abs(one["x"] - other["x"]), abs(one["y"] - other["y"])
                assert (across**2 + down**2) ** 0.5 >= one["width"]


def test_titles_and_links_of_a_hostile_catalogue_stay_text(browser: Any, site: Any) -> None:
    def with_link(route: Any) -> None:
        # the service refuses to store such a link; the page must not count on that
        answer = route.fetch()
        found = answer.json()
        for match in (m for part in (found, *found["regions"]) for m in part["matches"]):
            if match["item_id"] == "red-square":
                match["attributes"]["url"] = "javascript:window.hacked=3"
        route.fulfill(response=answer, json=found)

    with b.opened(browser, site.address) as page:
        page.route("**/v1/look", with_link)
        b.look(page)
        title = page.locator(".card-open", has_text="onerror").first

        assert title.inner_text() == b.HOSTILE
        title.click()
        assert page.get_by_role("dialog").get_by_role("heading", level=2).inner_text() == b.HOSTILE
        assert page.get_by_role("link", name="Open in the shop").count() == 0
        page.keyboard.press("Escape")
        page.get_by_role("button", name="One list").click()
        page.locator(".card-open", has_text=re.compile("red.wide")).first.click()
        link = page.get_by_role("link", name="Open in the shop")
        assert link.get_attribute("href") == "https://shop.example/red"
        assert set(link.get_attribute("rel").split()) == {"noopener", "noreferrer", "nofollow"}
        assert page.evaluate("window.hacked") is None


def test_an_area_is_drawn_moved_and_searched_without_a_second_upload(
    browser: Any, site: Any
) -> None:
    with b.opened(browser, site.address) as page:
        b.look(page)
        frame = page.locator(".stage-frame").bounding_box()
        x, y, w, h = (frame[name] for name in ("x", "y", "width", "height"))
        with page.expect_request("**/v1/look") as drawn:
            page.mouse.move(x + 0.1 * w, y + 0.1 * h)
            page.mouse.down()
            page.mouse.move(x + 0.3 * w, y + 0.3 * h, steps=4)
            page.mouse.move(x + 0.5 * w, y + 0.4 * h, steps=4)
            page.mouse.up()
        first = drawn.value.post_data_json
        b.settled(page)
        with page.expect_request("**/v1/look") as keyed:
            page.keyboard.press("ArrowRight")
            page.keyboard.press("Shift+ArrowDown")
        second = keyed.value.post_data_json

        assert first["query_id"] == second["query_id"]
        assert "photo" not in first
        assert first["box_format"] == "xyxy_norm"
        assert first["boxes"][0] == pytest.approx([0.1, 0.1, 0.5, 0.4], abs=0.02)
        moved = [0.02, 0, 0.02, 0.02]
        expected = [side + by for side, by in zip(first["boxes"][0], moved, strict=True)]
        assert second["boxes"][0] == pytest.approx(expected, abs=1e-4)
        b.settled(page)
        page.locator(".crop-move").press("Escape")
        assert page.locator(".crop").count() == 0


def test_a_large_turned_photo_is_sent_small_and_upright(
    browser: Any, site: Any, tmp_path: Path
) -> None:
    from PIL import Image

    turned = Image.new("RGB", (3000, 1500), "grey")
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.jpg", exif=exif)
    with b.opened(browser, site.address) as page:
        with page.expect_request("**/v1/look") as sent:
            page.set_input_files("input[type=file]:not([capture])", tmp_path / "turned.jpg")
        photo, request = b.multipart(sent.value)
        b.settled(page)

        with Image.open(io.BytesIO(photo)) as small:
            assert small.size == (800, 1600)
            assert small.getexif().get(0x0112, 1) == 1
        assert request["detection_limit"] == 8


def test_what_is_no_photo_is_said_to_be_none(browser: Any, site: Any, tmp_path: Path) -> None:
    (tmp_path / "notes.jpg").write_text("no photo")
    with b.opened(browser, site.address) as page:
        page.set_input_files("input[type=file]:not([capture])", tmp_path / "notes.jpg")

        assert "cannot open that file" in page.get_by_role("alert").inner_text()


def test_a_photo_can_be_pasted(browser: Any, site: Any) -> None:
    with b.opened(browser, site.address) as page:
        page.evaluate(
            """bytes => {
                const data = new DataTransfer();
                data.items.add(new File([new Uint8Array(bytes)], 'p.png', {type: 'image/png'}));
                const event = new ClipboardEvent('paste', {clipboardData: data, bubbles: true,
                    cancelable: true});
                document.body.dispatchEvent(event);
            }""",
            list(b.room()),
        )
        b.settled(page)

        assert page.locator(".hotspot").count() == 3


def drag(page: Any, kind: str) -> None:
    """What a browser says while a file is dragged over the page, and let go."""
    page.evaluate(
        """([kind, bytes]) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], 'p.png', {type: 'image/png'}));
            const how = {dataTransfer: data, bubbles: true, cancelable: true};
            document.querySelector('.drop').dispatchEvent(new DragEvent(kind, how));
        }""",
        [kind, list(b.room())],
    )


def test_a_photo_can_be_dropped(browser: Any, site: Any) -> None:
    with b.opened(browser, site.address) as page:
        drag(page, "dragover")
        page.get_by_text("Let go to search").wait_for()
        drag(page, "dragleave")
        page.get_by_text("Drop or paste a photo, or its address").wait_for()
        drag(page, "dragover")
        drag(page, "drop")
        b.settled(page)

        assert page.locator(".hotspot").count() == 3


def test_a_photo_is_taken_with_the_camera_of_this_machine(browser: Any, site: Any) -> None:
    from PIL import Image

    with b.opened(browser, site.address, permissions=["camera"]) as page:
        page.get_by_role("button", name="Use the camera").click()
        take = page.get_by_role("button", name="Take the photo")
        assert b.violations(page) == []
        with page.expect_request("**/v1/look") as sent:
            take.click()  # waits until the camera shows something
        photo, _ = b.multipart(sent.value)
        b.settled(page)

        with Image.open(io.BytesIO(photo)) as taken:
            assert min(taken.size) > 100
        assert page.locator("video").count() == 0


def test_a_camera_that_is_refused_leaves_the_other_ways(browser: Any, site: Any) -> None:
    with b.opened(browser, site.address) as page:
        page.evaluate(
            """() => {
                navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no'));
            }"""
        )
        page.get_by_role("button", name="Use the camera").click()

        assert "choose a file" in page.get_by_role("alert").inner_text()
        page.get_by_role("button", name="Cancel").click()
        b.look(page)


def touch(page: Any, *path: tuple[float, float]) -> None:
    """A finger goes down at the first point, along the others, and up."""
    tool = page.context.new_cdp_session(page)
    kinds = ["touchStart"] + ["touchMove"] * (len(path) - 1)
    for kind, (x, y) in zip(kinds, path, strict=True):
        tool.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    tool.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    tool.detach()


def test_a_finger_chooses_scrolls_and_draws_where_it_was_asked_to(browser: Any, site: Any) -> None:
    with b.opened(browser, site.address, viewport=b.PHONE, has_touch=True, is_mobile=True) as page:
        b.look(page)
        frame = page.locator(".stage-frame")
        hotspot = page.locator(".hotspot").first.bounding_box()
        place = frame.bounding_box()
        # beside the hotspot, and still on its object
        touch(page, (hotspot["x"] + hotspot["width"] / 2, hotspot["y"] + hotspot["height"] + 6))
        page.locator(".hotspot.is-chosen").wait_for()

        def across(share: float) -> tuple[float, float]:
            place = frame.bounding_box()
            return place["x"] + share * place["width"], place["y"] + share * place["height"]

        page.evaluate("scrollTo(0, 0)")
        touch(page, across(0.2), across(0.4), across(0.6))
        assert page.locator(".crop").count() == 0

        page.get_by_role("button", name="Move or resize its box").click()
        page.locator(".stage-frame.is-drawing").wait_for()
        with page.expect_request("**/v1/look") as drawn:
            touch(page, across(0.1), across(0.3), across(0.6))
        b.settled(page)

        box = drawn.value.post_data_json["boxes"][0]
        assert box == pytest.approx([0.1, 0.1, 0.6, 0.6], abs=0.03)
        assert place["width"] <= b.PHONE["width"]


@pytest.mark.parametrize(
    ("code", "title"),
    [("busy", "The service is busy"), ("no_collection", "There is no catalogue yet")],
)
def test_a_service_that_cannot_yet_is_asked_again_when_it_says(
    browser: Any, site: Any, code: str, title: str
) -> None:
    asked = []

    def busy_once(route: Any) -> None:
        asked.append(route.request.url)
        if len(asked) > 1:
            route.continue_()
            return
        b.problem(route, 503, code, {"Retry-After": "1"})

    with b.opened(browser, site.address) as page:
        page.watch.expected = ("the server responded with a status of 503",)
        page.route("**/v1/look", busy_once)
        page.get_by_role("button", name=b.SAMPLE).click()
        page.get_by_role("heading", name=title).wait_for()
        b.settled(page)

        assert len(asked) == 2
        assert page.locator(".hotspot").count() == 3


def test_a_forgotten_photo_is_sent_again_by_itself(browser: Any, site: Any) -> None:
    def forgetful(route: Any) -> None:
        forgotten = "multipart" not in route.request.headers["content-type"]
        b.problem(route, 410, "query_expired") if forgotten else route.continue_()

    with b.opened(browser, site.address) as page:
        page.watch.expected = ("the server responded with a status of 410",)
        b.look(page)
        page.route("**/v1/look", forgetful)
        with page.expect_request(
            lambda request: "multipart" in request.headers.get("content-type", "")
        ):
            b.refine(page, "red")

        assert page.locator(".card").count() > 0
        assert page.get_by_role("alert").count() == 0


def test_a_failure_says_what_to_do_and_which_request_it_was(browser: Any, site: Any) -> None:
    with b.opened(browser, site.address) as page:
        page.watch.expected = ("status of 500", "ERR_INTERNET_DISCONNECTED", "ERR_FAILED")
        page.route("**/v1/look", lambda route: b.problem(route, 500, "internal"))
        page.get_by_role("button", name=b.SAMPLE).click()
        said = page.get_by_role("alert").inner_text()
        assert "Something went wrong in the service" in said
        assert "request-7" in said
        page.unroute("**/v1/look")
        page.route("**/v1/look", lambda route: route.abort())
        page.get_by_role("button", name="Try again").click()
        page.get_by_role("heading", name="The service cannot be reached").wait_for()
        page.unroute("**/v1/look")
        page.get_by_role("button", name="Try again").click()
        b.settled(page)

        assert page.locator(".hotspot").count() == 3


def test_a_search_can_be_given_up(browser: Any, site: Any) -> None:
    with b.opened(browser, site.address) as page:
        page.route("**/v1/look", lambda _: None)
        page.get_by_role("button", name=b.SAMPLE).click()
        page.get_by_role("button", name="Cancel").click()

        page.get_by_role("heading", name="Stopped").wait_for()
        page.unroute("**/v1/look")
        page.get_by_role("button", name="Try again").click()
        b.settled(page)


def test_what_was_understood_is_shown_and_taken_away_part_by_part(browser: Any, site: Any) -> None:
    with b.opened(browser, site.address) as page:
        b.look(page)
        b.refine(page, "red, under 50")
        chips = page.locator(".chip-text")
        assert chips.all_inner_texts() == ["Colour: red", "Under 50"]
        page.get_by_role("button", name="Remove Colour: red").click()
        b.settled(page)

        assert chips.all_inner_texts() == ["Under 50"]
        assert page.get_by_label("Refine in words").input_value() == "under 50"


def test_words_alone_find_products_too(browser: Any, site: Any) -> None:
    with b.opened(browser, site.address) as page:
        page.get_by_label("Search in words").fill("green tall thing")
        page.keyboard.press("Enter")
        b.settled(page)

        assert page.locator(".card-title").first.inner_text() == "green tall thing"


def test_an_opinion_is_stored(browser: Any, site: Any) -> None:
    with b.opened(browser, site.address) as page:
        b.look(page)
        with page.expect_response("**/v1/feedback") as noted:
            page.locator(".act.is-like").first.click()

        assert noted.value.status == 201
        said = noted.value.json()
        assert (said["kind"], said["rank"]) == ("like", 0)
        assert page.locator(".act.is-like").first.get_attribute("aria-pressed") == "true"


def test_a_key_is_asked_for_kept_for_the_tab_and_never_copied(browser: Any, tmp_path: Path) -> None:
    permissions = ["clipboard-read", "clipboard-write"]
    with (
        b.site(tmp_path, {"read_keys": [KEY]}) as site,
        b.opened(browser, site.address, permissions=permissions) as page,
    ):
        page.watch.expected = ("the server responded with a status of 401",)
        page.get_by_label("Key of this service").fill(KEY)
        page.get_by_role("button", name="Use this key").click()
        b.look(page)
        page.locator(".card .picture.is-loaded img").first.wait_for()
        source = page.locator(".card .picture img").first.get_attribute("src")
        page.get_by_role("button", name="More", exact=True).click()
        page.get_by_role("button", name="Request as curl").click()
        page.get_by_role("button", name="Copied").wait_for()
        curl = page.evaluate("navigator.clipboard.readText()")

        assert source.startswith("blob:")
        assert "$KEY" in curl
        assert KEY not in curl
        assert page.evaluate("Object.keys(localStorage).length") == 0
        assert page.evaluate("sessionStorage.length") == 1


def test_a_chosen_theme_stays(browser: Any, site: Any) -> None:
    with b.opened(browser, site.address) as page:
        page.get_by_role("button", name="Dark theme").click()
        page.reload()
        page.get_by_role("button", name="Light theme").wait_for()

        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
