"""The ways to enlarge a map against loops, and that odd sizes come back as they went in."""

import inspect
from functools import partial

import keras
import numpy as np
import pytest
from keras import ops

from cvapps.dense import upsample
from cvapps.dense.upsample import bilinear, pool, resize_conv, transposed, unpooling
from cvapps.initializers import Bilinear
from tests.tolerances import EXACT, SAME_MATH

BLOCKS = {block.__name__: block for block in (bilinear, transposed, unpooling, resize_conv)}


def applied(block, x, *settings):
    """The block as a model of any size, and what it makes of x."""
    image = keras.Input((None, None, x.shape[-1]))
    model = keras.Model(image, block(image, *settings))
    return model, ops.convert_to_numpy(model(x))


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize(("filters", "factor"), [(3, 2), (5, 2), (3, 4), (5, 3)])
def test_one_signature(block, filters, factor, rng):
    x = rng.normal(size=(2, 4, 5, 3)).astype("float32")
    model, y = applied(BLOCKS[block], x, filters, factor, "up")
    assert y.shape == (2, 4 * factor, 5 * factor, filters)
    assert model.output.shape == (None, None, None, filters)
    assert all(op.name.startswith("up") for op in model.operations[1:])


def test_every_block_is_here():
    public = {n for n, f in inspect.getmembers(upsample, inspect.isfunction) if f.__module__ == upsample.__name__}
    assert {name for name in public if not name.startswith("_")} == {*BLOCKS, "pool"}


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_bilinear_is_interpolation_between_centres(factor, rng):
    x = rng.normal(size=(1, 4, 6, 2)).astype("float32")
    _, y = applied(bilinear, x, 2, factor, "up")

    def along(values, axis):
        count = values.shape[axis]
        places = (np.arange(count * factor) + 0.5) / factor - 0.5
        return np.apply_along_axis(lambda v: np.interp(places, np.arange(count), v), axis, values)

    np.testing.assert_allclose(y, along(along(x.astype("float64"), 1), 2), **SAME_MATH)


@pytest.mark.parametrize(("factor", "kernel"), [(2, 4), (3, 5), (4, 8)])
def test_a_transposed_convolution_can_begin_as_interpolation(factor, kernel, rng):
    x = rng.normal(size=(1, 5, 6, 2)).astype("float32")
    _, expected = applied(bilinear, x, 2, factor, "up")
    block = partial(transposed, kernel=kernel, initializer=Bilinear())
    _, y = applied(block, x, 2, factor, "up")
    inside = (slice(None), slice(factor, -factor), slice(factor, -factor))  # beyond the edge are zeros there
    np.testing.assert_allclose(y[inside], expected[inside], **SAME_MATH)


def test_a_transposed_convolution_lays_kernels_down(rng):
    x = rng.normal(size=(1, 3, 4, 2)).astype("float32")
    model, y = applied(partial(transposed, kernel=3), x, 5, 2, "up")
    kernel = ops.convert_to_numpy(model.get_layer("up").kernel).astype("float64")
    whole = np.zeros((3 * 2 + 1, 4 * 2 + 1, 5))
    for i, j in np.ndindex(3, 4):
        whole[2 * i : 2 * i + 3, 2 * j : 2 * j + 3] += kernel @ x[0, i, j]
    np.testing.assert_allclose(y[0], whole[:6, :8], **SAME_MATH)


def test_resized_convolution_is_repetition_and_convolution(rng):
    x = rng.normal(size=(1, 3, 4, 2)).astype("float32")
    model, y = applied(partial(resize_conv, kernel=3), x, 5, 2, "up")
    kernel = ops.convert_to_numpy(model.get_layer("up_conv").kernel).astype("float64")
    large = np.pad(x[0].repeat(2, axis=0).repeat(2, axis=1), ((1, 1), (1, 1), (0, 0)))
    expected = [[np.einsum("abc,abcd->d", large[i : i + 3, j : j + 3], kernel) for j in range(8)] for i in range(6)]
    np.testing.assert_allclose(y[0], expected, **SAME_MATH)


def test_without_switches_unpooling_is_a_bed_of_nails(rng):
    x = rng.normal(size=(2, 3, 4, 2)).astype("float32")
    _, y = applied(unpooling, x, 2, 2, "up")
    np.testing.assert_allclose(y[:, ::2, ::2], x, **EXACT)
    assert np.count_nonzero(y) == x.size


@pytest.mark.parametrize(("height", "width"), [(4, 6), (5, 7), (1, 2), (3, 8), (1, 1)])
def test_what_was_pooled_comes_back_to_its_place_at_every_size(height, width, rng):
    """Of each cell of 2x2, smaller at odd ends, its first largest value stays and all else is zero."""
    x = np.maximum(rng.integers(-6, 7, (2, height, width, 3)), 0).astype("float32")  # with ties, and cells of zeros
    image = keras.Input((None, None, 3))
    maxima, pooled = pool(image, "pool")
    model = keras.Model(image, [maxima, unpooling(maxima, 3, 2, "up", pooled)])
    small, large = (ops.convert_to_numpy(y) for y in model(x))
    assert small.shape == (2, -(-height // 2), -(-width // 2), 3)
    expected = np.zeros_like(x)
    for n, i, j, c in np.ndindex(small.shape):
        cell = x[n, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2, c]
        assert small[n, i, j, c] == cell.max()
        row, column = np.unravel_index(cell.argmax(), cell.shape)
        expected[n, 2 * i + row, 2 * j + column, c] = cell.max()
    np.testing.assert_allclose(large, expected, **EXACT)


@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_comes_back_to_the_size_that_was_pooled(block, rng):
    image = keras.Input((None, None, 3))
    maxima, pooled = pool(image, "pool")
    model = keras.Model(image, BLOCKS[block](maxima, 3, 2, "up", pooled))
    for height, width in ((4, 6), (5, 7), (6, 3)):
        x = rng.uniform(size=(2, height, width, 3)).astype("float32")
        assert tuple(model(x).shape) == x.shape


def test_switches_are_of_their_own_channels_and_size():
    image = keras.Input((8, 8, 3))
    maxima, pooled = pool(image, "pool")
    with pytest.raises(ValueError, match="up: the switches are of 2x2 windows in 3 channels, not of 4x4 in 3 for 3"):
        unpooling(maxima, 3, 4, "up", pooled)
    with pytest.raises(ValueError, match="in 3 channels, not of 2x2 in 3 for 5"):
        unpooling(maxima, 5, 2, "up", pooled)
