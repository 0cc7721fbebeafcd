"""SSD's places: the maps of a truncated VGG-16 and of the layers behind it, and a head of its own for each.

Liu et al. 2015, arXiv:1512.02325, section 2, Figure 2 and sections 3.1 and 3.3; where they are silent,
examples/ssd/ssd_pascal.py of weiliu89/caffe, branch ssd, the authors' own code. Layers have the paper's names: conv8_2
is the second behind fc7.
Deviations: first weights of the trunk by He's rule; no dropout behind fc6 and fc7, which the authors' code has and
torchvision's hasn't. fc6 and fc7 begin at random where nobody gives them the classifier's, thinned out (section 3.1).
"""

from collections.abc import Mapping, Sequence

import keras
from keras import layers, ops

from cvapps.blocks import conv_norm
from cvapps.detection.dense_heads import listed
from cvapps.detection.dense_losses import by_all_matches, where_matched
from cvapps.layers import ScaledUnitNormalization
from cvapps.ops import coding
from cvapps.ops.boxes import iou
from cvapps.ops.matching import match_bipartite
from cvapps.ops.sampling import hard_negatives

serializable = keras.saving.register_keras_serializable("cvapps")

# of each pair of layers behind fc7: channels of the 1x1 convolution; channels, side, stride and zeros of the other
HALVES = ((256, 512, 3, 2, 1), (128, 256, 3, 2, 1))
EXTRA300 = (*HALVES, (128, 256, 3, 1, 0), (128, 256, 3, 1, 0))
EXTRA512 = (*HALVES, (128, 256, 3, 2, 1), (128, 256, 3, 2, 1), (128, 256, 4, 1, 1))


def rectified(x, filters, kernel, stride=1, padding="even", dilation=1, *, name):
    """Convolution and ReLU, without normalization: (N, H, W, C) -> (N, H/s, W/s, filters)."""
    return conv_norm(
        x, filters, kernel, stride, activation="relu", norm="none", padding=padding, dilation=dilation, name=name
    )


def behind_vgg(features: Mapping, extra: Sequence[tuple[int, int, int, int, int]]) -> dict:
    """conv4_3, fc7 and one map for each pair of layers in `extra`, finest first: {"C3", "C4"} -> {name: map}.

    The places of conv4_3 are brought to one length, for it is larger than the others (section 3.1). Of any backbone C3
    and C4 stand for VGG's conv4_3 and conv5_3.
    """
    maps = {"conv4_3": ScaledUnitNormalization(20.0, name="conv4_3_norm")(features["C3"])}
    x = layers.MaxPooling2D(3, 1, "same", name="pool5")(features["C4"])
    x = rectified(x, 1024, 3, dilation=6, name="fc6")
    maps["fc7"] = x = rectified(x, 1024, 1, name="fc7")
    for i, (inside, width, side, stride, zeros) in enumerate(extra, start=8):
        x = rectified(x, inside, 1, name=f"conv{i}_1")
        x = layers.ZeroPadding2D(zeros, name=f"conv{i}_2_pad")(x) if zeros else x
        maps[f"conv{i}_2"] = x = rectified(x, width, side, stride, "valid", name=f"conv{i}_2")
    return maps


def levels300(features: Mapping) -> dict:
    """Six maps, of 38x38 to 1x1 places for 300x300 pixels: {"C3", "C4"} -> {name: map}."""
    return behind_vgg(features, EXTRA300)


def levels512(features: Mapping) -> dict:
    """Seven maps, of 64x64 to 1x1 places for 512x512 pixels: {"C3", "C4"} -> {name: map}."""
    return behind_vgg(features, EXTRA512)


def levels_small(features: Mapping) -> dict:
    """Four maps, the last of a quarter of fc7's side, for small pictures: {"C3", "C4"} -> {name: map}."""
    return behind_vgg(features, HALVES)


def one_convolution(maps: Mapping, anchors: Mapping, num_classes: int) -> list[dict]:
    """A 3x3 convolution for the classes and one for the boxes of each map: -> raw numbers of each level.

    "classes" are logits with the background first, (N, a, 1 + num_classes).
    """
    levels = []
    for (key, x), cell in zip(maps.items(), anchors.values(), strict=True):
        level = {}
        for what, channels in (("classes", 1 + num_classes), ("boxes", 4)):
            name = f"{key}_{what}"
            y = layers.Conv2D(len(cell) * channels, 3, padding="same", dtype="float32", name=f"{name}_conv")(x)
            level[what] = listed(y, channels, name)
        levels.append(level)
    return levels


@serializable
def softmax_scores(raw):
    """Of the classes and the background one: {"classes": (N, a, 1 + C)} -> (N, a, C)."""
    return ops.softmax(raw["classes"], axis=-1)[..., 1:]


@serializable
def decode_priors(numbers, anchors):
    """Boxes of shifts and growths with SSD's variances: (..., 4), (..., 5) -> (..., 4)."""
    return coding.decode_deltas(numbers, anchors[..., :4], coding.HEAD)


def encode_priors(boxes, anchors):
    """Shifts and growths with SSD's variances: (..., 4), (..., 5) -> (..., 4)."""
    return coding.encode_deltas(boxes, anchors[..., :4], coding.HEAD)


def pair_and_overlap(anchors, boxes, valid, decoded):
    """Every box the anchor that it has most of, and all anchors with an IoU of 0.5: -> int32 (N, A). Section 2.2."""
    return match_bipartite(iou(anchors[:, None, :4], boxes[:, None]), valid, 0.5)


def softmax_mined(truth, raw):
    """Cross entropy of the matched and of three times as many background ones, the hardest: -> (N,). Equation 3."""
    targets = ops.maximum(truth.classes, -1) + 1
    losses = ops.sparse_categorical_crossentropy(targets, raw["classes"], from_logits=True)
    counts = (truth.matched >= 0) | hard_negatives(losses, truth.matched, 3)
    return by_all_matches(ops.where(counts, losses, 0.0), truth)


def smooth_l1(truth, raw):
    """Half the squares of the codes' differences up to 1, beyond the differences less a half: -> (N,). Equation 2."""
    apart = ops.abs(raw["boxes"] - truth.codes)
    losses = ops.where(apart < 1, ops.square(apart) / 2, apart - 0.5)
    return by_all_matches(where_matched(ops.sum(losses, axis=-1), truth), truth)
