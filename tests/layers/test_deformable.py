"""Deformable convolution against its definition, weight by weight, in float64."""

import math

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose

from cvapps.layers import DeformableConv2D
from tests.backends import gradient
from tests.tolerances import REORDERED, SAME_MATH


def interpolated(picture, y, x):
    """A channel between its pixels: the four around the place, those outside of the picture zero."""
    height, width = picture.shape
    top, left = math.floor(y), math.floor(x)
    total = 0.0
    for row, weight_y in ((top, 1 - (y - top)), (top + 1, y - top)):
        for column, weight_x in ((left, 1 - (x - left)), (left + 1, x - left)):
            if 0 <= row < height and 0 <= column < width:
                total += weight_y * weight_x * picture[row, column]
    return total


def convolution(x, kernel, bias, stride, before, dilation, out):
    """An ordinary convolution as the sum that it is."""
    y = np.zeros((len(x), *out, kernel.shape[-1])) + bias
    for n, row, column, i, j in np.ndindex(len(x), *out, *kernel.shape[:2]):
        r, c = row * stride + i * dilation - before[0], column * stride + j * dilation - before[1]
        if 0 <= r < x.shape[1] and 0 <= c < x.shape[2]:
            y[n, row, column] += x[n, r, c] @ kernel[i, j]
    return y


def by_hand(layer, x):
    """Dai et al. 2017, equation 2, and Zhu et al. 2018, equation 1, in the layer's weights."""
    kernel, *rest = (w.astype("float64") for w in layer.get_weights())
    bias, offset_kernel, offset_bias = rest if layer.use_bias else (0.0, *rest)
    (k, _, channels, filters), stride, dilation = kernel.shape, layer.strides[0], layer.dilation_rate[0]
    sizes, extent = x.shape[1:3], (k - 1) * dilation + 1
    if layer.padding == "same":
        out = [-(-size // stride) for size in sizes]
        before = [max((o - 1) * stride + extent - size, 0) // 2 for o, size in zip(out, sizes, strict=True)]
    else:
        out, before = [(size - extent) // stride + 1 for size in sizes], (0, 0)
    groups = layer.offset_groups
    moves = convolution(x, offset_kernel, offset_bias, stride, before, dilation, out)
    moves = moves.reshape(len(x), *out, groups, k, k, -1)
    y = np.zeros((len(x), *out, filters)) + bias
    for n, row, column, i, j, c in np.ndindex(len(x), *out, k, k, channels):
        down, right, *modulation = moves[n, row, column, c // (channels // groups), i, j]
        place = (row * stride + i * dilation - before[0] + down, column * stride + j * dilation - before[1] + right)
        factor = 1 / (1 + math.exp(-modulation[0])) if modulation else 1
        y[n, row, column] += factor * interpolated(x[n, :, :, c], *place) * kernel[i, j, c]
    return y


def randomized(layer, x, rng):
    """The layer built, its moves up to some pixels."""
    if not layer.built:
        layer.build(x.shape)
    layer.set_weights([rng.normal(size=w.shape) * 0.3 for w in layer.get_weights()])
    return layer


@pytest.mark.parametrize(
    "settings",
    [
        dict(),
        dict(modulated=True, padding="same"),
        dict(modulated=True, padding="same", strides=2, offset_groups=2),
        dict(offset_groups=4, dilation_rate=2, padding="same", use_bias=False),
        dict(strides=2, modulated=True),
    ],
    ids=lambda settings: " ".join(map(str, settings)) or "v1",
)
def test_is_the_definition(settings, rng):
    x = rng.normal(size=(2, 6, 7, 4)).astype("float32")
    layer = randomized(DeformableConv2D(3, 3, **settings), x, rng)
    expected = by_hand(layer, x.astype("float64"))
    assert layer.compute_output_shape(x.shape) == expected.shape
    assert_allclose(layer(x), expected, **REORDERED)  # the moves themselves are rounded, in pixels


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_begins_as_a_convolution(strides, padding, rng):
    """The paper's first step; with modulation as half of one."""
    x = rng.normal(size=(2, 9, 8, 4)).astype("float32")
    plain = keras.layers.Conv2D(5, 3, strides, padding, use_bias=False)
    expected = np.asarray(plain(x))
    for modulated, factor in ((False, 1), (True, 0.5)):
        layer = DeformableConv2D(5, 3, strides, padding, modulated=modulated, use_bias=False)
        layer.build(x.shape)
        layer.kernel.assign(plain.kernel)
        assert_allclose(np.asarray(layer(x)), factor * expected, **SAME_MATH)


def test_every_weight_has_a_finite_gradient_that_is_not_zero(rng):
    x = rng.normal(size=(2, 6, 7, 4)).astype("float32")
    layer = randomized(DeformableConv2D(3, 3, padding="same", modulated=True), x, rng)
    weights = [w.numpy() for w in layer.trainable_variables]
    assert len(weights) == 4
    for i, value in enumerate(weights):

        def loss(value, i=i):
            given = [*weights[:i], value, *weights[i + 1 :]]
            outputs, _ = layer.stateless_call(given, [], x)
            return keras.ops.sum(keras.ops.square(outputs))

        found = gradient(loss, value)
        assert np.isfinite(found).all()
        assert found.any()


def test_any_size_in_a_model(rng):
    image = keras.Input((None, None, 4))
    layer = DeformableConv2D(3, 3, 2, "same", modulated=True)
    model = keras.Model(image, layer(image))
    x = rng.normal(size=(2, 7, 6, 4)).astype("float32")
    randomized(layer, x, rng)
    assert_allclose(model.predict(x, verbose=0), by_hand(layer, x.astype("float64")), **REORDERED)


def test_counts_its_work():
    layer = DeformableConv2D(3, 3, padding="same", modulated=True)
    layer.build((None, 6, 7, 4))
    moves, own, reading = 27 * 9 * 4, 3 * 9 * 4, 4 * 9 * 4
    assert layer.multiply_adds((None, 6, 7, 4), (None, 6, 7, 3)) == 42 * (moves + own + reading)


def test_groups_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="3 groups of offsets do not divide 4 channels"):
        DeformableConv2D(3, 3, offset_groups=3).build((None, 6, 6, 4))
