"""MobileNet: 3x3 convolutions of single channels, mixed by 1x1 convolutions.

Howard et al. 2017, arXiv:1704.04861, Table 1; the width multiplier of section 3.3 is `width`, the resolution multiplier
of section 3.4 is the side in `input_shape`: 224, 192, 160 or 128.
ReLU is cut at 6, strides pad as TensorFlow does, and epsilon is 1e-3, as in the authors' code and published weights.
Deviation: no dropout before the logits.
"""

import keras

from cvapps.blocks import Norm, Pixels, conv_norm, depthwise_norm, endpoint, picture
from cvapps.registry import Paper, register

# Table 1: (filters, stride) of each depthwise separable convolution
TABLE_1 = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1),
)  # fmt: skip


def separable(x, filters, stride, name, settings):
    """3x3 of each channel, then 1x1 over all of them: (N, H, W, C) -> (N, H/s, W/s, filters)."""
    x = depthwise_norm(x, 3, stride, name=f"{name}_depthwise", **settings)
    return conv_norm(x, filters, 1, name=f"{name}_pointwise", **settings)


def mobilenet_v1(
    width: float = 1.0,
    norm: Norm = "batch",
    pixels: Pixels = "centred",
    num_classes: int | None = 1000,
    input_shape: tuple[int | None, int | None, int] = (224, 224, 3),
    name: str = "mobilenet_v1",
) -> keras.Model:
    """(N, H, W, 3) -> logits (N, num_classes); or features {"C1": stride 2, ..., "C5": stride 32}.

    `width` times the channels of every layer; raises ValueError where it leaves none.
    """
    if int(32 * width) < 1:
        raise ValueError(f"expected a width that leaves a channel of the stem's 32, not {width}")
    settings: dict = dict(activation="relu6", norm=norm, epsilon=1e-3, padding="same")
    image, x = picture(input_shape, pixels)
    x = conv_norm(x, int(32 * width), 3, 2, name="stem", **settings)
    features, level = {}, 1
    for i, (filters, stride) in enumerate(TABLE_1, start=1):
        level += stride == 2
        x = separable(x, int(filters * width), stride, f"block{i}", settings)
        features[f"C{level}"] = x
    return endpoint(image, features, num_classes, name)


VARIANTS: dict[str, dict] = {
    "mobilenet_v1": {},
    "mobilenet_v1_x0_75": dict(width=0.75),
    "mobilenet_v1_x0_5": dict(width=0.5),
    "mobilenet_v1_x0_25": dict(width=0.25),
}

HOWARD_2017 = Paper(
    "Howard, Zhu, Chen, Kalenichenko, Wang, Weyand, Andreetto, Adam",
    2017,
    "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications",
    "https://arxiv.org/abs/1704.04861",
)
register("classification", mobilenet_v1, VARIANTS, HOWARD_2017, systems=[28])
