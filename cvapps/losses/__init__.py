"""Losses that Keras lacks, by task: Keras `Loss` classes, computed in float32 under every precision policy."""

from cvapps.losses.detection import GIoU, IoU
from cvapps.losses.embedding import Contrastive, LiftedStructure, NPairs, TripletHard, TripletSemiHard

__all__ = ["Contrastive", "GIoU", "IoU", "LiftedStructure", "NPairs", "TripletHard", "TripletSemiHard"]
