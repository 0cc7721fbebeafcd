"""Metrics that Keras lacks, by task: Keras `Metric` classes, accumulated over a whole data set."""

from cvapps.metrics.segmentation import (
    ConfusionMatrix,
    FrequencyWeightedIoU,
    MeanAccuracy,
    MeanIoU,
    PixelAccuracy,
    class_iou,
)

__all__ = ["ConfusionMatrix", "FrequencyWeightedIoU", "MeanAccuracy", "MeanIoU", "PixelAccuracy", "class_iou"]
"""Measures of what Keras has no metric for, by task."""
