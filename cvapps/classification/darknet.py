"""Darknet-53, the classifier whose features YOLO v3 stands on.

Redmon & Farhadi 2018, arXiv:1804.02767, Table 1 and section 2.4; where it is silent, cfg/darknet53.cfg of
pjreddie/darknet, the authors' own code: leaky ReLUs of 0.1 behind every batch normalization, sums without one.
Deviations: first weights by He's rule; the epsilon inside of the normalization's root, where their code for the CPU has
it outside.
"""

from functools import partial

import keras
from keras import layers

from cvapps.blocks import Norm, Pixels, conv_norm, endpoint, picture
from cvapps.registry import Paper, register

SLOPE = 0.1


def conv_leaky(x, filters, kernel, stride=1, *, slope=SLOPE, norm: Norm = "batch", name):
    """Convolution, normalization, leaky ReLU: (N, H, W, C) -> (N, H/s, W/s, filters)."""
    x = conv_norm(x, filters, kernel, stride, norm=norm, name=name)
    return layers.LeakyReLU(slope, name=f"{name}_leaky")(x)


def residual(x, conv, name):
    """x + 3x3(1x1(x)), the 1x1 with half the channels: shape kept."""
    y = conv(x, x.shape[-1] // 2, 1, name=f"{name}_reduce")
    y = conv(y, x.shape[-1], 3, name=f"{name}_expand")
    return layers.Add(name=f"{name}_add")([x, y])


def darknet(
    depths: tuple[int, ...],
    width: int = 32,
    slope: float = SLOPE,
    norm: Norm = "batch",
    pixels: Pixels = "unit",
    num_classes: int | None = 1000,
    input_shape: tuple[int | None, int | None, int] = (256, 256, 3),
    name: str = "darknet",
) -> keras.Model:
    """(N, H, W, 3) -> logits (N, num_classes); or features {"C1": stride 2, "C2": stride 4, ...}, one for each depth.

    `width` channels leave the stem, twice as many as before each stage; `slope` is that of the leaky ReLUs (timm's
    weights were trained with PyTorch's 0.01).
    """
    image, x = picture(input_shape, pixels)
    conv = partial(conv_leaky, slope=slope, norm=norm)
    x = conv(x, width, 3, name="stem")
    features = {}
    for stage, depth in enumerate(depths, start=1):
        x = conv(x, width * 2**stage, 3, 2, name=f"stage{stage}_down")
        for i in range(1, depth + 1):
            x = residual(x, conv, f"stage{stage}_block{i}")
        features[f"C{stage}"] = x
    return endpoint(image, features, num_classes, name)


VARIANTS = {"darknet53": dict(depths=(1, 2, 8, 8, 4))}

REDMON_2018 = Paper(
    "Redmon, Farhadi", 2018, "YOLOv3: An Incremental Improvement", "https://arxiv.org/abs/1804.02767"
)  # fmt: skip
register("classification", darknet, VARIANTS, REDMON_2018, systems=[57])
