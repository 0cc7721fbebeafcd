"""Weights that move from one network into another by the names of layers."""

import keras
import numpy as np
from keras import layers
from numpy.testing import assert_allclose, assert_array_equal

from cvapps.analysis import transplant
from tests.tolerances import SAME_MATH


def network(name, **shapes):
    """Layers side by side, each of the given output, so that names and shapes are free."""
    x = keras.Input((3, 4, 2), name="x")
    return keras.Model(x, {key: make(key)(x) for key, make in shapes.items()}, name=name)


def dense(units):
    """A dense layer over the flattened map."""

    def make(name):
        return lambda x: layers.Dense(units, name=name)(layers.Flatten(name=f"{name}_flatten")(x))

    return make


def convolution(filters, kernel):
    """A convolution."""
    return lambda name: layers.Conv2D(filters, kernel, name=name)


def weights(model, name):
    """A layer's."""
    return [np.asarray(w) for w in model.get_layer(name).get_weights()]


def test_namesakes_are_filled_and_others_are_left():
    source = network("source", a=convolution(5, 1), b=convolution(4, 2), only_here=convolution(1, 1))
    model = network("model", a=convolution(5, 1), b=convolution(6, 2), only_there=convolution(1, 1))
    before = {name: weights(model, name) for name in ("b", "only_there")}
    assert transplant(model, source) == ["a"]
    for ours, theirs in zip(weights(model, "a"), weights(source, "a"), strict=True):
        assert_array_equal(ours, theirs)
    for name, kept in before.items():  # other classes, and no namesake
        for old, new in zip(kept, weights(model, name), strict=True):
            assert_array_equal(old, new)


def test_a_dense_layer_fills_the_convolution_over_the_map_that_it_read():
    source, model = network("source", fc6=dense(5)), network("model", fc6=convolution(5, (3, 4)))
    assert transplant(model, source) == ["fc6"]
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 2)).astype("float32")
    ours, theirs = (np.asarray(m(x)["fc6"]) for m in (model, source))
    assert_allclose(ours[:, 0, 0], theirs, **SAME_MATH)


def test_as_many_weights_of_other_channels_do_not_fit():
    source, model = network("source", a=convolution(6, 2)), network("model", a=convolution(3, 2))
    other = network("other", a=dense(2))
    assert transplant(model, source) == transplant(model, other) == []
    assert transplant(model, network("without", b=convolution(1, 1))) == []
