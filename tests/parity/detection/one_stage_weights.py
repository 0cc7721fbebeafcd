"""Random weights of detectors that need no file, and a picture."""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "torch"))
import weights

# factors of the last layers, with which scores are neither all 0 nor all 1, and boxes about as large as anchors
LAST = {
    "retinanet_resnet50": {"cls_logits": 3e-5, "bbox_reg": 6e-6},
    "fcos_resnet50": {"cls_logits": 1.5, "bbox_reg": 4.0, "bbox_ctrness": 1.5},
}


def tensor(detector, name, shape):
    """The detector's tensor of that name: as of the classifiers, but for the last layers."""
    return weights.tensor(name, shape) * np.float32(LAST[detector].get(name.split(".")[-2], 1.0))


def picture(size):
    """One picture (1, H, W, 3) in [0, 255], float32."""
    return np.random.default_rng(0).uniform(0, 255, (1, *size, 3)).astype("float32")
