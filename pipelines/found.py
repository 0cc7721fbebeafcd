"""What a detector answers of one picture, as the arrays that scores and pictures of boxes take."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from cvapps.metrics.instances import Detections
from cvapps.ops.regions import paste_masks

AT_ONCE = 1 << 24  # pixels of masks in memory as floats
CERTAIN = 0.5  # the probability from which a pixel belongs to the object


def found_in(answer: Mapping[str, Any], size: tuple[int, int]) -> Detections:
    """{"boxes": (D, 4), "scores": (D,), "classes": (D,), perhaps "masks": (D, M, M)} of a picture of height and width.

    Masks are probabilities laid over their boxes, and bool (P, H, W) afterwards; rows of class -1 are gone.
    """
    classes = np.asarray(answer["classes"])
    boxes, scores = (np.asarray(answer[name])[classes >= 0] for name in ("boxes", "scores"))
    masks = None
    if "masks" in answer:
        masks = pasted(np.asarray(answer["masks"])[classes >= 0], boxes, size)
    return Detections(boxes, scores, classes[classes >= 0], masks)


def pasted(masks: np.ndarray, boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Probabilities laid over boxes -> bool masks in the picture's frame: (P, M, M), (P, 4) -> (P, H, W)."""
    pictures = np.zeros((len(masks), *size), bool)
    step = max(1, AT_ONCE // (size[0] * size[1]))
    for first in range(0, len(masks), step):
        some = slice(first, first + step)
        pictures[some] = keras.ops.convert_to_numpy(paste_masks(masks[some], boxes[some], *size)) > CERTAIN
    return pictures
