"""Names of two-stage detectors' weights in torchvision, and its published weights as they are used there.

`from_state("faster_rcnn_resnet50_fpn", published(tensors), num_classes=90)` with the tensors of the file that
`torchvision.models.detection.fasterrcnn_resnet50_fpn` downloads, as NumPy arrays, gives its detector of COCO's 91
numbers of classes (ours are theirs - 1: the background has none); in the same way Mask R-CNN. Boxes are the same for
pictures whose sides are multiples of 64; for others torchvision's anchors on P6 have another stride.
"""

from collections.abc import Mapping

import numpy as np

from cvapps.registry import model_info
from cvapps.weights import resnet
from cvapps.weights.published import Flattened, Published

EPSILON = 1e-5  # of our normalizations


def torchvision(settings):
    """torchvision.models.detection's faster_rcnn and mask_rcnn on FPN, by the names of its newer states."""
    backbone = {**model_info(settings["backbone"]).defaults, **settings["backbone_settings"]}
    for ours, theirs in resnet.torchvision(backbone):
        if ours != "logits":
            yield ours, f"backbone.body.{theirs}"
    for i in range(4):
        yield f"p{i + 2}_lateral_conv", f"backbone.fpn.inner_blocks.{i}.0"
        yield f"p{i + 2}_conv", f"backbone.fpn.layer_blocks.{i}.0"
    yield "rpn_conv", "rpn.head.conv.0.0"
    yield from [("rpn_objectness", "rpn.head.cls_logits"), ("rpn_deltas", "rpn.head.bbox_pred")]
    yield "fc6", "roi_heads.box_head.fc6", Flattened(256, 7, 7)
    yield "fc7", "roi_heads.box_head.fc7"
    yield "class_logits", "roi_heads.box_predictor.cls_score"
    yield "box_deltas", "roi_heads.box_predictor.bbox_pred"
    if settings["mask"]:
        for i in range(len(settings["mask"].head.widths)):
            yield f"mask{i + 1}_conv", f"roi_heads.mask_head.{i}.0"
        yield "mask_double", "roi_heads.mask_predictor.conv5_mask"
        yield "mask_logits", "roi_heads.mask_predictor.mask_fcn_logits"


def published(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The published COCO_V1 tensors as our layers take them: normalization there adds no epsilon to the variance."""
    return {name: x - EPSILON if name.endswith("running_var") else x for name, x in tensors.items()}


OLDER = {  # the published files have the names of an older torchvision
    **{f"backbone.fpn.{kind}_blocks.{i}": f"backbone.fpn.{kind}_blocks.{i}.0" for kind in ("inner", "layer") for i in range(4)},
    **{f"roi_heads.mask_head.mask_fcn{i + 1}": f"roi_heads.mask_head.{i}.0" for i in range(4)},
    "rpn.head.conv": "rpn.head.conv.0.0",
}  # fmt: skip
STATE = {
    name: Published("", torchvision, also=OLDER) for name in ("faster_rcnn_resnet50_fpn", "mask_rcnn_resnet50_fpn")
}
