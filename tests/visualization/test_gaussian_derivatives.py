"""Gaussian derivatives against differences of a finer Gaussian, and SciPy's."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from cvapps.visualization import gaussian_derivatives
from cvapps.visualization.gaussian_derivatives import derivative, directional
from tests import tolerances


def gaussian(x, y, deviation):
    """The normal density of two independent places."""
    return np.exp(-(x**2 + y**2) / (2 * deviation**2)) / (2 * np.pi * deviation**2)


@pytest.mark.parametrize("order", [(0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 3), (2, 1)])
@pytest.mark.parametrize("size", [7, 8])
def test_by_differences(order, size):
    """Central differences, order by order, of the density at the pixels' middles."""
    deviation, step = 1.7, 1e-2
    places = np.arange(size) - (size - 1) / 2

    def differences(f, n_x, n_y):
        if n_x:
            return differences(lambda x, y: (f(x + step, y) - f(x - step, y)) / (2 * step), n_x - 1, n_y)
        if n_y:
            return differences(lambda x, y: (f(x, y + step) - f(x, y - step)) / (2 * step), n_x, n_y - 1)
        return f

    expected = differences(lambda x, y: gaussian(x, y, deviation), *order)(places[None, :], places[:, None])
    assert_allclose(derivative(size, deviation, *order), expected, **tolerances.REORDERED)


def test_as_scipys():
    ndimage = pytest.importorskip("scipy.ndimage")
    impulse = np.zeros((25, 25))
    impulse[12, 12] = 1
    for along_x, along_y in ((0, 0), (1, 0), (0, 2), (1, 1)):
        expected = ndimage.gaussian_filter(impulse, 2.0, order=(along_y, along_x), radius=12)
        assert_allclose(derivative(25, 2.0, along_x, along_y), expected, **tolerances.REORDERED)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_any_direction_is_a_turned_derivative(order):
    """By differences along the direction itself."""
    angle, deviation, step = 0.7, 2.0, 1e-2
    places = np.arange(9) - 4.0
    x, y = places[None, :], places[:, None]
    signs = {1: (-0.5, 0, 0.5), 2: (1, -2, 1), 3: (-0.5, 1, 0, -1, 0.5)}[order]
    reach = len(signs) // 2
    shifted = (
        sign * gaussian(x + i * step * np.cos(angle), y + i * step * np.sin(angle), deviation)
        for i, sign in zip(range(-reach, reach + 1), signs, strict=True)
    )
    assert_allclose(directional(9, deviation, order, angle), sum(shifted) / step**order, **tolerances.REORDERED)


def test_the_bank():
    bank = gaussian_derivatives(9, (1.0, 2.0), (0, 1, 2), directions=4)
    assert len(bank) == 2 * (1 + 4 + 4 + 1)
    assert "order 1, 45°, deviation 2" in bank
    for name, kernel in bank.items():
        assert kernel.shape == (9, 9)
        assert_allclose(np.linalg.norm(kernel), 1, **tolerances.SAME_MATH, err_msg=name)
    turned = bank["order 1, 90°, deviation 2"]
    assert_allclose(turned, bank["order 1, 0°, deviation 2"].T, **tolerances.SAME_MATH)


def test_bad_settings():
    for settings in (dict(size=0), dict(deviations=(0.0,)), dict(orders=(-1,)), dict(directions=0)):
        with pytest.raises(ValueError, match="expected a positive size, deviations and directions"):
            gaussian_derivatives(**{**dict(size=5, deviations=(1.0,)), **settings})
