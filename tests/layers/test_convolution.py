"""The table convolution against its definition, map by map."""

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose

from cvapps.layers import TableConv2D
from tests import tolerances

TABLE = ((0,), (2, 0), (1, 2, 3))


def by_hand(x, table, kernel, bias):
    """Each output map is the sum of one two-dimensional correlation for each input map that it reads, in float64."""
    size = int(np.sqrt(kernel.shape[0]))
    height, width = (n - size + 1 for n in x.shape[1:3])
    y = np.zeros((len(x), height, width, len(table))) + bias
    connection = 0
    for j, maps in enumerate(table):
        for i in maps:
            weights = kernel[:, connection].reshape(size, size)
            for r in range(height):
                for c in range(width):
                    y[:, r, c, j] += (x[:, r : r + size, c : c + size, i] * weights).sum((1, 2))
            connection += 1
    return y


@pytest.mark.parametrize("size", [1, 3])
def test_is_the_definition(size, rng):
    layer = TableConv2D(TABLE, size)
    x = rng.normal(size=(2, 6, 7, 4)).astype("float32")
    layer.build(x.shape)
    kernel, bias = rng.normal(size=(size**2, 6)), rng.normal(size=3)
    layer.set_weights([kernel, bias])
    assert_allclose(ops.convert_to_numpy(layer(x)), by_hand(x, TABLE, kernel, bias), **tolerances.SAME_MATH)
    assert layer.compute_output_shape((None, None, 7, 4)) == (None, None, 7 - size + 1, 3)


def test_a_full_table_is_a_convolution(rng):
    full = tuple((0, 1, 2) for _ in range(5))
    ours, theirs = TableConv2D(full, 3), keras.layers.Conv2D(5, 3)
    x = rng.normal(size=(2, 6, 6, 3)).astype("float32")
    expected = ops.convert_to_numpy(theirs(x))
    ours.build(x.shape)
    kernel = theirs.get_weights()[0].reshape(9, 3, 5).transpose(0, 2, 1).reshape(9, 15)
    ours.set_weights([kernel, theirs.get_weights()[1]])
    assert_allclose(ops.convert_to_numpy(ours(x)), expected, **tolerances.SAME_MATH)
    assert ours.multiply_adds(x.shape, expected.shape) == 9 * 15 * 4 * 4


def test_a_table_beyond_the_input_is_refused():
    with pytest.raises(ValueError, match=r"names map 3 of an input of 3 maps"):
        TableConv2D(TABLE, 3).build((None, 8, 8, 3))
