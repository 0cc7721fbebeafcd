"""Two-stage detectors: regions that may hold an object, then for each its class, its box and perhaps its mask.

The fields of `TwoStage` are the places of the graph, and a paper is `replace(ancestor, the places that it changes)`:
`detectors_two_stage.py` has them. Here is the order of work in prediction; that in learning is in `region_losses.py`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras

from cvapps import registry
from cvapps.analysis.graph import leaves
from cvapps.blocks import Pixels
from cvapps.detection import backbones
from cvapps.detection.box_heads import DenseHead, RegionDetections, smooth_l1
from cvapps.detection.mask_heads import ClassMasks, MaskBranch
from cvapps.detection.proposals import Given, ProposalNetwork, operation
from cvapps.detection.region_losses import Learning, ProposalLearning
from cvapps.detection.regions import RoIPool, read
from cvapps.detection.samples import Sampling
from cvapps.ops import coding
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
