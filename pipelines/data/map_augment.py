"""Augmentations of a picture and its map together: "random_scale_crop(0.5, 2.0)", "flip", "color_jitter(0.2)".

Each is a pure function of its arguments and a seed, int [2], as in `augment`. Pictures are float32 [H, W, 3] in 0..255,
maps int32 class numbers or float32 depths [H, W]. What moves pixels moves both, the picture by interpolation, the map
by the nearest pixel; pixels that come from outside are `outside(target)`.
"""

from collections.abc import Callable

import numpy as np
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


def random_rotation_crop(
    image: tf.Tensor, target: tf.Tensor, seed: tf.Tensor, size: tuple[int, int], angles: int = 16
) -> tuple[tf.Tensor, tf.Tensor]:
    """A random part of `size` of both, turned by one of so many even angles: any [H, W, 3] -> [h, w, 3].

    The part lies in the largest rectangle that has nothing but picture (Xie & Tu 2015, arXiv:1504.06375, section 4.1).
    """
    angle = 2 * np.pi / angles * tf.cast(tf.floor(uniform([], seed) * angles), tf.float32)
    return random_crop(*rotate(image, target, angle), fold_in(seed, 1), size)


def rotate(image: tf.Tensor, target: tf.Tensor, angle: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Both turned clockwise by so many radians, cut to the largest upright rectangle inside: [H, W, 3] -> [h, w, 3]."""
    sides = tf.shape(image)[:2]
    sine, cosine = tf.sin(angle), tf.cos(angle)
    within = inner_rectangle(tf.cast(sides, tf.float32), angle)
    y, x = tf.unstack(tf.cast(sides - 1, tf.float32) / 2)
    v, u = tf.unstack(tf.cast(within - 1, tf.float32) / 2)
    # the place (column, row) of the turned picture is (cos, sin; -sin, cos) of it in the picture, about the centres
    matrix = [cosine, sine, x - cosine * u - sine * v, -sine, cosine, y + sine * u - cosine * v, 0.0, 0.0]

    def turned(pixels: tf.Tensor, interpolation: str) -> tf.Tensor:
        return tf.raw_ops.ImageProjectiveTransformV3(
            images=pixels[None], transforms=tf.stack(matrix)[None], output_shape=within, fill_value=0.0,
            interpolation=interpolation, fill_mode="NEAREST",
        )[0]  # fmt: skip

    return turned(image, "BILINEAR"), turned(target[..., None], "NEAREST")[..., 0]


def inner_rectangle(sides: tf.Tensor, angle: tf.Tensor) -> tf.Tensor:
    """The largest upright rectangle in one of `sides` that is turned by `angle`: float32 [2] -> int32 [2].

    Either two of its corners lie on the long sides, or all four on the four sides.
    """
    sine, cosine = tf.abs(tf.sin(angle)), tf.abs(tf.cos(angle))
    height, width = tf.unstack(sides)
    shorter, longer = tf.minimum(height, width), tf.maximum(height, width)
    two = shorter / 2 / tf.maximum(tf.stack([cosine, sine]), 1e-6)  # how high and wide where the width is longer
    two = tf.where(width >= height, two, two[::-1])
    difference = cosine**2 - sine**2
    four = tf.stack([height * cosine - width * sine, width * cosine - height * sine])
    four = four / tf.where(tf.abs(difference) < 1e-4, 1.0, difference)
    flat = (shorter <= 2 * sine * cosine * longer) | (tf.abs(difference) < 1e-4)
    found = tf.where(flat, two, four)
    return tf.maximum(tf.cast(tf.floor(found + 1e-3), tf.int32), 1)


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
CROPS |= {"random_rotation_crop": random_rotation_crop}
PICTURES: dict[str, Callable] = {"flip": flip, "flip_vertically": flip_vertically, "color_jitter": color_jitter}
PICTURES |= {"elastic": elastic}
TABLES: Tables = (CROPS, PICTURES, {})
