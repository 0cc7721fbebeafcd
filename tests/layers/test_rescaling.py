"""Rescaling against Keras' own, to the bit."""

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose, assert_array_equal

from cvapps.layers import Rescaling
from tests.tolerances import SAME_MATH

SCALE, OFFSET = [1 / 58.395, 1 / 57.12, 1 / 57.375], [-2.118, -2.036, -1.804]


@pytest.mark.parametrize("offset", [OFFSET, 0.5], ids=["of each", "of all"])
@pytest.mark.parametrize("shape", [(4, 5, 3), (None, None, 3)], ids=["known", "open"])
def test_is_kerass_own(shape, offset, rng):
    pixels = rng.integers(0, 256, (2, 4, 5, 3)).astype("uint8")
    expected = keras.layers.Rescaling(SCALE, offset)(pixels)
    image = keras.Input(shape, dtype="uint8")
    model = keras.Model(image, Rescaling(SCALE, offset)(image))
    assert model.output_shape == (None, *shape)
    assert_array_equal(model(pixels), expected)
    by_hand = pixels.astype("float64") * SCALE + offset
    assert_allclose(model(pixels), by_hand, **SAME_MATH)


def test_one_scale_for_all_channels(rng):
    x = rng.normal(size=(2, 4, 5, 3)).astype("float32")
    assert_array_equal(Rescaling(2.0, -1.0)(x), keras.layers.Rescaling(2.0, -1.0)(x))


def test_half_precision_rounds_as_keras(rng):
    x = rng.uniform(0, 255, (2, 4, 5, 3)).astype("float32")
    ours, theirs = (kind(SCALE, OFFSET, dtype="bfloat16")(x) for kind in (Rescaling, keras.layers.Rescaling))
    assert_array_equal(ops.cast(ours, "float32"), ops.cast(theirs, "float32"))


def test_no_picture_at_all():
    assert np.shape(Rescaling(SCALE, OFFSET)(np.zeros((0, 4, 5, 3), "float32"))) == (0, 4, 5, 3)
