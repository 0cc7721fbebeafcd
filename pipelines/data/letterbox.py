"""A part of a picture in a frame of another size, with everything that is known of it.

The aspect ratio is kept: what is shown begins at the frame's upper left, touches its right or its lower edge, and the
rest of the frame has one colour (a "letterbox", at one side only). So a place in the frame, divided by the scale, is a
place of the part, and what a detector finds is back in the picture by one division.
"""

from collections.abc import Sequence

import tensorflow as tf

from cvapps.dense.object_proposals import FILL


def whole(sides: tf.Tensor) -> tf.Tensor:
    """The window that shows all of a picture: height and width, int32 [2] -> x1 y1 x2 y2, float32 [4]."""
    height, width = tf.unstack(tf.cast(sides, tf.float32))
    return tf.stack([0.0, 0.0, width, height])


def scale_of(window: tf.Tensor, size: Sequence[int]) -> tf.Tensor:
    """Pixels of the frame for one of the picture: float32 [4], (height, width) -> float32 scalar."""
    x1, y1, x2, y2 = tf.unstack(window)
    return tf.minimum(size[0] / (y2 - y1), size[1] / (x2 - x1))


def show(image: tf.Tensor, window: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """The window's pixels in the frame: [H, W, 3] in 0..255, float32 [4] of whole numbers -> float32 [h, w, 3].

    Bilinear, antialiased where it shrinks. A window may reach beyond the picture; FILL is what isn't there.
    """
    sides = tf.shape(image)[:2]
    corners = tf.cast(window, tf.int32)
    top, bottom = (tf.clip_by_value(corners[i], 0, sides[0]) for i in (1, 3))
    left, right = (tf.clip_by_value(corners[i], 0, sides[1]) for i in (0, 2))
    part = tf.cast(image[top:bottom, left:right], tf.float32) - FILL
    scale = scale_of(window, size)
    shift = scale * (tf.cast(tf.stack([top, left]), tf.float32) - tf.stack([window[1], window[0]]))
    shown = tf.raw_ops.ScaleAndTranslate(
        images=part[None],
        size=size,
        scale=tf.stack([scale, scale]),
        translation=shift,
        kernel_type="triangle",
        antialias=True,
    )  # 0 where the part is not
    return tf.ensure_shape(shown[0] + FILL, (*size, 3))


def letterbox(image: tf.Tensor, size: tuple[int, int]) -> tuple[tf.Tensor, tf.Tensor]:
    """A whole picture in the frame, and the scale: [H, W, 3] -> float32 [h, w, 3] and scalar."""
    window = whole(tf.shape(image)[:2])
    return show(image, window, size), scale_of(window, size)


def move(boxes: tf.Tensor, window: tf.Tensor, size: Sequence[int]) -> tf.Tensor:
    """Boxes of the picture as they lie in the frame, cut at the window's edges: float32 [K, 4] -> the same."""
    inside = tf.clip_by_value(boxes, tf.tile(window[:2], [2]), tf.tile(window[2:], [2]))
    return (inside - tf.tile(window[:2], [2])) * scale_of(window, size)


def sample_mask(mask: tf.Tensor, window: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """A mask in the frame, each pixel that of the picture in which its centre lies: uint8 [H, W] -> [h, w]."""
    scale = scale_of(window, size)
    for axis, low, high in ((0, window[1], window[3]), (1, window[0], window[2])):
        places = (tf.range(size[axis], dtype=tf.float32) + 0.5) / scale + low
        length = tf.shape(mask)[axis]
        index = tf.cast(tf.floor(places), tf.int32)
        there = (places < high) & (index >= 0) & (index < length)
        mask = tf.gather(mask, tf.clip_by_value(index, 0, length - 1), axis=axis)
        mask = mask * tf.cast(there[:, None] if axis == 0 else there, tf.uint8)
    return tf.ensure_shape(mask, size)
