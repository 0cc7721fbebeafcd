"""Depth maps in files: grey PNGs of 16 bits, as RGB-D cameras' recordings are kept."""

import numpy as np
import tensorflow as tf
from PIL import Image

from pipelines.data.decode import PNG, image_format, image_size, refuse_large
from pipelines.data.exif import read_bytes
from pipelines.data.label_maps import check_size
from pipelines.data.map_folders import MapDataset, find_pairs, open_pairs, picture_sizes
from pipelines.recipe import Data

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


def open_depth_folder(data: Data) -> MapDataset:
    """PATH/{images,masks}, or PATH/{train,val}/{images,masks}: beside each picture its depths in millimetres.

    Raises FileNotFoundError or ValueError, naming the file, for a picture without depths and the reverse, and for
    depths of another size than their picture or of another kind than 16 grey bits.
    """
    root, pairs = find_pairs(data)
    for pair, size in zip(pairs, picture_sizes(pairs), strict=True):
        try:
            with Image.open(pair.map) as depths:
                mode, found = depths.mode, depths.size[::-1]
        except OSError as error:
            raise ValueError(f"{pair.map}: the depths cannot be read: {error}") from error
        if not mode.startswith("I"):
            raise ValueError(f"{pair.map}: depths are a grey PNG of 16 bits, not a picture of mode {mode}")
        if size != (0, 0):
            check_size(pair.map, found, size)
    fields, train = open_pairs(data, root, pairs, (), lambda path: path)
    palette, pixels = np.zeros((0, 3), np.uint8), np.zeros((len(train), 0), np.int64)
    return MapDataset(*fields, palette=palette, pixels=pixels, decode=lambda path: decode_depth(tf.io.read_file(path)))
