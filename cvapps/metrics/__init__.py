"""Metrics that Keras lacks, by task: accumulated over a data set, as Keras' `Metric` classes where that serves."""

from cvapps.metrics.boundaries import BoundaryScores, boundary_counts, boundary_scores, suppress, thin
from cvapps.metrics.depth import DepthErrors
from cvapps.metrics.segmentation import (
    ConfusionMatrix,
    FrequencyWeightedIoU,
    MeanAccuracy,
    MeanIoU,
    PixelAccuracy,
    class_iou,
)

__all__ = [
    "BoundaryScores",
    "ConfusionMatrix",
    "DepthErrors",
    "FrequencyWeightedIoU",
    "MeanAccuracy",
    "MeanIoU",
    "PixelAccuracy",
    "boundary_counts",
    "boundary_scores",
    "class_iou",
    "suppress",
    "thin",
]
