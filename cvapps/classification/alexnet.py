"""AlexNet in the form of its paper and in the single tower that followed, and ZFNet: one graph, one table.

Krizhevsky, Sutskever & Hinton 2012, https://papers.nips.cc/paper/4824, section 3.5 and Figure 2: `alexnet_two_tower`,
227x227 pixels, for which the sizes that the paper prints are right (it says 224). Its two towers are the two groups of
a convolution; responses are normalized across both, as in Caffe's bvlc_alexnet.
Krizhevsky 2014, arXiv:1404.5997, section 5: `alexnet`, without normalization. Its first layer pads two zeros, which
gives the lecture's 56x56 of 227 pixels and the 55x55 of 224 that torchvision's weights were trained on: both sizes
leave 6x6 places to fc6, so the weights fit both.
Zeiler & Fergus 2013, arXiv:1311.2901, Figure 3 and section 5.1: `zfnet`, its layers 3 to 5 of 512, 1024, 512 maps.
Deviations: first weights by He's rule and biases of 0, where the papers have a deviation of 0.01 and biases of 1. ZFNet
doesn't print the constants of its normalization: here Krizhevsky's.
"""

from collections.abc import Callable
from dataclasses import dataclass

import keras
from keras import layers

from cvapps.blocks import Pixels, activate, dense_endpoint, local_response, picture
from cvapps.registry import Paper, register


@dataclass(frozen=True)
class Conv:
    """A convolution of the table: `padding` zeros on each side."""

    filters: int
    kernel: int
    stride: int = 1
    padding: int = 0
    groups: int = 1


def convolution(x, row, name):
    """A row of the table and a ReLU: (N, H, W, C) -> (N, H/s, W/s, filters)."""
    padding = "same" if row.stride == 1 and row.padding == row.kernel // 2 else "valid"
    if padding == "valid" and row.padding:
        x = layers.ZeroPadding2D(row.padding, name=f"{name}_pad")(x)
    x = layers.Conv2D(
        row.filters, row.kernel, row.stride, padding, groups=row.groups, kernel_initializer="he_normal", name=name
    )(x)
    return activate(x, "relu", name)


def pool(x, number):
    """Overlapping maximum of 3x3 at every other place: (N, H, W, C) -> (N, (H - 1) // 2, (W - 1) // 2, C)."""
    return layers.MaxPooling2D(3, 2, name=f"pool{number}")(x)


def pool_up(x, number):
    """The same of every begun pair of places: (N, H, W, C) -> (N, H // 2, W // 2, C).

    A zero can't win because x is never negative here (it follows a ReLU).
    """
    return pool(layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"pool{number}_pad")(x), number)


def response(x, number):
    """Local response normalization: shape kept."""
    return local_response(x, f"norm{number}")


def smallest(convolutions, between):
    """The least side of a picture of which the last pooling leaves a place."""
    side = 3
    for number, row in reversed([*enumerate(convolutions, start=1)]):
        if number <= 2:
            side = 2 * side if pool_up in between else 2 * side + 1
        side = (side - 1) * row.stride + row.kernel - 2 * row.padding
    return side


def alexnet(
    convolutions: tuple[Conv, ...],
    between: tuple[Callable, ...] = (pool,),
    dense: tuple[int, ...] = (4096, 4096),
    dropout: float = 0.5,
    pixels: Pixels = "imagenet",
    num_classes: int | None = 1000,
    input_shape: tuple[int | None, int | None, int] = (227, 227, 3),
    name: str = "alexnet",
) -> keras.Model:
    """(N, H, W, 3) -> logits (N, num_classes); or features {"C1" or "C2": conv1, ..., "C5": pool5} by log2 of stride.

    `between` stands behind the first two convolutions. `dense` and `dropout` are those of fc6 and fc7. Raises
    ValueError for a picture that is too small, and for logits from one of open size.
    """
    image, x = picture(input_shape, pixels, smallest(convolutions, between))
    features, stride = {}, 1
    for number, row in enumerate(convolutions, start=1):
        x, stride = convolution(x, row, f"conv{number}"), stride * row.stride
        features[f"C{stride.bit_length() - 1}"] = x
        if number <= 2:
            stride *= 2
            for part in between:
                x = part(x, number)
            features[f"C{stride.bit_length() - 1}"] = x
    features[f"C{stride.bit_length()}"] = pool(x, len(convolutions))
    return dense_endpoint(image, features, num_classes, name, dense, dropout)


TOWERS_2012 = (Conv(96, 11, 4), Conv(256, 5, 1, 2, 2), Conv(384, 3, 1, 1), Conv(384, 3, 1, 1, 2), Conv(256, 3, 1, 1, 2))
TOWER_2014 = (Conv(64, 11, 4, 2), Conv(192, 5, 1, 2), Conv(384, 3, 1, 1), Conv(256, 3, 1, 1), Conv(256, 3, 1, 1))
ZEILER_2013 = (Conv(96, 7, 2, 1), Conv(256, 5, 2), Conv(512, 3, 1, 1), Conv(1024, 3, 1, 1), Conv(512, 3, 1, 1))

# the constants of the normalization suppose pixels that have their mean taken off and nothing else
TWO_TOWER = {"alexnet_two_tower": dict(convolutions=TOWERS_2012, between=(response, pool), pixels="caffe")}
ONE_TOWER = {"alexnet": dict(convolutions=TOWER_2014)}
ZFNET = {
    "zfnet": dict(
        convolutions=ZEILER_2013, between=(pool_up, response), pixels="caffe", input_shape=(224, 224, 3)
    )
}  # fmt: skip

KRIZHEVSKY_2012 = Paper(
    "Krizhevsky, Sutskever, Hinton",
    2012,
    "ImageNet Classification with Deep Convolutional Neural Networks",
    "https://papers.nips.cc/paper/4824",
)
KRIZHEVSKY_2014 = Paper(
    "Krizhevsky", 2014, "One weird trick for parallelizing convolutional neural networks", "https://arxiv.org/abs/1404.5997"
)  # fmt: skip
ZEILER = Paper(
    "Zeiler, Fergus", 2013, "Visualizing and Understanding Convolutional Networks", "https://arxiv.org/abs/1311.2901"
)
register("classification", alexnet, TWO_TOWER, KRIZHEVSKY_2012, systems=[13])
register("classification", alexnet, ONE_TOWER, KRIZHEVSKY_2014, systems=[13])
register("classification", alexnet, ZFNET, ZEILER, systems=[14])
