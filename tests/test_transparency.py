"""Transparent pictures: the alpha is the product's mask, and a white product does not vanish."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import shop
from PIL import Image, ImageDraw

from scenesearch.api import SceneSearch
from scenesearch.attributes.describer import PixelDescriber
from scenesearch.attributes.phash import phash
from scenesearch.core.limits import ImageLimits
from scenesearch.images import load_scene
from scenesearch.images.load import FLAT
from scenesearch.models.cutout.cutter import CutRules, cut_product
from scenesearch.tagging.decode import Job, decode

SIDE = 160


def cutout(colour: str, shape: str = "lamp", *, soft: int = 255) -> Image.Image:
    """A drawn product on nothing."""
    picture = Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 0))
    draw = ImageDraw.Draw(picture)
    fill = (*Image.new("RGB", (1, 1), colour).getpixel((0, 0)), soft)
    if shape == "lamp":
        draw.polygon([(50, 30), (110, 30), (125, 80), (35, 80)], fill=fill)
        draw.rectangle((76, 80, 84, 130), fill=fill)
    else:
        draw.ellipse((30, 60, 130, 130), fill=fill)
    return picture


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


COLOURS = ("#ffffff", "#f4f4f0", "#e8e8e8", "#d0d0d0", "#808080", "#404040", "#000000", "#c02020")


@pytest.mark.parametrize("shape", ["lamp", "bowl"])
@pytest.mark.parametrize("colour", COLOURS)
def test_a_product_of_any_colour_stands_out_and_is_cut_by_its_alpha(
    colour: str, shape: str
) -> None:
    picture = cutout(colour, shape)
    alpha = np.asarray(picture.getchannel("A")) >= 128
    scene = load_scene(encoded(picture))
    found, (x1, y1, x2, y2) = cut_product(scene.image, CutRules(), None, scene.own)

    assert scene.own is not None
    assert np.array_equal(scene.own.mask, alpha)
    assert found.method == "alpha"
    assert np.array_equal(found.mask, alpha[y1:y2, x1:x2])
    assert alpha.sum() == found.mask.sum(), "the box is around all of it"
    apart = np.abs(found.image[found.mask].astype(int) - np.array(found.background)).max(axis=1)
    assert np.mean(apart > 24) > 0.9
    assert FLAT not in scene.warnings
    # what the product is made of is not what it is put over
    names = {one.name for one in PixelDescriber(colours=3).describe(found).colours}
    assert len(names) == 1


def test_what_is_not_white_is_over_white_as_it_was() -> None:
    scene = load_scene(encoded(cutout("#c02020")))

    assert scene.own is not None
    assert scene.own.backdrop == (255, 255, 255)
    assert tuple(scene.image[0, 0]) == (255, 255, 255)


FORMS = {
    "PNG": encoded,
    "WebP": lambda picture: encoded(picture, "WEBP", lossless=True),
    "palette": lambda picture: encoded(picture.quantize(16), "PNG"),
    "grey and alpha": lambda picture: encoded(picture.convert("LA")),
    "TIFF": lambda picture: encoded(picture, "TIFF"),
    "GIF": lambda picture: encoded(picture, "GIF"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_transparent_format_says_what_its_product_is(form: str) -> None:
    picture = cutout("#ffffff")
    alpha = np.asarray(picture.getchannel("A")) >= 128
    scene = load_scene(FORMS[form](picture))

    assert scene.own is not None
    assert np.array_equal(scene.own.mask, alpha)
    assert scene.own.backdrop != (255, 255, 255)


def test_the_mask_turns_with_the_photo() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = cutout("#ffffff")
    scene = load_scene(encoded(picture, exif=exif))
    turned = np.asarray(picture.getchannel("A").transpose(Image.Transpose.ROTATE_270)) >= 128

    assert scene.own is not None
    assert np.array_equal(scene.own.mask, turned)


@pytest.mark.parametrize(
    ("picture", "why"),
    [
        (cutout("#88aacc", soft=110), "glass"),
        (Image.new("RGBA", (64, 64), (200, 10, 10, 255)), "opaque"),
        (Image.new("RGBA", (64, 64), (200, 10, 10, 0)), "empty"),
    ],
    ids=["glass", "opaque", "empty"],
)
def test_what_is_no_cutout_has_no_mask(picture: Image.Image, why: str) -> None:
    assert load_scene(encoded(picture)).own is None, why


def test_different_white_products_are_not_each_others_duplicates() -> None:
    lamp, bowl = (load_scene(encoded(cutout("#ffffff", shape))) for shape in ("lamp", "bowl"))
    apart = (int(phash(lamp.image), 16) ^ int(phash(bowl.image), 16)).bit_count()

    assert apart > 10


def test_a_decoder_in_another_process_sends_the_mask_too() -> None:
    data = encoded(cutout("#ffffff"))
    outcome = decode(Job("lamp.png", "", data), ImageLimits())
    scene = outcome.scene("lamp.png")  # type: ignore[union-attr]

    assert scene.own is not None
    assert np.array_equal(scene.own.mask, load_scene(data).own.mask)  # type: ignore[union-attr]


def test_an_index_holds_white_lamps_and_names_what_is_flat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_surroundings: None
) -> None:
    shop.use_fakes(monkeypatch)
    monkeypatch.setenv("SCENESEARCH_CUTOUT__MATTING", "never")
    for name, picture in (
        ("lamp", cutout("#ffffff")),
        ("bowl", cutout("#ffffff", "bowl")),
        ("nothing", Image.new("RGBA", (64, 64), (0, 0, 0, 0))),
    ):
        picture.save(tmp_path / f"{name}.png")
    with SceneSearch(tmp_path / "store") as front:
        done = front.index(tmp_path)
        page = front.store.scroll(spaces=("cutout",))
        stored = {item: front.get(item) for item in ("lamp", "bowl", "nothing")}
        methods = dict(front.store.facet("cutout_method"))

    vectors = {r.payload["item_id"]: r.vectors["cutout"] for r in page.records}
    assert float(vectors["lamp"] @ vectors["bowl"]) < 0.999
    assert all(stored.values())
    assert methods == {"alpha": 2, "plain": 1}
    flat = [note for note in done.report.notes if FLAT in note]
    assert len(flat) == 1
    assert "nothing.png of item 'nothing'" in flat[0]
