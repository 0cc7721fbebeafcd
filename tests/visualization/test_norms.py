"""Norms against their definitions in float64, and what makes steps and projections the best of their length."""

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose, assert_array_equal

from cvapps.visualization import L2, LINF
from tests import tolerances

stats = pytest.importorskip("scipy.stats")

ORDERS = {LINF.name: (LINF, np.inf, 1), L2.name: (L2, 2, 2)}  # the norm, and its dual's order
norms = pytest.mark.parametrize(("norm", "order", "dual"), ORDERS.values(), ids=ORDERS)


def flat(changes):
    return np.asarray(ops.convert_to_numpy(changes), "float64").reshape(len(changes), -1)


@norms
def test_lengths_are_numpys(norm, order, dual, rng):
    changes = rng.normal(size=(5, 4, 3, 2)).astype("float32")
    assert_allclose(norm.length(changes), np.linalg.norm(flat(changes), order, axis=1), **tolerances.SAME_MATH)
    assert_allclose(norm.dual(changes), np.linalg.norm(flat(changes), dual, axis=1), **tolerances.SAME_MATH)


@norms
@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30])
def test_a_step_has_length_one_and_rises_most(norm, order, dual, scale, rng):
    """The inner product with the gradient is the dual norm, which no other change of length one exceeds (Hoelder)."""
    gradient = (scale * rng.normal(size=(5, 4, 3, 2))).astype("float32")
    step = flat(norm.step(ops.convert_to_tensor(gradient)))
    assert_allclose(np.linalg.norm(step, order, axis=1), np.ones(5), **tolerances.SAME_MATH)
    risen = (step * flat(gradient)).sum(1) / scale
    assert_allclose(risen, np.linalg.norm(flat(gradient), dual, axis=1) / scale, **tolerances.SAME_MATH)


@norms
def test_no_gradient_is_no_step(norm, order, dual):
    assert_array_equal(norm.step(ops.zeros((2, 4, 4, 3))), np.zeros((2, 4, 4, 3)))


@norms
def test_projection_is_the_nearest_of_the_ball(norm, order, dual, rng):
    changes = (rng.normal(size=(40, 3, 3, 2)) * rng.uniform(0, 2, (40, 1, 1, 1))).astype("float32")
    radius = float(np.median(np.linalg.norm(flat(changes), order, axis=1)))
    projected = ops.convert_to_numpy(norm.project(ops.convert_to_tensor(changes), radius))
    inside = np.linalg.norm(flat(changes), order, axis=1) < radius
    assert 0 < inside.sum() < 40
    assert_array_equal(projected[inside], changes[inside])
    expected = flat(changes)
    if order == 2:
        expected *= np.minimum(1, radius / np.linalg.norm(expected, axis=1))[:, None]
    else:
        expected = np.minimum(np.maximum(expected, -radius), radius)
    assert_allclose(flat(projected), expected, **tolerances.SAME_MATH)


def test_samples_fill_the_balls_evenly():
    """Of the even distribution over a ball of d dimensions |x|^d is even over 0..1; a coordinate of a cube is even."""
    seed = keras.random.SeedGenerator(1)
    lengths = np.linalg.norm(flat(L2.sample((4000, 2, 2, 2), 3.0, seed)), axis=1)
    assert stats.kstest((lengths / 3) ** 8, "uniform").pvalue > 0.01
    directions = flat(L2.sample((4000, 2, 2, 2), 3.0, seed))
    assert stats.ttest_1samp(directions, 0).pvalue.min() > 0.001
    cube = flat(LINF.sample((4000, 2, 2, 2), 3.0, seed))
    assert stats.kstest(cube.ravel() / 6 + 0.5, "uniform").pvalue > 0.01
