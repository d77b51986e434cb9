"""The picture, the page and the figure of a look."""

from __future__ import annotations

import base64
import dataclasses
import io
import math
from html.parser import HTMLParser
from itertools import combinations

import numpy as np
import pytest
from cases import first
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from scenesearch.core.types import Colour, Region, Scene
from scenesearch.look.look import Look
from scenesearch.look.render import words
from scenesearch.look.render.figure import render_figure
from scenesearch.look.render.fonts import fitted, font, wrapped
from scenesearch.look.render.html import render_html
from scenesearch.look.render.marks import place_badges
from scenesearch.look.render.palette import REGION_COLOURS, ink_on, region_colour, swatch
from scenesearch.look.render.pictures import fit, mask_layer, photo
from scenesearch.look.render.png import (
    MAX_WIDTH,
    THUMB,
    TILE_HEIGHT,
    draw_info,
    draw_match,
    png_bytes,
    render_png,
)
from scenesearch.look.values import Evidence, Match, RegionMatches

NASTY = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
ODD_TEXTS = {
    "markup": NASTY,
    "long": "W" * 5000,
    "chinese": "红色沙发 三人座",
    "arabic": "أريكة حمراء",
    "emoji": "sofa 🛋️👨‍👩‍👧",
    "dollars": "from $5 to $10",
    "broken formula": "$\\frac$",
    "surrogate": "half \ud800 pair",
    "controls": "a\x00b\nc\td\u202ee",
    "empty": "",
    "spaces": " \n\t ",
}


@pytest.fixture
def product(tmp_path):
    """Makes matches whose photo is one flat colour that nothing else on a page has."""

    def make(n, *, region=0, **attributes):
        colour = (200, 10 + n, 77)
        path = tmp_path / f"p{n}.png"
        Image.new("RGB", (200, 200), colour).save(path)
        evidence = (Evidence(region, str(path), f"u{n}", {"cutout": 0.5}, 0.25),)
        values = {"title": f"Product {n}", "category": "sofa", "price": 49.0, "currency": "EUR"}
        return Match(f"p{n}", 0.9, {"cutout": 0.4}, evidence, values | attributes, str(path))

    return make


def a_scene(width=600, height=400, grey=128):
    return Scene(np.full((height, width, 3), grey, np.uint8), "cd" * 32, "dir/room <1>.jpg")


def an_object(i, box, matches=(), **changes):
    region = Region(f"object:{i}", "object", box, "sofa", 0.9)
    return RegionMatches(dataclasses.replace(region, **changes), tuple(matches))


def some_objects(n, matches=()):
    return tuple(
        an_object(i, (10 + 40 * (i % 12), 10 + 30 * (i // 12), 150 + 30 * (i % 12), 200), matches)
        for i in range(n)
    )


def count_pixels(page, *colours):
    """How many pixels of a page have each of some colours (red, green, blue)."""
    red, green, blue = np.moveaxis(np.asarray(page).astype(np.uint32), -1, 0)
    packed = (red << 16) | (green << 8) | blue
    return [int(np.count_nonzero(packed == (r << 16 | g << 8 | b))) for r, g, b in colours]


# --- badges


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 500), st.floats(0, 400), st.floats(1, 300), st.floats(1, 300)),
        max_size=10,
    )
)
def test_badges_lie_inside_the_photo_and_apart(corners):
    boxes = [(x, y, x + w, y + h) for x, y, w, h in corners]
    centres = place_badges(boxes, (640, 480), 15)

    assert len(centres) == len(boxes)
    assert all(15 <= x <= 625 and 15 <= y <= 465 for x, y in centres)
    assert all(math.dist(a, b) >= 30 - 1e-6 for a, b in combinations(centres, 2))


def test_badges_of_the_same_box_still_stand_apart():
    centres = place_badges([(100, 100, 140, 140)] * 9, (640, 480), 15)

    assert min(math.dist(a, b) for a, b in combinations(centres, 2)) >= 30 - 1e-6


