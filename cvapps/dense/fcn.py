"""FCN-32s, 16s and 8s: a classifier that gives a label to every pixel, on VGG-16, AlexNet and GoogLeNet.

Long, Shelhamer & Darrell 2015, arXiv:1411.4038, sections 3.1, 3.3 and 4, Table 1 and Figure 3; Shelhamer, Long and
Darrell 2016, arXiv:1605.06211 (all skips at once). The graphs are those of shelhamer/fcn.berkeleyvision.org: zeros
around the rescaled picture, poolings that begin a window wherever a place is left, bilinear kernels that stay as they
are (the paper learns the inner ones; their README finds no difference; `trainable = True` on a layer learns it here).
In stages: `surgery.transplant` fills fcn32s from the classifier, fcn16s from fcn32s, fcn8s from fcn16s; a skip's scores
are zero at first, so each begins with the coarser net's answer. At once: `fcn8s_at_once`, from the classifier alone.
Deviations: VGG's pixels as the weights that are published here expect them; FCN-GoogLeNet was never released: here it
has the least border with which every pixel lies between places of the last map.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import keras
from keras import layers

from cvapps.analysis.receptive_field import receptive_field
from cvapps.blocks import Pixels, activate
from cvapps.classification.alexnet import pool, response
from cvapps.initializers import Bilinear
from cvapps.layers import CropLike
from cvapps.registry import Paper, create_model, register


def surrounded(backbone, input_shape, border):
    """The backbone's graph anew, with `border` zeros around the rescaled picture: (N, H, W, 3) -> its features.

    A pooling whose last window would hang over the edge keeps it: a zero can't win because no value is negative there.
    """
    names = {operation.name for operation in backbone.operations}

    def call(operation, x, *args, **kwargs):
        padding = f"{operation.name}_pad"
        overhangs = isinstance(operation, layers.MaxPooling2D) and operation.padding == "valid"
        if overhangs and padding not in names:  # else the backbone does so by itself
            x = layers.ZeroPadding2D(((0, 1), (0, 1)), name=padding)(x)
        x = operation(x, *args, **kwargs)
        return layers.ZeroPadding2D(border, name="border")(x) if operation.name == "rescale" else x

    return keras.models.clone_model(backbone, keras.Input(input_shape, name="image"), call_function=call)


def head(x, window, dense, dropout):
    """The classifier's dense layers as convolutions, fc6 of window x window: (N, h, w, C) -> (N, h', w', width)."""
    for i, width in enumerate(dense, start=6):
        x = layers.Conv2D(width, window if i == 6 else 1, kernel_initializer="he_normal", name=f"fc{i}")(x)
        x = layers.Dropout(dropout, name=f"fc{i}_dropout")(activate(x, "relu", f"fc{i}"))
    return x if dense else layers.Dropout(dropout, name="dropout")(x)


def lattice(image, x):
    """Where a map's places look: the centre of the first, and the step to the next, in pixels of the picture."""
    field = receptive_field(keras.Model(image, x)).rows[-1]
    return field.start[0] + (field.size[0] - 1) / 2, field.jump[0]


def enlarge(x, factor, at, target, name, dtype=None):
    """Bilinear interpolation by a transposed convolution: (N, h, w, C) -> (N, f (h - 1) + k, f (w - 1) + k, C).

    `at` is the lattice of x, `target` the first centre of the map that it will meet. The kernel is 2f or 2f - 1 wide,
    whichever puts places on places. Returns also the lattice of what is made.
    """
    first, step = at[0], at[1] / factor
    kernel = next(k for k in (2 * factor, 2 * factor - 1) if (first - (k - 1) / 2 * step - target) % step == 0)
    x = layers.Conv2DTranspose(
        x.shape[-1], kernel, factor, use_bias=False, kernel_initializer=Bilinear(), trainable=False, dtype=dtype,
        name=name,
    )(x)  # fmt: skip
    return x, (first - (kernel - 1) / 2 * step, step)


def drop(x, count, name, dtype=None):
    """Without the first places, if any are to go: (N, H, W, C) -> (N, H - count, W - count, C)."""
    return layers.Cropping2D(((count, 0), (count, 0)), dtype=dtype, name=f"{name}_shift")(x) if count > 0 else x


