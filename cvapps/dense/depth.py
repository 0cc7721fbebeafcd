"""Depth from one picture: Eigen, Puhrsch & Fergus' coarse and fine network, and Eigen & Fergus' of three scales.

Eigen et al. 2014, arXiv:1406.2283, Figure 1 and section 3.1: `eigen2014`. Eigen & Fergus 2014, arXiv:1411.4734, Figure
2 with its table: `eigen_fergus_alexnet`, `eigen_fergus_vgg`. Read together with the code that the authors published:
they pool 3x3 at every other place, which alone gives the 8x6 places of the first table (its figure says 2x2), and pad
where a stride wouldn't end at the picture's edge, so that output i stands for pixel 4i + 5 (2i + 5 in scale 3). A
network sums up the logarithm of metres in units of its deviation over NYU Depth v2; its exponential is the depth.
Deviations: first weights by He's rule, the outputs' of 0.01 around 0, and every output begins at the mean of NYU's
logarithms, by its bias. VGG-16 pads its first two convolutions, where the paper's don't; its last map is the same 9x7.
Left out: normals and labels, which the second paper has the same graph predict, the bias of each place that its
published joint network adds, and the 142x27 cut of the first paper's KITTI form.
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import layers

from cvapps.blocks import Pixels, activate, conv_norm, rescale
from cvapps.classification.alexnet import Conv, pool, response
from cvapps.registry import Paper, create_model, register

LOG_MEAN, LOG_DEVIATION = 0.82473954, 0.45723134  # of the logarithms of NYU's metres, by the authors' code
MEAN_DEPTH = keras.initializers.Constant(LOG_MEAN / LOG_DEVIATION)


def places(size, stride=2):
    """What `view` leaves of a side: 228 and 304 give 55 and 74, with a pooling of stride 1 109 and 147."""
    return ((size - 5) // 2 - 3) // stride + 1


def view(image, filters, stride, name):
    """The picture seen closely, at half its size or, with `stride` 2, a quarter: (N, H, W, 3) -> (N, h, w, filters)."""
    x = layers.ZeroPadding2D(1, name=f"{name}_pad")(rescale(image, name=f"{name}_rescale"))
    x = layers.Conv2D(filters, 9, 2, kernel_initializer="he_normal", name=f"{name}_conv")(x)
    return layers.MaxPooling2D(3, stride, name=f"{name}_pool")(activate(x, "relu", name))


def guess(x, name):
    """A map's last convolution, in units of the logarithm's deviation: (N, h, w, C) -> float32 (N, h, w, 1)."""
    first = dict(kernel_initializer=keras.initializers.RandomNormal(stddev=0.01), bias_initializer=MEAN_DEPTH)
    return layers.Conv2D(1, 5, padding="same", **first, dtype="float32", name=f"{name}_conv")(x)


def metres(x):
    """Units of the logarithm's deviation -> float32 metres: shape kept."""
    x = layers.Rescaling(LOG_DEVIATION, dtype="float32", name="log_depth")(x)
    return layers.Activation("exponential", dtype="float32", name="depth")(x)


def whole_view(trunk, gain, hidden, dropout, name):
    """All of the picture at once: a trunk's model -> (N, hidden)."""
    x = layers.Rescaling(gain, name=f"{name}_gain")(trunk.output["C5"])
    x = layers.Dense(hidden, kernel_initializer="he_normal", name=f"{name}_full1")(layers.Flatten(name="flatten")(x))
    return layers.Dropout(dropout, name=f"{name}_dropout")(activate(x, "relu", f"{name}_full1"))


def backbone_of(backbone, trunk, pixels, input_shape, name):
    """The trunk's model without its head, and height and width of the map at a quarter of the picture's size.

    Raises ValueError for a picture of open size.
    """
    if None in input_shape:
        raise ValueError(
            f"{name} has a weight for each place of its last map: it needs a picture of known size, not {input_shape}"
        )
    model = create_model(backbone, num_classes=None, pixels=pixels, input_shape=input_shape, **(trunk or {}))
    return model, tuple(places(side) for side in input_shape[:2])


def fine_network(coarse, image, width):
    """The coarse guess beside the picture's details: (N, h, w, 1), (N, H, W, 3) -> (N, h, w, 1)."""
    seen = view(image, width - 1, 2, "fine1")
    x = layers.Concatenate(name="fine1_concat")([coarse, seen])
    x = conv_norm(x, width, 5, activation="relu", norm="none", name="fine2")
    return guess(x, "fine3")


