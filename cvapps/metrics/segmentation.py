"""Pixel accuracy, mean accuracy, mean IoU and frequency-weighted IoU over one accumulated confusion matrix.

Long, Shelhamer, Darrell 2014, arXiv:1411.4038, section 5: with n_ij the pixels of class i taken for class j and
t_i = sum_j n_ij, they are sum_i n_ii / sum_i t_i; the mean of n_ii / t_i; the mean of n_ii / (t_i + sum_j n_ji - n_ii);
and the same IoUs weighted by t_i. The sums run over the whole data set before anything is divided. A class that is
neither in the truth nor predicted has no IoU, one that isn't in the truth no accuracy: neither counts in a mean.
"""

import keras
import numpy as np
from keras import ops

from cvapps.backend import is_traced

BASE = 2**20  # of the two digits of a count


def class_iou(matrix) -> np.ndarray:
    """IoU of each class from a confusion matrix, rows the truth: (C, C) -> (C,), NaN where no pixel is."""
    matrix = np.asarray(matrix, "float64")
    right = np.diag(matrix)
    union = matrix.sum(axis=0) + matrix.sum(axis=1) - right
    return np.divide(right, union, out=np.full_like(union, np.nan), where=union > 0)


def _mean_over(present, values):
    """The mean of the values that are present, 0 where none is: (C,), (C,) -> ()."""
    present = ops.cast(present, values.dtype)
    return ops.divide_no_nan(ops.sum(values * present), ops.sum(present))


def _counts(matrix):
    """Pixels of each class: the right ones, its own, and its own with those taken for it: (C, C) -> three (C,)."""
    right, truth = ops.diagonal(matrix), ops.sum(matrix, axis=1)
    return right, truth, truth + ops.sum(matrix, axis=0) - right


def pixel_accuracy(matrix):
    """The part of all pixels that is right: (C, C) -> ()."""
    right, truth, _ = _counts(matrix)
    return ops.divide_no_nan(ops.sum(right), ops.sum(truth))


def mean_accuracy(matrix):
    """The part of a class's pixels that is right, averaged over the classes in the truth: (C, C) -> ()."""
    right, truth, _ = _counts(matrix)
    return _mean_over(truth > 0, ops.divide_no_nan(right, truth))


def mean_iou(matrix):
    """IoU averaged over the classes that are in the truth or predicted: (C, C) -> ()."""
    right, _, union = _counts(matrix)
    return _mean_over(union > 0, ops.divide_no_nan(right, union))


def frequency_weighted_iou(matrix):
    """IoU averaged over pixels by the class that they have: (C, C) -> ()."""
    right, truth, union = _counts(matrix)
    return ops.divide_no_nan(ops.sum(truth * ops.divide_no_nan(right, union)), ops.sum(truth))


SCORES = {
    "pixel_accuracy": pixel_accuracy,
    "mean_accuracy": mean_accuracy,
    "mean_iou": mean_iou,
    "frequency_weighted_iou": frequency_weighted_iou,
}


