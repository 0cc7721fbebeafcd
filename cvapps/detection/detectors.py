"""The genealogy: each detector is its ancestor with the places replaced that its paper changes.

RetinaNet: Lin et al. 2017, arXiv:1708.02002, sections 4 and 5. FCOS: Tian et al. 2019, arXiv:1904.01355, section 3.
GHM: Li, Liu & Wang 2019, arXiv:1811.05181, section 3. Where torchvision publishes weights the rows are torchvision's:
P6 comes of P5, boxes' L1 isn't smooth, FCOS's sides are rectified.
"""

from dataclasses import replace

import numpy as np

from cvapps.detection import decode, dense_heads, dense_losses
from cvapps.detection.one_stage import OneStage, one_stage
from cvapps.ops.anchors import RATIOS, centred, octaves, rectangles
from cvapps.registry import Paper, register

STRIDES = (8, 16, 32, 64, 128)
# torchvision cuts the octaves' sides to whole pixels, rounds the boxes and sets them at the places' corners
WHOLE = {s: np.round(rectangles(np.floor(octaves(4 * s)), RATIOS)) for s in STRIDES}
POINTS = {s: centred([(s, s)]) for s in STRIDES}

RETINANET = OneStage(anchors=WHOLE, offset=0.0)
FCOS = replace(
    RETINANET,
    anchors=POINTS,
    head=dense_heads.centred_towers,
    match=dense_losses.in_reach,
    encode=dense_losses.encode_sides,
    decode=decode.decode_sides,
    class_loss=dense_losses.focal_of_step,
    box_loss=dense_losses.box_giou,
    quality_loss=dense_losses.centreness,
    scores=decode.centred_scores,
    score_threshold=0.2,
    nms_threshold=0.6,
    detections=100,
)
GHM = replace(RETINANET, class_loss=dense_losses.HarmonizedClasses(), box_loss=dense_losses.HarmonizedBoxes())

LIN_2017 = Paper(
    "Lin, Goyal, Girshick, He, Dollár",
    2017,
    "Focal Loss for Dense Object Detection",
    "https://arxiv.org/abs/1708.02002",
)
TIAN_2019 = Paper(
    "Tian, Shen, Chen, He",
    2019,
    "FCOS: Fully Convolutional One-Stage Object Detection",
    "https://arxiv.org/abs/1904.01355",
)
LI_2019 = Paper("Li, Liu, Wang", 2019, "Gradient Harmonized Single-stage Detector", "https://arxiv.org/abs/1811.05181")

register("detection", one_stage, {"retinanet_resnet50": vars(RETINANET)}, LIN_2017, systems=[59])
register("detection", one_stage, {"fcos_resnet50": vars(FCOS)}, TIAN_2019, systems=[60])
register("detection", one_stage, {"retinanet_ghm_resnet50": vars(GHM)}, LI_2019, systems=[63])
