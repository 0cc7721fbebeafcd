"""DeepMask: of a patch the mask of the object in its centre, and whether there is one.

Pinheiro, Collobert & Dollár 2015, arXiv:1506.06204, sections 3.2 and 3.5 (`deepmask`, on VGG-A without its last
pooling). Pinheiro, Lin, Collobert & Dollár 2016, arXiv:1603.08695, sections 4 and 5.1 (`deepmask_resnet50`, there
"DeepMask-ours": trunk W160-P4-D39-F128, head C, 32 pixels of context around the patch).
Where the papers have dense layers over a map there is a convolution whose window is the whole map: the same weights, so
that the layers of a patch's network read whole scenes too (`object_proposals.py`). In the same way the 2x2 pooling of
the first score branch has stride 1 and the window behind it reads every second place.
Deviations: of the second paper's trunk the padding is zero, as the published weights' is, where the paper mirrors, and
batch normalization isn't frozen; units cut at 0 where the authors' code puts 1e-6. Both branches are trained at once,
not in turns.
"""

from collections.abc import Callable

import keras
from keras import layers

from cvapps import registry
from cvapps.blocks import Pixels, conv_norm
from cvapps.registry import Paper, register

STRIDE = 16


def cut(features, context, name):
    """The map without the `context` places on each side: (N, H, W, C) -> (N, H - 2c, W - 2c, C)."""
    return layers.Cropping2D(context, name=name)(features) if context else features


def window(x, units, side, name, stride=1):
    """A dense layer of every side x side window, of every stride-th place in it: (N, H, W, C) -> (N, h, w, units)."""
    return layers.Conv2D(units, side, dilation_rate=stride, kernel_initializer="he_normal", name=name)(x)


def hidden(x, dropout, name):
    """ReLU and dropout: shape kept."""
    x = layers.Activation("relu", name=f"{name}_relu")(x)
    return layers.Dropout(dropout, name=f"{name}_dropout")(x)


def judge(x, dropout):
    """The last hidden layer of a score, and the score, at every place: (N, h, w, C) -> (N, h, w, 1) float32."""
    x = layers.Dense(1024, kernel_initializer="he_normal", name="score_hidden")(x)
    return layers.Dense(1, dtype="float32", name="score_map")(hidden(x, dropout, "score_hidden"))


def score_of_features(features, code, dropout):
    """A score branch of its own: the trunk's features pooled, two hidden layers (2015, section 3.5)."""
    side = features.shape[1]
    if side % 2:
        raise ValueError(f"expected a patch of a multiple of {2 * STRIDE} pixels: {side} places cannot be pooled by 2")
    x = layers.MaxPooling2D(2, strides=1, name="score_pool")(features)
    x = window(x, 512, side // 2, "score_window", stride=2)
    return judge(hidden(x, dropout, "score_window"), dropout)


def score_of_code(features, code, dropout):
    """A score from the vector that the mask is made of: head C (2016, section 4)."""
    return judge(layers.Dropout(dropout, name="score_dropout")(code), dropout)


def feedforward(backbone, context, width, head, dropout, pixels, input_shape):
    """The part that both papers share: -> trunk, its last map, code (N, 1, 1, 512), score (N, 1, 1, 1) float32.

    Raises ValueError for other than a square patch of a known size, a multiple of 16 that is larger than its context.
    """
    height, side, _ = input_shape
    if None in input_shape or height != side or side % STRIDE or side <= 2 * STRIDE * context:
        raise ValueError(
            f"expected a square patch whose side is a multiple of {STRIDE} and more than {2 * STRIDE * context}, "
            f"not {tuple(input_shape)}; whole scenes are for cvapps.dense.object_proposals"
        )
    trunk = registry.create_model(backbone, num_classes=None, input_shape=input_shape, pixels=pixels)
    features = cut(trunk.output["C4"], context, "cut4")
    x = conv_norm(features, width, 1, activation="relu", norm="none", name="reduce")
    code = window(x, 512, x.shape[1], "encode")
    return trunk, features, code, head(features, code, dropout)


def endpoint(image, logits, score, name):
    """The model of a patch's mask and score: logits (N, h, w, 1) and score (N, 1), float32."""
    score = layers.Reshape((1,), dtype="float32", name="score")(score)
    return keras.Model(image, {"logits": logits, "score": score}, name=name)


def deepmask(
    backbone: str = "vgg11",
    context: int = 0,
    width: int = 512,
    head: Callable = score_of_features,
    mask_size: int = 56,
    upsampling: int = 4,
    dropout: float = 0.5,
    pixels: Pixels = "imagenet",
    input_shape: tuple[int | None, int | None, int] = (224, 224, 3),
    name: str = "deepmask",
) -> keras.Model:
    """(N, H, H, 3) -> {"logits": (N, h, h, 1) of the mask, "score": (N, 1)}, h = mask_size x upsampling.

    The mask covers the patch less `context` places of 16 pixels on each side; `width` is that of the 1x1 convolution
    in front of the pixels' classifiers, `head` makes the score. Raises ValueError as `feedforward` does.
    """
    trunk, _, code, score = feedforward(backbone, context, width, head, dropout, pixels, input_shape)
    x = layers.Dense(mask_size**2, dtype="float32", name="mask_decode")(code)
    x = layers.Reshape((mask_size, mask_size, 1), dtype="float32", name="mask")(x)
    logits = layers.UpSampling2D(upsampling, interpolation="bilinear", dtype="float32", name="logits")(x)
    return endpoint(trunk.input, logits, score, name)


VARIANTS: dict[str, dict] = {"deepmask": {}}
OURS = {
    "deepmask_resnet50": dict(
        backbone="resnet50", context=1, width=128, head=score_of_code, upsampling=2, input_shape=(192, 192, 3)
    )
}

PINHEIRO_2015 = Paper(
    "Pinheiro, Collobert, Dollár", 2015, "Learning to Segment Object Candidates", "https://arxiv.org/abs/1506.06204"
)
PINHEIRO_2016 = Paper(
    "Pinheiro, Lin, Collobert, Dollár", 2016, "Learning to Refine Object Segments", "https://arxiv.org/abs/1603.08695"
)
register("object_masks", deepmask, VARIANTS, PINHEIRO_2015, systems=[78])
register("object_masks", deepmask, OURS, PINHEIRO_2016, systems=[78])