def eigen2014(
    backbone: str = "alexnet_two_tower",
    trunk: dict[str, Any] | None = None,
    gain: float = 1.0,
    hidden: int = 4096,
    dropout: float = 0.5,
    fine: Callable | None = fine_network,
    width: int = 64,
    pixels: Pixels = "imagenet",
    input_shape: tuple[int | None, int | None, int] = (228, 304, 3),
    name: str = "eigen2014",
) -> keras.Model:
    """(N, H, W, 3) -> metres (N, h, w, 1), a quarter of the picture's size: 55x74 of 228x304.

    `trunk` are settings of the row `backbone`, `gain` what its features are multiplied by; `hidden` and `dropout` are
    the coarse network's, `width` the fine network's maps. `fine=None` is the coarse network alone, which the paper
    trains first; then it freezes the layers that both have. Raises ValueError for a picture of open size.
    """
    model, (height, breadth) = backbone_of(backbone, trunk, pixels, input_shape, name)
    x = whole_view(model, gain, hidden, dropout, "coarse")
    first = dict(kernel_initializer=keras.initializers.RandomUniform(-0.005, 0.005), bias_initializer=MEAN_DEPTH)
    x = layers.Dense(height * breadth, **first, dtype="float32", name="coarse_full2")(x)
    x = layers.Reshape((height, breadth, 1), dtype="float32", name="coarse_map")(x)
    return keras.Model(model.input, metres(fine(x, model.input, width) if fine else x), name=name)


def third_scale(guessed, image, width):
    """The second scale's guess, doubled, beside details: (N, h, w, 1), (N, H, W, 3) -> (N, 2h - 1, 2w - 1, 1)."""
    x = layers.UpSampling2D(2, dtype="float32", name="scale3_double")(guessed)
    x = layers.Cropping2D(((0, 1), (0, 1)), dtype="float32", name="scale3_crop")(x)
    x = layers.Concatenate(name="scale3_concat")([x, view(image, 96, 1, "scale3_1")])
    for i in (2, 3):
        x = conv_norm(x, width, 5, activation="relu", norm="none", name=f"scale3_{i}")
    return guess(x, "scale3_4")


def eigen_fergus(
    backbone: str = "vgg16",
    trunk: dict[str, Any] | None = None,
    gain: float = 1.0,
    hidden: int = 4096,
    dropout: float = 0.5,
    third: Callable | None = third_scale,
    width: int = 64,
    pixels: Pixels = "imagenet",
    input_shape: tuple[int | None, int | None, int] = (228, 304, 3),
    name: str = "eigen_fergus",
) -> keras.Model:
    """(N, H, W, 3) -> metres (N, h, w, 1), half of the picture's size: 109x147 of 228x304.

    The settings are those of `eigen2014`; `width` are the maps of every convolution but the first. `third=None` ends
    at a quarter of the size, 55x74: scales 1 and 2, which the paper trains first, then freezes. Raises ValueError for a
    picture of open size.
    """
    model, (height, breadth) = backbone_of(backbone, trunk, pixels, input_shape, name)
    x = whole_view(model, gain, hidden, dropout, "scale1")
    rows, columns = -(-height // 4), -(-breadth // 4)  # a sixteenth of the picture's size
    x = layers.Dense(rows * columns * width, kernel_initializer="he_normal", name="scale1_full2")(x)
    x = layers.Reshape((rows, columns, width), name="scale1_map")(activate(x, "relu", "scale1_full2"))
    # XLA's derivative of resizing knows float32 alone
    x = layers.UpSampling2D(4, interpolation="bilinear", dtype="float32", name="scale1_enlarge")(x)
    extra = [(over // 2, over - over // 2) for over in (4 * rows - height, 4 * columns - breadth)]
    x = layers.Cropping2D(extra, name="scale1_crop")(x)
    x = layers.Concatenate(name="scale2_concat")([x, view(model.input, 96, 2, "scale2_1")])
    for i in (2, 3, 4):
        x = conv_norm(x, width, 5, activation="relu", norm="none", name=f"scale2_{i}")
    x = guess(x, "scale2_5")
    return keras.Model(model.input, metres(third(x, model.input, width) if third else x), name=name)


# Krizhevsky's layers in one tower; with pixels that have their mean taken off alone, its features are large
TOWER = (Conv(96, 11, 4, 2), Conv(256, 5, 1, 2), Conv(384, 3, 1, 1), Conv(384, 3, 1, 1), Conv(256, 3, 1, 1))
ALEXNET: dict[str, Any] = dict(
    backbone="alexnet_two_tower", trunk=dict(convolutions=TOWER, between=(pool, response)), gain=0.01, pixels="caffe"
)
EIGEN_2014 = Paper(
    "Eigen, Puhrsch, Fergus",
    2014,
    "Depth Map Prediction from a Single Image using a Multi-Scale Deep Network",
    "https://arxiv.org/abs/1406.2283",
)
EIGEN_FERGUS_2014 = Paper(
    "Eigen, Fergus",
    2014,
    "Predicting Depth, Surface Normals and Semantic Labels with a Common Multi-Scale Convolutional Architecture",
    "https://arxiv.org/abs/1411.4734",
)
register("depth", eigen2014, {"eigen2014": ALEXNET}, EIGEN_2014, systems=[81])
VARIANTS: dict[str, dict] = {"eigen_fergus_alexnet": ALEXNET, "eigen_fergus_vgg": dict(backbone="vgg16")}
register("depth", eigen_fergus, VARIANTS, EIGEN_FERGUS_2014, systems=[81])
