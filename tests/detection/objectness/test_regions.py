"""Colours, textures and neighbours of regions against loops in float64 over single pixels."""

import colorsys
import math
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from cvapps.detection.objectness import regions
from tests.tolerances import REORDERED, SAME_MATH


@pytest.fixture
def image(rng):
    """A small picture with black, grey and white pixels in it."""
    picture = rng.integers(0, 256, (9, 11, 3)).astype("uint8")
    picture[0, :3] = np.array([[0], [128], [255]])
    return picture


@pytest.fixture
def labels():
    """Four regions: a row, a square, what is left, and a single pixel that touches the square across a corner only."""
    found = np.full((9, 11), 2)
    found[0], found[3:6, 3:6], found[6, 6] = 0, 1, 3
    return found


def lab_by_hand(rgb):
    """CIE Lab of an sRGB colour in [0, 1], white D65."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    rows = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
    xyz = [sum(m * c for m, c in zip(row, linear, strict=True)) for row in rows]
    relative = [value / white for value, white in zip(xyz, (0.95047, 1.0, 1.08883), strict=True)]
    f, g, h = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in relative)
    return 116 * g - 16, 500 * (f - g), 200 * (g - h)


def test_colour_spaces(image):
    for place in np.ndindex(image.shape[:2]):
        rgb = [int(c) / 255 for c in image[place]]
        luma = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]
        light, a, b = lab_by_hand(rgb)
        total = sum(rgb)
        expected = {
            "I": [luma],
            "HSV": colorsys.rgb_to_hsv(*rgb),
            "H": colorsys.rgb_to_hsv(*rgb)[:1],
            "rgI": [rgb[0] / total if total else 1 / 3, rgb[1] / total if total else 1 / 3, luma],
            "Lab": [light / 100, (a + 128) / 255, (b + 128) / 255],
        }
        for name, colour in expected.items():
            found = regions.in_colour_space(image, name)[place]
            assert found.dtype == "float32"
            assert_allclose(found, colour, **REORDERED if name == "Lab" else SAME_MATH)  # its constants are rounded


def slopes_by_hand(channel):
    """The derivatives down and along of a picture smoothed by a Gaussian of sigma 1, mirrored at its border."""
    reach = 4
    weight = {d: math.exp(-d * d / 2) for d in range(-reach, reach + 1)}
    total = sum(weight.values())
    padded = np.pad(channel.astype("float64"), reach, "symmetric")
    down, right = np.zeros(channel.shape), np.zeros(channel.shape)
    for y, x in np.ndindex(channel.shape):
        for dy, wy in weight.items():
            for dx, wx in weight.items():
                value = padded[y + reach + dy, x + reach + dx] * wy * wx / total**2
                down[y, x] += dy * value
                right[y, x] += dx * value
    return down, right


def test_textures_are_slopes_in_eight_directions(image):
    picture = regions.in_colour_space(image, "HSV")
    found = regions.texture_levels(picture).reshape(3, 8, *image.shape[:2])
    assert found.max() > 3
    for channel in range(3):
        down, right = slopes_by_hand(picture[..., channel])
        for i in range(8):
            slope = math.cos(i * math.pi / 4) * right + math.sin(i * math.pi / 4) * down
            expected = np.floor(np.clip(slope, 0, None) / 0.3989422804 * 9 + 0.5)
            assert_array_equal(found[channel, i], np.minimum(expected, 9))


def test_the_steepest_step_has_the_highest_level():
    picture = np.zeros((20, 20, 1), "float32")
    picture[:, 10:] = 1
    levels = regions.texture_levels(picture).reshape(8, 20, 20)
    assert levels[0].max() == 8  # half a pixel beside the step: 0.352 of 0.399
    assert levels[4].max() == 0  # against the slope


def test_a_region_is_described_by_its_pixels(image, labels):
    picture = regions.in_colour_space(image, "Lab")
    colours, textures = regions.colour_levels(picture), regions.texture_levels(picture)
    found = regions.describe(labels, colours, textures)
    assert found.area == 99
    assert found.sizes.tolist() == [11, 9, 78, 1]
    assert found.boxes.tolist() == [[0, 0, 11, 1], [3, 3, 6, 6], [0, 1, 11, 9], [6, 6, 7, 7]]
    assert found.pairs.tolist() == [[0, 2], [1, 2], [1, 3], [2, 3]]
    colour, texture = np.zeros((4, 3, 25)), np.zeros((4, 24, 10))
    for place in np.ndindex(labels.shape):
        for channel in range(3):
            colour[labels[place], channel, min(int(picture[place][channel] * np.float32(25)), 24)] += 1
        for feature in range(24):
            texture[labels[place], feature, textures.reshape(24, *labels.shape)[(feature, *place)]] += 1
    sizes = np.array([11.0, 9, 78, 1])[:, None]
    assert_allclose(found.colour, colour.reshape(4, -1) / (3 * sizes), **SAME_MATH)
    assert_allclose(found.texture, texture.reshape(4, -1) / (24 * sizes), **SAME_MATH)
    assert_allclose(found.colour.sum(1), 1, **SAME_MATH)
    assert_allclose(found.texture.sum(1), 1, **SAME_MATH)


def test_neighbours_touch_at_a_side_or_a_corner(rng):
    labels = rng.integers(0, 12, (7, 6))
    expected = set()
    for y, x in np.ndindex(labels.shape):
        for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
            if y + dy < 7 and 0 <= x + dx < 6 and labels[y, x] != labels[y + dy, x + dx]:
                expected.add(tuple(sorted((int(labels[y, x]), int(labels[y + dy, x + dx])))))
    assert [tuple(pair) for pair in regions.touching(labels).tolist()] == sorted(expected)


def test_one_channel_is_segmented_as_three_equal_ones(rng):
    picture = rng.random((40, 30, 1)).astype("float32")
    once = regions.oversegment(picture, 20)
    assert 1 < once.max() < 60
    assert np.bincount(once.ravel()).min() >= 20
    assert_array_equal(once, regions.oversegment(np.repeat(picture, 3, axis=-1), 20))


@pytest.mark.parametrize(
    ("shape", "kind"), [((4, 4), "uint8"), ((4, 4, 4), "uint8"), ((4, 4, 3), "float32"), ((0, 4, 3), "uint8")]
)
def test_another_picture_is_an_error(shape, kind):
    with pytest.raises(ValueError, match=r"uint8 \(height, width, 3\), not "):
        regions.check(np.zeros(shape, kind))


def test_without_scikit_image_the_error_says_what_to_install(image, monkeypatch):
    for name in ("skimage", "skimage.color", "skimage.segmentation"):
        monkeypatch.setitem(sys.modules, name, None)
    assert regions.in_colour_space(image, "rgI").shape == (9, 11, 3)
    with pytest.raises(ImportError, match=r"pip install 'cvapps\[proposals\]'"):
        regions.in_colour_space(image, "HSV")
