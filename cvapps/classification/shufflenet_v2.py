"""ShuffleNet v2: half of the channels pass a block by, and a shuffle mixes the halves.

Ma et al. 2018, arXiv:1807.11164, Table 5 and Figure 3 (c) and (d). The 1x1 convolution behind the last stage has 1024
channels, 2048 in the widest network.
"""

import keras
from keras import layers

from cvapps.blocks import Norm, Pixels, conv_norm, depthwise_norm, endpoint, max_pool, named, picture
from cvapps.ops.channels import channel_shuffle
from cvapps.registry import Paper, register

DEPTHS = (4, 8, 4)  # Table 5: units of stages 2 to 4


def branch(x, width, stride, name, norm):
    """1x1, 3x3 of each channel, 1x1: (N, H, W, C) -> (N, H/s, W/s, width)."""
    x = conv_norm(x, width, 1, activation="relu", norm=norm, name=f"{name}_reduce")
    x = depthwise_norm(x, 3, stride, norm=norm, name=f"{name}_depthwise")
    return conv_norm(x, width, 1, activation="relu", norm=norm, name=f"{name}_expand")


def unit(x, width, name, norm):
    """Figure 3 (c), half of the channels as they are, half through the branch: shape kept."""
    half = width // 2
    still, moving = named(x[..., :half], f"{name}_still"), named(x[..., half:], f"{name}_moving")
    y = layers.Concatenate(name=f"{name}_join")([still, branch(moving, half, 1, name, norm)])
    return named(channel_shuffle(y, 2), f"{name}_shuffle")


def down_unit(x, width, name, norm):
    """Figure 3 (d), all channels through both ways: (N, H, W, C) -> (N, H/2, W/2, width)."""
    shortcut = depthwise_norm(x, 3, 2, norm=norm, name=f"{name}_shortcut_depthwise")
    shortcut = conv_norm(shortcut, width // 2, 1, activation="relu", norm=norm, name=f"{name}_shortcut_expand")
    y = layers.Concatenate(name=f"{name}_join")([shortcut, branch(x, width // 2, 2, name, norm)])
    return named(channel_shuffle(y, 2), f"{name}_shuffle")


def shufflenet_v2(
    widths: tuple[int, int, int] = (116, 232, 464),
    depths: tuple[int, int, int] = DEPTHS,
    last: int = 1024,
    norm: Norm = "batch",
    pixels: Pixels = "imagenet",
    num_classes: int | None = 1000,
    input_shape: tuple[int | None, int | None, int] = (224, 224, 3),
    name: str = "shufflenet_v2",
) -> keras.Model:
    """(N, H, W, 3) -> logits (N, num_classes); or features {"C2": stride 4, ..., "C5": stride 32}.

    `widths` and `depths`, in units, are those of stages 2 to 4, `last` is the width of the convolution behind them.
    Raises ValueError for an odd width.
    """
    if any(width % 2 for width in widths):
        raise ValueError(f"expected widths that can be halved, not {widths}")
    image, x = picture(input_shape, pixels)
    x = conv_norm(x, 24, 3, 2, activation="relu", norm=norm, name="stem")
    x = max_pool(x, 3, 2, name="stem_pool")
    features = {"C2": x}
    for stage, (width, depth) in enumerate(zip(widths, depths, strict=True), start=2):
        x = down_unit(x, width, f"stage{stage}_unit1", norm)
        for i in range(2, depth + 1):
            x = unit(x, width, f"stage{stage}_unit{i}", norm)
        features[f"C{stage + 1}"] = x
    features["C5"] = conv_norm(x, last, 1, activation="relu", norm=norm, name="last")
    return endpoint(image, features, num_classes, name)


VARIANTS: dict[str, dict] = {
    "shufflenet_v2_x0_5": dict(widths=(48, 96, 192)),
    "shufflenet_v2_x1_0": {},
    "shufflenet_v2_x1_5": dict(widths=(176, 352, 704)),
    "shufflenet_v2_x2_0": dict(widths=(244, 488, 976), last=2048),
}

MA_2018 = Paper(
    "Ma, Zhang, Zheng, Sun",
    2018,
    "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design",
    "https://arxiv.org/abs/1807.11164",
)
register("classification", shufflenet_v2, VARIANTS, MA_2018, systems=[29])
