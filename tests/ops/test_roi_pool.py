"""RoIPool against loops over regions, bins and cells in float64."""

import math
from fractions import Fraction

import keras
import numpy as np
import pytest

from cvapps.ops.roi_pool import roi_pool
from tests.backends import gradient
from tests.tolerances import EXACT, SAME_MATH


def rounded(value):
    """To a whole number, halves away from zero, as in C."""
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def bins_by_hand(first, last, side, size):
    """The cells of each bin, as ranges, of a region from `first` to `last` cut to a map of `side` cells."""
    last = max(first, last)
    first, last = max(first, 0), min(last, side - 1)
    length = Fraction(max(last - first + 1, 0), size)
    return [range(first + math.floor(i * length), first + math.ceil((i + 1) * length)) for i in range(size)]


def by_hand(features, boxes, stride, size):
    """As the paper: regions (N, R, size, size, C), and how many regions read each cell's maximum (N, H, W, C)."""
    _, height, width, channels = features.shape
    found = np.zeros((*boxes.shape[:2], size, size, channels))
    read = np.zeros(features.shape)
    for n, r in np.ndindex(*boxes.shape[:2]):
        left, top, right, bottom = (rounded(x / stride) for x in boxes[n, r].astype("float64"))
        for i, rows in enumerate(bins_by_hand(top, bottom, height, size)):
            for j, columns in enumerate(bins_by_hand(left, right, width, size)):
                for c in range(channels):
                    cells = [(features[n, y, x, c], y, x) for y in rows for x in columns]
                    if cells:
                        found[n, r, i, j, c], y, x = max(cells)
                        read[n, y, x, c] += 1
    return found, read


@pytest.fixture
def some(rng):
    """Maps of two pictures, 13 x 18 at stride 16, and twelve boxes for each of every kind."""
    features = rng.normal(size=(2, 13, 18, 3)).astype("float32")
    first = rng.uniform(0, 200, (2, 12, 2))
    boxes = np.concatenate([first, first + np.exp(rng.uniform(0, 5, (2, 12, 2)))], axis=-1)
    boxes[0, :6] = [
        [0, 0, 287, 207],  # all of it
        [8, 24, 72, 104],  # ends on halves, which go up
        [100, 60, 60, 100],  # inverted
        [50, 50, 51, 51],  # within one cell
        [-1000, -40, 4000, 500],  # far past the map, yet as if cut
        [0, 0, 159, 111],  # ten cells by seven
    ]
    boxes[1, :3] = [[300, 10, 400, 90], [-90, -90, -40, -30], [1e20, 0, 1e25, 50]]  # outside of the map
    return features, boxes.astype("float32")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 20])
def test_is_the_paper_s_bins(size, some):
    expected, _ = by_hand(*some, 16, size)
    np.testing.assert_allclose(roi_pool(*some, 16, size), expected, **EXACT)
    assert not expected[1, :3].any()
    assert (expected[0, 2:4] != 0).all()


def test_halves_go_away_from_zero_and_what_is_below_does_not():
    """Just below a half there is a number that adding a half would round up."""
    features = np.arange(8, dtype="float32").reshape(1, 1, 8, 1)
    ends = np.array([0.5, 1.5, 2.5, np.nextafter(np.float32(0.5), 0), np.nextafter(np.float32(2.5), 0)])
    boxes = np.stack([ends, 0 * ends, ends, 0 * ends], axis=-1)[None].astype("float32")
    assert np.asarray(roi_pool(features, boxes, 1, 1)).ravel().tolist() == [1, 2, 3, 0, 2]


def test_the_derivative_goes_to_the_cells_that_were_read(some):
    features, boxes = some
    _, read = by_hand(features, boxes, 16, 7)
    found = gradient(lambda x: keras.ops.sum(roi_pool(x, boxes, 16, 7)), features)
    np.testing.assert_allclose(found, read, **SAME_MATH)


def test_a_model_of_any_batch_and_the_features_own_type(some):
    features, boxes = some
    inputs = [keras.Input((13, 18, 3), dtype="float16"), keras.Input((12, 4))]
    model = keras.Model(inputs, roi_pool(*inputs, 16, 7))
    assert (model.output.shape, model.output.dtype) == ((None, 12, 7, 7, 3), "float16")
    half = features.astype("float16")
    np.testing.assert_allclose(model([half, boxes]), by_hand(half, boxes, 16, 7)[0], **EXACT)


def test_a_map_of_open_size_is_refused():
    with pytest.raises(ValueError, match="known"):
        roi_pool(keras.Input((None, 18, 3)), keras.Input((12, 4)), 16, 7)
