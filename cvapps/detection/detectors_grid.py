"""SSD and YOLO as places replaced: the part of the genealogy that looks at the backbone's maps as they are.

Liu et al. 2015, arXiv:1512.02325 (SSD). Redmon et al. 2015, arXiv:1506.02640 (YOLO v1). Redmon & Farhadi 2018,
arXiv:1804.02767 (YOLO v3). SSD300 is torchvision's, which publishes its weights: the default boxes of section 3.4, for
COCO, no larger than the picture; SSD512 has the authors' for VOC.
Deviation: what the two YOLO keep at the end is as their authors evaluate, not as they demonstrate.
"""

from dataclasses import replace

import numpy as np

from cvapps.detection import decode, ssd, yolo, yolo_losses
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
register("detection", one_stage, {"ssd300": vars(SSD300), "ssd512": vars(SSD512)}, LIU_2015, systems=[58])
register("detection", one_stage, {"yolo_v1": vars(YOLO_V1)}, REDMON_2015, systems=[57])
register("detection", one_stage, {"yolo_v3": vars(YOLO_V3)}, REDMON_2018, systems=[57])
