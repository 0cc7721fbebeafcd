"""PSPNet: the scene as a whole and its quarters beside each place, on a ResNet that keeps its maps large.

Zhao et al. 2016, arXiv:1612.01105, Figure 3 and sections 3.2 and 3.3; where they are silent, hszhao/semseg, the
authors' own code: the three 3x3 convolutions of the stem, the two heads, dropout of whole channels, 10 percent.
Their code takes pictures of 8k + 1 pixels a side; here any size goes, and as there the corners of the coarse map of
logits and of the picture coincide.
"""

from collections.abc import Callable

import keras
from keras import layers

import cvapps
from cvapps.blocks import Norm, Pixels, conv_norm
from cvapps.classification.resnet import deep_stem
from cvapps.layers.resizing import AdaptiveAveragePooling2D, ResizeLike
from cvapps.registry import Paper, register

AUXILIARY_WEIGHT = 0.4  # of the auxiliary classifier's loss in training (sections 4 and 5.1)


def pyramid_pooling(x, bins, norm):
    """Figure 3 (c): the map beside its means over grids of each bin's side, (N, h, w, C) -> (N, h, w, 2 C)."""
    levels = [x]
    for side in bins:
        name = f"pyramid{side}"
        level = AdaptiveAveragePooling2D(side, data_format="channels_last", name=f"{name}_pool")(x)
        level = conv_norm(level, x.shape[-1] // len(bins), 1, activation="relu", norm=norm, name=name)
        levels.append(ResizeLike(align_corners=True, name=f"{name}_resize")([level, x]))
    return layers.Concatenate(name="pyramid")(levels)


def classify(x, width, image, num_classes, dropout, norm, name):
    """A 3x3 convolution and the classes of each place, as large as the picture: -> float32 (N, H, W, num_classes)."""
    x = conv_norm(x, width, 3, activation="relu", norm=norm, name=f"{name}_hidden")
    x = layers.SpatialDropout2D(dropout, data_format="channels_last", name=f"{name}_dropout")(x)
    x = layers.Conv2D(num_classes, 1, dtype="float32", name=f"{name}_conv")(x)
    return ResizeLike(align_corners=True, dtype="float32", name=name)([x, image])


def pspnet(
    backbone: str = "resnet50",
    stem: Callable = deep_stem,
    bins: tuple[int, ...] = (1, 2, 3, 6),
    auxiliary: bool = False,
    dropout: float = 0.1,
    norm: Norm = "batch",
    pixels: Pixels = "imagenet",
    num_classes: int = 21,
    input_shape: tuple[int | None, int | None, int] = (473, 473, 3),
    name: str = "pspnet",
) -> keras.Model:
    """(N, H, W, 3) -> logits (N, H, W, num_classes).

    `backbone` is a row of `resnet`; `stem` replaces its own (published weights are of `large_stem`). With `auxiliary`
    the output is {"logits", "auxiliary"}: a classifier of stage 4 besides, whose loss trains with AUXILIARY_WEIGHT.
    Raises ValueError for a backbone that can't keep its stride at 8, and for bins that don't divide its channels.
    """
    settings: dict = dict(stem=stem, norm=norm, pixels=pixels, input_shape=input_shape)
    features = cvapps.create_model(backbone, num_classes=None, output_stride=8, **settings)
    image, x = features.input, features.output["C5"]
    channels = x.shape[-1]
    if channels % len(bins):
        raise ValueError(f"{len(bins)} bins don't divide the {channels} channels of {backbone}")
    x = pyramid_pooling(x, bins, norm)
    logits = classify(x, channels // 4, image, num_classes, dropout, norm, "logits")
    if not auxiliary:
        return keras.Model(image, logits, name=name)
    middle = features.output["C4"]
    further = classify(middle, middle.shape[-1] // 4, image, num_classes, dropout, norm, "auxiliary")
    return keras.Model(image, {"logits": logits, "auxiliary": further}, name=name)


VARIANTS = {f"pspnet{depth}": dict(backbone=f"resnet{depth}") for depth in (50, 101)}

ZHAO_2016 = Paper("Zhao, Shi, Qi, Wang, Jia", 2016, "Pyramid Scene Parsing Network", "https://arxiv.org/abs/1612.01105")
register("segmentation", pspnet, VARIANTS, ZHAO_2016, systems=[76])
