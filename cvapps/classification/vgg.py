"""VGG: the six configurations of its paper, and the same with batch normalization.

Simonyan & Zisserman 2014, arXiv:1409.1556, Table 1 (A, A-LRN, B, C, D, E) and Table 2. The paper's conv3_2 is the layer
`stage3_2_conv` here, its ReLU `stage3_2_relu`, its pool3 `stage3_pool`.
Deviations: first weights by He's rule, where the paper starts the deep nets from the shallow one; the batch-norm forms
are torchvision's, without the biases that batch normalization takes off again.
"""

from collections.abc import Callable
from typing import Literal

import keras
from keras import layers

from cvapps.blocks import Norm, Pixels, conv_norm, dense_endpoint, local_response, picture
from cvapps.registry import Paper, register

WIDTHS = (64, 128, 256, 512, 512)


def vgg(
    kernels: tuple[tuple[int, ...], ...],
    behind_first: Callable | None = None,
    dense: tuple[int, ...] = (4096, 4096),
    dropout: float = 0.5,
    pool_padding: Literal["valid", "same"] = "valid",
    norm: Norm = "none",
    pixels: Pixels = "imagenet",
    num_classes: int | None = 1000,
    input_shape: tuple[int | None, int | None, int] = (224, 224, 3),
    name: str = "vgg",
) -> keras.Model:
    """(N, H, W, 3) -> logits (N, num_classes); or features {"C1": stride 2, ..., "C5": stride 32}.

    C1 to C4 are the last of stages 2 to 5, before they are pooled; C5 is the last pooling. `kernels` are the sides of
    each stage's convolutions, `behind_first` a block behind the first. `dense` and `dropout` are those of fc6 and fc7.
    With a `pool_padding` of "same" a last row or column of a map of odd size is pooled by itself, as Caffe does it.
    Raises ValueError for a picture under 32x32, and for logits from one of open size.
    """
    image, x = picture(input_shape, pixels, smallest=32)
    features = {}
    for stage, (width, sides) in enumerate(zip(WIDTHS, kernels, strict=True), start=1):
        for i, side in enumerate(sides, start=1):
            x = conv_norm(x, width, side, activation="relu", norm=norm, name=f"stage{stage}_{i}")
            if behind_first and stage == i == 1:
                x = behind_first(x, "stage1_norm")
        if stage > 1:
            features[f"C{stage - 1}"] = x
        x = layers.MaxPooling2D(2, padding=pool_padding, name=f"stage{stage}_pool")(x)
    features["C5"] = x
    return dense_endpoint(image, features, num_classes, name, dense, dropout)


def threes(*depths):
    """A stage of each depth, all of 3x3 convolutions."""
    return tuple((3,) * depth for depth in depths)


VARIANTS: dict[str, dict] = {
    "vgg11": dict(kernels=threes(1, 1, 2, 2, 2)),
    "vgg11_lrn": dict(kernels=threes(1, 1, 2, 2, 2), behind_first=local_response),
    "vgg13": dict(kernels=threes(2, 2, 2, 2, 2)),
    "vgg16_1x1": dict(kernels=((3, 3), (3, 3), (3, 3, 1), (3, 3, 1), (3, 3, 1))),
    "vgg16": dict(kernels=threes(2, 2, 3, 3, 3)),
    "vgg19": dict(kernels=threes(2, 2, 4, 4, 4)),
}
BATCH_NORM = {f"{name}_bn": dict(VARIANTS[name], norm="batch") for name in ("vgg11", "vgg13", "vgg16", "vgg19")}

SIMONYAN_2014 = Paper(
    "Simonyan, Zisserman",
    2014,
    "Very Deep Convolutional Networks for Large-Scale Image Recognition",
    "https://arxiv.org/abs/1409.1556",
)
register("classification", vgg, {**VARIANTS, **BATCH_NORM}, SIMONYAN_2014, systems=[15])
