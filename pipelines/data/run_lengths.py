"""COCO's compressed run lengths as masks, in graph ops: no Python runs where batches are made.

The format is that of COCO's API (common/maskApi.c, rleToString): a mask's columns from left to right are one row of
pixels, whose runs of 0 and 1 take turns, 0 first. From the fourth on a run is stored as its difference to the last but
one. Each number is a little-endian string of 5 bits a character, with a bit that says whether more follow, 48 added.
"""

import tensorflow as tf


def runs_of(counts: tf.Tensor) -> tf.Tensor:
    """The runs that one mask's string stands for: string scalar -> int64 [R]."""
    codes = tf.cast(tf.io.decode_raw(counts, tf.uint8), tf.int64) - 48
    last = tf.equal(codes & 32, 0)
    number = tf.cumsum(tf.cast(last, tf.int64), exclusive=True)  # that a character belongs to
    total = tf.math.count_nonzero(last)
    first = tf.math.unsorted_segment_min(tf.range(tf.size(codes, tf.int64)), number, total)
    place = 5 * (tf.range(tf.size(codes, tf.int64)) - tf.gather(first, number))
    negative = last & tf.not_equal(codes & 16, 0)  # two's complement
    parts = tf.bitwise.left_shift(codes & 31, place) - tf.where(
        negative, tf.bitwise.left_shift(32 + 0 * place, place), 0
    )
    stored = tf.math.unsorted_segment_sum(parts, number, total)
    index = tf.range(total)
    # runs 1, 3, 5, ... and 2, 4, 6, ... are sums of what is stored, each over its own kind
    odd, even = (tf.cumsum(tf.where((index > 0) & (index % 2 == parity), stored, 0)) for parity in (1, 0))
    return tf.where(index == 0, stored, tf.where(index % 2 == 1, odd, even))


def decode(counts: tf.Tensor, sides: tf.Tensor) -> tf.Tensor:
    """One mask of height and width `sides`, int32 [2]: string scalar -> uint8 [H, W] of 0 and 1.

    Raises InvalidArgumentError where the runs are not as many pixels.
    """
    ends, pixels = tf.cumsum(runs_of(counts)), tf.reduce_prod(tf.cast(sides, tf.int64))
    whole = tf.debugging.Assert(ends[-1] == pixels, ["run lengths of", ends[-1], "pixels for a picture of", pixels])
    with tf.control_dependencies([whole]):
        ended = tf.math.unsorted_segment_sum(tf.ones_like(ends, tf.int32), ends, pixels + 1)
    # a pixel is of the run before which so many have ended
    values = tf.cast(tf.cumsum(ended[:-1]) & 1, tf.uint8)
    return tf.transpose(tf.reshape(values, tf.stack([sides[1], sides[0]])))
