"""Metrics that Keras lacks, by task: Keras `Metric` classes, accumulated over a whole data set."""

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
    "ConfusionMatrix",
    "DepthErrors",
    "FrequencyWeightedIoU",
    "MeanAccuracy",
    "MeanIoU",
    "PixelAccuracy",
    "class_iou",
]
"""Metrics that Keras lacks, by task."""

from cvapps.metrics.boundaries import BoundaryScores, boundary_counts, boundary_scores, suppress, thin

__all__ = ["BoundaryScores", "boundary_counts", "boundary_scores", "suppress", "thin"]
