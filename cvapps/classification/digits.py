"""Small convolutional networks for handwritten digits.

LeCun et al. 1998, Gradient-Based Learning Applied to Document Recognition, Proc. IEEE 86(11), section II.B and Table I:
LeNet-5. Deviations: linear logits (850 weights) replace the radial basis functions of the output; a coefficient of S2
and S4 multiplies the mean of its four inputs, where the paper's multiplies their sum.
Chollet 2015, https://keras.io/examples/vision/mnist_convnet: the simple convnet.
Both take RGB and make it grey; they expect bright ink on a dark ground, as in the MNIST files.
"""

import keras
from keras import layers

from cvapps.blocks import grey
from cvapps.layers.activation import scaled_tanh
from cvapps.layers.convolution import TableConv2D
from cvapps.registry import Paper, register

# Table I: the maps of S2 that each of the sixteen maps of C3 reads
TABLE_I = (
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5), (0, 1, 2, 3, 4, 5),
)  # fmt: skip


def fan_in_uniform(fan_in):
    """The paper's first weights: uniform between -2.4 / fan_in and 2.4 / fan_in."""
    return keras.initializers.RandomUniform(-2.4 / fan_in, 2.4 / fan_in)


def squash(x, name):
    """The sigmoid unit behind every layer up to F6: shape kept."""
    return layers.Activation(scaled_tanh, name=f"{name}_tanh")(x)


def subsample(x, name):
    """Mean of 2x2, then a coefficient and a bias for each map, then the sigmoid: (N, H, W, C) -> (N, H/2, W/2, C)."""
    x = layers.AveragePooling2D(2, name=f"{name}_mean")(x)
    x = layers.DepthwiseConv2D(1, depthwise_initializer=fan_in_uniform(1), name=name)(x)
    return squash(x, name)


def lenet5(num_classes: int = 10, input_shape: tuple[int, int, int] = (32, 32, 3), name: str = "lenet5") -> keras.Model:
    """(N, 32, 32, 3) -> logits (N, num_classes). Raises ValueError for another size: F6 reads one place of C5."""
    if input_shape != (32, 32, 3):
        raise ValueError(f"{name} reads pictures of (32, 32, 3), not {input_shape}")
    image = keras.Input(input_shape, name="image")
    # the paper's ground is -0.1 and its ink 1.175, which makes the mean of its pictures about 0 and their variance 1
    x = layers.Rescaling(1.275 / 255, -0.1, dtype="float32", name="rescale")(grey(image))
    x = squash(layers.Conv2D(6, 5, kernel_initializer=fan_in_uniform(25), name="c1")(x), "c1")
    x = subsample(x, "s2")
    x = squash(TableConv2D(TABLE_I, 5, kernel_initializer=fan_in_uniform(100), name="c3")(x), "c3")
    x = subsample(x, "s4")
    x = squash(layers.Conv2D(120, 5, kernel_initializer=fan_in_uniform(400), name="c5")(x), "c5")
    x = layers.Flatten(name="flatten")(x)
    x = squash(layers.Dense(84, kernel_initializer=fan_in_uniform(120), name="f6")(x), "f6")
    x = layers.Dense(num_classes, kernel_initializer=fan_in_uniform(84), dtype="float32", name="logits")(x)
    return keras.Model(image, x, name=name)


def simple_convnet(
    dropout: float = 0.5,
    num_classes: int = 10,
    input_shape: tuple[int, int, int] = (28, 28, 3),
    name: str = "simple_convnet",
) -> keras.Model:
    """(N, H, W, 3) -> logits (N, num_classes): two 3x3 convolutions with pooling, dropout, one dense layer."""
    image = keras.Input(input_shape, name="image")
    x = layers.Rescaling(1 / 255, dtype="float32", name="rescale")(grey(image))
    for i, filters in enumerate((32, 64), start=1):
        x = layers.Conv2D(filters, 3, activation="relu", name=f"conv{i}")(x)
        x = layers.MaxPooling2D(2, name=f"pool{i}")(x)
    x = layers.Dropout(dropout, name="dropout")(layers.Flatten(name="flatten")(x))
    return keras.Model(image, layers.Dense(num_classes, dtype="float32", name="logits")(x), name=name)


LECUN_1998 = Paper(
    "LeCun, Bottou, Bengio, Haffner",
    1998,
    "Gradient-Based Learning Applied to Document Recognition",
    "https://doi.org/10.1109/5.726791",
)
CHOLLET_2015 = Paper("Chollet", 2015, "Simple MNIST convnet", "https://keras.io/examples/vision/mnist_convnet/")
register("classification", lenet5, {"lenet5": {}}, LECUN_1998, systems=[2])
register("classification", simple_convnet, {"simple_convnet": {}}, CHOLLET_2015, systems=[2])
