"""What is done to an ascent's values after a step, so that they stay like a picture.

Yosinski et al. 2015, arXiv:1506.06579, section 3: decay, blur, pixels of small norm, pixels of small contribution. The
values are differences from a mean, so that zero is the mean picture. Total variation is in total_variation.py.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

# (values (N, H, W, C), the gradient at the values before the step, the step's number from 0) -> values
Regularizer = Callable[[Any, Any, Any], Any]


def decay(part: float) -> Regularizer:
    """Takes a part of every value away: (N, ...) -> (N, ...). "L2 decay" of section 3."""
    return lambda values, gradient, step: (1 - part) * values


def every(steps: int, regularizer: Regularizer) -> Regularizer:
    """The regularizer at step 0 and each so many steps."""
    return lambda values, gradient, step: ops.where(step % steps == 0, regularizer(values, gradient, step), values)


def gaussian_blur(deviation: float) -> Regularizer:
    """Convolves with a Gaussian of that deviation in pixels: (N, H, W, C) -> (N, H, W, C).

    Four deviations long to each side, and beyond the border the picture goes on as in a mirror.
    """
    reach = round(4 * deviation)
    window = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    window /= window.sum()

    def along(values, axis):
        # as a product with a matrix, because a mirror may be met several times where the picture is small
        size = values.shape[axis]
        places = np.arange(size)[:, None] + np.arange(-reach, reach + 1)
        folded = places % (2 * size)
        folded = np.minimum(folded, 2 * size - 1 - folded)
        matrix = np.zeros((size, size))
        np.add.at(matrix, (np.arange(size)[:, None], folded), window)
        return ops.einsum(
            ("hk,nkwc->nhwc", "wk,nhkc->nhwc")[axis - 1], ops.convert_to_tensor(matrix, "float32"), values
        )

    return lambda values, gradient, step: along(along(values, 1), 2)


def clip_small_norm(percentile: float) -> Regularizer:
    """Sets the pixels whose norm over the channels is below the picture's percentile to 0: (N, H, W, C) -> same."""
    return lambda values, gradient, step: _kept(values, ops.sqrt(ops.sum(ops.square(values), -1)), percentile)


def clip_small_contribution(percentile: float) -> Regularizer:
    """Sets the pixels that matter least to the objective to 0: (N, H, W, C) -> (N, H, W, C).

    How much it would change without a pixel is, to first order, |Σ over the channels of value times gradient|.
    """
    return lambda values, gradient, step: _kept(values, ops.abs(ops.sum(values * gradient, -1)), percentile)


def _kept(values: Any, measures: Any, percentile: float) -> Any:
    """Values (N, H, W, C) where the measure (N, H, W) reaches the picture's percentile, elsewhere 0."""
    least = ops.quantile(ops.reshape(measures, (measures.shape[0], -1)), percentile / 100, axis=1)
    return ops.where((measures >= least[:, None, None])[..., None], values, 0.0)
