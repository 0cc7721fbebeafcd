"""Brightness, contrast, colour and sharpness as Pillow's ImageEnhance defines them: a blend with a duller picture.

Every function maps float32 [H, W, 3] in 0..255 to the same; factor 1 changes nothing, 0 gives the dull picture, more
than 1 goes beyond the original. Pillow cuts the result to integers; here it stays exact.
"""

import tensorflow as tf

GREY = (19595 / 65536, 38470 / 65536, 7471 / 65536)  # ITU-R 601 luma in Pillow's 16-bit weights


def grey(image: tf.Tensor) -> tf.Tensor:
    """Luma: [H, W, 3] -> [H, W, 1]."""
    return tf.reduce_sum(image * GREY, -1, keepdims=True)


def blend(dull: tf.Tensor, image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """dull + factor * (image - dull), cut to 0..255."""
    return tf.clip_by_value(dull + factor * (image - dull), 0, 255)


def brightness(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Dull is black."""
    return blend(tf.zeros_like(image), image, factor)


def contrast(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Dull is the mean luma everywhere."""
    return blend(tf.fill(tf.shape(image), tf.reduce_mean(grey(image))), image, factor)


def color(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Dull is the picture in grey."""
    return blend(tf.repeat(grey(image), 3, -1), image, factor)


def sharpness(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Dull is smoothed by (1 1 1, 1 5 1, 1 1 1) / 13, but for the outermost pixels."""
    kernel = tf.constant([[1, 1, 1], [1, 5, 1], [1, 1, 1]], tf.float32) / 13
    kernel = tf.tile(kernel[..., None, None], (1, 1, 3, 1))
    smooth = tf.nn.depthwise_conv2d(image[None], kernel, (1, 1, 1, 1), "SAME")[0]
    rows, columns = (tf.range(tf.shape(image)[axis]) for axis in (0, 1))
    inner = _inner(rows)[:, None] & _inner(columns)[None]
    return blend(tf.where(inner[..., None], smooth, image), image, factor)


def _inner(numbers: tf.Tensor) -> tf.Tensor:
    """True but for the first and the last of 0..n-1: int32 [n] -> bool [n]."""
    return (numbers > 0) & (numbers < tf.size(numbers) - 1)
