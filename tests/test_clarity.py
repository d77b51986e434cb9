"""What keeps one from seeing things in a photo."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from scenesearch.images import load_scene
from scenesearch.images.clarity import BLURRED, DARK, EMPTY, blur, clarity_faults
from scenesearch.system.resources import resource_dir

ROOMS = sorted((resource_dir("sample") / "rooms").iterdir())[:2]


def paper(shade: float, noise: float, light: float = 235.0) -> np.ndarray:
    """A sheet that is a little darker on one side, as a camera takes it."""
    across = np.linspace(0, shade, 400)[None, :].repeat(300, axis=0)
    grain = np.random.default_rng(0).normal(0, noise, across.shape)
    grey = np.clip(light - across + grain, 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


@pytest.mark.parametrize(("shade", "noise"), [(0, 0), (10, 3), (40, 6)])
def test_a_sheet_of_paper_is_empty(shade, noise):
    assert clarity_faults(paper(shade, noise)) == (EMPTY,)


def test_a_small_thing_on_a_sheet_of_paper_is_seen():
    photo = paper(10, 2)
    photo[140:160, 190:210] = 40

    assert clarity_faults(photo) == ()


@pytest.mark.parametrize("path", ROOMS, ids=lambda path: path.stem)
def test_a_room_is_clear_until_it_is_blurred_or_dark(path):
    image = load_scene(path).image
    picture = Image.fromarray(image)
    soft = picture.filter(ImageFilter.GaussianBlur(picture.width * 0.015))

    assert clarity_faults(image) == ()
    assert clarity_faults(np.asarray(soft)) == (BLURRED,)
    assert clarity_faults((image // 12).astype(np.uint8)) in [(DARK,), (EMPTY,)]


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (2, 2)])
def test_the_smallest_picture_is_no_error(shape):
    assert clarity_faults(np.zeros((*shape, 3), np.uint8)) == (EMPTY,)


def test_a_picture_loses_less_the_more_it_was_blurred():
    edges = np.kron(np.indices((12, 12)).sum(axis=0) % 2, np.ones((20, 20))) * 255
    picture = Image.fromarray(edges.astype(np.uint8))
    soft = [picture.filter(ImageFilter.GaussianBlur(radius)) for radius in (0, 1, 3)]
    found = [blur(np.asarray(one, np.float32)) for one in soft]

    assert found == sorted(found)
    assert found[0] < 0.4
    assert found[-1] > 0.6