def test_a_photo_too_small_for_its_badges_gets_them_all_the_same():
    assert len(place_badges([(0, 0, 5, 5)] * 50, (20, 10), 15)) == 50


# --- colours


def test_numbers_on_every_region_colour_are_readable():
    def luminance(colour):
        codes = np.array(colour) / 255
        linear = np.where(codes <= 0.04045, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4)
        return float(linear @ (0.2126, 0.7152, 0.0722))

    for colour in REGION_COLOURS:
        light, dark = sorted((luminance(colour), luminance(ink_on(colour))), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, colour


def test_a_swatch_shows_its_lab_colour():
    assert swatch((100, 0, 0)) == (255, 255, 255)
    assert swatch((0, 0, 0)) == (0, 0, 0)
    red, green, blue = swatch((53.2, 80.1, 67.2))
    assert red > 250
    assert max(green, blue) < 8
    assert swatch((float("nan"), 0, 0)) == (128, 128, 128)


# --- words


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        pytest.param({"price": 49.0, "currency": "EUR"}, "49 EUR", id="whole number"),
        pytest.param({"price": 1299.5, "currency": "USD"}, "1,299.50 USD", id="thousands"),
        pytest.param({"price": 5}, "5", id="no currency"),
        pytest.param({"price": 0, "currency": "EUR"}, "0 EUR", id="free"),
        pytest.param({"price": "on request"}, "on request", id="text"),
        pytest.param({"price": float("nan"), "currency": "EUR"}, "", id="NaN"),
        pytest.param({"price": float("inf")}, "", id="infinite"),
        pytest.param({"price": True}, "", id="bool"),
        pytest.param({"currency": "EUR"}, "", id="no price"),
    ],
)
def test_a_price_is_written_with_its_code(attributes, expected):
    assert words.price(Match("p", 1, {}, (), attributes, None)) == expected


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java\nscript:alert(1)",
        " https://shop.example/",
        "https://shop.example/\x00",
        "https:\\\\shop.example",
        "//shop.example/p",
        "/p/1",
        "data:text/html,x",
        "ftp://shop.example",
        "https://",
        "http://[broken",
        "https://x.example/" + "a" * 3000,
        "",
        None,
        5,
    ],
)
def test_what_is_not_a_plain_web_address_is_no_link(url, product):
    match = product(0, url=url)

    assert words.link(match) == ""
    page = Page(render_html(Look(a_scene(), (an_object(0, (0, 0, 9, 9)),), (match,))))
    assert all(href.startswith("#") for href in page.hrefs)


@pytest.mark.parametrize("url", ["https://shop.example/p?a=1&b=2#x", "HTTP://shop.example:80/ü"])
def test_a_web_address_is_a_link(url, product):
    match = product(0, url=url)

    assert words.link(match) == url
    assert url in Page(render_html(Look(a_scene(), some_objects(1), (match,)))).hrefs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("two\n lines", "two lines", id="line end"),
        pytest.param("a\x00b", "a b", id="control character"),
        pytest.param("abc\u202edef", "abcdef", id="bidirectional override"),
        pytest.param("co\u00adoperate", "cooperate", id="soft hyphen"),
        pytest.param("x\ud800", "x", id="lone surrogate"),
        pytest.param("👨\u200d👩", "👨\u200d👩", id="joined emoji"),
        pytest.param("a" * 300, "a" * 199 + "…", id="too long"),
        pytest.param("a" * 200, "a" * 200, id="just fits"),
        pytest.param(5, "5", id="number"),
    ],
)
def test_text_is_one_printable_line(text, expected):
    assert words.clean(text) == expected


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        (Match("p1", 1, {}, (), {"title": "Sofa"}, None), "Sofa"),
        (Match("p1", 1, {}, (), {"title": " "}, None), "p1"),
        (Match("p1", 1, {}, (), {}, None), "p1"),
        (Match("p1", 1, {}, (), {"title": 42}, None), "42"),
        (Match("\n", 1, {}, (), {}, None), "(no id)"),
    ],
)
def test_a_product_without_a_title_is_called_by_its_id(match, expected):
    assert words.title(match) == expected


