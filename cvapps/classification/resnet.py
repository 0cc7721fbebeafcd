"""ResNet, Wide ResNet, ResNeXt and SE-ResNet: one graph, one table.

He et al. 2015, arXiv:1512.03385, Table 1. Zagoruyko & Komodakis 2016, arXiv:1605.07146 (twice the channels inside each
bottleneck). Xie et al. 2016, arXiv:1611.05431, Table 1. Hu et al. 2017, arXiv:1709.01507, Table 1.
The stride of a bottleneck is on its 3x3 convolution, the form of the common published weights; `stride_on="reduce"`
puts it on the first 1x1, where He has it.
"""

from collections.abc import Callable
from typing import Literal

import keras
from keras import layers

from cvapps.blocks import Norm, Pixels, conv_norm, endpoint, max_pool, picture, squeeze_excite
from cvapps.registry import Paper, register


def basic(x, width, stride, name, norm="batch", groups=1, group_width=64, stride_on="spatial"):
    """Two 3x3 convolutions: (N, H, W, C) -> (N, H/s, W/s, width)."""
    if (groups, group_width, stride_on) != (1, 64, "spatial"):
        raise ValueError(f"groups, group_width and stride_on are a bottleneck's; {name} is a basic block")
    x = conv_norm(x, width, 3, stride, activation="relu", norm=norm, name=f"{name}_a")
    return conv_norm(x, width, 3, norm=norm, name=f"{name}_b")


def bottleneck(x, width, stride, name, norm="batch", groups=1, group_width=64, stride_on="spatial"):
    """1x1 reduce, grouped 3x3, 1x1 expand: (N, H, W, C) -> (N, H/s, W/s, 4 width)."""
    inner = width * group_width // 64 * groups  # a group has group_width channels where width is 64
    first, second = (stride, 1) if stride_on == "reduce" else (1, stride)
    x = conv_norm(x, inner, 1, first, activation="relu", norm=norm, name=f"{name}_reduce")
    x = conv_norm(x, inner, 3, second, groups=groups, activation="relu", norm=norm, name=f"{name}_spatial")
    return conv_norm(x, 4 * width, 1, norm=norm, name=f"{name}_expand")


def residual(x, branch, width, stride, name, gate=None, norm="batch", **settings):
    """relu(x + branch(x)), with a 1x1 convolution on x where the branch changes its shape."""
    y = branch(x, width, stride, name, norm, **settings)
    y = squeeze_excite(y, gate, f"{name}_se") if gate else y
    if stride > 1 or x.shape[-1] != y.shape[-1]:
        x = conv_norm(x, y.shape[-1], 1, stride, norm=norm, name=f"{name}_shortcut")
    x = layers.Add(name=f"{name}_add")([x, y])
    return layers.Activation("relu", name=f"{name}_out")(x)


def resnet(
    depths: tuple[int, int, int, int],
    branch: Callable = bottleneck,
    groups: int = 1,
    group_width: int = 64,
    stride_on: Literal["spatial", "reduce"] = "spatial",
    gate: int | None = None,
    norm: Norm = "batch",
    pixels: Pixels = "imagenet",
    num_classes: int | None = 1000,
    input_shape: tuple[int | None, int | None, int] = (224, 224, 3),
    name: str = "resnet",
) -> keras.Model:
    """(N, H, W, 3) -> logits (N, num_classes); or features {"C2": stride 4, ..., "C5": stride 32}.

    `branch` is `basic` or `bottleneck`; `gate` is the reduction ratio of a squeeze-and-excitation gate after it.
    """
    image, x = picture(input_shape, pixels)
    x = conv_norm(x, 64, 7, 2, activation="relu", norm=norm, name="stem")
    x = max_pool(x, 3, 2, name="stem_pool")
    settings = dict(gate=gate, norm=norm, groups=groups, group_width=group_width, stride_on=stride_on)
    features = {}
    for stage, (width, depth) in enumerate(zip((64, 128, 256, 512), depths, strict=True), start=2):
        for i in range(depth):
            stride = 2 if i == 0 and stage > 2 else 1
            x = residual(x, branch, width, stride, f"stage{stage}_block{i + 1}", **settings)
        features[f"C{stage}"] = x
    return endpoint(image, features, num_classes, name)


VARIANTS: dict[str, dict] = {
    "resnet18": dict(depths=(2, 2, 2, 2), branch=basic),
    "resnet34": dict(depths=(3, 4, 6, 3), branch=basic),
    "resnet50": dict(depths=(3, 4, 6, 3)),
    "resnet101": dict(depths=(3, 4, 23, 3)),
    "resnet152": dict(depths=(3, 8, 36, 3)),
}
WIDE = {
    "wide_resnet50_2": dict(depths=(3, 4, 6, 3), group_width=128),
    "wide_resnet101_2": dict(depths=(3, 4, 23, 3), group_width=128),
}
RESNEXT = {"resnext50_32x4d": dict(depths=(3, 4, 6, 3), groups=32, group_width=4)}
SQUEEZE_EXCITE = {"se_resnet50": dict(depths=(3, 4, 6, 3), gate=16)}

HE_2015 = Paper(
    "He, Zhang, Ren, Sun", 2015, "Deep Residual Learning for Image Recognition", "https://arxiv.org/abs/1512.03385"
)
ZAGORUYKO_2016 = Paper("Zagoruyko, Komodakis", 2016, "Wide Residual Networks", "https://arxiv.org/abs/1605.07146")
XIE_2016 = Paper(
    "Xie, Girshick, Dollár, Tu, He",
    2016,
    "Aggregated Residual Transformations for Deep Neural Networks",
    "https://arxiv.org/abs/1611.05431",
)
HU_2017 = Paper(
    "Hu, Shen, Albanie, Sun, Wu", 2017, "Squeeze-and-Excitation Networks", "https://arxiv.org/abs/1709.01507"
)
register("classification", resnet, VARIANTS, HE_2015, systems=[21])
register("classification", resnet, WIDE, ZAGORUYKO_2016, systems=[24])
register("classification", resnet, RESNEXT, XIE_2016, systems=[25])
register("classification", resnet, SQUEEZE_EXCITE, HU_2017, systems=[26])
