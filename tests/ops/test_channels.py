"""The channel shuffle against NumPy, and what it refuses."""

import keras
import numpy as np
import pytest
from keras import ops

from cvapps.ops.channels import channel_shuffle


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 12])
def test_deals_the_groups_out_in_turn(groups, rng):
    """By the paper's words: reshape to (groups, n), transpose, flatten."""
    x = rng.normal(size=(2, 3, 5, 12)).astype("float32")
    expected = np.empty_like(x)
    for group in range(groups):
        for i in range(12 // groups):
            expected[..., i * groups + group] = x[..., group * (12 // groups) + i]
    np.testing.assert_array_equal(ops.convert_to_numpy(channel_shuffle(x, groups)), expected)


def test_shuffling_back_takes_the_other_factor(rng):
    x = rng.normal(size=(1, 2, 2, 12)).astype("float32")
    np.testing.assert_array_equal(ops.convert_to_numpy(channel_shuffle(channel_shuffle(x, 3), 4)), x)


def test_works_with_open_sizes(rng):
    image = keras.Input((None, None, 6))
    model = keras.Model(image, channel_shuffle(image, 2))
    assert model.output_shape == (None, None, None, 6)
    assert model(rng.normal(size=(1, 3, 4, 6))).shape == (1, 3, 4, 6)


def test_groups_must_divide_the_channels():
    with pytest.raises(ValueError, match="5 groups do not divide 12 channels"):
        channel_shuffle(np.zeros((1, 1, 1, 12)), 5)