@pytest.mark.parametrize("text", ODD_TEXTS.values(), ids=ODD_TEXTS)
@pytest.mark.parametrize("width", [5, 60, 160])
def test_text_never_exceeds_its_width(text, width):
    line = fitted(words.clean(text), width, 14, bold=True)
    lines = wrapped(words.clean(text), width, 14, 2)

    assert font(14, bold=True).getlength(line) <= width
    assert len(lines) <= 2
    assert all(font(14).getlength(line) <= width for line in lines)


def test_wrapping_keeps_every_word_that_has_room():
    assert " ".join(wrapped("mask covers nearly everything", 150, 14, 3)) == (
        "mask covers nearly everything"
    )


# --- pictures


@pytest.mark.parametrize(
    ("size", "inside", "enlarge", "expected"),
    [
        ((400, 200), (100, 100), 1, (100, 50)),
        ((40, 20), (100, 100), 1, (40, 20)),
        ((40, 20), (100, 100), 2, (80, 40)),
        ((3000, 1), (100, 100), 1, (100, 1)),
    ],
)
def test_a_picture_is_fitted_without_losing_its_shape(size, inside, enlarge, expected):
    assert fit(size, inside, enlarge=enlarge) == expected


def test_a_mask_is_outlined_and_tinted_in_its_regions_colour():
    mask = np.zeros((100, 100), np.bool_)
    mask[20:80, 20:80] = True
    look = Look(
        a_scene(400, 200),
        (an_object(0, (0, 0, 9, 9)), an_object(1, (50, 50, 150, 150), mask=mask)),
        (),
    )

    pixels = np.asarray(mask_layer(look, (800, 400), 3))  # at twice the scene's size

    assert tuple(pixels[200, 142]) == (*region_colour(1), 255)  # the rim
    assert tuple(pixels[200, 200, :3]) == region_colour(1)  # the inside
    assert 0 < pixels[200, 200, 3] < 128
    assert pixels[200, 120, 3] == 0  # in the box, outside the mask
    assert pixels[10, 10, 3] == 0


def test_without_masks_there_is_no_mask_layer():
    assert mask_layer(Look(a_scene(), some_objects(2), ()), (60, 40), 2) is None
    assert mask_layer(Look(None, (), ()), (60, 40), 2) is None


@pytest.mark.parametrize("shape", [(1, 1), (7, 300), (0, 5)])
def test_a_mask_of_another_size_than_its_box_is_no_error(shape):
    look = Look(a_scene(), (an_object(0, (5, 5, 60, 60), mask=np.ones(shape, np.bool_)),), ())

    assert render_png(look).width <= MAX_WIDTH


UNREADABLE = ["missing.jpg", "text.jpg", "cut.png", "folder", "nul\x00.jpg", "", None]


@pytest.fixture
def unreadable(tmp_path, request):
    (tmp_path / "text.jpg").write_text("not a picture")
    buffer = io.BytesIO()
    Image.effect_noise((100, 100), 50).save(buffer, "PNG")
    (tmp_path / "cut.png").write_bytes(buffer.getvalue()[:200])
    (tmp_path / "folder").mkdir()
    return str(tmp_path / request.param) if request.param else request.param


@pytest.mark.parametrize("unreadable", first(1, UNREADABLE), indirect=True, ids=repr)
def test_a_photo_that_cannot_be_read_is_a_placeholder(unreadable):
    match = Match("p-1", 0.5, {}, (), {}, unreadable)
    look = Look(a_scene(), (an_object(0, (5, 5, 60, 60), (match,)),), (match,))

    assert photo(unreadable) is None
    assert count_pixels(render_png(look), (238, 238, 240))[0] > THUMB * THUMB
    assert "no photo" in render_html(look)
    render_figure(look).savefig(io.BytesIO())


