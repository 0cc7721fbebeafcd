"""ResNet: one graph, one table.

He et al. 2015, arXiv:1512.03385, Table 1. The stride of a bottleneck is on its 3x3 convolution, where the paper has it
on the first 1x1: this is the form of the common published weights. `stride_on="reduce"` is the paper's.
"""

from collections.abc import Callable

import keras
from keras import layers

from cvapps.blocks import Norm, conv_norm, endpoint, max_pool, rescale
from cvapps.registry import Paper, register


def basic(x, width, stride, name, norm="batch"):
    """Two 3x3 convolutions: (N, H, W, C) -> (N, H/s, W/s, width)."""
    x = conv_norm(x, width, 3, stride, activation="relu", norm=norm, name=f"{name}_a")
    return conv_norm(x, width, 3, norm=norm, name=f"{name}_b")


def bottleneck(x, width, stride, name, norm="batch", stride_on="spatial"):
    """1x1 reduce, 3x3, 1x1 expand: (N, H, W, C) -> (N, H/s, W/s, 4 width)."""
    first, second = (stride, 1) if stride_on == "reduce" else (1, stride)
    x = conv_norm(x, width, 1, first, activation="relu", norm=norm, name=f"{name}_reduce")
    x = conv_norm(x, width, 3, second, activation="relu", norm=norm, name=f"{name}_spatial")
    return conv_norm(x, 4 * width, 1, norm=norm, name=f"{name}_expand")


def residual(x, branch, width, stride, name, norm="batch", **settings):
    """relu(x + branch(x)), with a 1x1 convolution on x where the branch changes its shape."""
    y = branch(x, width, stride, name, norm=norm, **settings)
    if stride > 1 or x.shape[-1] != y.shape[-1]:
        x = conv_norm(x, y.shape[-1], 1, stride, norm=norm, name=f"{name}_shortcut")
    x = layers.Add(name=f"{name}_add")([x, y])
    return layers.Activation("relu", name=f"{name}_out")(x)


def resnet(
    depths: tuple[int, ...],
    branch: Callable = bottleneck,
    norm: Norm = "batch",
    num_classes: int | None = 1000,
    input_shape: tuple[int | None, int | None, int] = (224, 224, 3),
    name: str = "resnet",
    **settings,
) -> keras.Model:
    """(N, H, W, 3) -> logits (N, num_classes); or features {"C2": stride 4, ..., "C5": stride 32}."""
    image = keras.Input(input_shape, name="image")
    x = conv_norm(rescale(image), 64, 7, 2, activation="relu", norm=norm, name="stem")
    x = max_pool(x, 3, 2, name="stem_pool")
    features = {}
    for stage, (width, depth) in enumerate(zip((64, 128, 256, 512), depths, strict=True), start=2):
        for i in range(depth):
            stride = 2 if i == 0 and stage > 2 else 1
            x = residual(x, branch, width, stride, f"stage{stage}_block{i + 1}", norm=norm, **settings)
        features[f"C{stage}"] = x
    return endpoint(image, features, num_classes, name)


VARIANTS = {
    "resnet18": dict(depths=(2, 2, 2, 2), branch=basic),
    "resnet34": dict(depths=(3, 4, 6, 3), branch=basic),
    "resnet50": dict(depths=(3, 4, 6, 3)),
    "resnet101": dict(depths=(3, 4, 23, 3)),
    "resnet152": dict(depths=(3, 8, 36, 3)),
}
HE_2015 = Paper(
    "He, Zhang, Ren, Sun", 2015, "Deep Residual Learning for Image Recognition", "https://arxiv.org/abs/1512.03385"
)
register("classification", resnet, VARIANTS, HE_2015, systems=[21])
