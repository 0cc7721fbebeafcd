"""The genealogy of two-stage detectors: each is its ancestor with the places replaced that its paper changes.

Fast R-CNN: Girshick 2015, arXiv:1504.08083. Faster R-CNN: Ren et al. 2015, arXiv:1506.01497; on a pyramid: Lin et al.
2016, arXiv:1612.03144, section 4. Mask R-CNN: He et al. 2017, arXiv:1703.06870. Where a paper leaves open what its
authors' code decides, the VGG-16 forms are rbgirshick's fast-rcnn and py-faster-rcnn (end to end), and those on a
pyramid torchvision's.
"""

from dataclasses import replace
from functools import partial

import numpy as np

from cvapps.detection.box_heads import DenseHead, smooth_l1
from cvapps.detection.mask_heads import MaskBranch
from cvapps.detection.necks import fpn
from cvapps.detection.proposals import ProposalNetwork, everywhere
from cvapps.detection.regions import RoIAlign
from cvapps.detection.samples import Sampling
from cvapps.detection.two_stage import TwoStage, two_stage
from cvapps.ops.anchors import FASTER_RCNN as NINE
from cvapps.ops.anchors import RPN
from cvapps.ops.boxes import inside
from cvapps.ops.matching import match_low_quality, match_threshold
from cvapps.registry import Paper, register

SHARP = partial(smooth_l1, beta=1 / 9)  # linear from a ninth on

ON_ONE_MAP = ProposalNetwork(
    {16: NINE}, width=512, offset=0.5, before=(6000, 12000), after=(300, 2000), smallest=16.0, candidates=inside,
    sampling=Sampling(256, 0.5, match_low_quality, 0.3, 0.7), box_loss=SHARP,
)  # fmt: skip
ON_PYRAMID = replace(
    ON_ONE_MAP, cells={stride: np.round(cell) for stride, cell in RPN.items()}, width=256, offset=0.0,
    before=(1000, 2000), after=(1000, 2000), smallest=1e-3, candidates=everywhere,
)  # fmt: skip

FAST_RCNN = TwoStage()
FASTER_RCNN = replace(FAST_RCNN, propose=ON_ONE_MAP, sampling=Sampling(128, 0.25, match_threshold, 0.5, 0.5))
FASTER_RCNN_FPN = replace(
    FASTER_RCNN,
    backbone="resnet50",
    neck=fpn,
    propose=ON_PYRAMID,
    regions=RoIAlign,
    head=DenseHead((1024, 1024)),
    sampling=Sampling(512, 0.25, match_threshold, 0.5, 0.5),
    box_loss=SHARP,
    nms_threshold=0.5,
    input_shape=(800, 1344, 3),
)
MASK_RCNN_FPN = replace(FASTER_RCNN_FPN, mask=MaskBranch(partial(RoIAlign, size=14)))

GIRSHICK_2015 = Paper("Girshick", 2015, "Fast R-CNN", "https://arxiv.org/abs/1504.08083")
REN_2015 = Paper(
    "Ren, He, Girshick, Sun",
    2015,
    "Faster R-CNN: Towards Real-Time Object Detection with Region Proposal Networks",
    "https://arxiv.org/abs/1506.01497",
)
HE_2017 = Paper("He, Gkioxari, Dollár, Girshick", 2017, "Mask R-CNN", "https://arxiv.org/abs/1703.06870")
FASTER = {"faster_rcnn_vgg16": vars(FASTER_RCNN), "faster_rcnn_resnet50_fpn": vars(FASTER_RCNN_FPN)}
register("detection", two_stage, {"fast_rcnn_vgg16": vars(FAST_RCNN)}, GIRSHICK_2015, systems=[53])
register("detection", two_stage, FASTER, REN_2015, systems=[54])
register("detection", two_stage, {"mask_rcnn_resnet50_fpn": vars(MASK_RCNN_FPN)}, HE_2017, systems=[55])