def fcn(
    backbone: str = "vgg16",
    backbone_settings: Mapping[str, Any] = MappingProxyType({}),
    window: int = 7,
    dense: tuple[int, ...] = (4096, 4096),
    dropout: float = 0.5,
    skips: tuple[str, ...] = (),
    scales: tuple[float, ...] = (),
    border: int = 99,
    score_initializer: str = "zeros",
    pixels: Pixels = "imagenet",
    num_classes: int = 21,
    input_shape: tuple[int | None, int | None, int] = (500, 500, 3),
    name: str = "fcn",
) -> keras.Model:
    """(N, H, W, 3) -> logits (N, H, W, num_classes), H and W of any size.

    `backbone_settings` are its row's own. `window`, `dense` and `dropout` are those of its head; `dense` is empty where
    it has none, `window` the side of the map that fc6 reads. `skips` are the layers of the backbone that are scored
    too, coarsest first, `scales` what each is multiplied by before (nothing where empty). Zeros as `score_initializer`
    are the papers': in the first step only the scores learn, and from random weights nothing does for long. Raises
    ValueError for other than three channels, for as many scales as there are no skips, for a skip that isn't finer than
    the one before, and for a border that leaves pixels without a score.
    """
    if len(input_shape) != 3 or input_shape[-1] != 3:
        raise ValueError(f"expected a picture of (height, width, 3), not {tuple(input_shape)}")
    if scales and len(scales) != len(skips):
        raise ValueError(f"expected a scale for each of the {len(skips)} skips, not {len(scales)}")
    trunk = create_model(
        backbone, num_classes=None, input_shape=(None, None, 3), pixels=pixels, **backbone_settings
    )  # fmt: skip
    trunk = surrounded(trunk, input_shape, border)
    *_, last = trunk.output.values()

    def score(x, name):
        return layers.Conv2D(num_classes, 1, kernel_initializer=score_initializer, name=name)(x)

    x, made = head(last, window, dense, dropout), "score_fr"
    at = lattice(trunk.input, x)
    x = score(x, made)
    for i, skip in enumerate(skips):
        y = trunk.get_layer(skip).output
        first, step = lattice(trunk.input, y)
        if at[1] <= step or at[1] % step:
            raise ValueError(f"expected skips of finer and finer stride; {skip}'s is {step} pixels after {at[1]}")
        factor = int(at[1] // step)
        x, at = enlarge(x, factor, at, first, f"{made}_up{factor}")
        y = layers.Rescaling(scales[i], name=f"scale_{skip}")(y) if scales else y
        before = int((at[0] - first) / step)  # places of the skip before the first of x; or of x, where negative
        x, at = drop(x, -before, made), (max(at[0], first), step)
        y = CropLike(name=f"score_{skip}_crop")([drop(score(y, f"score_{skip}"), before, f"score_{skip}"), x])
        x = CropLike(name=f"{made}_crop")([x, y])
        made = f"fuse_{skip}"
        x = layers.Add(name=made)([x, y])
    x, at = enlarge(x, int(at[1]), at, 0, f"{made}_up{int(at[1])}", "float32")
    if at[0] > 0:
        raise ValueError(f"expected a border with which every pixel has a score; {border} leaves out {int(at[0])} rows")
    logits = CropLike(dtype="float32", name="logits")([drop(x, int(-at[0]), "logits", "float32"), trunk.input])
    return keras.Model(trunk.input, logits, name=name)


CAFFENET = dict(between=(pool, response))  # the authors' AlexNet normalizes what it has pooled
ALEXNET = dict(
    backbone="alexnet_two_tower", backbone_settings=CAFFENET, window=6, border=100, pixels="caffe"
)  # fmt: skip
GOOGLENET = dict(backbone="googlenet", dense=(), dropout=0.4, border=31, pixels="centred")
VARIANTS: dict[str, dict] = {
    "fcn32s": {},
    "fcn16s": dict(skips=("stage4_pool",)),
    "fcn8s": dict(skips=("stage4_pool", "stage3_pool")),
    "fcn8s_at_once": dict(skips=("stage4_pool", "stage3_pool"), scales=(0.01, 0.0001)),
    "fcn32s_alexnet": ALEXNET,
    "fcn32s_googlenet": GOOGLENET,
}
LONG_2015 = Paper(
    "Long, Shelhamer, Darrell",
    2015,
    "Fully Convolutional Networks for Semantic Segmentation",
    "https://arxiv.org/abs/1411.4038",
)
register("segmentation", fcn, VARIANTS, LONG_2015, systems=[72])
