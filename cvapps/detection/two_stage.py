"""Two-stage detectors: regions that may hold an object, then for each its class, its box and perhaps its mask.

The fields of `TwoStage` are the places of the graph, and a paper is `replace(ancestor, the places that it changes)`:
`detectors_two.py` has them. Here are the two orders of work: prediction, and learning, where the second stage sees some
of the proposals and the true boxes, and masks are learned on objects alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
from keras import ops

from cvapps import registry
from cvapps.analysis.graph import leaves
from cvapps.blocks import Pixels
from cvapps.detection import backbones
from cvapps.detection.box_heads import DenseHead, RegionDetections, smooth_l1
from cvapps.detection.mask_heads import ClassMasks, MaskBranch, crop_masks, of_class
from cvapps.detection.proposals import Given, ProposalNetwork, operation
from cvapps.detection.regions import RoIPool, read
from cvapps.detection.samples import Sampling, mean_of, taken
from cvapps.ops import boxes, coding
from cvapps.ops.matching import match_proposals
from cvapps.training import JointlyTrained


def one_map(features):
    """The last map of stride 16, VGG's conv5_3 (Girshick 2015, section 2.1): {"C2": ..., ...} -> {"C4": ...}."""
    return {"C4": features["C4"]}


GIVEN = Given()
FC6_FC7 = DenseHead((4096, 4096), dropout=0.5)  # VGG-16's own
HIERARCHICAL = Sampling(64, 0.25, match_proposals, 0.1, 0.5)  # 64 regions of each of two pictures (section 2.3)


@dataclass(frozen=True)
class TwoStage:
    """The places of a two-stage detector, here as in Fast R-CNN.

    `backbone_settings` go to the backbone, and `frozen` makes what of it isn't trained untrainable; `neck` makes maps
    of its features; `propose` gives boxes, of which `sampling` chooses in training; `regions` is the operation that
    reads them from the maps, `head` the part that judges what was read, with `box_weights` on its deltas and `box_loss`
    for them. Detections have a probability above `score_threshold` and overlap others of their class by `nms_threshold`
    at most.
    """

    backbone: str = "vgg16"
    backbone_settings: Mapping[str, Any] = field(default_factory=dict)
    frozen: Callable = backbones.nothing
    neck: Callable = one_map
    propose: Given | ProposalNetwork = GIVEN
    regions: Callable = RoIPool
    head: Callable = FC6_FC7
    sampling: Sampling = HIERARCHICAL
    box_weights: tuple[float, float, float, float] = coding.HEAD
    box_loss: Callable = smooth_l1
    mask: MaskBranch | None = None
    score_threshold: float = 0.05
    nms_threshold: float = 0.3
    detections: int = 100
    num_classes: int = 80
    pixels: Pixels = "imagenet"
    input_shape: tuple[int | None, int | None, int] = (600, 1000, 3)
    name: str = "two_stage"

    def learner(self, detector: keras.Model) -> JointlyTrained:
        """The detector with the losses of all its parts, which shares every weight with it.

        y is {"boxes": (N, G, 4), "classes": (N, G), -1 where there is no box[, "masks": (N, G, H, W)]}.
        """
        terms = (*self.propose.terms, "class_loss", "box_loss", *(("mask_loss",) if self.mask else ()))
        raw = {**self.propose.raw(detector), **_maps(detector)}
        learner = JointlyTrained(_with_pictures(detector, raw), Learning(self, detector), terms=terms)
        learner.detector = detector
        return learner

    def proposal_learner(self, detector: keras.Model) -> JointlyTrained:
        """The proposal network alone with its losses, for training by turns: see `freeze`."""
        raw = _with_pictures(detector, self.propose.raw(detector))
        return JointlyTrained(raw, ProposalLearning(self), terms=self.propose.terms)


def _with_pictures(detector, raw):
    """The detector up to the raw outputs that are learned, and the pictures, whose size is needed."""
    image = detector.input["image"] if isinstance(detector.input, dict) else detector.input
    return keras.Model(detector.input, {"image": image, **raw}, name=detector.name)


def _maps(detector):
    """The maps that regions are read from, by name."""
    found = operation(detector, "regions")
    _, *maps = found.input
    return {"maps": dict(zip(found.levels, maps, strict=True))}


@registry.builds(TwoStage)
def two_stage(spec: TwoStage) -> keras.Model:
    """(N, H, W, 3) -> {"boxes": (N, D, 4), "scores": (N, D), "classes": int32 (N, D)[, "masks": (N, D, M, M)]}.

    Where proposals are given the input is {"image": (N, H, W, 3), "proposals": (N, R, 4)}. The best come first; where
    there are fewer than D the class is -1 and the rest zeros. Masks are probabilities in the frame of their box.
    """
    image, features = backbones.features(spec)
    maps = spec.neck(features)
    further, proposals = spec.propose.graph(image, maps)
    seen = read(spec.regions(name="regions"), proposals, maps)
    answer = spec.head(seen.shape[1:], spec.num_classes)(seen)
    settings = spec.detections, spec.score_threshold, spec.nms_threshold, spec.box_weights
    detect = RegionDetections(*settings, name="detections")
    outputs = detect(image, proposals, answer["logits"], answer["deltas"])
    if spec.mask:
        seen = read(spec.mask.regions(name="mask_regions"), outputs["boxes"], maps)
        logits = spec.mask.head(seen.shape[1:], spec.num_classes)(seen)
        outputs = {**outputs, "masks": ClassMasks(name="masks")(logits, outputs["classes"])}
    return keras.Model({"image": image, **further} if further else image, outputs, name=spec.name)


