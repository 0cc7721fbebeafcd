"""Random weights of detectors that need no file, so small where scores come out that no two are the same."""

import numpy as np

SCALES = {  # through a ResNet random activations grow; a detector's answers should differ, and none be certain
    "backbone.fpn.inner_blocks": 0.02,
    "rpn.head.cls_logits": 0.3,
    "rpn.head.bbox_pred": 0.2,
    "roi_heads.box_predictor.cls_score": 0.5,
    "roi_heads.box_predictor.bbox_pred": 0.2,
    "roi_heads.mask_predictor.mask_fcn_logits": 0.5,
}


def scaled(tensor, name, shape):
    """`tensor(name, shape)`, smaller where SCALES says so."""
    factor = next((factor for part, factor in SCALES.items() if name.startswith(part)), 1.0)
    factor = 0.5 if name.endswith("bn3.weight") else factor  # the ends of fifty layers' sixteen branches
    return tensor(name, shape) * np.float32(factor)
