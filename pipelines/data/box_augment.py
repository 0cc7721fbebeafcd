"""Augmentations of a picture and its objects together: "ssd_crop", "scale_crop(0.5, 2.0)", "flip", "mosaic", "mixup".

Each is a pure function of its arguments and a seed, int [2], as in `augment`. What crops chooses a window of the
picture, through which the picture, the boxes and the masks are then looked at once (see `letterbox`): it maps boxes of
the picture, float32 [K, 4], and the picture's height and width to the window, float32 [4] of whole numbers, and which
of the objects are still there, bool [K]. What changes a picture, and what mixes a batch, take the truth as batches have
it, padded (see `detection`), pictures float32 [H, W, 3] in 0..255.
"""

from collections.abc import Callable

import tensorflow as tf

from pipelines.data import augment
from pipelines.data.augment import uniform
from pipelines.data.letterbox import scale_of, whole
from pipelines.data.plan import Tables, fold_in

LEAST_PART, LEAST_SIDE = 0.25, 2.0  # of an object's box that must be seen, and pixels of the frame on each side of it


def areas(boxes: tf.Tensor) -> tf.Tensor:
    """Square pixels, 0 of what is inverted: [..., 4] -> [...]."""
    return tf.reduce_prod(tf.maximum(boxes[..., 2:] - boxes[..., :2], 0), -1)


def cut(boxes: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
    """Boxes cut at a window's edges, without an area where they are outside: [..., 4], [..., 4] -> [..., 4]."""
    low, high = tf.concat([window[..., :2]] * 2, -1), tf.concat([window[..., 2:]] * 2, -1)
    return tf.minimum(tf.maximum(boxes, low), high)


def fullest(boxes: tf.Tensor, kept: tf.Tensor, places: int) -> tf.Tensor:
    """Which objects take so many places, in their order: of the kept ones with an area those of the largest boxes.

    float32 [K, 4], bool [K] -> int32 [up to places].
    """
    size = tf.where(kept, areas(boxes), 0.0)
    order = tf.argsort(-size, stable=True)[:places]
    order = tf.boolean_mask(order, tf.gather(size, order) > 0)
    return tf.sort(order)


def visible(boxes: tf.Tensor, window: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    """Which boxes are still objects in a window: LEAST_PART of them, LEAST_SIDE of the frame wide and high."""
    seen = cut(boxes, window)
    large = tf.reduce_min(seen[..., 2:] - seen[..., :2], -1) * scale >= LEAST_SIDE
    return large & (areas(seen) >= LEAST_PART * areas(boxes))


def scale_crop(
    boxes: tf.Tensor, sides: tf.Tensor, seed: tf.Tensor, size: tuple[int, int], least: float = 0.5, most: float = 2.0
) -> tuple[tf.Tensor, tf.Tensor]:
    """A random window in which the picture is larger than in its letterbox by a factor from `least` to `most`.

    Scale jitter. Where the window is wider or higher than the picture, it has the picture at a random place.
    """
    factor = least + (most - least) * uniform([], seed)
    scale = scale_of(whole(sides), size) * factor
    extent = tf.maximum(tf.round(tf.constant(size, tf.float32) / scale), 1)
    room = tf.cast(sides, tf.float32) - extent
    first = tf.round(uniform([2], fold_in(seed, 1)) * room)[::-1]
    window = tf.concat([first, first + extent[::-1]], 0)
    return window, visible(boxes, window, scale_of(window, size))


def flip(image: tf.Tensor, truth: dict[str, tf.Tensor], seed: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Mirrored left to right, half of the time."""
    mirrored = uniform([], seed) < 0.5
    width = tf.cast(tf.shape(image)[1], tf.float32)
    x1, y1, x2, y2 = tf.unstack(truth["boxes"], axis=-1)
    boxes = tf.where((truth["classes"] >= 0)[:, None], tf.stack([width - x2, y1, width - x1, y2], -1), truth["boxes"])
    changed = {**truth, "boxes": tf.where(mirrored, boxes, truth["boxes"])}
    if "masks" in truth:
        changed["masks"] = tf.cond(mirrored, lambda: tf.reverse(truth["masks"], [2]), lambda: truth["masks"])
    return tf.cond(mirrored, lambda: tf.reverse(image, [1]), lambda: image), changed


def color_jitter(
    image: tf.Tensor,
    truth: dict[str, tf.Tensor],
    seed: tf.Tensor,
    bright: float = 0.4,
    contrasty: float = 0.4,
    colorful: float = 0.4,
) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Brightness, contrast and colour of the picture (see `augment.color_jitter`)."""
    return augment.color_jitter(image, seed, bright, contrasty, colorful), truth


CROPS: dict[str, Callable] = {"scale_crop": scale_crop}
PICTURES: dict[str, Callable] = {"flip": flip, "color_jitter": color_jitter}
BATCHES: dict[str, Callable] = {}
TABLES: Tables = (CROPS, PICTURES, BATCHES)
