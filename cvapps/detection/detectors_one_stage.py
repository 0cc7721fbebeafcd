"""The genealogy of one-stage detectors: each is its ancestor with the places replaced that its paper changes.

SSD: Liu et al. 2015, arXiv:1512.02325. YOLO: Redmon et al. 2015, arXiv:1506.02640; v3: Redmon & Farhadi 2018,
arXiv:1804.02767. RetinaNet: Lin et al. 2017, arXiv:1708.02002, sections 4 and 5. FCOS: Tian et al. 2019,
arXiv:1904.01355, section 3. GHM: Li, Liu & Wang 2019, arXiv:1811.05181, section 3. Where torchvision publishes weights
the rows are torchvision's: SSD300's boxes are no larger than the picture, P6 comes of P5, boxes' L1 isn't smooth,
FCOS's sides are rectified. What the two YOLO keep at the end is as their authors evaluate, not as they demonstrate.
"""

from dataclasses import replace

import numpy as np

from cvapps.detection import decode, dense_heads, dense_losses, ssd, yolo, yolo_losses
from cvapps.detection.one_stage import OneStage, one_stage
from cvapps.ops import anchors
from cvapps.registry import Paper, register

# torchvision's boxes are no wider and no higher than the picture
INSIDE = {step: np.clip(cell, -150, 150) for step, cell in anchors.SSD300_COCO.items()}

SSD300 = OneStage(
    backbone="vgg16",
    backbone_settings=dict(pool_padding="same"),
    neck=ssd.levels300,
    anchors=INSIDE,
    head=ssd.one_convolution,
    match=ssd.pair_and_overlap,
    encode=ssd.encode_priors,
    decode=ssd.decode_priors,
    class_loss=ssd.softmax_mined,
    box_loss=ssd.smooth_l1,
    scores=ssd.softmax_scores,
    select=decode.best_of_classes,
    candidates=400,
    score_threshold=0.01,
    nms_threshold=0.45,
    detections=200,
    pixels="ssd",
    input_shape=(300, 300, 3),
)
SSD512 = replace(SSD300, neck=ssd.levels512, anchors=anchors.SSD512, input_shape=(512, 512, 3))
YOLO_V1 = OneStage(
    backbone="extraction",
    neck=yolo.last_convolutions,
    anchors=yolo.GRID,
    head=yolo.fully_connected,
    match=yolo_losses.responsible,
    encode=yolo_losses.encode_grid,
    decode=yolo.decode_grid,
    class_loss=yolo_losses.cell_class_squares,
    box_loss=yolo_losses.coordinate_squares,
    quality_loss=yolo_losses.confidence_squares,
    scores=yolo.grid_scores,
    score_threshold=0.001,
    detections=98,
    num_classes=20,
    pixels="unit",
    input_shape=(448, 448, 3),
)
YOLO_V3 = replace(
    YOLO_V1,
    backbone="darknet53",
    neck=yolo.darknet_pyramid,
    anchors=anchors.YOLO_V3,
    head=yolo.one_by_one,
    match=yolo_losses.best_shape,
    encode=yolo_losses.encode_logistic,
    decode=yolo.decode_logistic,
    class_loss=yolo_losses.logistic_classes,
    box_loss=yolo_losses.logistic_boxes,
    quality_loss=yolo_losses.objectness,
    scores=yolo.objectness_scores,
    score_threshold=0.005,
    nms_threshold=0.45,
    detections=300,
    num_classes=80,
    input_shape=(416, 416, 3),
)

STRIDES = (8, 16, 32, 64, 128)
# torchvision cuts the octaves' sides to whole pixels, rounds the boxes and sets them at the places' corners
WHOLE = {s: np.round(anchors.rectangles(np.floor(anchors.octaves(4 * s)), anchors.RATIOS)) for s in STRIDES}
POINTS = {s: anchors.centred([(s, s)]) for s in STRIDES}

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

LIU_2015 = Paper(
    "Liu, Anguelov, Erhan, Szegedy, Reed, Fu, Berg",
    2015,
    "SSD: Single Shot MultiBox Detector",
    "https://arxiv.org/abs/1512.02325",
)
REDMON_2015 = Paper(
    "Redmon, Divvala, Girshick, Farhadi",
    2015,
    "You Only Look Once: Unified, Real-Time Object Detection",
    "https://arxiv.org/abs/1506.02640",
)
REDMON_2018 = Paper("Redmon, Farhadi", 2018, "YOLOv3: An Incremental Improvement", "https://arxiv.org/abs/1804.02767")
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

register("detection", one_stage, {"ssd300": vars(SSD300), "ssd512": vars(SSD512)}, LIU_2015, systems=[58])
register("detection", one_stage, {"yolo_v1": vars(YOLO_V1)}, REDMON_2015, systems=[57])
register("detection", one_stage, {"yolo_v3": vars(YOLO_V3)}, REDMON_2018, systems=[57])
register("detection", one_stage, {"retinanet_resnet50": vars(RETINANET)}, LIN_2017, systems=[59])
register("detection", one_stage, {"fcos_resnet50": vars(FCOS)}, TIAN_2019, systems=[60])
register("detection", one_stage, {"retinanet_ghm_resnet50": vars(GHM)}, LI_2019, systems=[63])
