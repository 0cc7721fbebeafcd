"""Depth maps in files: grey PNGs of 16 bits, as RGB-D cameras' recordings are kept."""

import tensorflow as tf

from pipelines.data.decode import PNG, image_format, image_size, refuse_large
from pipelines.data.exif import read_bytes

MILLIMETRE = 0.001
BITS_AND_COLOUR = 24  # where a PNG's header says how many bits a value has and what it means
GREY_16 = (16, 0)


def decode_depth(encoded: tf.Tensor, unit: float = MILLIMETRE) -> tf.Tensor:
    """Metres, 0 where nothing was measured: a grey PNG of 16 bits, string scalar -> float32 [H, W].

    `unit` is what one step of its values means in metres. Raises InvalidArgumentError, with the reason, for anything
    else: of an 8-bit PNG nobody could say what its values mean.
    """
    kind = image_format(encoded)
    with tf.control_dependencies([tf.debugging.Assert(kind == PNG, ["a depth map is a PNG; the format is", kind])]):
        header = tf.cast(read_bytes(encoded, BITS_AND_COLOUR, 2), tf.int32)
    is_grey_16 = tf.debugging.Assert(
        tf.reduce_all(header == GREY_16),
        ["a depth map is a grey PNG of 16 bits (16, 0); this one has bits and colour type", header],
    )
    with tf.control_dependencies([is_grey_16]):
        encoded = refuse_large(encoded, image_size(encoded))
    values = tf.io.decode_png(encoded, 1, tf.uint16)[..., 0]
    return tf.ensure_shape(tf.cast(values, tf.float32) * unit, (None, None))
