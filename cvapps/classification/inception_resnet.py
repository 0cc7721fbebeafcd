"""Inception-ResNet-v2: Inception blocks whose scaled sum is added to their input.

Szegedy et al. 2016, arXiv:1602.07261, Figures 15 to 19, Table 1 and section 3.3. The graph is that of the authors' code
(TF-Slim's inception_resnet_v2) and of all published weights, which differs from the figures: it begins with the stem of
Inception-v3 and a mixed block; the stages have 320, 1088 and 2080 channels where Figures 16, 17 and 19 have 384, 1154
and 2048; a 1x1 convolution of 1536 channels ends it.
"""

import keras
from keras import layers

from cvapps.blocks import Norm, Pixels, conv_norm, endpoint, picture
from cvapps.classification.inception import convolution, mixed
from cvapps.classification.inception_v3 import HALVED, average_pool, halving_pool, stem
from cvapps.classification.inception_v4 import SZEGEDY_2016, reduction_a
from cvapps.registry import register


def mixed_320(x, name, norm):
    """What stands between the stem and the residual blocks: (N, H, W, C) -> (N, H, W, 320)."""
    branches = (((96, 1),), ((48, 1), (64, 5)), ((64, 1), (96, 3), (96, 3)), (average_pool, (64, 1)))
    return mixed(x, branches, name, norm)


def reduction_b(x, name, norm):
    """Figure 18: (N, H, W, C) -> (N, H/2, W/2, C + 992)."""
    branches = (
        ((256, 1), (384, 3, *HALVED)),
        ((256, 1), (288, 3, *HALVED)),
        ((256, 1), (288, 3), (320, 3, *HALVED)),
        (halving_pool,),
    )
    return mixed(x, branches, name, norm)


def residual(x, branches, scale, name, norm, activation="relu"):
    """relu(x + scale * expand(branches(x))): shape kept (section 3.3: unscaled, such wide sums stop learning)."""
    y = mixed(x, branches, name, norm)
    y = conv_norm(y, x.shape[-1], 1, norm="none", name=f"{name}_expand")  # a bias, no normalization
    x = layers.Add(name=f"{name}_add")([x, layers.Rescaling(scale, name=f"{name}_scale")(y)])
    return layers.Activation(activation, name=f"{name}_out")(x)


BRANCHES = {  # of a residual block, by the stage
    3: (((32, 1),), ((32, 1), (32, 3)), ((32, 1), (48, 3), (64, 3))),  # Figure 16
    4: (((192, 1),), ((128, 1), (160, (1, 7)), (192, (7, 1)))),  # Figure 17
    5: (((192, 1),), ((192, 1), (224, (1, 3)), (256, (3, 1)))),  # Figure 19
}
SCALES = {3: 0.17, 4: 0.1, 5: 0.2}


def inception_resnet(
    depths: tuple[int, int, int] = (10, 20, 9),
    dropout: float = 0.2,
    norm: Norm = "batch",
    pixels: Pixels = "centred",
    num_classes: int | None = 1000,
    input_shape: tuple[int | None, int | None, int] = (299, 299, 3),
    name: str = "inception_resnet",
) -> keras.Model:
    """(N, H, W, 3) -> logits (N, num_classes); or features {"C1": stride 2, ..., "C5": stride 32}.

    `depths` counts the residual blocks of the strides 8, 16, 32; after the last comes one more, neither scaled nor
    rectified. No convolution of stride 2 is padded, so a feature is smaller than its share of the picture. Raises
    ValueError for a side under 75.
    """
    image, x = picture(input_shape, pixels, smallest=75)
    features, x = stem(x, norm)
    entries = {
        3: lambda x: mixed_320(x, "stage3_mixed", norm),
        4: lambda x: reduction_a(x, (256, 256, 384, 384), "stage4_reduce", norm),
        5: lambda x: reduction_b(x, "stage5_reduce", norm),
    }
    for (stage, enter), depth in zip(entries.items(), depths, strict=True):
        x = enter(x)
        for i in range(depth):
            x = residual(x, BRANCHES[stage], SCALES[stage], f"stage{stage}_block{i + 1}", norm)
        features[f"C{stage}"] = x
    x = residual(x, BRANCHES[5], 1.0, "stage5_last", norm, activation="linear")
    features["C5"] = convolution(x, 1536, 1, norm=norm, name="stage5_expand")
    return endpoint(image, features, num_classes, name, dropout)


register("classification", inception_resnet, {"inception_resnet_v2": {}}, SZEGEDY_2016, systems=[19])
