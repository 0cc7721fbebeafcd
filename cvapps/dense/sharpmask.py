"""SharpMask: DeepMask's mask refined from the top down with the features of every stride.

Pinheiro, Lin, Collobert & Dollár 2016, arXiv:1603.08695, sections 3 and 5.2: the refactored modules of Figure 3, widths
k / 2^(i - 1) with k = 32. What the text leaves open is as in the authors' code (facebookresearch/deepmask): a third
convolution of each horizontal net, a second of each vertical one, mirrored borders, and doubling by repetition where
the text is bilinear.
The feedforward part has DeepMask's names, so `deepmask_resnet50`'s weights move over by layer; everything else is
called `refine...`: the second stage of training has the rest frozen (section 3.2).
Deviations: those of `deepmask.py`.
"""

from collections.abc import Callable

import keras
from keras import layers, ops

from cvapps.blocks import Pixels, named
from cvapps.dense.deepmask import PINHEIRO_2016, cut, endpoint, feedforward, score_of_code
from cvapps.registry import register


def mirrored_conv(x, filters, name, **settings):
    """3x3 convolution of a map whose border is mirrored: (N, H, W, C) -> (N, H, W, filters)."""
    x = named(ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="symmetric"), f"{name}_pad")
    return layers.Conv2D(filters, 3, kernel_initializer="he_normal", name=name, **settings)(x)


def horizontal(features, inner, width, name):
    """Skip features of a trunk's map; they don't depend on the patch: (N, H, W, C) -> (N, H, W, width / 2)."""
    for i, filters in enumerate((inner, width), start=1):
        features = mirrored_conv(features, filters, f"{name}_horizontal{i}")
        features = layers.Activation("relu", name=f"{name}_horizontal{i}_relu")(features)
    return mirrored_conv(features, width // 2, f"{name}_skip")


def vertical(encoding, width, name):
    """The mask's encoding on its way: (N, H, W, width) -> (N, H, W, width / 2)."""
    x = mirrored_conv(encoding, width, f"{name}_vertical1")
    x = layers.Activation("relu", name=f"{name}_vertical1_relu")(x)
    return mirrored_conv(x, width // 2, f"{name}_vertical2")


def refine(encoding, features, inner, width, name):
    """A refinement module: (N, H, W, width), (N, H, W, C) -> (N, 2H, 2W, width / 2)."""
    skip = horizontal(features, inner, width, name)
    x = layers.Add(name=f"{name}_add")([skip, vertical(encoding, width, name)])
    x = layers.Activation("relu", name=f"{name}_relu")(x)
    return layers.UpSampling2D(2, interpolation="nearest", name=f"{name}_double")(x)


def finer(trunk, context):
    """The trunk's maps of strides 8, 4 and 2, less the context; of a ResNet the last is its stem's."""
    maps = trunk.output
    stem = maps["C1"] if "C1" in maps else trunk.get_layer("stem_relu").output
    return [cut(x, context * 2**i, f"cut{4 - i}") for i, x in enumerate((maps["C3"], maps["C2"], stem), start=1)]


def sharpmask(
    backbone: str = "resnet50",
    context: int = 1,
    width: int = 128,
    head: Callable = score_of_code,
    encoding: int = 32,
    horizontals: tuple[int, int, int, int] = (64, 64, 64, 32),
    dropout: float = 0.5,
    pixels: Pixels = "imagenet",
    input_shape: tuple[int | None, int | None, int] = (192, 192, 3),
    name: str = "sharpmask",
) -> keras.Model:
    """(N, H, H, 3) -> {"logits": (N, h, h, 1) of the mask, "score": (N, 1)}, h = H less the context.

    `encoding` is the paper's k, halved by each of the four modules; `horizontals` are the widths of the modules' first
    horizontal convolutions. The other settings and errors are `deepmask`'s; raises ValueError too for an encoding that
    cannot be halved four times.
    """
    if encoding < 16 or encoding % 16:
        raise ValueError(f"expected an encoding of a multiple of 16 channels, to be halved four times, not {encoding}")
    trunk, features, code, score = feedforward(backbone, context, width, head, dropout, pixels, input_shape)
    maps = [features, *finer(trunk, context)]
    side = features.shape[1]
    x = layers.Dense(side**2 * encoding, name="refine_encode")(code)
    x = layers.Reshape((side, side, encoding), name="refine_map")(x)
    for i, (skipped, inner) in enumerate(zip(maps, horizontals, strict=True)):
        x = refine(x, skipped, inner, encoding // 2**i, f"refine{i + 1}")
    return endpoint(trunk.input, mirrored_conv(x, 1, "refine_logits", dtype="float32"), score, name)


VARIANTS: dict[str, dict] = {"sharpmask": {}}
register("object_masks", sharpmask, VARIANTS, PINHEIRO_2016, systems=[79])
