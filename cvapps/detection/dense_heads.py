"""Heads that answer at every place of every map: maps, {stride: cell}, classes -> raw numbers of each level.

A level's raw numbers are {"classes": (N, a, C), "boxes": (N, a, 4)} and, where the detector has it, "quality": (N, a),
float32 logits and codes; a is the level's places, row by row, times the boxes of its cell, innermost.
"""

import math

import keras
from keras import initializers, layers

from cvapps.blocks import Norm, activate, normalize
from cvapps.detection.necks import WIDTH

PRIOR = 0.01  # of an object at an anchor before anything was learned: Lin et al. 2017, arXiv:1708.02002, section 4.1
SIDE = 2.0  # strides from a point to each side of its box before anything was learned
DEPTH = 4


def small(x, filters, name, bias=0.0, dtype=None):
    """A 3x3 convolution whose first weights are small: (N, h, w, C) -> (N, h, w, filters)."""
    return layers.Conv2D(
        filters, 3, padding="same", kernel_initializer=initializers.RandomNormal(stddev=0.01),
        bias_initializer=initializers.Constant(bias), dtype=dtype, name=f"{name}_conv",
    )(x)  # fmt: skip


def tower(x, norm: Norm, name):
    """DEPTH convolutions, each with ReLU: (N, h, w, C) -> the same."""
    for i in range(1, DEPTH + 1):
        step = f"{name}{i}"
        x = activate(normalize(small(x, x.shape[-1], step), norm, step), "relu", step)
    return x


def listed(x, channels, name):
    """The places of a map one after another, float32: (N, h, w, A channels) -> (N, h w A, channels)."""
    return layers.Reshape((-1, channels), dtype="float32", name=name)(x)


def class_logits(x, count, num_classes, name="classes"):
    """Logits of `count` boxes at each place, first all at PRIOR: (N, h, w, C) -> float32 (N, h w count, classes)."""
    x = small(x, count * num_classes, name, bias=-math.log((1 - PRIOR) / PRIOR), dtype="float32")
    return listed(x, num_classes, name)


def everywhere(head, maps, anchors):
    """One head with one set of weights on every map: a model, maps, {stride: cell} -> raw numbers of each level."""
    return [head(x) for x, _ in zip(maps.values(), anchors.values(), strict=True)]


def in_common(maps, anchors):
    """How many boxes each place has. Raises ValueError where levels have different cells."""
    counts = {len(cell) for cell in anchors.values()}
    if len(counts) != 1 or len(maps) != len(anchors):
        sizes = [len(cell) for cell in anchors.values()]
        raise ValueError(f"one head for {len(maps)} maps needs as many cells of one size; got sizes {sizes}")
    return counts.pop()


def two_towers(maps, anchors, num_classes, norm: Norm = "none"):
    """RetinaNet's: classes and boxes, each behind a tower of its own. Lin et al. 2017, arXiv:1708.02002, section 4."""
    count = in_common(maps, anchors)
    x = keras.Input((None, None, WIDTH), name="map")
    boxes = small(tower(x, norm, "boxes"), count * 4, "boxes", dtype="float32")
    outputs = {
        "classes": class_logits(tower(x, norm, "classes"), count, num_classes),
        "boxes": listed(boxes, 4, "boxes"),
    }
    return everywhere(keras.Model(x, outputs, name="head"), maps, anchors)


def centred_towers(maps, anchors, num_classes, norm: Norm = "group"):
    """FCOS's: sides are never negative, and the boxes' tower tells too how near to the middle a point is.

    Tian et al. 2019, arXiv:1904.01355, section 3.2, with what the authors' later code does: centre-ness beside the
    boxes, group normalization. Sides are in strides and rectified, as in torchvision, where the paper has exp; they
    begin at SIDE, for of those that torchvision begins at 0 some can stay shut for ever.
    """
    count = in_common(maps, anchors)
    x = keras.Input((None, None, WIDTH), name="map")
    of_boxes = tower(x, norm, "boxes")
    boxes = activate(small(of_boxes, count * 4, "boxes", bias=SIDE, dtype="float32"), "relu", "boxes")
    quality = small(of_boxes, count, "quality", dtype="float32")
    outputs = {
        "classes": class_logits(tower(x, norm, "classes"), count, num_classes),
        "boxes": listed(boxes, 4, "boxes"),
        "quality": layers.Reshape((-1,), dtype="float32", name="quality")(quality),
    }
    return everywhere(keras.Model(x, outputs, name="head"), maps, anchors)
