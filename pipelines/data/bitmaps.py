"""GIF and BMP in graph ops: what TensorFlow's decoders leave out or do otherwise than a viewer.

`tf.io.decode_gif` decodes every frame of an animation before it hands out the first, and gives the frame, not the
canvas; `tf.io.decode_bmp` takes the colour numbers of a palette for grey. GIF89a specification, sections 18 to 26. BMP:
Windows BITMAPCOREHEADER and BITMAPINFOHEADER, uncompressed.
"""

import tensorflow as tf

from pipelines.data.exif import read_bytes

MAX_BLOCKS = 1 << 18  # of up to 255 bytes, so 66 MB of one frame


def little_endian(raw: tf.Tensor) -> tf.Tensor:
    """int32 [n] bytes, n up to 4 -> int64 scalar."""
    return tf.reduce_sum(tf.cast(raw, tf.int64) * [256**power for power in range(raw.shape[0])])


def gif_size(encoded: tf.Tensor) -> tf.Tensor:
    """Height and width of the canvas, made larger where the first frame does not fit: string scalar -> int64 [2].

    Raises InvalidArgumentError for a GIF without a frame.
    """
    _, top, left, height, width = _first_frame(encoded)
    canvas = read_bytes(encoded, 6, 4)
    return tf.stack(
        [tf.maximum(little_endian(canvas[2:]), top + height), tf.maximum(little_endian(canvas[:2]), left + width)]
    )


def decode_gif(encoded: tf.Tensor) -> tf.Tensor:
    """The first frame on its canvas, black around it: string scalar -> uint8 [H, W, 3].

    Transparent places keep the colour that the palette gives them.
    Raises InvalidArgumentError for a GIF that is cut off in its first frame or before it.
    """
    frame, top, left, _, _ = _first_frame(encoded)
    palette = _color_table(read_bytes(encoded, frame + 9, 1)[0])
    end, inside, _ = tf.while_loop(
        lambda position, inside, steps: inside & (steps < MAX_BLOCKS),
        lambda position, inside, steps: (*_next_block(encoded, position), steps + 1),
        (frame + 10 + palette + 1, tf.constant(True), tf.constant(0)),
    )
    whole = ~inside & (end <= tf.strings.length(encoded))
    with tf.control_dependencies([tf.debugging.Assert(whole, ["the GIF is cut off in its first frame"])]):
        end = tf.identity(end)
    header = tf.strings.substr(encoded, 0, 13 + _color_table(read_bytes(encoded, 10, 1)[0]))
    alone = tf.strings.join(
        [header, b",\0\0\0\0", tf.strings.substr(encoded, frame + 5, end - frame - 5), b";"]
    )  # the frame at (0, 0), the only one, without the extension that makes a colour transparent
    image = tf.io.decode_gif(alone)[0]
    height, width = tf.unstack(tf.cast(gif_size(encoded), tf.int32))
    return tf.image.pad_to_bounding_box(image, tf.cast(top, tf.int32), tf.cast(left, tf.int32), height, width)


def _color_table(flags: tf.Tensor) -> tf.Tensor:
    """Bytes of the colour table that a flag byte announces: int32 scalar -> int32 scalar."""
    return tf.where(flags >= 128, 3 * tf.bitwise.left_shift(2, flags % 8), 0)


