"""Regularizers of an ascent, against SciPy's filter and NumPy loops."""

import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose

from cvapps.visualization.regularizers import clip_small_contribution, clip_small_norm, decay, every, gaussian_blur
from tests import tolerances

ndimage = pytest.importorskip("scipy.ndimage")


def applied(regularizer, values, gradient=None, step=0):
    gradient = np.zeros_like(values) if gradient is None else gradient
    given = (ops.convert_to_tensor(x, "float32") for x in (values, gradient))
    return ops.convert_to_numpy(regularizer(*given, ops.convert_to_tensor(step, "int32")))


@pytest.fixture
def values(rng):
    return 50 * rng.standard_normal((2, 9, 7, 3))


@pytest.mark.parametrize("deviation", [0.5, 0.6, 1.0, 4.0])
def test_the_blur_is_scipys(deviation, values):
    """4.0 reaches sixteen pixels to each side, so the mirror is met several times."""
    expected = ndimage.gaussian_filter(values, (0, deviation, deviation, 0), mode="reflect", truncate=4.0)
    assert_allclose(applied(gaussian_blur(deviation), values), expected, **tolerances.REORDERED)


def test_decay_takes_its_part(values):
    assert_allclose(applied(decay(0.3), values), 0.7 * values, **tolerances.SAME_MATH)


def test_every_counts_from_the_first_step(values):
    regularizer = every(4, decay(1.0))
    gone = [not applied(regularizer, values, step=step).any() for step in range(9)]
    assert gone == [True, False, False, False, True, False, False, False, True]


def kept_by_loop(values, measure, percentile):
    """Values in which each picture's pixels below its own percentile of the measure are 0."""
    found = values.copy()
    for picture, sizes in zip(found, measure, strict=True):
        ordered = sorted(sizes.reshape(-1))
        place = (len(ordered) - 1) * percentile / 100
        low = int(place)
        least = ordered[low] + (place - low) * (ordered[min(low + 1, len(ordered) - 1)] - ordered[low])
        for row in range(sizes.shape[0]):
            for column in range(sizes.shape[1]):
                if sizes[row, column] < least:
                    picture[row, column] = 0
    return found


@pytest.mark.parametrize("percentile", [0, 20, 50, 90])
def test_small_norms_are_cut(percentile, values):
    expected = kept_by_loop(values, np.sqrt((values**2).sum(-1)), percentile)
    found = applied(clip_small_norm(percentile), values)
    assert_allclose(found, expected, **tolerances.SAME_MATH)
    assert np.mean(np.any(found != 0, axis=-1)) == pytest.approx(1 - percentile / 100, abs=1 / 63)


@pytest.mark.parametrize("percentile", [0, 50, 90])
def test_small_contributions_are_cut(percentile, values, rng):
    """A pixel that pulls the objective down as much counts as much: the sum's magnitude decides."""
    gradient = rng.standard_normal(values.shape)
    expected = kept_by_loop(values, np.abs((values * gradient).sum(-1)), percentile)
    assert_allclose(applied(clip_small_contribution(percentile), values, gradient), expected, **tolerances.SAME_MATH)
