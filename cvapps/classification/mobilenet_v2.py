"""MobileNet v2: residual blocks that are wide inside and narrow between.

Sandler et al. 2018, arXiv:1801.04381, Table 2. Channels are rounded to multiples of eight, never down by more than a
tenth, and the last convolution keeps its 1280 where `width` is below one, as in the authors' code; strides pad as
TensorFlow does, and epsilon is 1e-3. Deviation: no dropout before the logits.
"""

import keras
from keras import layers

from cvapps.blocks import Norm, Pixels, conv_norm, depthwise_norm, endpoint, picture
from cvapps.registry import Paper, register

# Table 2: (expansion, filters, blocks, stride of the first)
TABLE_2 = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def make_divisible(channels: float) -> int:
    """The nearest multiple of eight, at least eight, and not under nine tenths of `channels`."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * channels else nearest + 8


def inverted_residual(x, expansion, filters, stride, name, settings):
    """1x1 expand, 3x3 of each channel, linear 1x1 project, plus x where shapes agree: -> (N, H/s, W/s, filters)."""
    y = x
    if expansion > 1:
        y = conv_norm(y, expansion * x.shape[-1], 1, activation="relu6", name=f"{name}_expand", **settings)
    y = depthwise_norm(y, 3, stride, activation="relu6", name=f"{name}_depthwise", **settings)
    y = conv_norm(y, filters, 1, name=f"{name}_project", **settings)
    return layers.Add(name=f"{name}_add")([x, y]) if stride == 1 and filters == x.shape[-1] else y


def mobilenet_v2(
    width: float = 1.0,
    norm: Norm = "batch",
    pixels: Pixels = "centred",
    num_classes: int | None = 1000,
    input_shape: tuple[int | None, int | None, int] = (224, 224, 3),
    name: str = "mobilenet_v2",
) -> keras.Model:
    """(N, H, W, 3) -> logits (N, num_classes); or features {"C1": stride 2, ..., "C5": stride 32}.

    `width` times the channels of every layer; raises ValueError unless it is positive.
    """
    if width <= 0:
        raise ValueError(f"expected a positive width, not {width}")
    settings: dict = dict(norm=norm, epsilon=1e-3, padding="same")
    image, x = picture(input_shape, pixels)
    x = conv_norm(x, make_divisible(32 * width), 3, 2, activation="relu6", name="stem", **settings)
    features, level = {}, 1
    for stage, (expansion, filters, depth, first) in enumerate(TABLE_2, start=1):
        level += first == 2
        for i in range(depth):
            stride = first if i == 0 else 1
            block = f"stage{stage}_block{i + 1}"
            x = inverted_residual(x, expansion, make_divisible(int(filters * width)), stride, block, settings)
        features[f"C{level}"] = x
    last = make_divisible(1280 * max(width, 1.0))
    features["C5"] = conv_norm(x, last, 1, activation="relu6", name="last", **settings)
    return endpoint(image, features, num_classes, name)


VARIANTS: dict[str, dict] = {
    "mobilenet_v2": {},
    "mobilenet_v2_x0_35": dict(width=0.35),
    "mobilenet_v2_x0_5": dict(width=0.5),
    "mobilenet_v2_x0_75": dict(width=0.75),
    "mobilenet_v2_x1_3": dict(width=1.3),
    "mobilenet_v2_x1_4": dict(width=1.4),
}

SANDLER_2018 = Paper(
    "Sandler, Howard, Zhu, Zhmoginov, Chen",
    2018,
    "MobileNetV2: Inverted Residuals and Linear Bottlenecks",
    "https://arxiv.org/abs/1801.04381",
)
register("classification", mobilenet_v2, VARIANTS, SANDLER_2018, systems=[28])