def _next_block(encoded: tf.Tensor, position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The position after the data block at `position`, and whether another follows; an empty block ends a chain."""
    length = read_bytes(encoded, position, 1)[0]
    return position + 1 + length, length > 0


def _first_frame(encoded: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Position of the first image descriptor (int32), its top, left, height and width (int64)."""

    def skip(position, inside, steps):
        """One step over the extensions before the frame: into one, or over one data block of it."""
        after, more = _next_block(encoded, position)
        return tf.where(inside, after, position + 2), tf.where(inside, more, True), steps + 1

    start = 13 + _color_table(read_bytes(encoded, 10, 1)[0])
    position, inside, _ = tf.while_loop(
        lambda position, inside, steps: (inside | (read_bytes(encoded, position, 1)[0] == 0x21)) & (steps < MAX_BLOCKS),
        skip,
        (start, tf.constant(False), tf.constant(0)),
    )
    descriptor = read_bytes(encoded, position, 10)
    found = ~inside & (descriptor[0] == 0x2C) & (position + 10 < tf.strings.length(encoded))
    with tf.control_dependencies([tf.debugging.Assert(found, ["the GIF has no frame"])]):
        position = tf.identity(position)
    left, top, width, height = (little_endian(descriptor[at : at + 2]) for at in (1, 3, 5, 7))
    return position, top, left, height, width


def bmp_size(encoded: tf.Tensor) -> tf.Tensor:
    """Height and width: string scalar -> int64 [2]."""
    return tf.abs(tf.stack(_bmp_sides(encoded)))


def _bmp_sides(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Height, negative where the first row is the top one, and width, as int64 scalars."""
    head = read_bytes(encoded, 0, 26)
    old = little_endian(head[14:18]) == 12

    def signed(raw):
        value = little_endian(raw)
        return tf.where(value < 2**31, value, value - 2**32)

    height = tf.where(old, little_endian(head[20:22]), signed(head[22:26]))
    return height, tf.where(old, little_endian(head[18:20]), signed(head[18:22]))


def decode_bmp(encoded: tf.Tensor) -> tf.Tensor:
    """An uncompressed BMP of 1, 4, 8 (palette), 24 or 32 bits a pixel: string scalar -> uint8 [H, W, 3].

    Raises InvalidArgumentError for other kinds of BMP and for one that is cut off.
    """
    head = read_bytes(encoded, 0, 66)
    size = little_endian(head[14:18])
    old = size == 12
    bits = tf.cast(tf.where(old, little_endian(head[24:26]), little_endian(head[28:30])), tf.int32)
    compression = tf.where(old, tf.constant(0, tf.int64), little_endian(head[30:34]))
    usual_masks = (bits == 32) & tf.reduce_all(head[54:66] == [0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 0])
    known = tf.reduce_any(bits == [1, 4, 8, 24, 32]) & ((compression == 0) | ((compression == 3) & usual_masks))
    message = [
        "a BMP of",
        bits,
        "bits a pixel, compression",
        compression,
        "; known are 1, 4, 8, 24 and 32, uncompressed",
    ]
    height, width = _bmp_sides(encoded)
    rows, columns = tf.cast(tf.abs(height), tf.int32), tf.cast(tf.abs(width), tf.int32)
    stride = (columns * bits + 31) // 32 * 4
    start = little_endian(head[10:14])
    end = start + tf.cast(rows, tf.int64) * tf.cast(stride, tf.int64)
    whole = end <= tf.cast(tf.strings.length(encoded), tf.int64)
    checks = [tf.debugging.Assert(known, message), tf.debugging.Assert(whole, ["the BMP is cut off"])]
    with tf.control_dependencies(checks):
        start, bits = tf.identity(start), tf.identity(bits)
    raw = tf.io.decode_raw(tf.strings.substr(encoded, start, end - start), tf.uint8)
    raw = tf.reshape(raw, (rows, stride))

    def direct() -> tf.Tensor:
        channels = bits // 8
        return tf.reshape(raw[:, : columns * channels], (rows, columns, channels))[..., :3]

    def indexed() -> tf.Tensor:
        shifts = tf.cast(tf.range(8 - bits, -1, -bits), tf.uint8)
        numbers = tf.bitwise.right_shift(raw[..., None], shifts) & tf.cast(tf.bitwise.left_shift(1, bits) - 1, tf.uint8)
        entry = tf.where(old, 3, 4)
        table = tf.strings.substr(encoded, 14 + tf.cast(size, tf.int32), 256 * entry)
        table = tf.io.decode_raw(table, tf.uint8, fixed_length=1024)[: 256 * entry]
        table = tf.reshape(table, (256, entry))[:, :3]
        return tf.gather(table, tf.cast(tf.reshape(numbers, (rows, -1))[:, :columns], tf.int32))

    image = tf.cond(bits >= 24, direct, indexed)  # blue, green, red, and as a rule the lowest row first
    return tf.ensure_shape(tf.raw_ops.Reverse(tensor=image, dims=tf.stack([height > 0, False, True])), (None, None, 3))
