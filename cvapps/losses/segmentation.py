"""Losses of label maps: int (N, H, W), where a pixel of IGNORE is of no class and doesn't count."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from cvapps.registry import check_type

IGNORE = 255


class MapLoss(keras.losses.Loss):
    """A loss whose `call` takes {"labels", and "weights" where pixels have some} and a model's whole output."""

    def __call__(self, y_true, y_pred, sample_weight=None):
        """Labels, logits, weights of pixels -> scalar."""
        targets = {"labels": y_true} if sample_weight is None else {"labels": y_true, "weights": sample_weight}
        return super().__call__(targets, y_pred)


def check_maps(name, labels, weights, logits):
    """Raises ValueError unless labels, and weights if any, (N, H, W), lie on the output `name`, (N, H, W, C)."""
    places = tuple(logits.shape[:-1])
    for what, x in (("labels", labels), ("sample weights", weights)):
        if x is None:
            continue
        shape = tuple(x.shape)
        pairs = zip(shape, places, strict=True) if len(shape) == len(places) == 3 else [(0, 1)]
        if any(a != b for a, b in pairs if a is not None and b is not None):
            raise ValueError(f"expected {what} of {places} for {name} of {tuple(logits.shape)}, not {shape}")


@keras.saving.register_keras_serializable("cvapps")
class SegmentationCrossentropy(MapLoss):
    """Softmax of each pixel: labels (N, H, W), logits (N, H, W, C) or {"logits": ..., others} -> scalar.

    The mean over the pixels that are not IGNORE of -w log p, with a class's weight w from `class_weights` (Eigen &
    Fergus 2014, arXiv:1411.4734) and `sample_weight` (N, H, W) as the weights of the mean: a pixel of weight 0 doesn't
    count either. Further outputs of the model are judged by the same labels; their losses are added times
    `auxiliary_weight` (Zhao et al. 2016, arXiv:1612.01105). A batch without a pixel that counts gives 0, a label
    outside of the classes NaN. The values per picture that `reduction=None` gives have this mean.
    Raises ValueError for maps that don't lie on each other and where the weights aren't one for each class.
    """

    def __init__(
        self,
        class_weights: Sequence[float] | None = None,
        auxiliary_weight: float = 0.4,
        name="segmentation_crossentropy",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        check_type(f"{name}'s auxiliary_weight", auxiliary_weight, float)
        self.class_weights = None if class_weights is None else [float(w) for w in class_weights]
        self.auxiliary_weight = auxiliary_weight

    def call(self, y_true, y_pred):
        """{"labels": (N, H, W), "weights": (N, H, W) if any}, logits -> (N,)."""
        labels, weights = y_true["labels"], y_true.get("weights")
        outputs = y_pred if isinstance(y_pred, dict) else {"logits": y_pred}
        for name, logits in outputs.items():
            check_maps(name, labels, weights, logits)
            self._check_classes(logits)
        counted = self._counted(labels, weights)
        main, *others = (self._mean(self._pixels(labels, x, counted), counted) for x in outputs.values())
        return main + self.auxiliary_weight * sum(others) if others else main

    def _counted(self, labels, weights):
        """How much each pixel counts: (N, H, W), (N, H, W) or None -> (N, H, W)."""
        counted = ops.cast(labels != IGNORE, self.dtype)
        return counted if weights is None else counted * weights

    def _mean(self, losses, counted):
        """Each picture's part of the mean over what counts, which is the parts' mean: (N, H, W) twice -> (N,)."""
        pictures = ops.cast(ops.shape(losses)[0], self.dtype)
        return ops.sum(losses, axis=(1, 2)) * ops.divide_no_nan(pictures, ops.sum(counted))

    def _pixels(self, labels, logits, counted):
        """What each pixel costs times its weight: (N, H, W), (N, H, W, C), (N, H, W) -> (N, H, W)."""
        classes = logits.shape[-1]
        inside = (labels >= 0) & (labels < classes)
        known = ops.cast(ops.where(inside, labels, 0), "int32")
        losses = ops.sparse_categorical_crossentropy(known, logits, from_logits=True)
        if self.class_weights:
            losses = losses * ops.take(ops.convert_to_tensor(self.class_weights, dtype=self.dtype), known)
        losses = ops.where(inside | (labels == IGNORE), losses, float("nan"))
        return ops.where(counted > 0, losses * counted, 0)

    def _check_classes(self, logits):
        if self.class_weights and len(self.class_weights) != logits.shape[-1]:
            raise ValueError(
                f"expected a weight for each of the {logits.shape[-1]} classes, not {len(self.class_weights)} weights"
            )

    def get_config(self):
        """The constructor's settings."""
        own = {"class_weights": self.class_weights, "auxiliary_weight": self.auxiliary_weight}
        return {**super().get_config(), **own}


def label_counts(labels, num_classes: int):
    """How many pixels of a label map are of each class, IGNORE left out: int (H, W) -> int64 (num_classes,).

    Raises ValueError for a label that is neither a class nor IGNORE.
    """
    labels = np.asarray(labels)
    labels = labels[labels != IGNORE]
    wrong = labels[(labels < 0) | (labels >= num_classes)]
    if wrong.size:
        raise ValueError(f"expected labels from 0 to {num_classes - 1} or {IGNORE}, not {sorted(set(wrong.tolist()))}")
    return np.bincount(labels.ravel(), minlength=num_classes)


def median_frequency_weights(counts):
    """Weights that balance the classes: pixels of each class in each picture (pictures, classes) -> float64 (classes,).

    Eigen & Fergus 2014, arXiv:1411.4734: the median of all frequencies over the class's own, which is its pixels over
    all those of the pictures in which it occurs. A class that occurs nowhere gets 0 and isn't in the median.
    Raises ValueError for another shape and where no class occurs.
    """
    counts = np.asarray(counts, "float64")
    if counts.ndim != 2 or not counts.any():
        raise ValueError(f"expected counts of (pictures, classes), not all zero, not {counts.shape}")
    pixels = counts.sum(axis=0)
    around = (counts > 0).T @ counts.sum(axis=1)
    there = pixels > 0
    frequencies = pixels[there] / around[there]
    weights = np.zeros(counts.shape[1])
    weights[there] = np.median(frequencies) / frequencies
    return weights
