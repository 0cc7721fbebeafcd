"""Losses of boundary maps: int (N, H, W), 1 on a boundary, 0 beside it, IGNORE where it doesn't count."""

import keras
from keras import ops

from cvapps.losses.segmentation import IGNORE, MapLoss, check_maps


@keras.saving.register_keras_serializable("cvapps")
class ClassBalancedCrossentropy(MapLoss):
    """Boundaries and the rest weigh the same: labels (N, H, W), logits (N, H, W, 1) or {name: logits} -> scalar.

    Xie & Tu 2015, arXiv:1504.06375, equations 2 to 4: with b the part of a picture's pixels that is no boundary,
    -b log p on boundaries and -(1 - b) log(1 - p) beside them, summed over the outputs. A picture of one class alone
    costs nothing, as one without a pixel that counts. `sample_weight` (N, H, W) counts a pixel more or less. A label
    that is none of the three gives NaN. The values per picture that `reduction=None` gives have this mean.
    Deviation: the mean over a picture's pixels, where the paper has the sum, so that a rate fits pictures of any size:
    the paper's 1e-6 is 0.15 for the 321 x 481 pixels of its pictures.
    Raises ValueError for maps that don't lie on each other.
    """

    def __init__(self, name="class_balanced_crossentropy", **kwargs):
        super().__init__(name=name, **kwargs)

    def call(self, y_true, y_pred):
        """{"labels": (N, H, W), "weights": (N, H, W) if any}, logits -> (N,)."""
        labels, weights = y_true["labels"], y_true.get("weights")
        outputs = y_pred if isinstance(y_pred, dict) else {"logits": y_pred}
        for name, logits in outputs.items():
            _check(name, labels, weights, logits)
        counted = 1.0 if weights is None else weights
        boundary = ops.where(labels == 1, counted, 0)
        beside = ops.where(labels == 0, counted, 0)
        boundaries, others = (ops.sum(part, axis=(1, 2), keepdims=True) for part in (boundary, beside))
        total = boundaries + others
        balance = boundary * ops.divide_no_nan(others, total) + beside * ops.divide_no_nan(boundaries, total)
        balance = ops.divide_no_nan(balance, total)
        known = (labels == 0) | (labels == 1) | (labels == IGNORE)
        balance = ops.where(known, balance, float("nan"))
        wrong = ops.where(labels == 1, -1.0, 1.0)
        costs = (ops.softplus(wrong * logits[..., 0]) * balance for logits in outputs.values())
        return sum(ops.sum(cost, axis=(1, 2)) for cost in costs)


def _check(name, labels, weights, logits):
    shape = tuple(logits.shape)
    if len(shape) != 4 or shape[-1] != 1:
        raise ValueError(f"expected one logit for each pixel, (N, H, W, 1), for {name}, not {shape}")
    check_maps(name, labels, weights, logits)
