"""The numbers of R-CNN.

Girshick et al. 2013, arXiv:1311.2524, sections 2.1 to 2.3 and appendices A to C; the constants that the paper leaves
open are those of the authors' code, rbgirshick/rcnn.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """The paper's numbers: `svm_layer` and `box_layer` are AlexNet's names of the layers that are read."""

    svm_layer: str = "fc7_relu"
    box_layer: str = "pool5"
    context: int = 16  # pixels of the warped region that show what is around the box
    fill: tuple[float, float, float] = (123.675, 116.28, 103.53)  # beyond the picture: the mean pixel
    foreground: float = 0.5  # overlap of a region that has the object's class in fine-tuning
    positives: int = 32
    negatives: int = 96
    unlike: float = 0.3  # overlap below which a region is a negative of the class's machine
    norm: float = 20.0  # that the features have on average
    cost: float = 1e-3  # of a margin's violation
    positive_cost: float = 2.0  # times as much for an object
    bias: float = 10.0  # the feature that stands for the intercept
    hard: float = -1.0001  # scores of negatives that are added
    easy: float = -1.2  # scores of negatives that are dropped
    retrain: int = 2000  # negatives that are added before the next training
    regressed: float = 0.6  # overlap above which a region teaches the regressor
    ridge: float = 1000.0
    overlap: float = 0.3  # that suppresses
    per_class: int = 100  # candidates of a class before suppression
    count: int = 100  # boxes in an answer
