"""YOLO's places: a grid whose cells answer for what has its centre in them (v1), and three grids with anchors (v3).

v1: Redmon et al. 2015, arXiv:1506.02640, section 2 and Figure 3: the convolutions behind the classifier, and a fully
connected head. v3: Redmon & Farhadi 2018, arXiv:1804.02767, sections 2.1 to 2.3; what it leaves out is that of
cfg/yolov3.cfg of pjreddie/darknet, the authors' own code.
In both an "anchor" has its cell in its middle and a stride as wide as it. v1's are as large as the picture, for that is
what its numbers are shares of: so they are replaced with the picture's size.
Deviations: first weights by He's rule; v3's objectness begins at one percent.
"""

import math
from collections.abc import Mapping

import keras
from keras import layers, ops

from cvapps.blocks import Norm
from cvapps.classification.darknet import SLOPE, conv_leaky
from cvapps.detection.dense_heads import PRIOR
from cvapps.layers import CropLike
from cvapps.ops import coding
from cvapps.ops.anchors import centred
from cvapps.ops.boxes import to_cxcywh

serializable = keras.saving.register_keras_serializable("cvapps")

RARE = -math.log((1 - PRIOR) / PRIOR)  # the logit of an object at an anchor before anything was learned
GRID = {64: centred([(448, 448)] * 2)}  # two boxes for each of 7x7 cells of 448x448 pixels


def last_convolutions(
    features: Mapping, width: int = 1024, strides: tuple[int, ...] = (1, 2, 1, 1), norm: Norm = "none"
) -> dict:
    """v1's 3x3 convolutions behind the classifier's last map: {..., "C5"} -> {"grid": map}."""
    x = features["C5"]
    for i, stride in enumerate(strides, start=1):
        x = conv_leaky(x, width, 3, stride, norm=norm, name=f"stage6_{i}")
    return {"grid": x}


def fully_connected(
    maps: Mapping, anchors: Mapping, num_classes: int, hidden: int = 4096, dropout: float = 0.5
) -> list[dict]:
    """v1's head, a hidden layer that sees the whole picture: -> raw numbers of its one level, none of them squashed.

    "classes" are those of a cell, (N, h w, C), "boxes" and "quality" those of the anchors. Raises ValueError for a map
    of open size.
    """
    (x,), (cell,) = maps.values(), anchors.values()
    if None in x.shape[1:]:
        raise ValueError(f"a fully connected head needs a picture of known size; its map is {tuple(x.shape[1:])}")
    places = math.prod(x.shape[1:3])
    x = layers.Dense(hidden, kernel_initializer="he_normal", name="fc1")(layers.Flatten(name="flatten")(x))
    x = layers.Dropout(dropout, name="fc1_dropout")(layers.LeakyReLU(SLOPE, name="fc1_leaky")(x))
    shapes = {"classes": (places, num_classes), "boxes": (places * len(cell), 4), "quality": (places * len(cell),)}
    level = {}
    for what, shape in shapes.items():
        y = layers.Dense(math.prod(shape), dtype="float32", name=f"{what}_dense")(x)
        level[what] = layers.Reshape(shape, dtype="float32", name=what)(y)
    return [level]


@serializable
def decode_grid(numbers, anchors):
    """Boxes of places in cells and roots of shares of the picture's sides: (..., 4), (..., 5) -> (..., 4)."""
    centre, sides = ops.split(to_cxcywh(anchors[..., :4]), 2, axis=-1)
    return coding.decode_cell(numbers, centre, anchors[..., 4:], ops.flip(sides, axis=-1))


@serializable
def grid_scores(raw):
    """A box's confidence times its cell's classes: {"classes": (N, c, C), "quality": (N, a)} -> (N, a, C).

    Numbers that nothing squashed are cut to [0, 1]: of two negative ones the product would be a score.
    """
    classes, quality = (ops.clip(raw[key], 0, 1) for key in ("classes", "quality"))
    _, places, num_classes = classes.shape
    boxes = ops.reshape(quality, (-1, places, quality.shape[1] // places, 1))
    return ops.reshape(boxes * classes[:, :, None], (-1, quality.shape[1], num_classes))


def five_convolutions(x, width, name):
    """1x1 and 3x3 in turn, the latter twice as wide: (N, h, w, C) -> (N, h, w, width)."""
    for i in range(1, 6):
        x = conv_leaky(x, width * (2 - i % 2), 1 if i % 2 else 3, name=f"{name}_{i}")
    return x


def darknet_pyramid(features: Mapping, width: int = 128) -> dict:
    """v3's maps, finest first, each coarser one enlarged and joined to the next: {"C3", "C4", "C5"} -> {"P3", ...}.

    P3 has `width` channels, each coarser map twice as many.
    """
    maps, above = {}, None
    for level in (5, 4, 3):
        x, wide = features[f"C{level}"], width * 2 ** (level - 3)
        if above is not None:
            above = conv_leaky(above, wide, 1, name=f"p{level}_lateral")
            above = layers.UpSampling2D(2, name=f"p{level}_double")(above)
            x = layers.Concatenate(name=f"p{level}_join")([CropLike(name=f"p{level}_crop")([above, x]), x])
        maps[f"P{level}"] = above = five_convolutions(x, wide, f"p{level}")
    return dict(reversed(maps.items()))


def one_by_one(maps: Mapping, anchors: Mapping, num_classes: int) -> list[dict]:
    """v3's head, a 3x3 convolution on each map and logits of each of its anchors: -> raw numbers of each level."""
    levels = []
    for (key, x), cell in zip(maps.items(), anchors.values(), strict=True):
        name, level = key.lower(), {}
        x = conv_leaky(x, 2 * x.shape[-1], 3, name=f"{name}_last")
        for what, shape, bias in (("classes", (num_classes,), 0.0), ("boxes", (4,), 0.0), ("quality", (), RARE)):
            y = layers.Conv2D(
                len(cell) * math.prod(shape), 1, bias_initializer=keras.initializers.Constant(bias), dtype="float32",
                name=f"{name}_{what}_conv",
            )(x)  # fmt: skip
            level[what] = layers.Reshape((-1, *shape), dtype="float32", name=f"{name}_{what}")(y)
        levels.append(level)
    return levels


@serializable
def decode_logistic(numbers, anchors):
    """Boxes of logits of places in cells and of growths: (..., 4), (..., 5) -> (..., 4)."""
    return coding.decode_logistic(numbers, anchors[..., :4], anchors[..., 4:])


@serializable
def objectness_scores(raw):
    """Each class by itself, of what there is: {"classes": (N, a, C), "quality": (N, a)} -> (N, a, C)."""
    return ops.sigmoid(raw["classes"]) * ops.sigmoid(raw["quality"])[..., None]
