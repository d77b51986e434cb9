"""CIELAB and CIEDE2000 against published values."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from scenesearch.attributes.lab import ciede2000, lab_to_rgb, rgb_to_lab

# sRGB to CIELAB (D65) of the corners of the cube, as in B. Lindbloom's calculator.
REFERENCE = [
    ("white", (255, 255, 255), (100.0, 0.0, 0.0)),
    ("black", (0, 0, 0), (0.0, 0.0, 0.0)),
    ("red", (255, 0, 0), (53.2408, 80.0925, 67.2032)),
    ("green", (0, 255, 0), (87.7347, -86.1827, 83.1793)),
    ("blue", (0, 0, 255), (32.2970, 79.1875, -107.8602)),
    ("yellow", (255, 255, 0), (97.1393, -21.5537, 94.4780)),
    ("grey", (119, 119, 119), (50.0344, 0.0, 0.0)),
    ("linear part of both curves", (2, 2, 2), (0.5483, 0.0, 0.0)),
]

# Table 1 of Sharma, Wu and Dalal (2005): L1 a1 b1, L2 a2 b2, difference.
SHARMA = [
    (50.0, 2.6772, -79.7751, 50.0, 0.0, -82.7485, 2.0425),
    (50.0, 3.1571, -77.2803, 50.0, 0.0, -82.7485, 2.8615),
    (50.0, 2.8361, -74.0200, 50.0, 0.0, -82.7485, 3.4412),
    (50.0, -1.3802, -84.2814, 50.0, 0.0, -82.7485, 1.0),
    (50.0, -1.1848, -84.8006, 50.0, 0.0, -82.7485, 1.0),
    (50.0, -0.9009, -85.5211, 50.0, 0.0, -82.7485, 1.0),
    (50.0, 0.0, 0.0, 50.0, -1.0, 2.0, 2.3669),
    (50.0, -1.0, 2.0, 50.0, 0.0, 0.0, 2.3669),
    (50.0, 2.4900, -0.0010, 50.0, -2.4900, 0.0009, 7.1792),
    (50.0, 2.4900, -0.0010, 50.0, -2.4900, 0.0010, 7.1792),
    (50.0, 2.4900, -0.0010, 50.0, -2.4900, 0.0011, 7.2195),
    (50.0, 2.4900, -0.0010, 50.0, -2.4900, 0.0012, 7.2195),
    (50.0, -0.0010, 2.4900, 50.0, 0.0009, -2.4900, 4.8045),
    (50.0, -0.0010, 2.4900, 50.0, 0.0010, -2.4900, 4.8045),
    (50.0, -0.0010, 2.4900, 50.0, 0.0011, -2.4900, 4.7461),
    (50.0, 2.5, 0.0, 50.0, 0.0, -2.5, 4.3065),
    (50.0, 2.5, 0.0, 73.0, 25.0, -18.0, 27.1492),
    (50.0, 2.5, 0.0, 61.0, -5.0, 29.0, 22.8977),
    (50.0, 2.5, 0.0, 56.0, -27.0, -3.0, 31.9030),
    (50.0, 2.5, 0.0, 58.0, 24.0, 15.0, 19.4535),
    (50.0, 2.5, 0.0, 50.0, 3.1736, 0.5854, 1.0),
    (50.0, 2.5, 0.0, 50.0, 3.2972, 0.0, 1.0),
    (50.0, 2.5, 0.0, 50.0, 1.8634, 0.5757, 1.0),
    (50.0, 2.5, 0.0, 50.0, 3.2592, 0.3350, 1.0),
    (60.2574, -34.0099, 36.2677, 60.4626, -34.1751, 39.4387, 1.2644),
    (63.0109, -31.0961, -5.8663, 62.8187, -29.7946, -4.0864, 1.2630),
    (61.2901, 3.7196, -5.3901, 61.4292, 2.2480, -4.9620, 1.8731),
    (35.0831, -44.1164, 3.7933, 35.0232, -40.0716, 1.5901, 1.8645),
    (22.7233, 20.0904, -46.6940, 23.0331, 14.9730, -42.5619, 2.0373),
    (36.4612, 47.8580, 18.3852, 36.2715, 50.5065, 21.2231, 1.4146),
    (90.8027, -2.0831, 1.4410, 91.1528, -1.6435, 0.0447, 1.4441),
    (90.9257, -0.5406, -0.9208, 88.6381, -0.8985, -0.7239, 1.5381),
    (6.7747, -0.2908, -2.4247, 5.8714, -0.0985, -2.2286, 0.6377),
    (2.0776, 0.0795, -1.1350, 0.9033, -0.0636, -0.5514, 0.9082),
]


@pytest.mark.parametrize(
    ("rgb", "lab"), [row[1:] for row in REFERENCE], ids=[r[0] for r in REFERENCE]
)
def test_lab_of_known_pixels_is_the_published_one(rgb, lab):
    assert_allclose(rgb_to_lab(np.array(rgb, np.uint8)), lab, atol=0.02)


def test_every_pixel_survives_the_way_to_lab_and_back():
    levels = np.arange(0, 256, 15, dtype=np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1)

    assert np.array_equal(lab_to_rgb(rgb_to_lab(cube)), cube)


def test_colours_outside_srgb_are_clipped_not_wrapped():
    assert lab_to_rgb((150.0, 0.0, 0.0)).tolist() == [255, 255, 255]
    assert lab_to_rgb((-20.0, 0.0, 0.0)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("row", SHARMA, ids=[f"pair_{i}" for i in range(1, len(SHARMA) + 1)])
def test_ciede2000_gives_the_published_difference_both_ways(row):
    first, second, expected = row[:3], row[3:6], row[6]

    assert_allclose(ciede2000(first, second), expected, atol=6e-5)
    assert_allclose(ciede2000(second, first), expected, atol=6e-5)


def test_ciede2000_broadcasts_to_a_table_of_distances():
    rng = np.random.default_rng(0)
    first, second = rng.uniform(0, 80, (4, 3)), rng.uniform(0, 80, (5, 3))
    table = ciede2000(first[:, None], second[None])

    assert table.shape == (4, 5)
    assert table[2, 3] == pytest.approx(float(ciede2000(first[2], second[3])))


@pytest.mark.parametrize(
    "bad", [np.zeros((2, 3), np.float32), np.zeros((2, 4), np.uint8)], ids=["float", "rgba"]
)
def test_pixels_of_another_kind_are_refused(bad):
    with pytest.raises(ValueError, match="uint8 of shape"):
        rgb_to_lab(bad)


def test_lab_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"\(\.\.\., 3\)"):
        lab_to_rgb(np.zeros((2, 2)))
