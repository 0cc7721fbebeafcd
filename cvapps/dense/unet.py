"""U-Net: a contracting path, an expanding path, and between them the maps of every size.

Ronneberger et al. 2015, arXiv:1505.04597, Figure 1: `unet`, unpadded convolutions, so that a picture of 572x572 gives
388x388 logits, the middle of the picture; `cvapps.dense.tiling` covers a picture of any size with them.
`unet_padded` is the form in common use since: padded convolutions with batch normalization, colour, logits at the
picture's size.
Deviations: the grey picture that the paper's network reads is the luma of the RGB one. Dropout's rate 0.5 and its two
places, behind the last two stages of the contracting path, are those of the authors' Caffe network, for the paper says
only "at the end". That network also has a ReLU behind each up-convolution and leaves the last one at 128 channels
(31,100,354 weights); here Figure 1 is followed. First weights are drawn by He's rule as in section 3, those of
convolutions cut at two deviations as Keras does. In the padded form odd maps are rounded up when they are halved and
cut when they are doubled.
"""

import math
from collections.abc import Callable
from typing import Literal

import keras
from keras import layers

from cvapps.blocks import Norm, Pixels, conv_norm, grey, picture
from cvapps.layers.cropping import CropLike
from cvapps.registry import Paper, register


def up_convolution(x, filters, factor, name):
    """Each place becomes factor x factor places by weights of their own: (N, H, W, C) -> (N, f H, f W, filters)."""
    # a place is a sum over the channels of one place; Keras' "he_normal" would count filters times factor^2 inputs
    gaussian = keras.initializers.RandomNormal(stddev=math.sqrt(2 / x.shape[-1]))
    return layers.Conv2DTranspose(filters, factor, factor, kernel_initializer=gaussian, name=f"{name}_conv")(x)


def double_conv(x, filters, padding, norm, name):
    """Two 3x3 convolutions, each with a ReLU: (N, H, W, C) -> (N, H, W, filters), or 4 places less if unpadded."""
    for part in ("a", "b"):
        x = conv_norm(x, filters, 3, activation="relu", norm=norm, padding=padding, name=f"{name}_{part}")
    return x


def lost(depth):
    """How many places less a side has where unpadded maps meet again, with `depth` poolings between.

    Four by two convolutions at the deepest stage, and twice what each stage below has lost on its way.
    """
    return 24 * 2 ** (depth - 1) - 16


def border(depth=4):
    """Pixels at each edge of a picture for which the unpadded network of `depth` poolings has no logits."""
    return (lost(depth) + 8) // 2  # two convolutions before the first pooling, two behind the last joint


def join_middle(x, skip, depth, name):
    """The middle of the contracting path's map, as large as x, before x: (N, h, w, C), (N, H, W, D) -> C + D channels.

    `depth` is the number of poolings between them.
    """
    skip = layers.Cropping2D(lost(depth) // 2, name=f"{name}_crop")(skip)
    return layers.Concatenate(name=f"{name}_concat")([skip, x])


def join_corner(x, skip, depth, name):
    """The contracting path's map before x, which is cut to its size: (N, H', W', C), (N, H, W, D) -> C + D channels."""
    x = CropLike(name=f"{name}_crop")([x, skip])
    return layers.Concatenate(name=f"{name}_concat")([skip, x])


JOINS = {"valid": join_middle, "same": join_corner}


def check_size(side, depth, name):
    """Raises ValueError for a side whose maps are odd where they are halved, or that leaves no logits."""
    step, least = 2**depth, 2 * border(depth)
    offset = 4 * (step - 1) % step  # two convolutions at each stage above the deepest
    if side is None or (side > least and side % step == offset):
        return
    below = side - (side - offset) % step
    smallest = least + 1 + (offset - least - 1) % step
    possible = sorted({max(below, smallest), max(below + step, smallest)})
    raise ValueError(
        f"{name} halves unpadded maps {depth} times, and they must be even: no side of {side} pixels is possible, "
        f"but {' or '.join(map(str, possible))}"
    )


def unet(
    padding: Literal["valid", "same"] = "valid",
    width: int = 64,
    depth: int = 4,
    reads: Literal["grey", "rgb"] = "grey",
    upsample: Callable = up_convolution,
    dropout: float = 0.5,
    norm: Norm = "none",
    pixels: Pixels = "centred",
    num_classes: int = 2,
    input_shape: tuple[int | None, int | None, int] = (572, 572, 3),
    name: str = "unet",
) -> keras.Model:
    """(N, H, W, 3) -> logits (N, H, W, num_classes); of "valid" padding (N, H - 184, W - 184, num_classes).

    `width` is the channels of the first stage, each of `depth` poolings doubles them; `upsample` is a block
    (x, filters, factor, name) -> x. Raises ValueError, with the nearest possible ones, for a side whose unpadded maps
    are odd where they are halved.
    """
    if padding == "valid":
        for side in input_shape[:2]:
            check_size(side, depth, name)
    image, x = picture(input_shape, pixels)
    x = grey(x) if reads == "grey" else x
    skips = []
    for level in range(depth + 1):
        x = double_conv(x, width * 2**level, padding, norm, f"down{level}")
        if level >= depth - 1:
            x = layers.Dropout(dropout, name=f"down{level}_dropout")(x)
        if level < depth:
            skips.append(x)
            x = layers.MaxPooling2D(2, padding=padding, name=f"down{level}_pool")(x)
    for level in reversed(range(depth)):
        x = upsample(x, width * 2**level, 2, f"up{level}")
        x = JOINS[padding](x, skips[level], depth - level, f"up{level}")
        x = double_conv(x, width * 2**level, padding, norm, f"up{level}")
    logits = layers.Conv2D(num_classes, 1, kernel_initializer="he_normal", dtype="float32", name="logits")(x)
    return keras.Model(image, logits, name=name)


VARIANTS: dict[str, dict] = {
    "unet": {},
    "unet_padded": dict(padding="same", reads="rgb", norm="batch", num_classes=21, input_shape=(512, 512, 3)),
}

RONNEBERGER_2015 = Paper(
    "Ronneberger, Fischer, Brox",
    2015,
    "U-Net: Convolutional Networks for Biomedical Image Segmentation",
    "https://arxiv.org/abs/1505.04597",
)
register("segmentation", unet, VARIANTS, RONNEBERGER_2015, systems=[75])
