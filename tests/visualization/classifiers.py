"""Classifiers whose answers are known by hand, and one that has learned scikit-learn's digits."""

from functools import cache

import keras
import numpy as np
import pytest

SHAPE = (4, 4, 3)


def linear(weights, bias, name="linear"):
    """A network of one dense layer on pictures / 255: logits = weights' pixels / 255 + bias."""
    image = keras.Input(SHAPE)
    x = keras.layers.Flatten(name="values")(keras.layers.Rescaling(1 / 255, name="rescale")(image))
    layer = keras.layers.Dense(len(bias), name="logits")
    model = keras.Model(image, layer(x), name=name)
    layer.set_weights([weights, bias])
    return model


def random_linear(rng, classes=4):
    """A linear network with its weights and biases in float64, by which NumPy tells what it answers."""
    weights, bias = rng.normal(size=(48, classes)), rng.normal(0, 0.1, classes)
    weights -= weights.mean(0)  # else grey itself is of one class
    weights, bias = weights.astype("float32"), bias.astype("float32")
    return linear(weights, bias), weights.astype("float64") / 255, bias.astype("float64")


def pictures(rng, count=6, low=0, high=256):
    """Whole grey levels [count, 4, 4, 3], which float32 adds whole epsilons to without rounding."""
    return rng.integers(low, high, (count, *SHAPE)).astype("float32")


@cache
def trained_on_digits():
    """A small convolutional network, and the 397 held-out digits (8x8, three equal channels) with their labels."""
    datasets = pytest.importorskip("sklearn.datasets", reason="the digits are scikit-learn's")
    digits = datasets.load_digits()
    images = np.repeat(digits.images[..., None] * (255 / 16), 3, axis=-1).astype("float32")
    order = np.random.default_rng(0).permutation(len(images))
    images, labels = images[order], digits.target[order]
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3))
    x = keras.layers.Rescaling(1 / 255, name="rescale")(image)
    x = keras.layers.Conv2D(16, 3, padding="same", activation="relu", name="conv1")(x)
    x = keras.layers.Conv2D(32, 3, 2, padding="same", activation="relu", name="conv2")(x)
    model = keras.Model(image, keras.layers.Dense(10, name="logits")(keras.layers.Flatten(name="values")(x)))
    model.compile(keras.optimizers.Adam(3e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(images[:1400], labels[:1400], batch_size=64, epochs=15, verbose=0)
    return model, images[1400:], labels[1400:]