# --- PNG


@pytest.mark.parametrize("per_region", [1, 5, 50])
@pytest.mark.parametrize(
    "size", first(1, [(600, 400), (1600, 80), (80, 1600), (20, 16), (3000, 2000)]), ids=str
)
@pytest.mark.parametrize("regions", [0, 1, 3])
def test_a_picture_is_never_too_wide(product, size, regions, per_region):
    # a row is as wide without the photo of its product, and drawn sooner
    match = dataclasses.replace(product(0), photo="", evidence=())
    fused = (match,) * 60
    look = Look(a_scene(*size), some_objects(regions, [match] * 60), fused)

    page = render_png(look, per_region=per_region)

    assert page.width <= MAX_WIDTH
    assert page.height < 8000


@pytest.mark.parametrize("n", [1, 4, 12])
@pytest.mark.e2e
def test_every_product_of_every_row_is_seen_whole(product, n):
    # The frame of one pixel around a thumbnail is all that may cover its photo.
    whole = THUMB * THUMB - (4 * THUMB - 4)
    rows = [[product(3 * i + k, region=i) for k in range(3)] for i in range(n)]
    objects = tuple(an_object(i, (10, 10, 300, 300), matches) for i, matches in enumerate(rows))

    page = render_png(Look(a_scene(), objects, ()))

    seen = count_pixels(page, *((200, 10 + k, 77) for k in range(3 * n)))
    assert set(seen) == {whole}


@pytest.mark.parametrize("regions", [0, 1, 4, 12])
@pytest.mark.e2e
def test_the_fused_list_is_seen_wherever_it_stands(product, regions):
    evidence = (Evidence(0, "p.jpg", "u", {}, 0.1),) if regions else ()
    fused = tuple(dataclasses.replace(product(100 + i), evidence=evidence) for i in range(10))

    page = render_png(Look(a_scene(), some_objects(regions), fused))

    shown = count_pixels(page, *((200, 110 + i, 77) for i in range(10)))
    # Only the number of the region lies on the photo.
    assert min(shown[:6]) > 0.9 * THUMB * THUMB
    assert sum(count > 0 for count in shown) >= 6
    # And it covers nothing of the photo; smoothed text has a few pixels of its grey as well.
    alone = render_png(Look(a_scene(), some_objects(regions), ()))
    (before,), (after,) = (count_pixels(drawn, (128, 128, 128)) for drawn in (alone, page))
    assert abs(after - before) < 3000


def test_what_was_searched_is_seen_whole_beside_its_matches(product):
    scene = np.full((400, 600, 3), 128, np.uint8)
    scene[100:200, 100:200] = (3, 140, 250)
    objects = (an_object(0, (100, 100, 200, 200), [product(i) for i in range(5)]),)

    page = np.asarray(render_png(Look(Scene(scene, "", ""), objects, ())))

    grey_columns = np.flatnonzero((page == 128).all(axis=2).sum(axis=0) > 100)
    beside = page[:, grey_columns.max() + 1 :]
    assert count_pixels(beside, (3, 140, 250)) == [THUMB * THUMB]


def test_boxes_and_numbers_are_drawn_in_the_regions_colours():
    objects = tuple(an_object(i, (20 + 130 * i, 100, 120 + 130 * i, 300)) for i in range(4))
    page = render_png(Look(a_scene(grey=90), objects, ()))

    assert min(count_pixels(page, *(region_colour(i) for i in range(4)))) > 1000


@pytest.mark.parametrize("grey", [0, 255])
def test_a_box_is_seen_on_black_and_on_white(grey):
    plain = np.asarray(render_png(Look(a_scene(grey=grey), (), ())))
    boxed = np.asarray(render_png(Look(a_scene(grey=grey), some_objects(1), ())))
    photo_area = (slice(76, 500), slice(32, 500))

    contrast = np.abs(plain[photo_area].astype(int) - boxed[photo_area]).max(axis=2)
    assert (contrast > 100).sum() > 2000


