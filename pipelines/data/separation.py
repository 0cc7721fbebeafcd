"""Weights of pixels that make a network learn the borders between touching cells.

Ronneberger et al. 2015, arXiv:1505.04597, equation 2: w(x) = w_c(x) + w0 exp(-(d1 + d2)^2 / (2 sigma^2)), where d1 and
d2 are the distances to the nearest and the second nearest cell. The paper doesn't say how w_c balances the classes:
here by the inverse of their parts in the picture, so that its mean is 1. The second term is for pixels of background,
the only ones that separate cells; in the paper's Figure 3d too it is zero inside the cells.
"""

import math

import numpy as np
import scipy.ndimage
import tensorflow as tf

from cvapps.losses import IGNORE


def cells_of(mask: np.ndarray) -> np.ndarray:
    """Numbers from 1 for the parts of class 1 that touch along rows and columns, -1 for IGNORE: (H, W) -> int32 (H, W).

    Raises ValueError for a map that isn't 0, 1 and IGNORE.
    """
    other = np.setdiff1d(mask, (0, 1, IGNORE))
    if other.size:
        raise ValueError(f"expected a binary map of 0, 1 and {IGNORE} to find cells in, not one with {other[:5]}")
    return np.where(mask == IGNORE, -1, scipy.ndimage.label(mask == 1)[0]).astype(np.int32)


def class_weights(cells: np.ndarray) -> np.ndarray:
    """w_c: the classes cell and background weigh as much together as each other, 1 on average, of -1 none."""
    weights = np.zeros(cells.shape)
    classes = [mask for mask in (cells == 0, cells > 0) if mask.any()]
    for mask in classes:
        weights[mask] = (cells >= 0).sum() / (len(classes) * mask.sum())
    return weights


def separation_weights(cells: np.ndarray, w0: float = 10.0, sigma: float = 5.0) -> np.ndarray:
    """Equation 2: int (H, W), 0 background, from 1 on the cells, negative ignored -> float32 (H, W), 0 where ignored.

    Distances are from pixel to pixel, in pixels. Where there are fewer than two cells only w_c is left, and of a map
    that is ignored nothing. Raises ValueError for another shape, for floats, and for w0 < 0 or sigma <= 0.
    """
    cells = np.asarray(cells)
    if cells.ndim != 2 or cells.dtype.kind not in "iu":
        raise ValueError(f"expected a map (height, width) of whole numbers, not {cells.shape} of {cells.dtype}")
    if w0 < 0 or sigma <= 0:
        raise ValueError(f"expected w0 >= 0 and sigma > 0, not {w0} and {sigma}")
    cells = cells.astype(np.int64)
    weights = class_weights(cells)
    # a second cell further away adds less than float32's rounding of 1, so each is looked for only so far around
    reach = math.ceil(sigma * math.sqrt(2 * math.log(max(w0, 1) * 2**24)))
    near, second = np.full((2, *cells.shape), np.inf)
    numbers = np.where(cells > 0, np.unique(cells, return_inverse=True)[1].reshape(cells.shape) + 1, 0)
    boxes = scipy.ndimage.find_objects(numbers) if cells.size else []
    for number, box in enumerate(boxes, start=1):
        if box is None:  # a place among the numbers that background or ignored pixels have
            continue
        around = tuple(slice(max(side.start - reach, 0), side.stop + reach) for side in box)
        distance = scipy.ndimage.distance_transform_edt(numbers[around] != number)
        second[around] = np.minimum(second[around], np.maximum(near[around], distance))
        near[around] = np.minimum(near[around], distance)
    between = w0 * np.exp(-((near + second) ** 2) / (2 * sigma**2))
    return (weights + np.where(cells == 0, between, 0)).astype("float32")


def separation(target: tf.Tensor, w0: float = 10.0, sigma: float = 5.0) -> tf.Tensor:
    """`separation_weights` of a binary map's cells in a tf.data graph: int32 [H, W] -> float32 [H, W].

    Python computes it, in a tenth of a second for 512x512, so it is for training alone, behind what moves the map.
    """
    weights = tf.numpy_function(
        lambda mask: separation_weights(cells_of(mask), w0, sigma), [target], tf.float32, stateful=False
    )
    return tf.ensure_shape(weights, target.shape)