@keras.saving.register_keras_serializable("cvapps")
class ConfusionMatrix(keras.metrics.Metric):
    """All four scores of one matrix: classes (N, H, W), logits (N, H, W, C) or {"logits": ...} -> {name: score}.

    Pixels of class `ignore`, and those of `sample_weight` 0, (N,) or (N, H, W), don't count; another weight is as good
    as 1. Counts are exact up to 2^44 pixels in a cell. Before the first pixel that counts each score is 0.
    Raises ValueError for shapes that don't belong together and for a class outside [0, num_classes); a traced function
    can't raise, so such a class makes its scores NaN.
    """

    def __init__(self, num_classes: int, ignore: int = 255, name="confusion_matrix", **kwargs):
        super().__init__(name=name, **kwargs)
        if num_classes < 1 or 0 <= ignore < num_classes:
            raise ValueError(
                f"expected at least one class, and an ignored one that is none of them; not num_classes={num_classes} "
                f"and ignore={ignore}"
            )
        self.num_classes = num_classes
        self.ignore = ignore
        # float32 counts stop at 2^24, int32 has no kernels on some devices, JAX has no 64 bits: so a count is
        # high * BASE + low. The last is of classes that are none.
        shape = (num_classes**2 + 1,)
        self.high = self.add_variable(shape, "zeros", dtype="float32", name="high")
        self.low = self.add_variable(shape, "zeros", dtype="float32", name="low")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Counts the pixels of classes (N, H, W) against logits (N, H, W, C)."""
        logits = ops.convert_to_tensor(y_pred["logits"] if isinstance(y_pred, dict) else y_pred)
        truth = ops.convert_to_tensor(y_true)
        self._check(truth, logits)
        truth = ops.cast(truth, "int32")
        known = ops.not_equal(truth, self.ignore)
        if sample_weight is not None:
            weight = ops.convert_to_tensor(sample_weight)
            weight = ops.reshape(weight, (-1, 1, 1)) if len(weight.shape) == 1 else weight
            known = ops.logical_and(known, ops.not_equal(weight, 0))
        inside = ops.logical_and(truth >= 0, truth < self.num_classes)
        outside = ops.logical_and(known, ops.logical_not(inside))
        if not is_traced(outside) and ops.any(outside):
            found = np.unique(ops.convert_to_numpy(truth))
            raise ValueError(f"expected classes in [0, {self.num_classes}) or {self.ignore}, not {found.tolist()}")
        cells = self.num_classes**2
        cell = truth * self.num_classes + ops.cast(ops.argmax(logits, axis=-1), "int32")
        cell = ops.where(inside, cell, cells)
        cell = ops.reshape(ops.where(known, cell, cells + 1), (-1,))  # the last is dropped
        counts = ops.segment_sum(ops.ones_like(cell), cell, num_segments=cells + 2)[:-1]
        low = self.low + ops.cast(ops.mod(counts, BASE), "float32")
        carry = ops.floor(low / BASE)
        self.high.assign(self.high + ops.cast(ops.floor_divide(counts, BASE), "float32") + carry)
        self.low.assign(low - carry * BASE)

    def _check(self, truth, logits):
        """Raises ValueError unless there are logits of every class for each pixel's class."""
        map_shape, logits_shape = tuple(truth.shape), tuple(logits.shape)
        agree = all(None in pair or pair[0] == pair[1] for pair in zip(map_shape, logits_shape, strict=False))
        if len(map_shape) != 3 or len(logits_shape) != 4 or logits_shape[-1] != self.num_classes or not agree:
            raise ValueError(
                f"expected classes (N, H, W) and logits (N, H, W, {self.num_classes}), not {map_shape} and "
                f"{logits_shape}"
            )

    def matrix(self) -> np.ndarray:
        """The exact counts so far, rows the truth: int64 (C, C). Raises ValueError if a class was none."""
        high, low = (ops.convert_to_numpy(x).astype("int64") for x in (self.high, self.low))
        *cells, outside = high * BASE + low
        if outside:
            raise ValueError(f"{outside} pixels had a class outside [0, {self.num_classes}) that isn't {self.ignore}")
        return np.reshape(cells, (self.num_classes, self.num_classes))

    def _value(self, function):
        """A score of the counts in float32, or NaN if a class was none."""
        counts = self.high * BASE + self.low
        matrix = ops.reshape(counts[:-1], (self.num_classes, self.num_classes))
        return ops.where(counts[-1] > 0, float("nan"), function(matrix))

    def result(self):
        """{name: score} of SCORES."""
        return {name: self._value(function) for name, function in SCORES.items()}

    def get_config(self):
        """The constructor's settings."""
        return {**super().get_config(), "num_classes": self.num_classes, "ignore": self.ignore}


class _Score(ConfusionMatrix):
    """What the metrics of one number share: `score`, a key of SCORES, which is their name unless told otherwise."""

    score: str

    def __init__(self, num_classes: int, ignore: int = 255, name=None, **kwargs):
        super().__init__(num_classes, ignore, name or self.score, **kwargs)

    def result(self):
        """The score of the counts so far."""
        return self._value(SCORES[self.score])


@keras.saving.register_keras_serializable("cvapps")
class PixelAccuracy(_Score):
    """The part of all pixels whose class is right, in [0, 1]; counted as by `ConfusionMatrix`."""

    score = "pixel_accuracy"


@keras.saving.register_keras_serializable("cvapps")
class MeanAccuracy(_Score):
    """Accuracy within each class of the truth, averaged over them, in [0, 1]; counted as by `ConfusionMatrix`."""

    score = "mean_accuracy"


@keras.saving.register_keras_serializable("cvapps")
class MeanIoU(_Score):
    """IoU of each class that is in the truth or predicted, averaged over them; counted as by `ConfusionMatrix`."""

    score = "mean_iou"


@keras.saving.register_keras_serializable("cvapps")
class FrequencyWeightedIoU(_Score):
    """IoU of each class, averaged by its part of the truth's pixels; counted as by `ConfusionMatrix`."""

    score = "frequency_weighted_iou"