def test_the_whole_photo_has_a_number_and_no_box():
    whole = RegionMatches(Region("whole", "whole", (0, 0, 600, 400)), ())
    page = render_png(Look(a_scene(), (whole,), ()))
    bottom_edge = np.asarray(page)[76 + 390 : 76 + 396, 200:500]

    assert (bottom_edge == 128).all()


@pytest.mark.parametrize("text", ODD_TEXTS.values(), ids=ODD_TEXTS)
def test_no_caption_leaves_its_tile(product, text):
    match = product(0, title=text, category=text, brand=text, price=text, currency=text)
    page = Image.new("RGB", (500, 300), "white")

    draw_match(page, (150, 20), match)

    pixels = np.asarray(page).copy()
    pixels[20 : 20 + TILE_HEIGHT, 150 : 150 + THUMB] = 255
    # Glyphs may overhang their advance by a pixel or two.
    outside = np.argwhere((pixels < 200).any(axis=2))
    assert all(148 <= x < 152 + THUMB and 20 <= y < 20 + TILE_HEIGHT for y, x in outside)


@pytest.mark.parametrize("text", ODD_TEXTS.values(), ids=ODD_TEXTS)
def test_what_is_known_of_a_region_stays_in_its_column(text):
    colours = (Colour(text, (50, 20, 20), 0.5),) * 5
    region = Region("object:0", "object", (0, 0, 9, 9), text, 0.5)
    page = Image.new("RGB", (500, 300), "white")

    draw_info(page, (150, 20), RegionMatches(region, (), colours, "plain", text), 0, 220)

    pixels = np.asarray(page).copy()
    pixels[20 : 20 + TILE_HEIGHT, 150:372] = 255
    assert (pixels > 200).all()


@pytest.mark.parametrize("text", first(1, ODD_TEXTS.values()), ids=ODD_TEXTS)
def test_odd_text_everywhere_is_drawn_every_way(product, text):
    match = dataclasses.replace(
        product(0, title=text, category=(text, text), price=text),
        item_id=text,
        parts={text: 0.5},
        variants=(text,),
    )
    found = dataclasses.replace(some_objects(1, [match])[0], notes=(text,), cutout_reason=text)
    scene = dataclasses.replace(a_scene(), source=text, warnings=(text,))
    look = Look(scene, (found,), (match,), {text: ((text, 1),)}, {text: 1.0}, (text,))

    assert png_bytes(look)
    render_figure(look).savefig(io.BytesIO())
    page = Page(render_html(look))
    assert page.scripts == 0
    page.text.encode("utf-8")


def test_a_region_without_matches_says_so():
    with_none = render_png(Look(a_scene(), some_objects(1), ()))

    assert with_none.width > 600
    assert "No good match." in render_html(Look(a_scene(), some_objects(1), ()))


def test_only_so_many_rows_are_drawn(product):
    many = render_png(Look(a_scene(), some_objects(100), ()))
    twenty = render_png(Look(a_scene(), some_objects(20), ()))

    assert many.height <= twenty.height + 60


@pytest.mark.parametrize("draw", [render_png, render_html, render_figure])
def test_asking_for_no_matches_is_refused(draw):
    with pytest.raises(ValueError, match="per_region must be at least 1, got 0"):
        draw(Look(None, (), ()), per_region=0)


def test_a_query_without_a_photo_can_be_drawn(product):
    matches = tuple(product(i, region=None) for i in range(5))
    regions = (an_object(0, (0, 0, 50, 50), [product(9)]),)

    for look in (Look(None, (), ()), Look(None, (), matches), Look(None, regions, matches)):
        assert render_png(look).width <= MAX_WIDTH
        assert "Search results" in render_html(look)
        render_figure(look).savefig(io.BytesIO())


