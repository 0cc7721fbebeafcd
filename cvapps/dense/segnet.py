"""SegNet: an encoder whose poolings remember where their maxima stood, and a decoder that puts values back there.

Badrinarayanan, Kendall & Cipolla 2015, arXiv:1511.00561, section 3: `segnet` has the 13 convolutions of VGG-16 and 13
that mirror them, `segnet_basic` (section 3.1) 4 and 4 of 7x7 with 64 features, no ReLU in the decoder, and contrast
normalization of the picture (section 3.2). Widths, poolings and heads as in the authors' Caffe files
(alexgkendall/SegNet-Tutorial, Models/): the last convolution gives the scores, in SegNet-Basic one of 1x1 behind it.
The encoder's layers are named as `vgg16_bn`'s, whose published weights fit.
Deviations: no biases in front of batch normalization, which takes them off again (as section 3.1 has it; the authors'
files have them); pixels standardized as VGG's weights want them, where the authors give SegNet raw ones.
What the paper compares SegNet-Basic with in Table 1 are settings of it, with `decoder=(0, 0, 0, 0)`: Bilinear-
Interpolation is `upsample=bilinear`, FCN-Basic without addition and reduction `upsample=partial(transposed, kernel=8)`.
"""

from collections.abc import Callable
from typing import Literal

import keras
from keras import layers

from cvapps.blocks import Norm, Pixels, conv_norm, picture
from cvapps.dense.upsample import pool, unpooling
from cvapps.layers.normalization import LocalResponseNormalization
from cvapps.registry import Paper, register


def contrast(x, name):
    """Each pixel by the energy of its colours, Caffe's form of local response normalization: shape kept."""
    return LocalResponseNormalization(5, alpha=1e-4, beta=0.75, k=1.0, of="mean", name=name)(x)


def segnet(
    depths: tuple[int, ...] = (2, 2, 3, 3, 3),
    decoder: tuple[int, ...] = (1, 2, 3, 3, 3),
    widths: tuple[int, ...] = (64, 128, 256, 512, 512),
    kernel: int = 3,
    head: int = 3,
    decoder_activation: Literal["relu"] | None = "relu",
    in_front: Callable | None = None,
    upsample: Callable = unpooling,
    norm: Norm = "batch",
    pixels: Pixels = "imagenet",
    num_classes: int = 21,
    input_shape: tuple[int | None, int | None, int] = (360, 480, 3),
    name: str = "segnet",
) -> keras.Model:
    """(N, H, W, 3) -> logits (N, H, W, num_classes), of any size.

    `depths` and `decoder` are the numbers of convolutions of each stage, outermost first, `widths` their channels; the
    last of a decoder's stage has the channels of the next. `kernel` and `head` are the sides of the convolutions and of
    the one that gives the logits. `in_front` is a block in front of the first convolution, `upsample` one of
    `cvapps.dense.upsample`. Raises ValueError where the three tables don't have as many stages.
    """
    if not len(depths) == len(decoder) == len(widths):
        raise ValueError(f"expected depths, decoder and widths of as many stages, not {depths}, {decoder}, {widths}")
    image, x = picture(input_shape, pixels)
    x = in_front(x, "contrast") if in_front else x
    remembered = []
    for stage, (width, depth) in enumerate(zip(widths, depths, strict=True), start=1):
        for i in range(1, depth + 1):
            x = conv_norm(x, width, kernel, activation="relu", norm=norm, name=f"stage{stage}_{i}")
        x, pooled = pool(x, f"stage{stage}_pool")
        remembered.append(pooled)
    for stage in range(len(widths), 0, -1):
        width, following = widths[stage - 1], widths[max(stage - 2, 0)]
        depth = decoder[stage - 1]
        x = upsample(x, width if depth else following, 2, f"stage{stage}_up", remembered.pop())
        for i in range(1, depth + 1):
            filters = following if i == depth else width
            x = conv_norm(
                x, filters, kernel, activation=decoder_activation, norm=norm, name=f"stage{stage}_decode{i}"
            )  # fmt: skip
    x = layers.Conv2D(num_classes, head, padding="same", dtype="float32", name="logits")(x)
    return keras.Model(image, x, name=name)


VARIANTS: dict[str, dict] = {  # CamVid's 11 classes
    "segnet": dict(num_classes=11),
    "segnet_basic": dict(
        depths=(1, 1, 1, 1), decoder=(1, 1, 1, 1), widths=(64, 64, 64, 64), kernel=7, head=1, decoder_activation=None,
        in_front=contrast, pixels="raw", num_classes=11,
    ),
}  # fmt: skip

BADRINARAYANAN_2015 = Paper(
    "Badrinarayanan, Kendall, Cipolla",
    2015,
    "SegNet: A Deep Convolutional Encoder-Decoder Architecture for Image Segmentation",
    "https://arxiv.org/abs/1511.00561",
)
register("segmentation", segnet, VARIANTS, BADRINARAYANAN_2015, systems=[74])
