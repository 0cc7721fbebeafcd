"""DeconvNet: VGG-16 down to one place, and a mirrored network of deconvolutions and unpoolings back up.

Noh, Hong & Han 2015, arXiv:1505.04366, section 3 and Table 2 of the appendix, with the widths of the authors' Caffe
file (HyeonwooNoh/DeconvNet, training/002_stage_2/stage_2_train.prototxt): fc6 is a convolution of 7x7, fc7 of 1x1,
deconv-fc6 makes 7x7 of one place again; batch normalization and ReLU stand behind each layer but the scores. A picture
larger than 224x224 has as many more places in fc6, and any size from 193x193 on comes out as it went in.
The encoder's layers are named as `vgg16_bn`'s, whose published weights fit; fc6 and fc7 are new.
Deviations: no biases in front of batch normalization, which takes them off again. The network alone: the paper runs it
on 50 object proposals of each picture and takes the maximum of their maps (section 5.1).
"""

import keras
from keras import layers

from cvapps.blocks import Norm, Pixels, activate, conv_norm, normalize, picture
from cvapps.dense.upsample import pool, unpooling
from cvapps.registry import Paper, register

DEPTHS = (2, 2, 3, 3, 3)
FC6 = 7  # its side


def deconv_norm(x, filters, kernel, *, norm: Norm = "batch", padding="same", name):
    """Deconvolution of stride 1, normalization, ReLU: (N, H, W, C) -> (N, H, W, filters), or kernel - 1 more.

    `padding` is "same" or "valid". The kernel is that of a convolution turned round.
    """
    x = layers.Conv2DTranspose(
        filters, kernel, padding=padding, use_bias=norm == "none", kernel_initializer="he_normal", name=f"{name}_deconv"
    )(x)
    return activate(normalize(x, norm, name), "relu", name)


def deconvnet(
    widths: tuple[int, int, int, int, int] = (64, 128, 256, 512, 512),
    dense: tuple[int, int] = (4096, 4096),
    norm: Norm = "batch",
    pixels: Pixels = "imagenet",
    num_classes: int = 21,
    input_shape: tuple[int | None, int | None, int] = (224, 224, 3),
    name: str = "deconvnet",
) -> keras.Model:
    """(N, H, W, 3) -> logits (N, H, W, num_classes), of any size from 193x193 on.

    `widths` are the channels of the stages, `dense` those of fc6 and fc7. Raises ValueError for a smaller picture, of
    which fc6 would leave nothing.
    """
    image, x = picture(input_shape, pixels, smallest=2 ** len(widths) * (FC6 - 1) + 1)
    remembered = []
    for stage, (width, depth) in enumerate(zip(widths, DEPTHS, strict=True), start=1):
        for i in range(1, depth + 1):
            x = conv_norm(x, width, 3, activation="relu", norm=norm, name=f"stage{stage}_{i}")
        x, pooled = pool(x, f"stage{stage}_pool")
        remembered.append(pooled)
    x = conv_norm(x, dense[0], FC6, activation="relu", norm=norm, padding="valid", name="fc6")
    x = conv_norm(x, dense[1], 1, activation="relu", norm=norm, name="fc7")
    x = deconv_norm(x, widths[-1], FC6, norm=norm, padding="valid", name="fc6_back")
    for stage in range(len(widths), 0, -1):
        x = unpooling(x, widths[stage - 1], 2, f"stage{stage}_unpool", remembered.pop())
        for i in range(1, DEPTHS[stage - 1] + 1):
            last = i == DEPTHS[stage - 1]
            filters = widths[max(stage - 2, 0)] if last else widths[stage - 1]
            x = deconv_norm(x, filters, 3, norm=norm, name=f"stage{stage}_back{i}")
    x = layers.Conv2D(num_classes, 1, dtype="float32", name="logits")(x)
    return keras.Model(image, x, name=name)


VARIANTS: dict[str, dict] = {"deconvnet": {}}

NOH_2015 = Paper(
    "Noh, Hong, Han",
    2015,
    "Learning Deconvolution Network for Semantic Segmentation",
    "https://arxiv.org/abs/1505.04366",
)
register("segmentation", deconvnet, VARIANTS, NOH_2015, systems=[73])
