"""Sampling between pixels against the definition, one place at a time, in float64."""

import keras
import numpy as np
import pytest

from cvapps.ops.interpolation import sample_bilinear
from tests.backends import gradient
from tests.tolerances import EXACT, SAME_MATH


def by_hand(picture, y, x):
    """The sum over all pixels of value times tent of the distance; a pixel outside of the picture isn't there."""
    height, width, _ = picture.shape
    total = np.zeros(picture.shape[-1])
    for row in range(height):
        for column in range(width):
            total += picture[row, column] * max(0, 1 - abs(row - y)) * max(0, 1 - abs(column - x))
    return total


def test_is_the_definition_inside_and_outside(rng):
    x = rng.normal(size=(2, 5, 7, 3)).astype("float32")
    points = rng.uniform(-2, 8, (2, 60, 2)).astype("float32")
    points[0, :5] = [[0, 0], [4, 6], [-1, 3], [5, 0], [-0.5, 6.5]]  # corners, one past the border, across it
    found = np.asarray(sample_bilinear(x, points))
    expected = np.array(
        [
            [by_hand(picture, *place) for place in places]
            for picture, places in zip(x, points.astype(float), strict=True)
        ]
    )
    np.testing.assert_allclose(found, expected, **SAME_MATH)
    np.testing.assert_allclose(found[0, :2], x[0, [0, 4], [0, 6]], **EXACT)
    assert not found[0, 2:4].any()


@pytest.mark.parametrize("far", [1e4, 1e20, -1e20])
def test_places_far_outside_are_zero_and_give_finite_gradients(far, rng):
    x = rng.normal(size=(1, 4, 4, 2)).astype("float32")
    points = np.array([[[far, 1.0], [1.5, far]]], "float32")
    assert not np.asarray(sample_bilinear(x, points)).any()
    assert np.isfinite(gradient(lambda p: keras.ops.sum(sample_bilinear(x, p)), points)).all()


def test_the_derivative_by_the_place_is_the_slope(rng):
    """Against differences in float64, inside of a cell, where interpolation is linear in each direction."""
    x = rng.normal(size=(1, 5, 6, 3)).astype("float32")
    points = (rng.integers(0, 4, (1, 9, 2)) + rng.uniform(0.1, 0.9, (1, 9, 2))).astype("float32")
    weight = rng.normal(size=(1, 9, 3)).astype("float32")
    found = gradient(lambda p: keras.ops.sum(sample_bilinear(x, p) * weight), points)
    step = 0.05
    for i, (row, column) in enumerate(points[0].astype(float)):
        for axis, move in enumerate(((step, 0), (0, step))):
            high = by_hand(x[0], row + move[0], column + move[1])
            low = by_hand(x[0], row - move[0], column - move[1])
            slope = ((high - low) / (2 * step) * weight[0, i]).sum()
            np.testing.assert_allclose(found[0, i, axis], slope, rtol=SAME_MATH["rtol"], atol=1e-5)
