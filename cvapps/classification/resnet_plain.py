"""Plain networks, and the residual networks for 32x32 pictures that differ from them by nothing but the shortcut.

He et al. 2015, arXiv:1512.03385: section 4.2 and Table 6 (CIFAR-10, 6n + 2 layers), Figure 3 and Table 2 (plain-18 and
plain-34 for ImageNet). The shortcut is the paper's option A, which has no weights.
Deviations: pixels are normalized by channel, where the paper subtracts a mean picture; the paper doesn't say on which
side the zero channels stand, here half of them on each.
"""

from collections.abc import Callable

import keras
from keras import layers, ops

from cvapps.blocks import Norm, Pixels, conv_norm, endpoint, max_pool, named, picture
from cvapps.classification.resnet import HE_2015, basic
from cvapps.registry import register


def small_stem(x, width, norm):
    """One 3x3 convolution: (N, H, W, 3) -> (N, H, W, width), and log2 of its stride."""
    return conv_norm(x, width, 3, activation="relu", norm=norm, name="stem"), 0


def large_stem(x, width, norm):
    """7x7 convolution and pooling, each of stride 2: (N, H, W, 3) -> (N, H/4, W/4, width), and log2 of its stride."""
    x = conv_norm(x, width, 7, 2, activation="relu", norm=norm, name="stem")
    return max_pool(x, 3, 2, name="stem_pool"), 2


def zero_pad_shortcut(x, width, stride, name):
    """Every s-th pixel, and zeros for the new channels: (N, H, W, C) -> (N, H/s, W/s, width)."""
    if stride > 1:
        x = named(x[:, ::stride, ::stride], f"{name}_subsample")
    if more := width - x.shape[-1]:
        x = named(ops.pad(x, ((0, 0), (0, 0), (0, 0), (more // 2, more - more // 2))), f"{name}_zeros")
    return x


def block(x, width, stride, name, shortcut, norm):
    """relu(F(x) + x) of two 3x3 convolutions F, or relu(F(x)): (N, H, W, C) -> (N, H/s, W/s, width)."""
    y = basic(x, width, stride, name, norm)
    if shortcut:
        y = layers.Add(name=f"{name}_add")([shortcut(x, width, stride, f"{name}_shortcut"), y])
    return layers.Activation("relu", name=f"{name}_out")(y)


def resnet_plain(
    depths: tuple[int, ...],
    widths: tuple[int, ...] = (16, 32, 64),
    stem: Callable = small_stem,
    shortcut: Callable | None = zero_pad_shortcut,
    norm: Norm = "batch",
    pixels: Pixels = "imagenet",
    num_classes: int | None = 10,
    input_shape: tuple[int | None, int | None, int] = (32, 32, 3),
    name: str = "resnet_plain",
) -> keras.Model:
    """(N, H, W, 3) -> logits (N, num_classes); or features by stride, {"C0": stride 1, ...} after the small stem.

    `shortcut` None makes the plain network.
    """
    image, x = picture(input_shape, pixels)
    x, first = stem(x, widths[0], norm)
    features = {}
    for stage, (width, depth) in enumerate(zip(widths, depths, strict=True), start=first):
        for i in range(depth):
            stride = 2 if i == 0 and stage > first else 1
            x = block(x, width, stride, f"stage{stage}_block{i + 1}", shortcut, norm)
        features[f"C{stage}"] = x
    return endpoint(image, features, num_classes, name)


RESIDUAL = {f"resnet{6 * n + 2}_cifar": dict(depths=(n, n, n)) for n in (3, 5, 7, 9, 18)}
PLAIN = {f"plain{6 * n + 2}": dict(depths=(n, n, n), shortcut=None) for n in (3, 5, 7, 9)}
FOR_IMAGENET = dict(
    widths=(64, 128, 256, 512), stem=large_stem, shortcut=None, num_classes=1000, input_shape=(224, 224, 3)
)
PLAIN_IMAGENET = {
    "plain18": dict(depths=(2, 2, 2, 2), **FOR_IMAGENET),
    "plain34": dict(depths=(3, 4, 6, 3), **FOR_IMAGENET),
}
register("classification", resnet_plain, RESIDUAL, HE_2015, systems=[22])
register("classification", resnet_plain, {**PLAIN, **PLAIN_IMAGENET}, HE_2015, systems=[20])
