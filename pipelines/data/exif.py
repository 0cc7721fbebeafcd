"""Which way up a picture was taken: the orientation that a camera notes in a JPEG, read and applied in graph ops.

EXIF 2.32: segment APP1 of a JPEG holds a TIFF structure, tag 0x0112 of its first directory is the orientation.
"""

import tensorflow as tf

from pipelines.data.jpeg import find_segment

MAX_ENTRIES = 256  # of a TIFF directory; cameras write fewer than thirty
ORIENTATION = 0x0112
SHORT, LONG = 3, 4  # TIFF's integer types of two and four bytes


def read_bytes(encoded: tf.Tensor, start: tf.Tensor | int, count: int) -> tf.Tensor:
    """`count` bytes from `start` on: string scalar -> int32 [count]; zeros beyond the end."""
    start = tf.clip_by_value(tf.cast(start, tf.int64), 0, tf.cast(tf.strings.length(encoded), tf.int64))
    return tf.cast(tf.io.decode_raw(tf.strings.substr(encoded, start, count), tf.uint8, fixed_length=count), tf.int32)


def exif_orientation(encoded: tf.Tensor) -> tf.Tensor:
    """The EXIF orientation of a JPEG: string scalar -> int32 scalar in 1..8.

    1, which is upright, for pictures without EXIF, for other formats and wherever the EXIF is malformed: a wrong note
    about a picture is no reason to refuse it.
    """
    marked = tf.strings.substr(encoded, 0, 3) == b"\xff\xd8\xff"
    start, length = tf.cond(marked, lambda: _exif_segment(encoded), lambda: (0, 0))
    return tf.cond(length > 0, lambda: _tiff_orientation(tf.strings.substr(encoded, start, length)), lambda: 1)


def turn(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """The picture upright: any [H, W, C], EXIF orientation 1..8 -> [H, W, C], or [W, H, C] for 5..8."""

    def turned() -> tf.Tensor:
        sideways = tf.cond(orientation >= 5, lambda: tf.transpose(image, (1, 0, 2)), lambda: image)
        upside_down = tf.reduce_any(orientation == [3, 4, 7, 8])
        mirrored = tf.reduce_any(orientation == [2, 3, 6, 7])
        return tf.raw_ops.Reverse(tensor=sideways, dims=tf.stack([upside_down, mirrored, False]))

    upright = tf.cond(orientation == 1, lambda: image, turned)
    return tf.ensure_shape(upright, (None, None, image.shape[-1]))


def _exif_segment(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Start and length of the TIFF structure in the first EXIF segment, length 0 where there is none."""
    size = tf.strings.length(encoded)

    def is_exif(position: tf.Tensor) -> tf.Tensor:
        return tf.strings.substr(encoded, tf.minimum(position + 4, size), 5) == b"Exif\0"

    position, marker, length = find_segment(encoded, lambda position, marker: is_exif(position))
    found = (marker == 0xFFE1) & is_exif(position) & (position + 10 < size)
    return position + 10, tf.where(found, length - 8, 0)


def _tiff_orientation(tiff: tf.Tensor) -> tf.Tensor:
    """Orientation from a TIFF structure's first directory: string scalar -> int32 scalar in 1..8, 1 in doubt."""
    head = read_bytes(tiff, 0, 8)
    little = tf.reduce_all(head[:4] == [*b"II*\0"])
    big = tf.reduce_all(head[:4] == [*b"MM\0*"])

    def number(raw: tf.Tensor) -> tf.Tensor:
        """int32 [..., n] bytes -> int64 [...], in the structure's byte order."""
        raw = tf.cast(tf.where(little, tf.reverse(raw, (-1,)), raw), tf.int64)
        return tf.reduce_sum(raw * [256**power for power in reversed(range(raw.shape[-1]))], -1)

    directory = number(head[4:8])
    count = number(read_bytes(tiff, directory, 2))
    # an entry: tag (2 bytes), type (2), count (4), value (4, left-aligned)
    entries = tf.reshape(read_bytes(tiff, directory + 2, MAX_ENTRIES * 12), (MAX_ENTRIES, 12))
    kind = number(entries[:, 2:4])
    value = tf.where(kind == LONG, number(entries[:, 8:12]), number(entries[:, 8:10]))
    found = (
        (number(entries[:, :2]) == ORIENTATION)
        & ((kind == SHORT) | (kind == LONG))
        & (tf.range(MAX_ENTRIES, dtype=tf.int64) < count)
    )
    first = value[tf.argmax(tf.cast(found, tf.int32))]
    sound = (little | big) & tf.reduce_any(found) & (first >= 1) & (first <= 8)
    return tf.cast(tf.where(sound, first, 1), tf.int32)
