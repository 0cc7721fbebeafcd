"""Convolution by spectra: the same as by sums."""

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose

from cvapps.analysis import fold_batch_norm, profile
from cvapps.layers import FFTConv2D
from cvapps.layers.fourier import fast_length
from tests.tolerances import REORDERED, SAME_MATH


def by_hand(x, kernel, bias, padding):
    """The correlation as sums over shifted pictures, in float64."""
    tall, wide = kernel.shape[:2]
    if padding == "same":
        x = np.pad(x, ((0, 0), ((tall - 1) // 2, tall // 2), ((wide - 1) // 2, wide // 2), (0, 0)))
    height, width = x.shape[1] - tall + 1, x.shape[2] - wide + 1
    return bias + sum(x[:, i : i + height, j : j + width] @ kernel[i, j] for i in range(tall) for j in range(wide))


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, (5, 4), (11, 13)])
def test_is_conv2d_and_the_definition(size, padding, rng):
    x = rng.normal(size=(2, 13, 17, 3)).astype("float32")
    ours, theirs = FFTConv2D(4, size, padding=padding), keras.layers.Conv2D(4, size, padding=padding)
    theirs.build(x.shape)
    ours.build(x.shape)
    ours.set_weights([theirs.get_weights()[0], rng.normal(size=4)])
    theirs.set_weights(ours.get_weights())
    found = np.asarray(ours(x))
    assert_allclose(found, theirs(x), **SAME_MATH)
    kernel, bias = (w.astype("float64") for w in ours.get_weights())
    assert_allclose(found, by_hand(x.astype("float64"), kernel, bias, padding), **SAME_MATH)


def test_any_size_in_a_model(rng):
    image = keras.Input((None, None, 3))
    layer = FFTConv2D(4, 5, padding="same", activation="relu")
    model = keras.Model(image, layer(image))
    for shape in ((2, 9, 11, 3), (1, 14, 6, 3)):
        x = rng.normal(size=shape).astype("float32")
        kernel, bias = (w.astype("float64") for w in layer.get_weights())
        expected = np.maximum(by_hand(x.astype("float64"), kernel, bias, "same"), 0)
        assert_allclose(model.predict(x, verbose=0), expected, **SAME_MATH)


def test_is_a_convolution_to_the_rest_of_the_library(rng):
    """Its cost is its definition's, as of any convolution, and batch normalization folds into it."""
    image = keras.Input((12, 12, 3))
    model = keras.Model(image, keras.layers.BatchNormalization()(FFTConv2D(4, 5, use_bias=False, name="conv")(image)))
    assert profile(model).rows[0].multiply_adds == 8 * 8 * 4 * 25 * 3
    folded = fold_batch_norm(model)
    assert [type(op).__name__ for op in folded.operations] == ["InputLayer", "FFTConv2D"]
    x = rng.normal(size=(2, 12, 12, 3)).astype("float32")
    assert_allclose(folded(x), model(x), **REORDERED)


@pytest.mark.parametrize("settings", [dict(strides=2), dict(dilation_rate=2), dict(groups=2)])
def test_what_it_cannot_do_is_refused(settings):
    with pytest.raises(ValueError, match="expected strides, dilation_rate and groups of 1"):
        FFTConv2D(4, 3, **settings)


def test_fast_lengths():
    assert [fast_length(n) for n in (1, 2, 7, 11, 13, 17, 31, 64, 97, 241)] == [2, 2, 8, 12, 16, 18, 32, 64, 100, 250]
