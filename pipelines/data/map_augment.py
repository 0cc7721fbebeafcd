"""Augmentations of a picture and its map together: "random_scale_crop(0.5, 2.0)", "flip", "color_jitter(0.2)".

Each is a pure function of its arguments and a seed, int [2], as in `augment`. Pictures are float32 [H, W, 3] in 0..255,
maps int32 class numbers or float32 depths [H, W]. What moves pixels moves both, the picture by interpolation, the map
by the nearest pixel; pixels that come from outside are `outside(target)`.
"""

from collections.abc import Callable

import tensorflow as tf

from cvapps.losses import IGNORE
from pipelines.data import augment
from pipelines.data.augment import uniform
from pipelines.data.elastic import elastic
from pipelines.data.plan import Tables, fold_in

MEAN = (123.675, 116.28, 103.53)  # of ImageNet's pixels: what networks see as nothing


def outside(target: tf.Tensor) -> tf.Tensor:
    """What a map says of a pixel that has no truth: 255 of class numbers, 0 of depths."""
    return tf.constant(IGNORE, tf.int32) if target.dtype == tf.int32 else tf.constant(0.0)


def resize_both(image: tf.Tensor, target: tf.Tensor, sides: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Both to height and width `sides`, int32 [2]: the picture antialiased, the map by its nearest pixels."""
    image = tf.image.resize(image, sides, antialias=True)
    return image, tf.image.resize(target[..., None], sides, "nearest")[..., 0]


def random_scale_crop(
    image: tf.Tensor, target: tf.Tensor, seed: tf.Tensor, size: tuple[int, int], least: float = 0.5, most: float = 2.0
) -> tuple[tf.Tensor, tf.Tensor]:
    """A random part of `size` of both, enlarged by a factor from `least` to `most`: any [H, W, 3] -> [h, w, 3].

    Where the enlarged picture is smaller than `size`, what lies around it is the mean colour, and doesn't count.
    """
    factor = least + (most - least) * uniform([], seed)
    sides = tf.cast(tf.round(tf.cast(tf.shape(image)[:2], tf.float32) * factor), tf.int32)
    image, target = resize_both(image, target, tf.maximum(sides, 1))
    return random_crop(image, target, fold_in(seed, 1), size)


def random_crop(
    image: tf.Tensor, target: tf.Tensor, seed: tf.Tensor, size: tuple[int, int]
) -> tuple[tf.Tensor, tf.Tensor]:
    """A random part of `size` of both, padded where they are smaller: any [H, W, 3] -> [h, w, 3]."""
    missing = tf.maximum(tf.constant(size) - tf.shape(image)[:2], 0)
    before = missing // 2
    around = tf.stack([before, missing - before], -1)
    image = tf.pad(image - MEAN, tf.concat([around, [[0, 0]]], 0)) + MEAN
    target = tf.pad(target, around, constant_values=outside(target))
    room = tf.shape(image)[:2] - size
    first = tf.cast(uniform([2], seed) * tf.cast(room + 1, tf.float32), tf.int32)
    first = tf.minimum(first, room)
    image = tf.slice(image, tf.pad(first, [[0, 1]]), (*size, 3))
    return image, tf.slice(target, first, size)


def flip(image: tf.Tensor, target: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Both mirrored left to right, half of the time."""
    return tf.cond(
        uniform([], seed) < 0.5,
        lambda: (tf.reverse(image, [1]), tf.reverse(target, [1])),
        lambda: (image, target),
    )


def flip_vertically(image: tf.Tensor, target: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Both mirrored top to bottom, half of the time: for pictures without an above, as microscopes give."""
    return tf.cond(
        uniform([], seed) < 0.5,
        lambda: (tf.reverse(image, [0]), tf.reverse(target, [0])),
        lambda: (image, target),
    )


def color_jitter(
    image: tf.Tensor,
    target: tf.Tensor,
    seed: tf.Tensor,
    bright: float = 0.4,
    contrasty: float = 0.4,
    colorful: float = 0.4,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Brightness, contrast and colour of the picture alone (see `augment.color_jitter`)."""
    return augment.color_jitter(image, seed, bright, contrasty, colorful), target


CROPS: dict[str, Callable] = {"random_scale_crop": random_scale_crop, "random_crop": random_crop}
PICTURES: dict[str, Callable] = {"flip": flip, "flip_vertically": flip_vertically, "color_jitter": color_jitter}
PICTURES |= {"elastic": elastic}
TABLES: Tables = (CROPS, PICTURES, {})