def test_the_same_look_gives_the_same_bytes(product):
    look = Look(a_scene(), some_objects(3, [product(0)]), (product(1),))

    assert png_bytes(look) == png_bytes(look)
    assert render_html(look) == render_html(look)


# --- HTML


class Page(HTMLParser):
    """What a browser would see."""

    def __init__(self, text):
        super().__init__()
        self.text = text
        self.tags, self.ids, self.hrefs, self.images, self.circles = [], [], [], [], []
        self.scripts = 0
        self.handlers, self.styles = [], []
        self.words = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.tags.append(tag)
        self.scripts += tag == "script"
        self.handlers += [name for name in values if name.startswith("on")]
        self.ids += [values["id"]] if "id" in values else []
        self.hrefs += [values["href"]] if "href" in values else []
        self.images += [values] if tag == "img" else []
        self.circles += [values] if tag == "circle" and "%" in values["cx"] else []

    def handle_data(self, data):
        self.words += data


def decoded(image):
    kind, data = image["src"].split(",", 1)
    assert kind in {"data:image/jpeg;base64", "data:image/png;base64"}
    return Image.open(io.BytesIO(base64.b64decode(data, validate=True)))


@pytest.fixture
def full_look(product):
    mask = np.ones((60, 60), np.bool_)
    regions = (
        an_object(0, (10, 10, 300, 200), [product(i) for i in range(3)]),
        an_object(1, (100, 100, 160, 160), [product(4, region=1)], mask=mask),
        RegionMatches(Region("tile:0", "tile", (300, 200, 600, 400)), ()),
        RegionMatches(Region("whole", "whole", (0, 0, 600, 400)), (product(5, region=3),)),
    )
    regions = (
        dataclasses.replace(
            regions[0],
            colours=(Colour("dark red", (35, 50, 30), 0.62),),
            cutout_reason="mask is empty",
            notes=("label and catalogue disagree",),
        ),
        *regions[1:],
    )
    fused = tuple(product(i, region=i % 4, url="https://shop.example") for i in range(6))
    fused = (dataclasses.replace(fused[0], variants=("v-1", "v-2")), *fused[1:])
    return Look(
        a_scene(3000, 2000),
        regions,
        fused,
        {"category": (("sofa", 12),)},
        {"detect": 12.3},
        ("understood: price < 50",),
    )


@pytest.mark.parametrize("document", [True, False])
def test_every_inner_link_leads_somewhere_and_ids_are_unique(full_look, document):
    page = Page(render_html(full_look, document=document))
    inner = {href[1:] for href in page.hrefs if href.startswith("#")}

    assert len(page.ids) == len(set(page.ids))
    assert inner <= set(page.ids)
    assert len([name for name in inner if "region-" in name]) == 4


def test_a_page_needs_nothing_from_outside(full_look):
    text = render_html(full_look)
    page = Page(text)

    assert page.scripts == 0
    assert page.handlers == []
    assert not {"link", "iframe", "object", "embed", "base", "form"} & set(page.tags)
    assert "url(" not in text
    assert "@import" not in text
    assert all(image["src"].startswith("data:image/") for image in page.images)
    assert {href for href in page.hrefs if not href.startswith("#")} == {"https://shop.example"}


def test_pictures_of_a_page_are_small_and_described(full_look):
    page = Page(render_html(full_look))
    scene, *others = page.images

    assert decoded(scene).size == (1280, 853)
    assert scene["alt"] == "The photo with 4 numbered regions"
    assert all("alt" in image for image in page.images)
    small = [image for image in others if image.get("class") != "masks"]
    assert all(max(decoded(image).size) <= 220 for image in small)
    assert all(image["alt"] for image in small)


def test_hotspots_are_large_enough_to_tap(full_look):
    page = Page(render_html(full_look))
    radii = [float(circle["r"]) for circle in page.circles if circle.get("class") != "ring"]

    assert len(radii) == 4
    assert min(radii) >= 12


