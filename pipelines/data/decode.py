"""Bytes to pixels: the one decoder of training and serving, in graph ops alone, so that C++ can run it too.

JPEG (CMYK too), PNG (palette, grey and 16 bits too), BMP and a GIF's first frame become RGB of 8 bits, upright as the
EXIF of a JPEG says. Alpha is dropped and the colour beneath it kept, as Pillow's `convert("RGB")`, torchvision and
Keras do; of 16 bits the upper 8 are kept.
"""

from collections.abc import Callable

import tensorflow as tf

from pipelines.data.bitmaps import bmp_size, decode_bmp, decode_gif, gif_size
from pipelines.data.exif import exif_orientation, read_bytes, turn
from pipelines.data.jpeg import refuse_many_scans

MAX_PIXELS = 1 << 26  # 192 MiB decoded: more than any camera's, far less than what a few kilobytes of PNG can claim
MAX_SIDE = 65_535  # JPEG's and GIF's own limit; bounds what resizing a long, thin picture takes
MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM")
JPEG, PNG, GIF, BMP = range(4)
Branch = Callable[[], tf.Tensor]


def image_size(encoded: tf.Tensor) -> tf.Tensor:
    """Height and width of the upright picture, from the header alone: string scalar -> int32 [2].

    Raises InvalidArgumentError for anything that is not a JPEG, PNG, GIF or BMP, and for a header that is cut off.
    """
    size = _stored_size(encoded, image_format(encoded))
    return tf.cond(exif_orientation(encoded) >= 5, lambda: size[::-1], lambda: size)


def decode_image(encoded: tf.Tensor, max_pixels: int = MAX_PIXELS) -> tf.Tensor:
    """A JPEG, PNG, BMP or GIF's first frame, upright: string scalar -> uint8 [H, W, 3].

    Raises InvalidArgumentError, with the reason, for anything else, for a picture that is cut off or corrupt, and,
    before anything is decoded, for one of more than `max_pixels` pixels or MAX_SIDE pixels a side, and for a JPEG of so
    many scans that decoding them would take minutes.
    """
    kind = image_format(encoded)
    encoded = refuse_large(encoded, _stored_size(encoded, kind), max_pixels)
    image = _by_format(
        kind,
        # the accurate transform is libjpeg's default, and as fast where the processor has vector instructions
        lambda: turn(tf.io.decode_jpeg(encoded, 3, dct_method="INTEGER_ACCURATE"), exif_orientation(encoded)),
        lambda: tf.io.decode_png(encoded, 3),
        lambda: decode_gif(encoded),
        lambda: decode_bmp(encoded),
    )
    return tf.ensure_shape(image, (None, None, 3))


