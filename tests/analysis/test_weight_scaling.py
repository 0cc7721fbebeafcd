"""Exercise 5.1 against the lectures' tables, cell by cell, by equality."""

from fractions import Fraction
from itertools import pairwise

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose

from cvapps import backend
from cvapps.analysis import weight_scaling
from cvapps.analysis.weight_scaling import STARTS, steepest_descent
from tests.tolerances import REORDERED, SAME_MATH

# x1 x2 | z1 z2 | y target loss | d_w11 d_w12 d_w21 d_w22 | d_z1 d_z2 | d_w31 d_w32 | d_y
TABLE_B = """
-1 -1 | 2 0 | 2 2.1 0.01 | 0.1 0.1  0    0    | -0.1 -0.1 | -0.2  0   | -0.1
-1  0 | 1 0 | 1 1   0    | 0   0    0    0    |  0    0   |  0    0   |  0
-1  1 | 0 0 | 0 0.1 0.01 | 0   0    0    0    |  0    0   |  0    0   | -0.1
 0 -1 | 1 0 | 1 1.1 0.01 | 0   0.1  0    0    | -0.1 -0.1 | -0.1  0   | -0.1
 0  0 | 0 0 | 0 0   0    | 0   0    0    0    |  0    0   |  0    0   |  0
 0  1 | 0 1 | 1 1.1 0.01 | 0   0    0   -0.1  | -0.1 -0.1 |  0   -0.1 | -0.1
 1 -1 | 0 0 | 0 0.1 0.01 | 0   0    0    0    |  0    0   |  0    0   | -0.1
 1  0 | 0 1 | 1 1   0    | 0   0    0    0    |  0    0   |  0    0   |  0
 1  1 | 0 2 | 2 2.1 0.01 | 0   0   -0.1 -0.1  | -0.1 -0.1 |  0   -0.2 | -0.1
"""
TABLE_C = """
-1 -1 | 200   0 | 2 2.1 0.01 | 0.001 0.001  0      0     | -0.001 -0.001 | -20   0 | -0.1
-1  0 | 100   0 | 1 1   0    | 0     0      0      0     |  0      0     |   0   0 |  0
-1  1 |   0   0 | 0 0.1 0.01 | 0     0      0      0     |  0      0     |   0   0 | -0.1
 0 -1 | 100   0 | 1 1.1 0.01 | 0     0.001  0      0     | -0.001 -0.001 | -10   0 | -0.1
 0  0 |   0   0 | 0 0   0    | 0     0      0      0     |  0      0     |   0   0 |  0
 0  1 |   0 100 | 1 1.1 0.01 | 0     0      0     -0.001 | -0.001 -0.001 |   0 -10 | -0.1
 1 -1 |   0   0 | 0 0.1 0.01 | 0     0      0      0     |  0      0     |   0   0 | -0.1
 1  0 |   0 100 | 1 1   0    | 0     0      0      0     |  0      0     |   0   0 |  0
 1  1 |   0 200 | 2 2.1 0.01 | 0     0     -0.001 -0.001 | -0.001 -0.001 |   0 -20 | -0.1
"""
MINUS_GRADIENT = {  # the tables' row "grad-"
    "b": "-0.1 -0.2 0.1 0.2 0.3 0.3",
    "c": "-0.001 -0.002 0.001 0.002 30 30",
}


def cells(line):
    """Decimal numbers as exact fractions."""
    return tuple(map(Fraction, line.replace("|", " ").split()))


@pytest.mark.parametrize(("column", "table"), [("b", TABLE_B), ("c", TABLE_C)])
def test_the_lectures_tables_by_equality(column, table):
    worked = weight_scaling(column)
    assert [tuple(vars(sample).values()) for sample in worked.samples] == [*map(cells, table.strip().splitlines())]
    assert worked.error == Fraction("0.06")
    assert tuple(-g for g in worked.gradient) == cells(MINUS_GRADIENT[column])


