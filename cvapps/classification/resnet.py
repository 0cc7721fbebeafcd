"""ResNet, Wide ResNet, ResNeXt and the networks with squeeze and excitation: one graph, one table.

He et al. 2015, arXiv:1512.03385, Table 1. Zagoruyko & Komodakis 2016, arXiv:1605.07146 (twice the channels inside each
bottleneck). Xie et al. 2016, arXiv:1611.05431, Tables 1 and 2: 1x64d, one group of 64 channels, is ResNet itself.
Hu et al. 2017, arXiv:1709.01507, Table 1; SENet-154 by the appendix.
The stride of a bottleneck is on its 3x3 convolution, the form of the common published weights; `stride_on="reduce"`
puts it on the first 1x1, where He has it.
For dense prediction a smaller `output_stride` keeps the maps large: the stages that would halve them dilate all their
3x3 convolutions instead, by 2 and by 4 (Yu & Koltun 2015, arXiv:1511.07122). The weights are the same.
"""

from collections.abc import Callable
from functools import partial
from typing import Literal

import keras
from keras import layers

from cvapps.blocks import Norm, Pixels, conv_norm, endpoint, max_pool, picture, squeeze_excite
from cvapps.registry import Paper, register


def large_stem(x, norm="batch"):
    """7x7 convolution and pooling, each of stride 2: (N, H, W, 3) -> (N, H/4, W/4, 64)."""
    x = conv_norm(x, 64, 7, 2, activation="relu", norm=norm, name="stem")
    return max_pool(x, 3, 2, name="stem_pool")


def deep_stem(x, norm="batch"):
    """Three 3x3 convolutions in place of the 7x7: (N, H, W, 3) -> (N, H/4, W/4, 128)."""
    for i, (width, stride) in enumerate(((64, 2), (64, 1), (128, 1)), start=1):
        x = conv_norm(x, width, 3, stride, activation="relu", norm=norm, name=f"stem{i}")
    return max_pool(x, 3, 2, name="stem_pool")


def basic(x, width, stride, name, norm="batch", groups=1, group_width=64, stride_on="spatial", dilation=1):
    """Two 3x3 convolutions: (N, H, W, C) -> (N, H/s, W/s, width)."""
    if (groups, group_width, stride_on) != (1, 64, "spatial"):
        raise ValueError(f"groups, group_width and stride_on are a bottleneck's; {name} is a basic block")
    x = conv_norm(x, width, 3, stride, activation="relu", norm=norm, dilation=dilation, name=f"{name}_a")
    return conv_norm(x, width, 3, norm=norm, dilation=dilation, name=f"{name}_b")


def bottleneck(
    x, width, stride, name, norm="batch", groups=1, group_width=64, stride_on="spatial", dilation=1, narrower=1
):  # fmt: skip
    """1x1 reduce, grouped 3x3, 1x1 expand: (N, H, W, C) -> (N, H/s, W/s, 4 width).

    The first has `narrower` times fewer channels than the second.
    """
    inner = width * group_width // 64 * groups  # a group has group_width channels where width is 64
    first, second = (stride, 1) if stride_on == "reduce" else (1, stride)
    x = conv_norm(x, inner // narrower, 1, first, activation="relu", norm=norm, name=f"{name}_reduce")
    settings: dict = dict(groups=groups, activation="relu", norm=norm, dilation=dilation)
    x = conv_norm(x, inner, 3, second, **settings, name=f"{name}_spatial")
    return conv_norm(x, 4 * width, 1, norm=norm, name=f"{name}_expand")


def residual(x, branch, width, stride, name, gate=None, shortcut_kernel=1, norm="batch", **settings):
    """relu(x + branch(x)), with a convolution on x where the branch changes its shape."""
    y = branch(x, width, stride, name, norm, **settings)
    y = squeeze_excite(y, gate, f"{name}_se") if gate else y
    if stride > 1 or x.shape[-1] != y.shape[-1]:
        kernel = shortcut_kernel if stride > 1 else 1
        x = conv_norm(x, y.shape[-1], kernel, stride, norm=norm, name=f"{name}_shortcut")
    x = layers.Add(name=f"{name}_add")([x, y])
    return layers.Activation("relu", name=f"{name}_out")(x)


def resnet(
    depths: tuple[int, int, int, int],
    branch: Callable = bottleneck,
    groups: int = 1,
    group_width: int = 64,
    stride_on: Literal["spatial", "reduce"] = "spatial",
    gate: int | None = None,
    stem: Callable = large_stem,
    shortcut_kernel: Literal[1, 3] = 1,
    dropout: float | None = None,
    output_stride: Literal[8, 16, 32] = 32,
    norm: Norm = "batch",
    pixels: Pixels = "imagenet",
    num_classes: int | None = 1000,
    input_shape: tuple[int | None, int | None, int] = (224, 224, 3),
    name: str = "resnet",
) -> keras.Model:
    """(N, H, W, 3) -> logits (N, num_classes); or features {"C2": stride 4, ..., "C5": stride 32}.

    `branch` is `basic` or `bottleneck`; `gate` is the reduction ratio of a squeeze-and-excitation gate after it;
    `shortcut_kernel` is the side of the convolution on those shortcuts that halve the picture. Features keep the names
    of their stages, whatever the `output_stride`: with 8, "C4" and "C5" are as large as "C3".
    """
    image, x = picture(input_shape, pixels)
    x = stem(x, norm)
    settings: dict = dict(gate=gate, shortcut_kernel=shortcut_kernel, norm=norm)
    settings |= dict(groups=groups, group_width=group_width, stride_on=stride_on)
    features = {}
    for stage, (width, depth) in enumerate(zip((64, 128, 256, 512), depths, strict=True), start=2):
        dilation = max(1, 2**stage // output_stride)
        for i in range(depth):
            stride = 2 if i == 0 and stage > 2 and dilation == 1 else 1
            x = residual(x, branch, width, stride, f"stage{stage}_block{i + 1}", dilation=dilation, **settings)
        features[f"C{stage}"] = x
    return endpoint(image, features, num_classes, name, dropout)


DEPTHS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
VARIANTS: dict[str, dict] = {
    "resnet18": dict(depths=(2, 2, 2, 2), branch=basic),
    "resnet34": dict(depths=(3, 4, 6, 3), branch=basic),
    **{f"resnet{depth}": dict(depths=depths) for depth, depths in DEPTHS.items()},
}
WIDE = {f"wide_resnet{depth}_2": dict(depths=DEPTHS[depth], group_width=128) for depth in (50, 101)}
CARDINALITIES = {  # groups and width of each, at the complexity of ResNet (Table 2), and the wider forms of 101 layers
    50: ((2, 40), (4, 24), (8, 14), (32, 4)),
    101: ((2, 40), (4, 24), (8, 14), (32, 4), (32, 8), (64, 4)),
}
RESNEXT = {
    f"resnext{depth}_{groups}x{width}d": dict(depths=DEPTHS[depth], groups=groups, group_width=width)
    for depth, forms in CARDINALITIES.items()
    for groups, width in forms
}
SQUEEZE_EXCITE = {
    **{f"se_resnet{depth}": dict(depths=depths, gate=16) for depth, depths in DEPTHS.items()},
    **{f"se_resnext{depth}_32x4d": dict(RESNEXT[f"resnext{depth}_32x4d"], gate=16) for depth in (50, 101)},
    "senet154": dict(
        depths=DEPTHS[152], branch=partial(bottleneck, narrower=2), groups=64, group_width=4, gate=16, stem=deep_stem,
        shortcut_kernel=3, dropout=0.2,
    ),
}  # fmt: skip

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
