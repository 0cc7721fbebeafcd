"""Maxout against the paper's formula."""

import keras
import numpy as np
import pytest

from cvapps.layers.activation import Maxout
from tests.tolerances import SAME_MATH


def test_maxout_over_a_dense_layer_is_the_paper_s_unit(rng):
    """h_i = max over j of x W_ij + b_ij."""
    x, kernel, bias = rng.normal(size=(7, 5)), rng.normal(size=(5, 3, 4)), rng.normal(size=(3, 4))  # W is (D, k, units)
    dense = keras.layers.Dense(12)
    dense.build((None, 5))
    dense.set_weights([kernel.reshape(5, 12), bias.reshape(12)])
    by_hand = np.array([[max(row @ kernel[:, j, i] + bias[j, i] for j in range(3)) for i in range(4)] for row in x])
    np.testing.assert_allclose(Maxout(4)(dense(x)), by_hand, **SAME_MATH)


def test_one_piece_is_the_identity_and_one_unit_the_maximum(rng):
    x = rng.normal(size=(2, 3, 3, 6)).astype("float32")
    np.testing.assert_array_equal(Maxout(6)(x), x)
    np.testing.assert_array_equal(Maxout(1)(x), x.max(axis=-1, keepdims=True))


def test_units_that_do_not_divide_the_channels_raise():
    with pytest.raises(ValueError, match="pieces: 5 units do not divide 12 channels"):
        Maxout(5, name="pieces")(np.zeros((1, 12)))