def test_column_a_is_the_function():
    worked = weight_scaling("a")
    assert worked.error == 0
    assert not any(worked.gradient)
    assert (worked.step, worked.error_after) == (0, 0)


@pytest.mark.parametrize("column", "bc")
def test_the_backend_s_derivatives_are_the_same(column):
    """The same network as tensors, differentiated by Keras' backend."""
    x = np.array([[a, b] for a in (-1, 0, 1) for b in (-1, 0, 1)], "float32")
    target = np.abs(x @ np.array([1, 1.1], "float32"))

    def loss(values):
        hidden, out = values
        y = ops.relu(ops.matmul(ops.relu(ops.matmul(x, ops.transpose(hidden))), out))
        return ops.sum(ops.square(y - target)) / 2, y

    weights = np.array([float(w) for w in STARTS[column]], "float32")
    given = [ops.convert_to_tensor(weights[:4].reshape(2, 2)), ops.convert_to_tensor(weights[4:])]
    found, _ = backend.gradients(loss, given)
    found = np.concatenate([np.ravel(ops.convert_to_numpy(d)) for d in found])
    expected = np.array([float(g) for g in weight_scaling(column).gradient])
    assert_allclose(found / np.abs(expected), expected / np.abs(expected), **REORDERED)


def test_the_best_step_of_the_docstring():
    """Questions 4 to 6, by a search of another kind: every step up to four times the best, in small equal parts."""
    for column, step, after in (("b", 0.121, 0.0233), ("c", 1.667e-5, 0.03)):
        worked = weight_scaling(column)
        assert_allclose((worked.step, worked.error_after), (step, after), rtol=5e-3)
        steps = worked.step * np.arange(0, 4, 1e-3)
        weights = [
            np.array([float(w) - s * float(g) for w, g in zip(worked.weights, worked.gradient, strict=True)])
            for s in steps
        ]
        assert worked.error_after <= min(map(error_of, weights)) + 1e-6


def error_of(weights):
    """The squared error summed up by a loop."""
    total = 0.0
    for x1 in (-1, 0, 1):
        for x2 in (-1, 0, 1):
            z1, z2 = max(weights[0] * x1 + weights[1] * x2, 0), max(weights[2] * x1 + weights[3] * x2, 0)
            total += (max(weights[4] * z1 + weights[5] * z2, 0) - abs(x1 + 1.1 * x2)) ** 2
    return total


def test_how_many_updates_each_start_needs():
    """To a thousandth of the first error: three from (b), more than a hundred from (c).

    How many more depends on how a processor rounds on the zigzag: under 400 on one, 1,494 on another.
    """
    enough = 0.06e-3
    balanced, scaled = steepest_descent("b", 5), steepest_descent("c", 100)
    assert next(i for i, error in enumerate(balanced) if error < enough) == 3
    assert min(scaled) > enough
    assert all(after <= before for before, after in pairwise(scaled))


def test_batch_normalization_makes_the_starts_alike():
    """Question 7: normalized hidden activations of (b) and (c) are the same."""
    x = np.array([[a, b] for a in (-1, 0, 1) for b in (-1, 0, 1)], "float32")
    norm = keras.layers.BatchNormalization(epsilon=1e-9)
    hidden = [np.array([float(w) for w in STARTS[column][:4]], "float32").reshape(2, 2).T for column in "bc"]
    one, other = (ops.convert_to_numpy(norm(np.maximum(x @ w, 0), training=True)) for w in hidden)
    assert_allclose(one, other, **SAME_MATH)


def test_prints_the_table_and_refuses_other_columns():
    lines = str(weight_scaling("b")).splitlines()
    assert len(lines) == 12
    assert lines[1].split() == TABLE_B.replace("|", " ").split()[:16]
    assert lines[-1].startswith("best step 0.12")
    with pytest.raises(ValueError, match=r"columns \['a', 'b', 'c'\], not 'd'"):
        weight_scaling("d")
