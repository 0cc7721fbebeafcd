"""The errors of depth maps that Eigen et al. 2014, arXiv:1406.2283, Table 1 lists, over all known pixels together.

With y the prediction and y* the truth in metres, T all pixels of all images whose depth is known: the part of T with
max(y / y*, y* / y) < 1.25, 1.25^2, 1.25^3; the means of |y - y*| / y* and of (y - y*)^2 / y*; the roots of the means of
(y - y*)^2, of (log y - log y*)^2 and, scale-invariant, of (log y - log y* - the image's own mean of that)^2.
"""

import keras
from keras import ops

from cvapps.losses.depth import LEAST, at_outputs, log_difference

MEANS = ("below_125", "below_156", "below_195", "abs_rel", "sqr_rel")  # 1.25, its square and its cube
ROOTS = ("rmse", "rmse_log", "rmse_scale_invariant")


@keras.saving.register_keras_serializable("cvapps")
class DepthErrors(keras.metrics.Metric):
    """All eight numbers of MEANS and ROOTS: metres (N, H, W) or 0, predicted metres (N, h, w, 1) -> {name: value}.

    The truth is taken where a network's outputs stand (`cvapps.losses.depth.at_outputs`). `sample_weight`, (N,) or
    (N, H, W), leaves out what it gives 0; another weight is as good as 1. Before the first known pixel each number is
    0. Raises ValueError for maps that don't fit each other.
    """

    def __init__(self, name="depth_errors", **kwargs):
        super().__init__(name=name, **kwargs)
        self.sums = self.add_variable((len(MEANS) + len(ROOTS),), "zeros", dtype="float32", name="sums")
        self.pixels = self.add_variable((), "zeros", dtype="float32", name="pixels")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds the known pixels of metres (N, H, W) against predictions (N, h, w, 1)."""
        output = ops.cast(ops.convert_to_tensor(y_pred), "float32")
        truth = ops.cast(ops.convert_to_tensor(y_true), "float32")
        if sample_weight is not None:
            weight = ops.convert_to_tensor(sample_weight)
            weight = ops.reshape(weight, (-1, 1, 1)) if len(weight.shape) == 1 else weight
            truth = ops.where(ops.not_equal(weight, 0), truth, 0)
        truth, y = at_outputs(truth, output), ops.maximum(output[..., 0], LEAST)
        d, known = log_difference(truth, y)
        truth = ops.where(known > 0, truth, 1)
        difference = y - truth
        ratio = ops.exp(ops.abs(d))
        mean = ops.divide_no_nan(ops.sum(d, axis=(1, 2)), ops.sum(known, axis=(1, 2)))
        numbers = [
            *(ops.cast(ratio < 1.25**power, "float32") for power in (1, 2, 3)),
            ops.abs(difference) / truth,
            ops.square(difference) / truth,
            ops.square(difference),
            ops.square(d),
            ops.square(d - mean[:, None, None]),
        ]
        self.sums.assign(self.sums + ops.stack([ops.sum(known * x) for x in numbers]))
        self.pixels.assign(self.pixels + ops.sum(known))

    def result(self):
        """{name: value} over the pixels so far."""
        means = ops.divide_no_nan(self.sums, self.pixels)
        values = {name: means[i] for i, name in enumerate((*MEANS, *ROOTS))}
        return {name: ops.sqrt(value) if name in ROOTS else value for name, value in values.items()}
