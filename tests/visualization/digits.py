"""A classifier and a generator of scikit-learn's digits, trained in seconds."""

import functools

import keras
import numpy as np
import pytest
from keras import layers, ops

CODE = 8  # values of the generator's code


def pictures():
    """The 1797 digits [N, 8, 8, 1] in [0, 255], and their labels."""
    found = pytest.importorskip("sklearn.datasets").load_digits()
    return (found.images[..., None] * (255 / 16)).astype("float32"), found.target


@functools.cache
def classifier():
    """A network of two convolutions with ten logits, and a last hidden layer "hidden"."""
    keras.utils.set_random_seed(1)
    images, labels = pictures()
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1), name="image"),
            layers.Rescaling(1 / 255, name="rescale"),
            layers.Conv2D(16, 3, padding="same", activation="relu", name="first"),
            layers.Conv2D(32, 3, 2, padding="same", activation="relu", name="second"),
            layers.Flatten(name="flat"),
            layers.Dense(32, activation="relu", name="hidden"),
            layers.Dense(10, name="logits"),
        ],
        name="digits",
    )
    model.compile(keras.optimizers.Adam(3e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(images, labels, batch_size=64, epochs=8, verbose=0)
    return model


class Sampling(layers.Layer):
    """(N, 2 CODE) means and log variances -> (N, CODE) codes, and the divergence from the standard normal as a loss."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator(2)

    def call(self, moments):
        mean, log_variance = ops.split(moments, 2, axis=-1)
        divergence = 0.5 * ops.sum(ops.exp(log_variance) + mean**2 - 1 - log_variance, axis=-1)
        self.add_loss(0.01 * ops.mean(divergence))
        noise = keras.random.normal(ops.shape(mean), seed=self.seed_generator)
        return mean + ops.exp(0.5 * log_variance) * noise


@functools.cache
def decoder():
    """A variational autoencoder's decoder: codes (N, CODE), standard normal -> digits (N, 8, 8, 1) in [0, 255]."""
    keras.utils.set_random_seed(1)
    images, _ = pictures()
    image = keras.Input((8, 8, 1), name="image")
    x = layers.Rescaling(1 / 255, name="rescale")(image)
    x = layers.Dense(128, "relu", name="encode")(layers.Flatten(name="flat")(x))
    code = Sampling(name="sample")(layers.Dense(2 * CODE, name="moments")(x))
    given = keras.Input((CODE,), name="code")
    x = layers.Dense(128, "relu", name="decode")(given)
    x = layers.Dense(64, "sigmoid", name="grey")(x)
    x = layers.Rescaling(255.0, name="levels")(layers.Reshape((8, 8, 1), name="picture")(x))
    made = keras.Model(given, x, name="decoder")
    model = keras.Model(image, made(code), name="autoencoder")
    model.compile(
        keras.optimizers.Adam(3e-3), lambda true, found: ops.mean(ops.square((true - found) / 255), (1, 2, 3)) * 4
    )
    model.fit(images, images, batch_size=64, epochs=15, verbose=0)
    return made


def confidence(model, images, label):
    """The softmax of a class for each picture, in float64 NumPy."""
    logits = np.asarray(ops.convert_to_numpy(model(images, training=False)), "float64")
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return (powers / powers.sum(-1, keepdims=True))[np.arange(len(images)), label]
