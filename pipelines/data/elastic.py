"""Elastic deformation of a picture and its map together, "elastic(10, 3)".

Ronneberger et al. 2015, arXiv:1505.04597, section 3.1: a displacement is drawn for each point of a coarse grid from a
Gaussian, and interpolated bicubically to one for each pixel. The grid's outer points lie on the picture's outermost
pixels, and the interpolation is the cubic spline through the points, mirrored at the edges. What lies beyond the
picture is its mirror image, as in the paper's Figure 2, so no pixel is without a label.
"""

import numpy as np
import tensorflow as tf


def spline(length: tf.Tensor, grid: int) -> tf.Tensor:
    """How much of each of `grid` values is in each place of the cubic spline through them: -> float32 [length, grid].

    The values stand at even distances, the first and the last at the ends, and are continued by their mirror images.
    """
    if grid == 1:
        return tf.ones([length, 1])
    # row i of `through`: what the spline with given coefficients is at point i, a sixth of each neighbour
    through = np.diag(np.full(grid, 4 / 6))
    for i in range(grid):
        for neighbour in (i - 1, i + 1):
            through[i, _mirror(neighbour, grid)] += 1 / 6
    place = tf.linspace(0.0, float(grid - 1), length)
    weights = tf.zeros([length, grid])
    for j in range(-1, grid + 1):
        t = tf.abs(place - float(j))
        near = 2 / 3 - t**2 + t**3 / 2
        far = tf.maximum(2 - t, 0) ** 3 / 6
        weights += tf.where(t < 1, near, far)[:, None] * tf.one_hot(_mirror(j, grid), grid)
    return weights @ tf.constant(np.linalg.inv(through), tf.float32)


def _mirror(i: int, length: int) -> int:
    """The place of a mirror image one place beyond the ends."""
    return length - 1 - abs(length - 1 - abs(i))


def displacements(size: tf.Tensor, points: tf.Tensor) -> tf.Tensor:
    """Those of a coarse grid interpolated to each pixel: int32 [2], float32 [g, g, 2] -> float32 [H, W, 2]."""
    grid = points.shape[0]
    return tf.einsum("yi,xj,ijc->yxc", spline(size[0], grid), spline(size[1], grid), points)


def _reflect(place: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
    """Fractional places folded into 0 to length - 1; neither end is repeated."""
    last = tf.cast(length - 1, tf.float32)
    folded = tf.math.floormod(place, tf.maximum(2 * last, 1))
    return tf.minimum(folded, tf.maximum(2 * last - folded, 0))


def moved(image: tf.Tensor, target: tf.Tensor, displacement: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Each pixel from where its displacement points: the picture bilinearly, the map from the nearest pixel.

    float32 [H, W, 3], [H, W, ...] of any type, float32 [H, W, 2] down and right -> the same.
    """
    height, width = tf.unstack(tf.shape(image)[:2])
    y = _reflect(tf.range(height, dtype=tf.float32)[:, None] + displacement[..., 0], height)
    x = _reflect(tf.range(width, dtype=tf.float32)[None] + displacement[..., 1], width)
    top, left = tf.cast(tf.floor(y), tf.int32), tf.cast(tf.floor(x), tf.int32)
    down, right = (y - tf.floor(y))[..., None], (x - tf.floor(x))[..., None]

    def read(values: tf.Tensor, row: tf.Tensor, column: tf.Tensor) -> tf.Tensor:
        """The values at whole places."""
        return tf.gather_nd(values, tf.stack([tf.minimum(row, height - 1), tf.minimum(column, width - 1)], -1))

    upper = (1 - right) * read(image, top, left) + right * read(image, top, left + 1)
    lower = (1 - right) * read(image, top + 1, left) + right * read(image, top + 1, left + 1)
    nearest = read(target, tf.cast(tf.floor(y + 0.5), tf.int32), tf.cast(tf.floor(x + 0.5), tf.int32))
    return (1 - down) * upper + down * lower, nearest


def elastic(
    image: tf.Tensor, target: tf.Tensor, seed: tf.Tensor, deviation: float = 10.0, grid: int = 3
) -> tuple[tf.Tensor, tf.Tensor]:
    """Deformed by displacements of a `grid` x `grid` net, Gaussian with a deviation of so many pixels.

    float32 [H, W, 3], [H, W, ...] of any type, int [2] -> the same. Raises ValueError for a negative deviation and for
    a grid of less than one point.
    """
    if deviation < 0 or grid < 1:
        raise ValueError(f"expected a deviation of at least 0 and a grid of at least 1, not {deviation} and {grid}")
    points = tf.random.stateless_normal([grid, grid, 2], seed, stddev=deviation)
    return moved(image, target, displacements(tf.shape(image)[:2], points))
