"""DenseNet: each layer reads all maps before it.

Huang et al. 2016, arXiv:1608.06993, Table 1 (ImageNet; 161 layers as the authors' code has them, with 48 maps a layer)
and Table 2 (CIFAR; "BC" has bottlenecks and compression). The ImageNet networks' normalizations read the maps joined,
where the authors' code keeps them apart: the same function.
"""

from collections.abc import Callable

import keras
from keras import layers

from cvapps.blocks import Norm, Pixels, activate, conv, endpoint, normalize, picture
from cvapps.classification.resnet_plain import large_stem
from cvapps.registry import Paper, register


def small_stem(x, width, norm):
    """One bare 3x3 convolution: (N, H, W, 3) -> (N, H, W, width), and log2 of its stride."""
    return conv(x, width, 3, bias=norm == "none", name="stem"), 0


def norm_conv(x, filters, kernel, norm, dropout, name):
    """Normalization, ReLU, convolution, optional dropout (section 3): (N, H, W, C) -> (N, H, W, filters)."""
    x = activate(normalize(x, norm, name), "relu", name)
    x = conv(x, filters, kernel, bias=norm == "none", name=name)
    return layers.Dropout(dropout, name=f"{name}_dropout")(x) if dropout is not None else x


def dense_layer(x, growth, bottleneck, norm, dropout, name):
    """`growth` new maps joined to all that came before: (N, H, W, C) -> (N, H, W, C + growth)."""
    y = norm_conv(x, bottleneck * growth, 1, norm, dropout, f"{name}_reduce") if bottleneck else x
    y = norm_conv(y, growth, 3, norm, dropout, f"{name}_grow")
    return layers.Concatenate(name=f"{name}_concat")([x, y])


def transition(x, compression, norm, dropout, name):
    """1x1 convolution and halving: (N, H, W, C) -> (N, floor(H/2), floor(W/2), floor(compression C))."""
    x = norm_conv(x, int(compression * x.shape[-1]), 1, norm, dropout, name)
    return layers.AveragePooling2D(2, name=f"{name}_pool")(x)


def densenet(
    depths: tuple[int, ...],
    growth: int = 32,
    stem_width: int = 64,
    stem: Callable = large_stem,
    bottleneck: int | None = 4,
    compression: float = 0.5,
    dropout: float | None = None,
    norm: Norm = "batch",
    pixels: Pixels = "imagenet",
    num_classes: int | None = 1000,
    input_shape: tuple[int | None, int | None, int] = (224, 224, 3),
    name: str = "densenet",
) -> keras.Model:
    """(N, H, W, 3) -> logits (N, num_classes); or features by stride, {"C2": stride 4, ..., "C5": stride 32}.

    A feature is what a dense block joined; the last is normalized and activated too. `depths` are layers in each
    block, `growth` new maps of each; `bottleneck` times as many leave the 1x1 convolution before, if any;
    `compression` is the part of the maps that a transition keeps; `dropout` follows each convolution but the stem's.
    """
    last_place = 2 ** (len(depths) - 1)  # in the first block, of those that the poolings leave for the last block
    image, x = picture(input_shape, pixels, smallest=(4 if stem is large_stem else 1) * (last_place - 1) + 1)
    x, start = stem(x, stem_width, norm)
    features = {}
    for stage, depth in enumerate(depths, start):
        if stage > start:
            x = transition(x, compression, norm, dropout, f"stage{stage - 1}_transition")
        for i in range(depth):
            x = dense_layer(x, growth, bottleneck, norm, dropout, f"stage{stage}_layer{i + 1}")
        features[f"C{stage}"] = x
    features[f"C{stage}"] = activate(normalize(x, norm, "post"), "relu", "post")
    return endpoint(image, features, num_classes, name)


VARIANTS: dict[str, dict] = {
    "densenet121": dict(depths=(6, 12, 24, 16)),
    "densenet161": dict(depths=(6, 12, 36, 24), growth=48, stem_width=96),
    "densenet169": dict(depths=(6, 12, 32, 32)),
    "densenet201": dict(depths=(6, 12, 48, 32)),
    "densenet264": dict(depths=(6, 12, 64, 48)),
}
SMALL_PICTURES = dict(stem=small_stem, growth=12, num_classes=10, input_shape=(32, 32, 3))
PLAIN = dict(bottleneck=None, compression=1.0, stem_width=16, **SMALL_PICTURES)
CIFAR = {
    "densenet40_k12_cifar": dict(depths=(12, 12, 12), **PLAIN),
    "densenet100_k12_cifar": dict(depths=(32, 32, 32), **PLAIN),
    "densenet_bc100_k12_cifar": dict(depths=(16, 16, 16), stem_width=24, **SMALL_PICTURES),
}

HUANG_2016 = Paper(
    "Huang, Liu, van der Maaten, Weinberger",
    2016,
    "Densely Connected Convolutional Networks",
    "https://arxiv.org/abs/1608.06993",
)
register("classification", densenet, {**VARIANTS, **CIFAR}, HUANG_2016, systems=[27])
