"""Inception-v4: a pure Inception network, made regular.

Szegedy et al. 2016, arXiv:1602.07261, Figures 3 to 8 (the filters of every block), Figure 9 (their order, the dropout)
and Table 1.
"""

import keras

from cvapps.blocks import Norm, Pixels, endpoint, picture
from cvapps.classification.inception import chain, mixed
from cvapps.classification.inception_v3 import HALVED, average_pool, halving_pool
from cvapps.registry import Paper, register


def stem(x, norm):
    """Figure 3: (N, H, W, 3) -> features {"C1": 64 channels, "C2": 192}, and (N, H/8, W/8, 384)."""
    first = chain(x, ((32, 3, *HALVED), (32, 3, 1, "valid"), (64, 3)), "stem1", norm)
    x = mixed(first, ((halving_pool,), ((96, 3, *HALVED),)), "stem2", norm)
    branches = (
        ((64, 1), (96, 3, 1, "valid")),
        ((64, 1), (64, (1, 7)), (64, (7, 1)), (96, 3, 1, "valid")),
    )
    second = mixed(x, branches, "stem3", norm)
    x = mixed(second, (((192, 3, *HALVED),), (halving_pool,)), "stem4", norm)
    return {"C1": first, "C2": second}, x


def inception_a(x, name, norm):
    """Figure 4: (N, H, W, C) -> (N, H, W, 384)."""
    branches = (((96, 1),), ((64, 1), (96, 3)), ((64, 1), (96, 3), (96, 3)), (average_pool, (96, 1)))
    return mixed(x, branches, name, norm)


def reduction_a(x, widths, name, norm):
    """Figure 7 with `widths` k, l, m, n of Table 1: (N, H, W, C) -> (N, H/2, W/2, C + n + m)."""
    first, second, third, single = widths
    branches = (((single, 3, *HALVED),), ((first, 1), (second, 3), (third, 3, *HALVED)), (halving_pool,))
    return mixed(x, branches, name, norm)


def inception_b(x, name, norm):
    """Figure 5: (N, H, W, C) -> (N, H, W, 1024)."""
    branches = (
        ((384, 1),),
        ((192, 1), (224, (1, 7)), (256, (7, 1))),
        ((192, 1), (192, (7, 1)), (224, (1, 7)), (224, (7, 1)), (256, (1, 7))),
        (average_pool, (128, 1)),
    )
    return mixed(x, branches, name, norm)


def reduction_b(x, name, norm):
    """Figure 8: (N, H, W, C) -> (N, H/2, W/2, C + 512)."""
    branches = (
        ((192, 1), (192, 3, *HALVED)),
        ((256, 1), (256, (1, 7)), (320, (7, 1)), (320, 3, *HALVED)),
        (halving_pool,),
    )
    return mixed(x, branches, name, norm)


def inception_c(x, name, norm):
    """Figure 6: (N, H, W, C) -> (N, H, W, 1536)."""
    branches = (
        ((256, 1),),
        ((384, 1), [(256, (1, 3)), (256, (3, 1))]),
        ((384, 1), (448, (3, 1)), (512, (1, 3)), [(256, (1, 3)), (256, (3, 1))]),
        (average_pool, (256, 1)),
    )
    return mixed(x, branches, name, norm)


def inception_v4(
    depths: tuple[int, int, int] = (4, 7, 3),
    dropout: float = 0.2,
    norm: Norm = "batch",
    pixels: Pixels = "centred",
    num_classes: int | None = 1000,
    input_shape: tuple[int | None, int | None, int] = (299, 299, 3),
    name: str = "inception_v4",
) -> keras.Model:
    """(N, H, W, 3) -> logits (N, num_classes); or features {"C1": stride 2, ..., "C5": stride 32}.

    `depths` counts the blocks of the strides 8, 16, 32. No convolution of stride 2 is padded, so a feature is smaller
    than its share of the picture. Raises ValueError for a side under 75.
    """
    image, x = picture(input_shape, pixels, smallest=75)
    features, x = stem(x, norm)
    reductions = {
        4: lambda x, name: reduction_a(x, (192, 224, 256, 384), name, norm),
        5: lambda x, name: reduction_b(x, name, norm),
    }
    for stage, (block, depth) in enumerate(zip((inception_a, inception_b, inception_c), depths, strict=True), start=3):
        if stage in reductions:
            x = reductions[stage](x, f"stage{stage}_reduce")
        for i in range(depth):
            x = block(x, f"stage{stage}_block{i + 1}", norm)
        features[f"C{stage}"] = x
    return endpoint(image, features, num_classes, name, dropout)


SZEGEDY_2016 = Paper(
    "Szegedy, Ioffe, Vanhoucke, Alemi",
    2016,
    "Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning",
    "https://arxiv.org/abs/1602.07261",
)
register("classification", inception_v4, {"inception_v4": {}}, SZEGEDY_2016, systems=[18])
