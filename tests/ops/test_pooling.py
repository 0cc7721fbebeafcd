"""Pooling with switches against a loop in float64."""

import keras
import numpy as np
import pytest

from cvapps.ops.pooling import max_pool_with_argmax, max_unpool
from tests.backends import gradient
from tests.tolerances import EXACT, SAME_MATH

SIZES = pytest.mark.parametrize(
    ("size", "stride", "shape"),
    [(2, 2, (2, 6, 8, 3)), (2, 2, (1, 7, 5, 2)), (3, 2, (2, 7, 9, 3)), (3, 1, (1, 5, 4, 2)), (2, 3, (1, 8, 9, 1))],
)


def pool_by_hand(x, size, stride):
    """Maxima and switches, window by window."""
    batch, height, width, channels = x.shape
    shape = batch, (height - size) // stride + 1, (width - size) // stride + 1, channels
    pooled, switches = np.zeros(shape), np.zeros(shape, int)
    for n, i, j, c in np.ndindex(shape):
        window = x[n, i * stride : i * stride + size, j * stride : j * stride + size, c]
        row, column = divmod(int(window.argmax()), size)
        pooled[n, i, j, c] = window.max()
        switches[n, i, j, c] = (i * stride + row) * width + j * stride + column
    return pooled, switches


def unpool_by_hand(x, switches, height, width):
    """Each value added at its switch."""
    result = np.zeros((x.shape[0], height, width, x.shape[3]))
    for n, i, j, c in np.ndindex(x.shape):
        row, column = divmod(int(switches[n, i, j, c]), width)
        result[n, row, column, c] += x[n, i, j, c]
    return result


@SIZES
def test_pooling_and_unpooling_are_the_loop(size, stride, shape, rng):
    x = rng.normal(size=shape).astype("float32")
    expected, places = pool_by_hand(x.astype("float64"), size, stride)
    pooled, switches = max_pool_with_argmax(x, size, stride)
    np.testing.assert_allclose(pooled, expected, **EXACT)
    np.testing.assert_array_equal(switches, places)
    np.testing.assert_allclose(pooled, keras.layers.MaxPooling2D(size, stride)(x), **EXACT)
    values = rng.normal(size=expected.shape).astype("float32")
    unpooled = max_unpool(values, switches, shape[1:3])
    np.testing.assert_allclose(unpooled, unpool_by_hand(values.astype("float64"), places, *shape[1:3]), **SAME_MATH)


@SIZES
def test_each_is_the_other_s_derivative(size, stride, shape, rng):
    x = rng.normal(size=shape).astype("float32")
    pooled, switches = max_pool_with_argmax(x, size, stride)
    weight = rng.normal(size=pooled.shape).astype("float32")
    back = gradient(lambda x: keras.ops.sum(max_pool_with_argmax(x, size, stride)[0] * weight), x)
    np.testing.assert_allclose(back, max_unpool(weight, switches, shape[1:3]), **SAME_MATH)
    probe = rng.normal(size=shape).astype("float32")
    back = gradient(lambda y: keras.ops.sum(max_unpool(y, switches, shape[1:3]) * probe), np.asarray(pooled))
    flat = probe.reshape(shape[0], -1, shape[3])
    there = np.take_along_axis(flat, np.asarray(switches).reshape(shape[0], -1, shape[3]), axis=1)
    np.testing.assert_allclose(back, there.reshape(pooled.shape), **EXACT)


def test_of_equal_values_the_first_wins_and_takes_the_gradient():
    x = np.zeros((1, 4, 4, 1), "float32")
    _, switches = max_pool_with_argmax(x, 2, 2)
    np.testing.assert_array_equal(np.ravel(switches), [0, 2, 8, 10])
    back = gradient(lambda x: keras.ops.sum(max_pool_with_argmax(x, 2, 2)[0]), x)
    np.testing.assert_array_equal(np.flatnonzero(back), [0, 2, 8, 10])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_types_are_kept(dtype, rng):
    x = keras.ops.cast(rng.normal(size=(1, 4, 6, 2)), dtype)
    pooled, switches = max_pool_with_argmax(x, 2, 2)
    kinds = [keras.backend.standardize_dtype(t.dtype) for t in (pooled, switches, max_unpool(pooled, switches, (4, 6)))]
    assert kinds == [dtype, "int32", dtype]
