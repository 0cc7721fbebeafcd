"""HED: boundaries from five depths of VGG-16, each judged by itself, and their weighted sum.

Xie & Tu 2015, arXiv:1504.06375, Figure 3 and section 2.2, with the constants of the authors' network for Caffe,
s9xie/hed, examples/hed/train_val.prototxt: the picture's border of 35 zeros, poolings that round up, side outputs that
begin with zeros, interpolation that is not trained, the mean colour of BVLC's ImageNet. Without pool5 and what is
behind it. The trunk's layers have VGG-16's names, so its weights move over.
Deviation: the trunk's first weights by He's rule, where the paper starts from VGG-16.
"""

from collections.abc import Callable

import keras
from keras import layers, ops

from cvapps.blocks import Pixels, conv_norm, picture
from cvapps.classification.vgg import WIDTHS
from cvapps.initializers import Bilinear
from cvapps.layers import CropLike, ResizeLike
from cvapps.registry import Paper, register


def deconvolved(x, like, factor, name):
    """Interpolation as a convolution that isn't trained, cut: (N, h, w, 1), (N, H, W, C) -> (N, H, W, 1)."""
    x = layers.Conv2DTranspose(
        1, 2 * factor, factor, "same", use_bias=False, kernel_initializer=Bilinear(), trainable=False, dtype="float32",
        name=f"{name}_deconv",
    )(x)  # fmt: skip
    return CropLike(dtype="float32", name=f"{name}_cut")([x, like])


def stretched(x, like, factor, name):
    """Interpolation to the size itself, not to a multiple that is cut: (N, h, w, 1), (N, H, W, C) -> (N, H, W, 1).

    What most later implementations do. The edge goes on outside, where the deconvolution fades to zero.
    """
    return ResizeLike(dtype="float32", name=f"{name}_resize")([x, like])


def side_output(x, like, factor, margin, enlarge, initializer, name):
    """One depth's logits, as large as the picture: (N, h, w, C), (N, H + 2 margin, ..., D) -> (N, H, W, 1)."""
    x = layers.Conv2D(1, 1, kernel_initializer=initializer, dtype="float32", name=f"{name}_conv")(x)
    x = enlarge(x, like, factor, name) if factor > 1 else x
    return layers.Cropping2D(margin, dtype="float32", name=f"{name}_crop")(x)


def hed(
    depths: tuple[int, ...] = (2, 2, 3, 3, 3),
    widths: tuple[int, ...] = WIDTHS,
    margin: int = 34,
    enlarge: Callable = deconvolved,
    score_initializer: str = "zeros",
    pixels: Pixels = "bvlc",
    input_shape: tuple[int | None, int | None, int] = (400, 400, 3),
    name: str = "hed",
) -> keras.Model:
    """(N, H, W, 3) -> {"logits": fused, "side1": stride 1, ..., "side5": stride 16}, each (N, H, W, 1), any H and W.

    `depths` and `widths` are each stage's convolutions and their channels. Around the picture of mean colour 0 lie
    `margin` zeros, one more in the first convolution's own padding. `enlarge` brings a side output to the picture's
    size. Zeros as `score_initializer` are the paper's (section 4.1): in the first step only the side outputs learn.
    `average` gives probabilities.
    """
    image, x = picture(input_shape, pixels)
    x = framed = layers.ZeroPadding2D(margin, name="margin")(x)
    sides = {}
    for stage, (depth, width) in enumerate(zip(depths, widths, strict=True), start=1):
        if stage > 1:  # "same" rounds up, as Caffe does
            x = layers.MaxPooling2D(2, padding="same", name=f"stage{stage - 1}_pool")(x)
        for i in range(1, depth + 1):
            x = conv_norm(x, width, 3, activation="relu", norm="none", name=f"stage{stage}_{i}")
        side = f"side{stage}"
        sides[side] = side_output(x, framed, 2 ** (stage - 1), margin, enlarge, score_initializer, side)
    fused = layers.Concatenate(dtype="float32", name="sides")(list(sides.values()))
    part = keras.initializers.Constant(1 / len(sides))
    logits = layers.Conv2D(1, 1, kernel_initializer=part, dtype="float32", name="logits")(fused)
    return keras.Model(image, {"logits": logits, **sides}, name=name)


def average(outputs):
    """The paper's answer, probabilities: the network's six logits by name -> their sigmoids' mean (N, H, W, 1).

    Section 2.2. The fused output alone, `sigmoid(outputs["logits"])`, has the same F at the best threshold, .782, and
    less average precision, .787 for .833 (Table 3).
    """
    return sum(ops.sigmoid(logits) for logits in outputs.values()) / len(outputs)


VARIANTS: dict[str, dict] = {"hed": dict()}

XIE_2015 = Paper("Xie, Tu", 2015, "Holistically-Nested Edge Detection", "https://arxiv.org/abs/1504.06375")
register("edges", hed, VARIANTS, XIE_2015, systems=[80])
