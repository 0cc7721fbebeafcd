"""Pictures for the tests of R-CNN: a square of each of two colours, proposals around both and anywhere."""

import math

import numpy as np

from cvapps.detection.rcnn_regions import Example
from cvapps.detection.rcnn_settings import Settings

COLOURS = ((230, 40, 40), (40, 60, 230))
SETTINGS = Settings(svm_layer="hidden_relu", box_layer="pool", context=2, positives=4, negatives=12)
SIDE = 20


def example(seed):
    """A square of each colour on noise; proposals around the squares and anywhere."""
    random = np.random.default_rng(seed)
    image = random.integers(60, 140, (60, 80, 3)).astype("uint8")
    boxes = []
    for k, colour in enumerate(COLOURS):
        x, y, side = 40 * k + random.integers(2, 15), random.integers(2, 30), random.integers(16, 24)
        image[y : y + side, x : x + side] = colour
        boxes.append((x, y, x + side, y + side))
    boxes = np.array(boxes, "float32")
    near = np.repeat(boxes, 12, axis=0) + random.uniform(-5, 5, (24, 4))
    low = random.uniform(0, (50, 30), (40, 2))
    far = np.concatenate([low, low + random.uniform(8, 30, (40, 2))], axis=1)
    return Example(image, boxes, np.array([0, 1]), np.concatenate([near, far]).astype("float32"))


def overlap(a, b):
    """IoU of two boxes."""
    shared = math.prod(max(0.0, min(a[i + 2], b[i + 2]) - max(a[i], b[i])) for i in (0, 1))
    return shared / (sum((x[2] - x[0]) * (x[3] - x[1]) for x in (a, b)) - shared)
