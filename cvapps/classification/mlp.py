"""Perceptrons of one layer and of many.

Rosenblatt 1958, Psychological Review 65(6). Rumelhart, Hinton & Williams 1986, Nature 323: hidden layers trained by
back-propagation. Deviations: one logit for each class, where Rosenblatt has a threshold; ReLU, where Rumelhart has the
logistic function, which is `activation="sigmoid"`.
"""

from typing import Literal

import keras
from keras import layers

from cvapps.registry import Paper, register


def mlp(
    hidden: tuple[int, ...] = (),
    activation: Literal["relu", "sigmoid", "tanh"] = "relu",
    num_classes: int = 10,
    input_shape: tuple[int, int, int] = (32, 32, 3),
    name: str = "mlp",
) -> keras.Model:
    """(N, H, W, 3) -> logits (N, num_classes) through dense layers of `hidden` units; without any, a perceptron."""
    image = keras.Input(input_shape, name="image")
    x = layers.Rescaling(1 / 127.5, -1, dtype="float32", name="rescale")(image)
    x = layers.Flatten(name="flatten")(x)
    initializer = "he_normal" if activation == "relu" else "glorot_uniform"
    for i, units in enumerate(hidden, start=1):
        x = layers.Dense(units, activation, kernel_initializer=initializer, name=f"hidden{i}")(x)
    return keras.Model(image, layers.Dense(num_classes, dtype="float32", name="logits")(x), name=name)


ROSENBLATT_1958 = Paper(
    "Rosenblatt",
    1958,
    "The Perceptron: A Probabilistic Model for Information Storage and Organization in the Brain",
    "https://doi.org/10.1037/h0042519",
)
RUMELHART_1986 = Paper(
    "Rumelhart, Hinton, Williams",
    1986,
    "Learning Representations by Back-Propagating Errors",
    "https://doi.org/10.1038/323533a0",
)
register("classification", mlp, {"perceptron": {}}, ROSENBLATT_1958, systems=[1])
register("classification", mlp, {"mlp": dict(hidden=(500,))}, RUMELHART_1986, systems=[1])
