"""Inception-v3: factorized convolutions, 299x299 pictures.

Szegedy et al. 2015, arXiv:1512.00567, Table 1 and Figures 5 to 8, 10. The paper leaves the filters inside the blocks
open: they are those of the authors' code (TF-Slim's inception_v3) and of all published weights. There the stem ends
with a 1x1 convolution of 80 filters, a 3x3 of 192 and a pooling, where Table 1 has 3x3 convolutions, one of them
strided; and the blocks that halve the picture are among the paper's five of stride 16 and before its two of stride 32.
Batch normalization is in the auxiliary classifier too (section 4, "BN-auxiliary"); the dropout is TF-Slim's.
"""

from collections.abc import Callable

import keras
from keras import layers

from cvapps.blocks import Norm, Pixels, endpoint, picture
from cvapps.classification.inception import chain, check_auxiliary, convolution, mixed, with_auxiliaries
from cvapps.registry import Paper, register

HALVED = (2, "valid")  # stride and padding of every convolution that halves the picture


def average_pool(x, name):
    """Average of 3x3, of fewer pixels at the border: shape kept."""
    return layers.AveragePooling2D(3, 1, "same", name=name)(x)


def zeros_average_pool(x, name):
    """Average of 3x3 with zeros around the picture, as torchvision has it: shape kept."""
    x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
    return layers.AveragePooling2D(3, 1, name=name)(x)


def halving_pool(x, name):
    """Maximum of 3x3 with stride 2, inside the picture: (N, H, W, C) -> (N, (H-1)/2, (W-1)/2, C)."""
    return layers.MaxPooling2D(3, 2, name=name)(x)


def stem(x, norm):
    """Six convolutions: (N, H, W, 3) -> features {"C1": 64 channels, "C2": 192}, and (N, H/8, W/8, 192)."""
    first = chain(x, ((32, 3, *HALVED), (32, 3, 1, "valid"), (64, 3)), "stem1", norm)
    second = chain(halving_pool(first, "pool1"), ((80, 1), (192, 3, 1, "valid")), "stem2", norm)
    return {"C1": first, "C2": second}, halving_pool(second, "pool2")


def small_kernels(x, pooled, name, average, norm):
    """Figure 5, at stride 8: (N, H, W, C) -> (N, H, W, 224 + pooled)."""
    branches = (((64, 1),), ((48, 1), (64, 5)), ((64, 1), (96, 3), (96, 3)), (average, (pooled, 1)))
    return mixed(x, branches, name, norm)


def reduce_to_16(x, name, norm):
    """Figure 10: (N, H, W, C) -> (N, H/2, W/2, C + 480)."""
    return mixed(x, (((384, 3, *HALVED),), ((64, 1), (96, 3), (96, 3, *HALVED)), (halving_pool,)), name, norm)


def long_kernels(x, inner, name, average, norm):
    """Figure 6 with n = 7, at stride 16: (N, H, W, C) -> (N, H, W, 768)."""
    branches = (
        ((192, 1),),
        ((inner, 1), (inner, (1, 7)), (192, (7, 1))),
        ((inner, 1), (inner, (7, 1)), (inner, (1, 7)), (inner, (7, 1)), (192, (1, 7))),
        (average, (192, 1)),
    )
    return mixed(x, branches, name, norm)


def reduce_to_32(x, name, norm):
    """The same idea as Figure 10 with long kernels: (N, H, W, C) -> (N, H/2, W/2, C + 512)."""
    branches = (
        ((192, 1), (320, 3, *HALVED)),
        ((192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3, *HALVED)),
        (halving_pool,),
    )
    return mixed(x, branches, name, norm)


def expanded_ends(x, name, average, norm):
    """Figure 7, at stride 32: (N, H, W, C) -> (N, H, W, 2048)."""
    ends = [(384, (1, 3)), (384, (3, 1))]
    branches = (((320, 1),), ((384, 1), ends), ((448, 1), (384, 3), ends), (average, (192, 1)))
    return mixed(x, branches, name, norm)


def auxiliary_classifier(x, num_classes, name, norm):
    """Section 4 and Figure 8: (N, H, W, 768) -> float32 logits (N, num_classes)."""
    x = layers.AveragePooling2D(5, 3, name=f"{name}_pool")(x)
    x = convolution(x, 128, 1, norm=norm, name=f"{name}_reduce")
    x = convolution(x, 768, 5, padding="valid", norm=norm, name=f"{name}_spatial")
    x = layers.GlobalAveragePooling2D(name=f"{name}_mean")(x)
    return layers.Dense(num_classes, dtype="float32", name=f"{name}_logits")(x)


def inception_v3(
    pool_widths: tuple[int, ...] = (32, 64, 64),
    inner_widths: tuple[int, ...] = (128, 160, 160, 192),
    depth: int = 2,
    average: Callable = average_pool,
    auxiliary: bool = False,
    dropout: float = 0.2,
    norm: Norm = "batch",
    pixels: Pixels = "centred",
    num_classes: int | None = 1000,
    input_shape: tuple[int | None, int | None, int] = (299, 299, 3),
    name: str = "inception_v3",
) -> keras.Model:
    """(N, H, W, 3) -> logits (N, num_classes); or features {"C1": stride 2, ..., "C5": stride 32}.

    `pool_widths` and `inner_widths` have an entry for each block of stride 8 and of stride 16; `depth` counts those of
    stride 32. `average` is `average_pool` or `zeros_average_pool`. With `auxiliary` the output is {"logits",
    "auxiliary1"}, whose losses train together with weights 1 and AUXILIARY_WEIGHT. No convolution of stride 2 is
    padded, so a feature is smaller than its share of the picture. Raises ValueError for a side under 75, or under 299
    with `auxiliary`, which needs classes and a known size.
    """
    check_auxiliary(auxiliary, num_classes, input_shape)
    image, x = picture(input_shape, pixels, smallest=299 if auxiliary else 75)
    features, x = stem(x, norm)
    for i, pooled in enumerate(pool_widths, start=1):
        x = small_kernels(x, pooled, f"stage3_block{i}", average, norm)
    features["C3"] = x
    x = reduce_to_16(x, "stage4_reduce", norm)
    for i, inner in enumerate(inner_widths, start=1):
        x = long_kernels(x, inner, f"stage4_block{i}", average, norm)
    features["C4"] = x
    logits = {"auxiliary1": auxiliary_classifier(x, num_classes, "auxiliary1", norm)} if auxiliary else {}
    x = reduce_to_32(x, "stage5_reduce", norm)
    for i in range(depth):
        x = expanded_ends(x, f"stage5_block{i + 1}", average, norm)
    features["C5"] = x
    return with_auxiliaries(endpoint(image, features, num_classes, name, dropout), logits)


SZEGEDY_2015 = Paper(
    "Szegedy, Vanhoucke, Ioffe, Shlens, Wojna",
    2015,
    "Rethinking the Inception Architecture for Computer Vision",
    "https://arxiv.org/abs/1512.00567",
)
register("classification", inception_v3, {"inception_v3": {}}, SZEGEDY_2015, systems=[17])
