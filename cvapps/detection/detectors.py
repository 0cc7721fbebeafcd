"""The genealogy: each detector is its ancestor with the places replaced that its paper changes.

RetinaNet: Lin et al. 2017, arXiv:1708.02002, sections 4 and 5.
Where a paper leaves open what its authors' code decides, and where torchvision publishes weights, the rows are
torchvision's.
"""

import numpy as np

from cvapps.detection.one_stage import OneStage, one_stage
from cvapps.ops.anchors import RATIOS, octaves, rectangles
from cvapps.registry import Paper, register

# torchvision cuts the octaves' sides to whole pixels, rounds the boxes and sets them at the places' corners
WHOLE = {s: np.round(rectangles(np.floor(octaves(4 * s)), RATIOS)) for s in (8, 16, 32, 64, 128)}

RETINANET = OneStage(anchors=WHOLE, offset=0.0)

LIN_2017 = Paper(
    "Lin, Goyal, Girshick, He, Dollár",
    2017,
    "Focal Loss for Dense Object Detection",
    "https://arxiv.org/abs/1708.02002",
)
register("detection", one_stage, {"retinanet_resnet50": vars(RETINANET)}, LIN_2017, systems=[59])
