"""Loss of depth maps: float metres (N, H, W), where 0 is unknown and doesn't count."""

import keras
from keras import ops

from cvapps.registry import check_type

LEAST = 1e-6  # metres; keeps the logarithm of a prediction finite


def at_outputs(target, output):
    """The truth where a network's outputs stand: (N, H, W), (N, h, w, 1) -> (N, h, w).

    Every (H // h)th row and (W // w)th column, as many left out on both sides: outputs 55 of 228 rows stand for rows 5,
    9, ..., 221, and 109 for 5, 7, ..., 221, as the authors of arXiv:1406.2283 have it. Nothing is averaged, so unknown
    pixels stay alone. Raises ValueError for other ranks, and for a map that is smaller than the output.
    """
    shape, places = tuple(target.shape), tuple(output.shape)
    fits = len(shape) == 3 and len(places) == 4 and places[-1] == 1
    sides = [] if not fits else [*zip(shape[1:], places[1:3], strict=True)]
    if not fits or any(None not in pair and pair[0] < pair[1] for pair in sides):
        raise ValueError(
            f"expected metres (N, H, W) and predictions (N, h, w, 1), h at most H and w at most W; not {shape} and "
            f"{places}"
        )
    sizes, counts = ops.shape(target)[1:], ops.shape(output)[1:3]
    (down, top), (right, left) = map(_step_and_first, sizes, counts)
    return target[:, top::down, left::right][:, : counts[0], : counts[1]]


def _step_and_first(size, count):
    """How far apart `count` of `size` places lie, and the first, where as many are left out on both sides."""
    step = size // count
    return step, (size - 1 - (count - 1) * step) // 2


def log_difference(metres, predicted):
    """Differences of logarithms, prediction minus truth, and which are known: (N, h, w) twice -> both float (N, h, w).

    The difference is 0 where the truth is unknown: not above 0, or no finite number.
    """
    known = ops.logical_and(metres > 0, metres < float("inf"))
    truth = ops.log(ops.where(known, metres, 1))
    difference = ops.where(known, ops.log(ops.maximum(predicted, LEAST)) - truth, 0)
    return difference, ops.cast(known, difference.dtype)


@keras.saving.register_keras_serializable("cvapps")
class ScaleInvariantLog(keras.losses.Loss):
    """How far logarithms of depths lie apart: metres (N, H, W) or 0, predicted metres (N, h, w, 1) -> (N,).

    With d = log y - log y* over an image's n known pixels, mean d^2 - balance (mean d)^2: Eigen et al. 2014,
    arXiv:1406.2283, equation 4, whose lambda is `balance`; with 1 a factor on all predictions changes nothing. `local`
    times the sum of the squared differences of d between neighbours below and beside, over n, is added: Eigen & Fergus
    2014, arXiv:1411.4734, equation 1, has 1 there. `sample_weight`, (N,) or (N, h, w) or (N, H, W), weights the means.
    The truth is taken where outputs stand (`at_outputs`). An image without a known pixel gives 0. Raises ValueError for
    maps that don't fit each other, and for a balance outside [0, 1].
    """

    def __init__(self, balance: float = 0.5, local: float = 0.0, name="scale_invariant_log", **kwargs):
        super().__init__(name=name, **kwargs)
        check_type(f"{name}'s balance", balance, float)
        check_type(f"{name}'s local", local, float)
        if not 0 <= balance <= 1:
            raise ValueError(f"{name}'s balance must be in [0, 1], not {balance}")
        self.balance = balance
        self.local = local

    def __call__(self, y_true, y_pred, sample_weight=None):
        """Metres, predictions, weights of images or pixels -> scalar."""
        if sample_weight is None or len(sample_weight.shape) == 1:
            return super().__call__({"metres": y_true}, y_pred, sample_weight)
        return super().__call__({"metres": y_true, "weights": sample_weight}, y_pred)

    def call(self, y_true, y_pred):
        """{"metres": (N, H, W), "weights": (N, H, W) if any}, (N, h, w, 1) -> (N,)."""
        d, counted = log_difference(at_outputs(y_true["metres"], y_pred), y_pred[..., 0])
        if "weights" in y_true:
            counted = counted * at_outputs(y_true["weights"], y_pred)
        n = ops.sum(counted, axis=(1, 2))

        def mean(x):
            return ops.divide_no_nan(ops.sum(x, axis=(1, 2)), n)

        loss = mean(counted * ops.square(d)) - self.balance * ops.square(mean(counted * d))
        below = counted[:, 1:] * counted[:, :-1] * ops.square(d[:, 1:] - d[:, :-1])
        beside = counted[:, :, 1:] * counted[:, :, :-1] * ops.square(d[:, :, 1:] - d[:, :, :-1])
        return loss + self.local * (mean(below) + mean(beside))

    def get_config(self):
        """The constructor's settings."""
        return {**super().get_config(), "balance": self.balance, "local": self.local}