def decode_and_crop(encoded: tf.Tensor, choose: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
    """Part of a picture, of a JPEG without decoding the rest: string scalar -> uint8 [h, w, 3].

    `choose` maps height and width of the upright picture, int32 [2], to top, left, height and width of the part, int32
    [4]. Raises InvalidArgumentError as `decode_image` does.
    """
    kind, orientation = image_format(encoded), exif_orientation(encoded)
    size = _stored_size(encoded, kind)
    encoded = refuse_large(encoded, size)
    box = choose(tf.cond(orientation >= 5, lambda: size[::-1], lambda: size))
    part = tf.cond(
        (kind == JPEG) & (orientation == 1),
        lambda: tf.io.decode_and_crop_jpeg(encoded, box, 3, dct_method="INTEGER_ACCURATE"),
        lambda: tf.slice(
            decode_image(encoded), tf.pad(box[:2], [[0, 1]]), tf.pad(box[2:], [[0, 1]], constant_values=3)
        ),
    )
    return tf.ensure_shape(part, (None, None, 3))


def pixel_count(encoded: tf.Tensor) -> tf.Tensor:
    """How many pixels the picture would have, from the header alone: string scalar -> int64 scalar.

    Raises InvalidArgumentError as `image_size` does.
    """
    return tf.reduce_prod(tf.cast(_stored_size(encoded, image_format(encoded)), tf.int64))


def resize(image: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Bilinear with antialiasing, the aspect ratio not kept: [H, W, 3] -> float32 [h, w, 3]."""
    height, width = _sides(image)
    scale = tf.stack([size[0] / height, size[1] / width])
    # where nothing shrinks the antialiasing filter is the bilinear one, which has a kernel three times as fast
    resized = tf.cond(
        tf.reduce_all(scale >= 1),
        lambda: tf.image.resize(image, size),
        lambda: _resample(image, scale, tf.zeros(2), size),
    )
    return tf.ensure_shape(resized, (*size, 3))


def fit(image: tf.Tensor, size: tuple[int, int], eval_crop: float = 1.0) -> tf.Tensor:
    """Resized until it just covers `size` / `eval_crop`, then cut in the centre: [H, W, 3] -> float32 [h, w, 3].

    For a square `size` that is the usual validation transform: shorter side to size / eval_crop, centre crop of size.
    """
    height, width = _sides(image)
    scale = tf.maximum(size[0] / height, size[1] / width) / eval_crop
    centre = tf.stack([height, width]) / 2
    half = tf.constant([size[0] / 2, size[1] / 2], tf.float32)
    # Nothing but the part that the cut needs, and a margin for the filter, goes into the resampling: 30 x 60,000 pixels
    # would otherwise become 224 x 448,000 before the cut.
    reach = half / scale + tf.maximum(1 / scale, 1) + 1
    low = tf.maximum(tf.cast(tf.floor(centre - reach), tf.int32), 0)
    high = tf.minimum(tf.cast(tf.math.ceil(centre + reach), tf.int32), tf.shape(image)[:2])
    part = image[low[0] : high[0], low[1] : high[1]]
    return _resample(part, tf.stack([scale, scale]), half - scale * (centre - tf.cast(low, tf.float32)), size)


def image_format(encoded: tf.Tensor) -> tf.Tensor:
    """JPEG, PNG, GIF or BMP by the first bytes: string scalar -> int32 scalar.

    Raises InvalidArgumentError for anything else.
    """
    matches = tf.stack([tf.strings.substr(encoded, 0, len(magic)) == magic for magic in MAGIC])
    known = tf.debugging.Assert(
        tf.reduce_any(matches), ["not a JPEG, PNG, GIF or BMP picture; bytes:", tf.strings.length(encoded)]
    )
    with tf.control_dependencies([known]):
        return tf.argmax(tf.cast(matches, tf.int32), output_type=tf.int32)


def refuse_large(encoded: tf.Tensor, size: tf.Tensor, max_pixels: int = MAX_PIXELS) -> tf.Tensor:
    """`encoded` unchanged, where a picture of `size`, int32 [2], may be decoded; else raises InvalidArgumentError."""
    area = tf.reduce_prod(tf.cast(size, tf.int64))
    limits = [f"is more than {max_pixels} pixels or {MAX_SIDE} a side"]
    sound = [
        tf.debugging.Assert(tf.reduce_min(size) > 0, ["the picture has no pixels; height, width:", size]),
        tf.debugging.Assert(
            (area <= max_pixels) & (tf.reduce_max(size) <= MAX_SIDE), ["a picture of height, width", size, *limits]
        ),
    ]
    with tf.control_dependencies(sound):
        encoded = tf.identity(encoded)
    is_jpeg = tf.strings.substr(encoded, 0, len(MAGIC[JPEG])) == MAGIC[JPEG]
    return tf.cond(is_jpeg, lambda: refuse_many_scans(encoded, area, max_pixels), lambda: encoded)


def _by_format(kind: tf.Tensor, jpeg: Branch, png: Branch, gif: Branch, bmp: Branch) -> tf.Tensor:
    """What the branch of the format gives; only that one runs."""
    # not `tf.switch_case`: with it `enable_op_determinism` makes tf.data run the whole function in one thread
    return tf.cond(kind == JPEG, jpeg, lambda: tf.cond(kind == PNG, png, lambda: tf.cond(kind == GIF, gif, bmp)))


def _stored_size(encoded: tf.Tensor, kind: tf.Tensor) -> tf.Tensor:
    """Height and width as stored, before any turning: int32 [2]; numbers past int32 are cut to its largest."""

    def png() -> tf.Tensor:
        # the decoder takes the first IHDR, wherever that is; a chunk before it could tell of another size
        start = read_bytes(encoded, 12, 12)
        first = tf.reduce_all(start[:4] == [*b"IHDR"])
        with tf.control_dependencies([tf.debugging.Assert(first, ["the PNG does not begin with its header"])]):
            head = tf.cast(start[4:], tf.int64)
        return tf.reduce_sum(tf.reshape(head, (2, 4)) * [256**power for power in (3, 2, 1, 0)], -1)[::-1]

    size = _by_format(
        kind,
        lambda: tf.cast(tf.io.extract_jpeg_shape(encoded)[:2], tf.int64),
        png,
        lambda: gif_size(encoded),
        lambda: bmp_size(encoded),
    )
    return tf.cast(tf.minimum(size, tf.int32.max), tf.int32)


def _sides(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Height and width as float32 scalars."""
    height, width, _ = tf.unstack(tf.cast(tf.shape(image), tf.float32))
    return height, width


def _resample(image: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """out(scale * p + shift) = image(p) through the antialiased triangle filter: [H, W, 3] -> float32 [h, w, 3]."""
    out = tf.raw_ops.ScaleAndTranslate(
        images=image[None], size=size, scale=scale, translation=shift, kernel_type="triangle", antialias=True
    )
    return tf.ensure_shape(out[0], (*size, 3))