def proposer(detector: keras.Model) -> keras.Model:
    """The detector's proposals alone, of the same weights: (N, H, W, 3) -> (N, R, 4), zeros where there is none."""
    return keras.Model(detector.input, operation(detector, "proposals").output, name="proposer")


def freeze(detector: keras.Model, *beginnings: str) -> None:
    """Makes untrainable the layers whose names begin so, those of shared parts too: what two networks share by turns.

    Ren et al. 2015, section 3.2, with `TwoStage.proposal_learner` and Fast R-CNN on the boxes of `proposer`: 1. learn
    the proposals; 2. learn Fast R-CNN on them, a network of its own; 3. `cvapps.analysis.transplant` its layers, freeze
    the convolutions, learn the proposals again; 4. learn Fast R-CNN's head on those, its convolutions frozen.
    Raises ValueError for a beginning that no layer has.
    """
    for beginning in beginnings:
        found = [layer for layer in leaves(detector) if layer.name.startswith(beginning)]
        if not found:
            raise ValueError(f"{detector.name} has no layer whose name begins with {beginning!r}")
        for layer in found:
            layer.trainable = False


class ProposalLearning(keras.layers.Layer):
    """The losses of the proposal network by itself."""

    def __init__(self, spec: TwoStage):
        super().__init__(dtype="float32", autocast=False)
        self.spec, self.seed = spec, keras.random.SeedGenerator()

    def call(self, y_true, y_pred, sample_weight=None, training=None):
        """Truth and raw outputs -> {name: (N,)}."""
        truth, valid = known(y_true)
        losses, _ = self.spec.propose.learn(y_pred, y_pred["image"], truth, valid, self.seed)
        return weighted(losses, sample_weight)


class Learning(keras.layers.Layer):
    """The losses of all parts: heads are called on what is drawn of the proposals and of the true boxes.

    Proposals have no derivative (Ren et al. 2015, section 3.2: approximate joint training).
    """

    def __init__(self, spec: TwoStage, detector: keras.Model):
        super().__init__(dtype="float32", autocast=False)
        self.spec, self.seed = spec, keras.random.SeedGenerator()
        self.head = detector.get_layer("box_head")
        self.mask_head = detector.get_layer("mask_head") if spec.mask else None

    def call(self, y_true, y_pred, sample_weight=None, training=None):
        """Truth and raw outputs -> {name: (N,)}."""
        truth, valid = known(y_true)
        losses, proposals = self.spec.propose.learn(y_pred, y_pred["image"], truth, valid, self.seed)
        proposals = ops.stop_gradient(ops.cast(proposals, "float32"))
        candidates = ops.concatenate([proposals, truth], axis=1)
        exists = ops.concatenate([ops.logical_not(boxes.is_empty(proposals)), valid], axis=1)
        chosen, matched, filled = self.spec.sampling(candidates, exists, truth, valid, self.seed)
        drawn, number = taken(candidates, chosen), ops.maximum(matched, 0)
        labels = ops.where(
            matched >= 0, ops.take_along_axis(ops.cast(y_true["classes"], "int32"), number, axis=1) + 1, 0
        )
        losses |= self.box_losses(y_pred["maps"], drawn, taken(truth, number), labels, filled, training)
        if self.spec.mask:
            most = self.spec.sampling.most
            first = (x[:, :most] for x in (drawn, number, labels))
            losses |= self.mask_losses(y_pred["maps"], y_true["masks"], *first, training)
        return weighted(losses, sample_weight)

    def box_losses(self, maps, drawn, truth, labels, filled, training):
        """Regions (N, S, 4) with their true boxes (N, S, 4), labels (N, S) and whether there is one."""
        spec, count = self.spec, drawn.shape[1]
        answer = self.head(read(spec.regions(), drawn, maps), training=training)
        logits = ops.reshape(answer["logits"], (-1, count, 1 + spec.num_classes))
        deltas = ops.reshape(answer["deltas"], (-1, count, 1 + spec.num_classes, 4))
        own = ops.take_along_axis(deltas, labels[..., None, None], axis=2)[:, :, 0]
        loss = ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        shift = spec.box_loss(coding.encode_deltas(truth, drawn, spec.box_weights), own)
        (classes, divisor), (shifts, _) = mean_of(loss, filled), mean_of(shift, labels > 0)
        return {"class_loss": ops.divide_no_nan(classes, divisor), "box_loss": ops.divide_no_nan(shifts, divisor)}

    def mask_losses(self, maps, masks, drawn, number, labels, training):
        """Regions (N, F, 4), the numbers of their masks in (N, G, H, W), and labels (N, F), 0 without object."""
        logits = self.mask_head(read(self.spec.mask.regions(), drawn, maps), training=training)
        target = crop_masks(masks, number, drawn, logits.shape[1])
        own = of_class(logits, ops.reshape(labels, (-1,)))
        loss = ops.mean(ops.binary_crossentropy(target, own, from_logits=True), axis=(1, 2))
        total, divisor = mean_of(ops.reshape(loss, (-1, drawn.shape[1])), labels > 0)
        return {"mask_loss": ops.divide_no_nan(total, divisor)}


def known(y_true):
    """True boxes (N, G, 4) and whether there is one, bool (N, G): those without area don't count."""
    truth = ops.cast(y_true["boxes"], "float32")
    return truth, ops.logical_and(ops.logical_not(boxes.is_empty(truth)), y_true["classes"] >= 0)


def weighted(losses, sample_weight):
    """Each picture's losses times its weight, where it has one."""
    return losses if sample_weight is None else {name: loss * sample_weight for name, loss in losses.items()}
