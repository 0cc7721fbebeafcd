"""Augmentations of a picture and its depths: Eigen et al. 2014, arXiv:1406.2283, section 3.3.

As those of `map_augment`, whose "flip" belongs to them: pictures are float32 [H, W, 3] in 0..255, depths float32 [H, W]
in metres, 0 where unknown. Pictures are interpolated, depths taken from the nearest pixel: a mean of two depths is
where nothing is, and one with an unknown depth means nothing.
"""

import math
from collections.abc import Callable

import tensorflow as tf

from pipelines.data import map_augment
from pipelines.data.augment import uniform
from pipelines.data.map_augment import MEAN, resize_both
from pipelines.data.plan import Tables, fold_in


def random_view(
    image: tf.Tensor,
    target: tf.Tensor,
    seed: tf.Tensor,
    size: tuple[int, int],
    most: float = 1.5,
    degrees: float = 5.0,
    room: float = 20 / 19,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Both nearer by a factor of 1 to `most`, turned by up to `degrees`, cut at random: any [H, W, 3] -> [h, w, 3].

    What looks larger by a factor is nearer by it: depths are divided. Before, the picture covers `room` times `size`,
    which leaves the cut somewhere to go (the paper: 320x240 for 304x228). What turning brings in from outside has the
    mean colour and no depth.
    """
    nearer = 1 + (most - 1) * uniform([], seed)
    height, width = tf.unstack(tf.cast(tf.shape(image)[:2], tf.float32))
    factor = nearer * room * tf.maximum(size[0] / height, size[1] / width)
    sides = tf.cast(tf.round(tf.stack([height, width]) * factor), tf.int32)
    image, target = resize_both(image, target, tf.maximum(sides, size))
    free = tf.cast(tf.shape(image)[:2] - size + 1, tf.float32)
    top, left = tf.unstack(tf.floor(uniform([2], fold_in(seed, 1)) * free))
    angle = uniform([], fold_in(seed, 2), -1, 1) * math.radians(degrees)
    image = turned(image - MEAN, angle, top, left, size, "BILINEAR") + MEAN
    return image, turned(target[..., None], angle, top, left, size, "NEAREST")[..., 0] / nearer


def turned(
    pixels: tf.Tensor, angle: tf.Tensor, top: tf.Tensor, left: tf.Tensor, size: tuple[int, int], interpolation: str
) -> tf.Tensor:
    """The part of `size` from (top, left) on, its content turned by `angle` about its middle: [H, W, C] -> [h, w, C].

    The angle is in radians, clockwise to the eye; what lies outside is 0.
    """
    y, x = (size[0] - 1) / 2, (size[1] - 1) / 2
    cos, sin = tf.cos(angle), tf.sin(angle)
    rows = [cos, sin, left + x - cos * x - sin * y, -sin, cos, top + y + sin * x - cos * y, 0.0, 0.0]
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=pixels[None], transforms=tf.stack(rows)[None], output_shape=size, interpolation=interpolation,
        fill_mode="CONSTANT", fill_value=0.0,
    )  # fmt: skip
    return tf.ensure_shape(moved[0], (*size, pixels.shape[-1]))


def color_factor(
    image: tf.Tensor, target: tf.Tensor, seed: tf.Tensor, least: float = 0.8, most: float = 1.2
) -> tuple[tf.Tensor, tf.Tensor]:
    """Each colour of the picture times a factor of its own from `least` to `most`, cut to 0..255; depths as given."""
    return tf.clip_by_value(image * uniform([3], seed, least, most), 0, 255), target


CROPS: dict[str, Callable] = {"random_view": random_view}
PICTURES: dict[str, Callable] = {"flip": map_augment.flip, "color_factor": color_factor}
TABLES: Tables = (CROPS, PICTURES, {})
