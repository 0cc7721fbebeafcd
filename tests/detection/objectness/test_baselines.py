"""The baselines' boxes against loops in float64 over the same random numbers, and grids by hand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from cvapps.detection.objectness import baselines, regions
from tests.tolerances import REORDERED, SAME_MATH

RANDOM = [baselines.uniform, baselines.gaussian]
ALL = [*RANDOM, baselines.sliding_windows]
PICTURE = np.zeros((90, 160, 3), "uint8")


def by_hand(features, height, width, smallest):
    """Boxes of log2 of aspect ratio, root of relative area, relative centre."""
    boxes = []
    for log_ratio, root, x, y in features:
        ratio, area = 2.0**log_ratio, root**2 * height * width
        h = (area / ratio) ** 0.5
        w, h = max(area / h, smallest), max(h, smallest)
        left, top, right, bottom = x * width - w / 2, y * height - h / 2, x * width + w / 2, y * height + h / 2
        boxes.append((max(left, 0), max(top, 0), min(right, width), min(bottom, height)))
    return boxes


def test_uniform_boxes():
    low, high = (0.190476, 0.00096, 0.031, 0.065), (4.666667, 0.982333, 0.974, 0.934667)  # VOC 2007's 99%
    low, high = ((np.log2(ratio), area**0.5, x, y) for ratio, area, x, y in (low, high))
    features = np.random.default_rng(5).uniform(low, high, (300, 4))
    assert_allclose(baselines.uniform(PICTURE, 300, 5), by_hand(features, 90, 160, 0), **REORDERED)


def test_gaussian_boxes():
    drawn = np.random.default_rng(5).multivariate_normal(baselines.MEAN, baselines.COVARIANCE, 600)
    inside = [row for row in drawn.tolist() if 0 < row[1] <= 1 and 0 < row[2] <= 1 and 0 < row[3] <= 1]
    assert 300 < len(inside) < 600
    assert_allclose(baselines.gaussian(PICTURE, 300, 5), by_hand(inside[:300], 90, 160, 5), **REORDERED)
    assert len(baselines.gaussian(PICTURE, 1)) == 1


def test_sliding_windows():
    """In 40 x 24 only 16 x 16 and 32 x 16 fit; 10 windows for each, 24 x 8 and 8 x 8 pixels to move in."""
    found = baselines.sliding_windows(np.zeros((24, 40, 3), "uint8"), 21)
    across = np.linspace(0, 24, 5)
    expected = [(0, 0, 40, 24)]
    expected += [(x, y, x + 32, y + 16) for y in np.linspace(0, 8, 3) for x in np.linspace(0, 8, 3)]
    expected += [(x, y, x + 16, y + 16) for y in (0, 8) for x in across]
    assert_allclose(found, expected, **SAME_MATH)


def test_superpixels_are_the_first_regions(rng):
    picture = rng.integers(0, 256, (40, 50, 3)).astype("uint8")
    labels = regions.oversegment(regions.in_colour_space(picture, "HSV"), 50)
    found = baselines.superpixels(picture)
    expected = {tuple(box) for box in regions.boxes_of(labels).tolist()}
    assert len(found) == len(expected) > 3
    assert {tuple(box) for box in found.tolist()} == expected
    areas = np.prod(found[:, 2:] - found[:, :2], axis=1)
    assert (np.diff(areas) <= 0).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (16, 16), (16, 700), (480, 640)])
@pytest.mark.parametrize("method", ALL)
def test_boxes_lie_in_the_picture(method, shape):
    found = method(np.zeros((*shape, 3), "uint8"), 500)
    assert found.dtype == "float32"
    assert 1 <= len(found) <= 500
    assert (found[:, :2] >= 0).all()
    assert (found[:, 2:] > found[:, :2]).all()
    assert (found[:, 2:] <= shape[::-1]).all()
    if method in RANDOM:
        assert len(found) == 500
    else:
        assert len(np.unique(found, axis=0)) == len(found)


@pytest.mark.parametrize("method", RANDOM)
def test_a_seed_is_a_set_of_boxes(method):
    assert_array_equal(method(PICTURE, 50, 1), method(PICTURE, 50, 1))
    assert not np.array_equal(method(PICTURE, 50, 1), method(PICTURE, 50, 2))


@pytest.mark.parametrize("method", ALL)
def test_what_is_no_picture_and_no_count_is_an_error(method):
    with pytest.raises(ValueError, match="uint8"):
        method(PICTURE.astype("float32"))
    with pytest.raises(ValueError, match="at least 1, not 0"):
        method(PICTURE, 0)
