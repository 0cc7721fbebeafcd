"""Total variation taken out of a picture: edges stay, what flickers between them goes.

Rudin, Osher & Fatemi 1992, doi:10.1016/0167-2789(92)90242-F, solved by Chambolle 2004,
doi:10.1023/B:JMIV.0000011325.36760.1e, section 3.
"""

import numpy as np
from keras import ops

from cvapps.visualization.regularizers import Regularizer

ITERATIONS = 20
RATE = 0.25  # of the dual ascent, the largest that converges in two dimensions


def total_variation(first: float, last: float, steps: int) -> Regularizer:
    """Denoises after every step: (N, H, W, C) -> (N, H, W, C), in grey levels, each channel alone.

    The weight goes from `first` to `last` over the steps as the inverse of a line, because authors state its inverse,
    the fidelity; after the steps it stays at `last`.
    """

    def denoise(values, gradient, step):
        part = ops.minimum(ops.cast(step, "float32") / steps, 1.0)
        return denoised(values, 1 / ((1 - part) / first + part / last))

    return denoise


def denoised(x, weight):
    """argmin over u of |u - x|² / 2 + weight · TV(u), nearly: (N, H, W, C) -> (N, H, W, C). `weight` is positive."""
    down = across = ops.zeros_like(x)
    for _ in range(ITERATIONS):
        left = _divergence(down, across) - x / weight
        by_row, by_column = _differences(left)
        size = 1 + RATE * ops.sqrt(by_row**2 + by_column**2)
        down, across = (down + RATE * by_row) / size, (across + RATE * by_column) / size
    return x - weight * _divergence(down, across)


def _differences(x):
    """To the next row and to the next column, 0 at the end: (N, H, W, C) -> two (N, H, W, C)."""
    rows, columns = ops.diff(x, axis=1), ops.diff(x, axis=2)
    return ops.pad(rows, ((0, 0), (0, 1), (0, 0), (0, 0))), ops.pad(columns, ((0, 0), (0, 0), (0, 1), (0, 0)))


def _divergence(down, across):
    """The negative adjoint of the differences: two (N, H, W, C) -> (N, H, W, C)."""
    tall, wide = down.shape[1], across.shape[2]
    down = down * ops.convert_to_tensor((np.arange(tall) < tall - 1).astype("float32")[:, None, None])
    across = across * ops.convert_to_tensor((np.arange(wide) < wide - 1).astype("float32")[:, None])
    rows = down - ops.pad(down[:, :-1], ((0, 0), (1, 0), (0, 0), (0, 0)))
    return rows + across - ops.pad(across[:, :, :-1], ((0, 0), (0, 0), (1, 0), (0, 0)))
