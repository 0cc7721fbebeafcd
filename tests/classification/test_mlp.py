"""Perceptrons against the definition."""

import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose

import cvapps
from tests import tolerances

ACTIVATIONS = {"relu": lambda x: np.maximum(x, 0), "sigmoid": lambda x: 1 / (1 + np.exp(-x)), "tanh": np.tanh}


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("hidden", [(), (5,), (7, 4)])
def test_is_the_definition(hidden, activation, rng):
    model = cvapps.create_model("mlp", hidden=hidden, activation=activation, num_classes=3, input_shape=(4, 6, 3))
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    weights = [w.astype("float64") for w in model.get_weights()]
    x = rng.uniform(0, 255, (2, 4, 6, 3)).astype("float32")
    y = x.reshape(2, -1).astype("float64") / 127.5 - 1
    for kernel, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        y = ACTIVATIONS[activation](y @ kernel + bias)
    assert_allclose(ops.convert_to_numpy(model(x)), y @ weights[-2] + weights[-1], **tolerances.REORDERED)


def test_a_hidden_layer_on_pixels_is_large():
    """The lectures' reason for convolutions: 25 million weights in one layer of 500 units."""
    model = cvapps.create_model("mlp", input_shape=(128, 128, 3))
    assert model.get_layer("hidden1").count_params() == 24_576_500 == 128 * 128 * 3 * 500 + 500


def test_an_open_size_is_refused():
    with pytest.raises(TypeError, match=r"input_shape must be tuple\[int, int, int\]"):
        cvapps.create_model("perceptron", input_shape=(None, None, 3))
