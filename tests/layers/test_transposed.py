"""Transposed convolution is multiplication by the transpose of convolution's matrix: X^T a (the lectures' form)."""

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose

from tests.tolerances import SAME_MATH


def band(kernel, length, stride):
    """Convolution's matrix X: row i holds the kernel from place `stride` i on, over an input with its zeros."""
    rows = (length - len(kernel)) // stride + 1
    matrix = np.zeros((rows, length))
    for i in range(rows):
        matrix[i, i * stride : i * stride + len(kernel)] = kernel
    return matrix


@pytest.mark.parametrize("stride", [1, 2])
def test_the_lectures_example(stride):
    """Kernel (x, y, z), signal 0 a b c d 0: X a is the convolution, X^T a the transposed one."""
    kernel, signal = np.array([2.0, 3.0, 5.0]), np.array([0, 7.0, 11.0, 13.0, 17.0, 0])
    matrix = band(kernel, 6, stride)
    weights = kernel[:, None, None].astype("float32")
    forward = keras.layers.Conv1D(1, 3, stride, use_bias=False)
    backward = keras.layers.Conv1DTranspose(1, 3, stride, use_bias=False)
    short = signal[1 : 1 + len(matrix)]
    for layer, x in ((forward, signal), (backward, short)):
        layer.build((1, len(x), 1))
        layer.set_weights([weights])
    assert_allclose(np.ravel(forward(signal[None, :, None].astype("float32"))), matrix @ signal, **SAME_MATH)
    spread = np.ravel(backward(short[None, :, None].astype("float32")))
    expected = matrix.T @ short
    assert_allclose(spread, expected[: len(spread)], **SAME_MATH)
    assert not expected[len(spread) :].any()  # of stride 2 no window reaches the last place


def matrix_of(kernel, size, stride, padding):
    """The matrix of a two-dimensional convolution, (places and maps of the output, pixels and channels), by loops."""
    k, _, channels, filters = kernel.shape
    out = -(-size // stride) if padding == "same" else (size - k) // stride + 1
    before = max((out - 1) * stride + k - size, 0) // 2 if padding == "same" else 0
    matrix = np.zeros((out, out, filters, size, size, channels))
    for row, column, i, j in np.ndindex(out, out, k, k):
        y, x = row * stride + i - before, column * stride + j - before
        if 0 <= y < size and 0 <= x < size:
            matrix[row, column, :, y, x] += kernel[i, j].T
    return matrix.reshape(out * out * filters, size * size * channels), out


@pytest.mark.parametrize(
    ("k", "stride", "size", "padding"),
    [
        (3, 1, 5, "valid"),
        (3, 1, 5, "same"),
        (3, 2, 7, "valid"),
        (4, 2, 6, "same"),
        (3, 2, 6, "same"),
        (2, 2, 6, "valid"),
    ],
)
def test_in_two_dimensions_and_many_maps(k, stride, size, padding, rng):
    channels, filters = 2, 3
    kernel = rng.normal(size=(k, k, channels, filters)).astype("float32")
    matrix, out = matrix_of(kernel.astype("float64"), size, stride, padding)
    forward = keras.layers.Conv2D(filters, k, stride, padding, use_bias=False)
    backward = keras.layers.Conv2DTranspose(
        channels, k, stride, padding, use_bias=False
    )  # the same array is its kernel
    x = rng.normal(size=(1, size, size, channels)).astype("float32")
    a = rng.normal(size=(1, out, out, filters)).astype("float32")
    for layer, given in ((forward, x), (backward, a)):
        layer.build(given.shape)
        layer.set_weights([kernel])
    assert_allclose(np.ravel(forward(x)), matrix @ np.ravel(x), **SAME_MATH)
    expected = (matrix.T @ np.ravel(a)).reshape(1, size, size, channels)
    assert_allclose(backward(a), expected, **SAME_MATH)
