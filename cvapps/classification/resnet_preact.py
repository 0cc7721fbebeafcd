"""Residual networks with normalization and activation before each convolution, and the wide ones for 32x32 pictures.

He et al. 2016, arXiv:1603.05027, "full pre-activation" (Figure 4e) and the appendix; ResNet-200 of its section 5 and
the CIFAR networks of its Table 2. Zagoruyko & Komodakis 2016, arXiv:1605.07146, Table 1: WRN-28-10.
The stride is in a stage's first block, where the authors have it, and there on the 3x3 convolution, the form of
PyTorch's published weights; `stride_on="reduce"` puts it on the first 1x1, as the authors' code for CIFAR does.
`**KERAS` makes the graph of keras.applications: strides in the last block of a stage, biases, zeros that may win in the
first pooling. The paper doesn't say how the shortcuts of ResNet-110 get more channels; here by 1x1 convolutions.
"""

from collections.abc import Callable
from functools import partial
from typing import Literal

import keras
from keras import layers, ops

from cvapps.blocks import Norm, Pixels, activate, conv, conv_norm, endpoint, named, normalize, picture
from cvapps.classification.resnet import DEPTHS, ZAGORUYKO_2016
from cvapps.registry import Paper, register


def small_stem(x, width, bias):
    """One bare 3x3 convolution: (N, H, W, 3) -> (N, H, W, width), and log2 of its stride."""
    return conv(x, width, 3, bias=bias, name="stem"), 0


def large_stem(x, width, bias, border="symmetric"):
    """Bare 7x7 convolution and pooling, of stride 2: (N, H, W, 3) -> (N, H/4, W/4, width), and log2 of its stride.

    The pooled map has either sign. Its border is padded by itself, which leaves each maximum to the map, or by zeros
    ("constant").
    """
    x = conv(x, width, 7, 2, bias=bias, name="stem")
    x = named(ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), border), "stem_pool_pad")
    return layers.MaxPooling2D(3, 2, name="stem_pool")(x), 2


def basic(x, width, stride, name, norm="batch", bias=False, dropout=None, stride_on="spatial"):
    """The branch of two 3x3 convolutions behind the first activation: (N, H, W, C) -> (N, H/s, W/s, width)."""
    if stride_on != "spatial":
        raise ValueError(f"stride_on is a bottleneck's; {name} is a basic block")
    x = conv_norm(x, width, 3, stride, activation="relu", norm=norm, name=f"{name}_a")
    x = layers.Dropout(dropout, name=f"{name}_dropout")(x) if dropout is not None else x
    return conv(x, width, 3, bias=bias, name=f"{name}_b")


def bottleneck(x, width, stride, name, norm="batch", bias=False, dropout=None, stride_on="spatial"):
    """1x1 reduce, 3x3, 1x1 expand, behind the first activation: (N, H, W, C) -> (N, H/s, W/s, 4 width)."""
    first, second = (stride, 1) if stride_on == "reduce" else (1, stride)
    x = conv_norm(x, width, 1, first, activation="relu", norm=norm, name=f"{name}_reduce")
    x = conv_norm(x, width, 3, second, activation="relu", norm=norm, name=f"{name}_spatial")
    x = layers.Dropout(dropout, name=f"{name}_dropout")(x) if dropout is not None else x
    return conv(x, 4 * width, 1, bias=bias, name=f"{name}_expand")


def residual(x, branch, width, stride, name, first, norm, bias, **settings):
    """x + branch(relu(norm(x))): (N, H, W, C) -> (N, H/s, W/s, C'), not activated.

    The shortcut begins behind the first activation where a 1x1 convolution changes its channels, and in the network's
    `first` block (the paper's appendix).
    """
    active = activate(normalize(x, norm, f"{name}_preact"), "relu", f"{name}_preact")
    y = branch(active, width, stride, name, norm, bias, **settings)
    if x.shape[-1] != y.shape[-1]:
        x = conv(active, y.shape[-1], 1, stride, bias=bias, name=f"{name}_shortcut")
    else:
        x = active if first else x
        x = layers.MaxPooling2D(1, stride, name=f"{name}_shortcut_subsample")(x) if stride > 1 else x
    return layers.Add(name=f"{name}_add")([x, y])


def resnet_preact(
    depths: tuple[int, ...],
    widths: tuple[int, ...] = (64, 128, 256, 512),
    branch: Callable = bottleneck,
    stem: Callable = large_stem,
    stem_width: int = 64,
    stride_in: Literal["first", "last"] = "first",
    stride_on: Literal["spatial", "reduce"] = "spatial",
    bias: bool = False,
    dropout: float | None = None,
    norm: Norm = "batch",
    pixels: Pixels = "centred",
    num_classes: int | None = 1000,
    input_shape: tuple[int | None, int | None, int] = (224, 224, 3),
    name: str = "resnet_preact",
) -> keras.Model:
    """(N, H, W, 3) -> logits (N, num_classes); or features by stride, {"C2": stride 4, ..., "C5": stride 32}.

    The last feature is normalized and activated, the others are sums before that. `branch` is `basic` or `bottleneck`;
    `stride_in` is the block of a stage that has the stride, the first of all stages but the first, or the last of all
    but the last; `bias` is for convolutions that no normalization follows; `dropout` comes before a branch's last
    convolution (Zagoruyko's section 2.4).
    """
    image, x = picture(input_shape, pixels)
    x, scale = stem(x, stem_width, bias or norm == "none")
    settings = dict(norm=norm, bias=bias or norm == "none", dropout=dropout, stride_on=stride_on)
    features, start, end = {}, scale, scale + len(depths) - 1
    for stage, (width, depth) in enumerate(zip(widths, depths, strict=True), start):
        place, without = (0, start) if stride_in == "first" else (depth - 1, end)
        for i in range(depth):
            stride = 2 if i == place and stage != without else 1
            first = stage == start and i == 0
            x = residual(x, branch, width, stride, f"stage{stage}_block{i + 1}", first, **settings)
            scale += stride - 1
            features[f"C{scale}"] = x
    features[f"C{scale}"] = activate(normalize(x, norm, "post"), "relu", "post")
    return endpoint(image, features, num_classes, name)


KERAS = dict(stride_in="last", bias=True, stem=partial(large_stem, border="constant"))
VARIANTS: dict[str, dict] = {
    f"resnet{depth}_v2": dict(depths=depths) for depth, depths in {**DEPTHS, 200: (3, 24, 36, 3)}.items()
}
SMALL_PICTURES = dict(stem=small_stem, stem_width=16, pixels="imagenet", num_classes=10, input_shape=(32, 32, 3))
CIFAR = {
    "resnet110_v2_cifar": dict(depths=(18, 18, 18), widths=(16, 32, 64), branch=basic, **SMALL_PICTURES),
    "resnet164_v2_cifar": dict(depths=(18, 18, 18), widths=(16, 32, 64), stride_on="reduce", **SMALL_PICTURES),
}
WIDE = {"wide_resnet28_10": dict(depths=(4, 4, 4), widths=(160, 320, 640), branch=basic, **SMALL_PICTURES)}

HE_2016 = Paper(
    "He, Zhang, Ren, Sun", 2016, "Identity Mappings in Deep Residual Networks", "https://arxiv.org/abs/1603.05027"
)
register("classification", resnet_preact, {**VARIANTS, **CIFAR}, HE_2016, systems=[23])
register("classification", resnet_preact, WIDE, ZAGORUYKO_2016, systems=[24])
