"""One-stage detectors: numbers at every place of every map, in one pass. The places of the graph, and how it learns.

A detector is a value of `OneStage`, a paper an ancestor's with some places replaced: `detectors_one_stage` has them
all. Numbers belong to anchors, (A, 5): a box `x1 y1 x2 y2` and the stride of its level. A level's raw numbers are
{"classes": (N, a, C) logits, "boxes": (N, a, 4) codes[, "quality": (N, a) logits]}, all levels' the same for A anchors.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import keras
from keras import layers, ops

from cvapps.blocks import Pixels
from cvapps.detection import backbones, dense_heads, dense_losses, necks
from cvapps.detection.decode import Anchors, Detections, best_of_levels, decode_deltas, sigmoid_scores
from cvapps.ops.anchors import RETINANET
from cvapps.ops.matching import take_matched
from cvapps.registry import builds
from cvapps.training import JointlyTrained

RAW = {"classes": "raw_classes", "boxes": "raw_boxes", "quality": "raw_quality", "anchors": "anchors"}  # layers' names


@dataclass(frozen=True)
class OneStage:
    """The places of a one-stage detector. Functions of the prediction graph are registered for saving with Keras."""

    backbone: str = "resnet50"  # a row with features by stride, and settings of its own
    backbone_settings: Mapping[str, Any] = field(default_factory=dict)
    frozen: Callable = backbones.nothing  # a backbone -> None, having made untrainable what stays as it is
    neck: Callable = necks.fpn_p7  # features by stride -> the maps that are looked at, finest first
    anchors: Mapping[int, Any] = field(default_factory=lambda: RETINANET)  # {stride: cell} for each of them
    offset: float = 0.5  # of an anchor's middle in its place, in strides
    head: Callable = dense_heads.two_towers  # maps, anchors, num_classes -> raw numbers of each level
    match: Callable = dense_losses.best_overlap  # anchors, true boxes (N, G, 4), bool (N, G), boxes (N, A, 4) -> (N, A)
    encode: Callable = dense_losses.encode_deltas  # boxes (..., 4), anchors (..., 5) -> codes (..., 4)
    decode: Callable = decode_deltas  # codes, anchors -> boxes
    class_loss: Callable = dense_losses.focal  # Truth, raw numbers -> (N,); a Keras layer is a pattern of the learner's
    box_loss: Callable = dense_losses.box_l1
    quality_loss: Callable | None = None
    scores: Callable = sigmoid_scores  # raw numbers -> (N, a, C) in [0, 1]
    select: Callable = best_of_levels  # scores, lengths of levels, candidates -> (N, M), their numbers
    candidates: int = 1000
    score_threshold: float = 0.05
    nms_threshold: float = 0.5
    detections: int = 300
    num_classes: int = 80
    pixels: Pixels = "imagenet"
    input_shape: tuple[int | None, int | None, int] = (512, 512, 3)
    name: str = "one_stage"

    def learner(self, detector: keras.Model) -> JointlyTrained:
        """The detector's layers up to the raw numbers, to be trained against {"boxes", "classes"} by named losses."""
        loss, raw = OneStageLoss(self), keras.Model(detector.input, raw_outputs(detector), name=self.name)
        learner = JointlyTrained(raw, loss, terms=loss.terms)
        learner.detector = detector
        return learner


class Truth(NamedTuple):
    """What each anchor has to learn."""

    matched: Any  # int32 (N, A): the number of the box, or matching.BACKGROUND or IGNORED
    classes: Any  # int32 (N, A): the box's class, or the same two
    boxes: Any  # (N, A, 4), of unmatched anchors anything
    codes: Any  # (N, A, 4), the same encoded


class OneStageLoss(layers.Layer):
    """The losses of a one-stage detector by name: {"boxes": (N, G, 4), "classes": (N, G)}, raw numbers -> (N,) each.

    A class of -1 says that there is no box. The raw numbers are given on with "anchors" (A, 5) and "decoded" (N, A, 4).
    """

    def __init__(self, spec: OneStage):
        super().__init__(dtype="float32", autocast=False, name=f"{spec.name}_loss")
        parts = dict(class_loss=spec.class_loss, box_loss=spec.box_loss, quality_loss=spec.quality_loss)
        # a layer has state, which each learner needs for itself
        self.parts = {
            name: part.from_config(part.get_config()) if isinstance(part, layers.Layer) else part
            for name, part in parts.items()
            if part is not None
        }
        self.spec, self.terms = spec, tuple(self.parts)

    def call(self, y_true, y_pred, sample_weight=None):
        """{"boxes": (N, G, 4), "classes": (N, G)}, raw numbers -> {"class_loss": (N,), "box_loss": (N,), ...}."""
        anchors = y_pred["anchors"][0]
        boxes, classes = ops.cast(y_true["boxes"], "float32"), ops.cast(y_true["classes"], "int32")
        decoded = self.spec.decode(y_pred["boxes"], anchors)
        matched = self.spec.match(anchors, boxes, classes >= 0, ops.stop_gradient(decoded))
        boxes = take_matched(boxes, matched)
        classes = ops.where(matched >= 0, take_matched(classes[..., None], matched)[..., 0], matched)
        truth = Truth(matched, classes, boxes, self.spec.encode(boxes, anchors))
        raw = {**y_pred, "anchors": anchors, "decoded": decoded}
        losses = {name: part(truth, raw) for name, part in self.parts.items()}
        return losses if sample_weight is None else {name: x * sample_weight for name, x in losses.items()}


def raw_outputs(detector: keras.Model) -> dict[str, keras.KerasTensor]:
    """A detector's raw numbers over all levels, and the anchors: {"classes": (N, A, C), "boxes": (N, A, 4), ...}."""
    made = {layer.name for layer in detector.layers}
    return {key: detector.get_layer(name).output for key, name in RAW.items() if name in made}


@builds(OneStage)
def one_stage(spec):
    """(N, H, W, 3) -> {"boxes": (N, D, 4), "scores": (N, D), "classes": int32 (N, D)}, D being `detections`.

    The settings are the places of `OneStage`. Raises ValueError where maps and anchors don't belong together.
    """
    image, features = backbones.features(spec)
    maps = spec.neck(features)
    if len(maps) != len(spec.anchors):
        raise ValueError(f"{spec.name} needs anchors for each of {list(maps)}; got strides {list(spec.anchors)}")
    levels = spec.head(maps, spec.anchors, spec.num_classes)
    laid = [
        Anchors(cell, stride, spec.offset, name=f"{key.lower()}_anchors")(x)
        for (key, x), (stride, cell) in zip(maps.items(), spec.anchors.items(), strict=True)
    ]
    levels = [{**level, "anchors": x} for level, x in zip(levels, laid, strict=True)]
    raw = {
        key: layers.Concatenate(axis=1, dtype="float32", name=name)([level[key] for level in levels])
        for key, name in RAW.items()
        if key in levels[0]
    }
    settings = (spec.scores, spec.decode, spec.select, spec.candidates, spec.score_threshold, spec.nms_threshold)
    found = Detections(*settings, spec.detections, name="detections")(image, raw, laid)
    return keras.Model(image, found, name=spec.name)
