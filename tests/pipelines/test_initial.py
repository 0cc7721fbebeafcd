"""First weights from another network, layer by layer."""

import logging

import keras
import numpy as np
import pytest
from keras import layers

from pipelines.initial import take_weights


def detector(width: int) -> keras.Model:
    """A trunk, and a head of its own on each of two maps."""
    place = keras.Input((None, None, 4), name="place")
    head = keras.Model(
        place, layers.Conv2D(width, 1, name="scores")(layers.Conv2D(4, 1, name="tower")(place)), name="head"
    )
    x = image = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(4, 3, padding="same", name="trunk")(x)
    return keras.Model(image, [head(x), head(layers.MaxPooling2D(name="pool")(x))])


def test_the_layers_of_a_head_are_counted_one_by_one(caplog):
    """A head whose scores are of other classes keeps its tower, and only the scores are told to begin anew."""
    source, model = detector(3), detector(5)
    with caplog.at_level(logging.WARNING):
        assert take_weights(model, source, "there") == ["trunk", "tower"]
    for name in ("tower", "scores"):
        same = np.array_equal(
            model.get_layer("head").get_layer(name).kernel, source.get_layer("head").get_layer(name).kernel
        )
        assert same == (name == "tower")
    assert "2 layers of" in caplog.text
    assert "1 anew" in caplog.text
    assert "begun anew: scores" in caplog.text


def test_a_network_without_a_common_layer_is_refused():
    stranger = keras.Sequential([keras.Input((2,)), layers.Dense(2, name="elsewhere")])
    with pytest.raises(ValueError, match=r"no layer of .* takes weights from there: it has \['elsewhere'\]"):
        take_weights(detector(3), stranger, "there")
