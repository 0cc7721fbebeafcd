"""Extraction, the classifier of 20 convolutions whose features YOLO v1 stands on.

Redmon et al. 2015, arXiv:1506.02640, Figure 3 up to its fifth part and section 2.2: pooled over the picture and with
one dense layer, it is trained on ImageNet first. Its name is that of cfg/extraction.cfg of pjreddie/darknet, the
authors' own code, which has batch normalization since 2016: `norm="batch"`.
Deviations: first weights by He's rule; linear logits, where the authors' first ones were leaky.
"""

import keras
from keras import layers

from cvapps.blocks import Norm, Pixels, endpoint, picture
from cvapps.classification.darknet import conv_leaky
from cvapps.registry import Paper, register

Convolutions = tuple[tuple[int, int], ...]


def extraction(
    stages: tuple[Convolutions, ...],
    norm: Norm = "none",
    pixels: Pixels = "unit",
    num_classes: int | None = 1000,
    input_shape: tuple[int | None, int | None, int] = (224, 224, 3),
    name: str = "extraction",
) -> keras.Model:
    """(N, H, W, 3) -> logits (N, num_classes); or features {"C1": stride 2, "C2": stride 4, ...}, one for each stage.

    `stages` has each convolution's (side, channels). The first has stride 2, and between stages the maps are pooled.
    """
    image, x = picture(input_shape, pixels)
    features = {}
    for stage, convolutions in enumerate(stages, start=1):
        if stage > 1:
            x = layers.MaxPooling2D(2, padding="same", name=f"stage{stage}_pool")(x)
        for i, (side, width) in enumerate(convolutions, start=1):
            stride = 2 if stage == i == 1 else 1
            x = conv_leaky(x, width, side, stride, norm=norm, name=f"stage{stage}_{i}")
        features[f"C{stage}"] = x
    return endpoint(image, features, num_classes, name)


def pairs(narrow, wide, count):
    """A 1x1 convolution that reduces and a 3x3 one, again and again."""
    return ((1, narrow), (3, wide)) * count


VARIANTS = {
    "extraction": dict(
        stages=(
            ((7, 64),),
            ((3, 192),),
            (*pairs(128, 256, 1), *pairs(256, 512, 1)),
            (*pairs(256, 512, 4), *pairs(512, 1024, 1)),
            pairs(512, 1024, 2),
        )
    )
}

REDMON_2015 = Paper(
    "Redmon, Divvala, Girshick, Farhadi",
    2015,
    "You Only Look Once: Unified, Real-Time Object Detection",
    "https://arxiv.org/abs/1506.02640",
)
register("classification", extraction, VARIANTS, REDMON_2015, systems=[57])
