"""Metrics that Keras lacks, by task, accumulated over a data set: Keras' `Metric` classes where that form serves."""

from cvapps.metrics.boundaries import BoundaryScores, boundary_counts, boundary_scores, suppress, thin
from cvapps.metrics.depth import DepthErrors
from cvapps.metrics.detection import CocoAP
from cvapps.metrics.instances import Detections, Objects
from cvapps.metrics.segmentation import (
    ConfusionMatrix,
    FrequencyWeightedIoU,
    MeanAccuracy,
    MeanIoU,
    PixelAccuracy,
    class_iou,
)
from cvapps.metrics.voc import VocAP

__all__ = [
    "BoundaryScores",
    "CocoAP",
    "ConfusionMatrix",
    "DepthErrors",
    "Detections",
    "FrequencyWeightedIoU",
    "MeanAccuracy",
    "MeanIoU",
    "Objects",
    "PixelAccuracy",
    "VocAP",
    "boundary_counts",
    "boundary_scores",
    "class_iou",
    "suppress",
    "thin",
]
