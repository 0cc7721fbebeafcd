"""Losses that Keras lacks, by task: Keras `Loss` classes, computed in float32 under every precision policy."""

from cvapps.losses.boundary import BoundaryAwareCrossentropy
from cvapps.losses.depth import ScaleInvariantLog
from cvapps.losses.detection import GIoU, IoU
from cvapps.losses.edges import ClassBalancedCrossentropy
from cvapps.losses.embedding import Contrastive, LiftedStructure, NPairs, TripletHard, TripletSemiHard
from cvapps.losses.ghm import GHMC, GHMR
from cvapps.losses.object_masks import ObjectMask
from cvapps.losses.segmentation import IGNORE, SegmentationCrossentropy, label_counts, median_frequency_weights

__all__ = [
    "GHMC",
    "GHMR",
    "IGNORE",
    "BoundaryAwareCrossentropy",
    "ClassBalancedCrossentropy",
    "Contrastive",
    "GIoU",
    "IoU",
    "LiftedStructure",
    "NPairs",
    "ObjectMask",
    "ScaleInvariantLog",
    "SegmentationCrossentropy",
    "TripletHard",
    "TripletSemiHard",
    "label_counts",
    "median_frequency_weights",
]
