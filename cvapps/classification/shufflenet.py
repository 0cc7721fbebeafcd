"""ShuffleNet: 1x1 convolutions in groups, and a shuffle of the channels that lets the groups exchange.

Zhang et al. 2017, arXiv:1707.01083, Table 1 (groups) and Table 2 (scales; `scale` times the channels of every layer).
The first 1x1 convolution is not grouped (Table 1's note). Where a scaled width is not whole in the groups, it is
rounded up, as the authors' repository does with the stem of 0.5x and eight groups; the paper is silent on it.
"""

from typing import Literal

import keras
from keras import layers

from cvapps.blocks import Norm, Pixels, activate, conv_norm, depthwise_norm, endpoint, max_pool, named, picture
from cvapps.ops.channels import channel_shuffle
from cvapps.registry import Paper, register

WIDTHS = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}  # Table 1: {groups: channels of stage 2}; twice as many in the next
DEPTHS = (4, 8, 4)  # Table 1: units of stages 2 to 4


def whole(channels, groups):
    """As many channels, or the next multiple of the groups."""
    return -(-int(channels) // groups) * groups


def unit(x, width, stride, groups, name, first=False, norm="batch"):
    """Figure 2 (b) and (c), grouped 1x1, shuffle, 3x3, grouped 1x1: (N, H, W, C) -> (N, H/s, W/s, width).

    With a stride the shortcut is an average over 3x3, and the channels of both are joined. `first`: one group in the
    first 1x1.
    """
    inner = whole(width // 4, groups)
    outer = width if stride == 1 else width - x.shape[-1]
    reduce = dict(groups=1 if first else groups, activation="relu", norm=norm)
    y = conv_norm(x, inner, 1, name=f"{name}_reduce", **reduce)
    y = named(channel_shuffle(y, groups), f"{name}_shuffle") if groups > 1 else y
    y = depthwise_norm(y, 3, stride, norm=norm, name=f"{name}_depthwise")
    y = conv_norm(y, outer, 1, groups=groups, norm=norm, name=f"{name}_expand")
    if stride == 1:
        return activate(layers.Add(name=f"{name}_add")([x, y]), "relu", name)
    x = layers.ZeroPadding2D(1, name=f"{name}_shortcut_pad")(x)  # the zeros count, as in the authors' code
    x = layers.AveragePooling2D(3, stride, name=f"{name}_shortcut")(x)
    return activate(layers.Concatenate(name=f"{name}_join")([x, y]), "relu", name)


def shufflenet_v1(
    groups: Literal[1, 2, 3, 4, 8] = 3,
    scale: float = 1.0,
    depths: tuple[int, int, int] = DEPTHS,
    norm: Norm = "batch",
    pixels: Pixels = "imagenet",
    num_classes: int | None = 1000,
    input_shape: tuple[int | None, int | None, int] = (224, 224, 3),
    name: str = "shufflenet_v1",
) -> keras.Model:
    """(N, H, W, 3) -> logits (N, num_classes); or features {"C2": stride 4, ..., "C5": stride 32}.

    `depths` are the units of stages 2 to 4.
    """
    image, x = picture(input_shape, pixels)
    x = conv_norm(x, whole(24 * scale, groups), 3, 2, activation="relu", norm=norm, name="stem")
    x = max_pool(x, 3, 2, name="stem_pool")
    features = {"C2": x}
    for stage, depth in enumerate(depths, start=2):
        width = whole(WIDTHS[groups] * 2 ** (stage - 2) * scale, groups)
        for i in range(depth):
            first = (stage, i) == (2, 0)
            x = unit(x, width, 2 if i == 0 else 1, groups, f"stage{stage}_unit{i + 1}", first, norm)
        features[f"C{stage + 1}"] = x
    return endpoint(image, features, num_classes, name)


VARIANTS = {
    f"shufflenet_v1_g{groups}{suffix}": dict(groups=groups, scale=scale)
    for groups in WIDTHS
    for suffix, scale in (("", 1.0), ("_x0_5", 0.5), ("_x0_25", 0.25))
}

ZHANG_2017 = Paper(
    "Zhang, Zhou, Lin, Sun",
    2017,
    "ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices",
    "https://arxiv.org/abs/1707.01083",
)
register("classification", shufflenet_v1, VARIANTS, ZHANG_2017, systems=[29])