def test_hotspots_do_not_overlap_on_a_phone():
    page = Page(render_html(Look(a_scene(900, 1200), some_objects(12), ())))
    spots = [c for c in page.circles if c.get("class") != "ring"]
    centres = [
        (340 * float(c["cx"].rstrip("%")) / 100, 340 * 4 / 3 * float(c["cy"].rstrip("%")) / 100)
        for c in spots
    ]

    assert len(centres) == 12
    assert min(math.dist(a, b) for a, b in combinations(centres, 2)) >= 28


def test_a_page_says_everything_that_is_known(full_look):
    seen = Page(render_html(full_look)).words

    for expected in (
        *("room <1>.jpg", "4 regions, 6 matches", "understood: price < 50"),
        *("sofa", "confidence 0.90", "dark red 62 %", "not cut out: mask is empty"),
        *("label and catalogue disagree", "part of photo", "whole photo", "No good match."),
        *("Product 5", "49 EUR", "0.90", "2 variants", "v-2", "cutout 0.50 → 0.25"),
        *("category", "12", "detect 12 ms"),
    ):
        assert expected in seen, expected


def test_markup_from_the_catalogue_is_only_text(product):
    match = product(0, title=NASTY, url="https://shop.example/?q=" + NASTY.replace(" ", "%20"))
    page = Page(render_html(Look(a_scene(), some_objects(1, [match]), (match,))))

    assert page.scripts == 0
    assert page.handlers == []
    assert NASTY in page.words
    assert all(image["alt"] for image in page.images)
    assert "x" not in [image["src"] for image in page.images]


def test_a_long_list_says_how_much_of_it_is_shown(product):
    many = (product(0),) * 30
    seen = Page(
        render_html(Look(a_scene(), some_objects(1, many), many), per_region=4, fused=7)
    ).words

    assert "The best 4 of 30." in seen
    assert "The best 7 of 30." in seen


def test_a_fragment_for_a_notebook_keeps_to_itself(full_look):
    text = full_look._repr_html_()
    page = Page(text)
    other = Page(dataclasses.replace(full_look, matches=())._repr_html_())

    assert not {"html", "head", "body", "meta"} & set(page.tags)
    assert "body{" not in text
    assert not set(page.ids) & set(other.ids)
    assert page.scripts == 0


# --- figure


@pytest.mark.e2e
def test_a_figure_shows_the_photo_and_a_row_for_each_list(full_look):
    figure = full_look.plot()
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=50)

    texts = {text.get_text() for axis in figure.axes for text in axis.texts}
    assert {"1", "2", "3", "4", "1  sofa", "4  whole photo", "all regions"} <= texts
    assert Image.open(buffer).width > 300


def test_a_figure_grows_with_its_lists_only(product):
    look = Look(a_scene(), some_objects(1, [product(0)]), ())

    few = render_figure(look, per_region=2).get_size_inches()
    many = render_figure(look, per_region=100).get_size_inches()

    assert tuple(few) == tuple(many)


def test_real_photos_are_drawn_legibly(shared_data):
    from scenesearch.images import load_scene

    scene = load_scene(sorted((shared_data / "ikea" / "scenes").glob("*.jpg"))[1])
    photos = sorted((shared_data / "ikea" / "catalog").glob("*.jpg"))[:8]
    matches = tuple(Match(p.stem, 0.5, {}, (), {"title": p.stem}, str(p)) for p in photos)
    width, height = scene.size
    regions = (an_object(0, (0.1 * width, 0.1 * height, 0.6 * width, 0.7 * height), matches),)
    look = Look(scene, regions, matches)

    page = render_png(look)
    box, placeholder = count_pixels(page, region_colour(0), (238, 238, 240))
    assert box > 1000
    assert placeholder < THUMB * THUMB
    assert "no photo" not in render_html(look)
