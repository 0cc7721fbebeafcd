"""Small networks that the tests of visualizations share, and pictures for them."""

import keras
import numpy as np
from keras import layers


def pictures(count=2, side=12):
    """Random pixels [count, side, side, 3] in [0, 255]."""
    return np.random.default_rng(count).uniform(0, 255, (count, side, side, 3)).astype("float32")


def classifier(side=12, classes=4):
    """Two convolutions, of which the first has its ReLU inside, a pooling, and a score for each class."""
    image = keras.Input((side, side, 3), name="image")
    x = layers.Rescaling(1 / 50, -2.0, name="rescale")(image)
    x = layers.Conv2D(5, 3, activation="relu", bias_initializer="normal", name="first")(x)
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = layers.Conv2D(6, 3, padding="same", bias_initializer="normal", name="second")(x)
    x = layers.Activation("relu", name="second_relu")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(image, layers.Dense(classes, bias_initializer="normal", name="logits")(x), name="small")


def two_outputs():
    """A network that answers a class and a boundary, neither of which is called logits."""
    image = keras.Input((12, 12, 3), name="image")
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(image)
    mean = layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(image, {"class": layers.Dense(3, name="class")(mean), "boundary": x}, name="two")
