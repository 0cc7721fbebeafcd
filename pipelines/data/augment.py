"""Augmentations of classification by name: "flip", "pad_crop(4)", "mixup(0.2)".

Each is a pure function of its picture and a seed, int [2], which derives from the run's seed, the epoch and the
picture's number: no order of execution changes what comes out. Pictures are float32 [H, W, 3] in 0..255 throughout.
"""

from functools import partial

import numpy as np
import tensorflow as tf

from pipelines.data.decode import decode_and_crop, resize
from pipelines.data.photometric import brightness, color, contrast
from pipelines.data.plan import fold_in
from pipelines.data.rand_augment import rand_augment

uniform = tf.random.stateless_uniform

# Principal components of ImageNet's pixels, scaled to 0..1: the table that goes with Krizhevsky et al. 2012, section
# 4.1, in most implementations. A column is a component.
PCA_VALUES = np.array([0.2175, 0.0188, 0.0045])
PCA_VECTORS = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])


def random_box(size: tf.Tensor, seed: tf.Tensor, least: float = 0.08, most: float = 1.0) -> tf.Tensor:
    """Top, left, height, width of a part of `least` to `most` of the area, 3:4 to 4:3: int32 [2] -> int32 [4].

    Szegedy et al. 2014, arXiv:1409.4842, section 6; the logarithm of the ratio is drawn evenly. Where none of ten draws
    fits, the largest part in the centre that keeps to the ratios.
    """
    height, width = tf.unstack(tf.cast(size, tf.float32))
    draws = uniform([22], seed)
    area = (least + (most - least) * draws[:10]) * height * width
    ratio = tf.exp((2 * draws[10:20] - 1) * np.log(4 / 3))
    central = tf.stack([tf.minimum(height, width * 4 / 3), tf.minimum(width, height * 4 / 3)])
    sides = tf.concat([tf.stack([tf.sqrt(area / ratio), tf.sqrt(area * ratio)], -1), central[None]], 0)
    sides = tf.cast(tf.round(sides), tf.int32)
    fits = tf.reduce_all((sides > 0) & (sides <= size), -1)
    first = tf.argmax(fits)
    sides = tf.maximum(sides[first], 1)
    place = tf.where(first < 10, draws[20:], 0.5)
    return tf.concat([tf.cast(tf.floor(place * tf.cast(size - sides + 1, tf.float32)), tf.int32), sides], 0)


def random_resized_crop(
    content: tf.Tensor, seed: tf.Tensor, size: tuple[int, int], least: float = 0.08, most: float = 1.0
) -> tf.Tensor:
    """A random part of the picture, stretched to `size`: encoded scalar or uint8 [H, W, C] -> [h, w, 3].

    Of a JPEG only that part is decoded.
    """
    choose = partial(random_box, seed=seed, least=least, most=most)
    if content.dtype == tf.string:
        return resize(decode_and_crop(content, choose), size)
    top, left, height, width = tf.unstack(choose(tf.shape(content)[:2]))
    return resize(rgb(content[top : top + height, left : left + width]), size)


def rgb(pixels: tf.Tensor) -> tf.Tensor:
    """Grey repeated in three channels, colour as it is: [H, W, 1 or 3] -> [H, W, 3]."""
    return pixels if pixels.shape[-1] == 3 else tf.repeat(pixels, 3, -1)


def pad_crop(image: tf.Tensor, seed: tf.Tensor, padding: int = 4) -> tf.Tensor:
    """Moved by up to `padding` whole pixels, black behind (He et al. 2015, arXiv:1512.03385, section 4.2)."""
    padded = tf.pad(image, ((padding, padding), (padding, padding), (0, 0)))
    offset = uniform([2], seed, 0, 2 * padding + 1, tf.int32)
    return tf.slice(padded, tf.pad(offset, [[0, 1]]), image.shape)


def shift(image: tf.Tensor, seed: tf.Tensor, part: float = 0.1) -> tf.Tensor:
    """Moved by up to `part` of each side, between pixels too (bilinear); what is uncovered repeats the edge."""
    for axis, draw in enumerate(tf.unstack(uniform([2], seed, -1, 1))):
        length = image.shape[axis]
        place = tf.range(length, dtype=tf.float32) - draw * part * length
        low = tf.floor(place)
        weight = tf.reshape(place - low, (-1, 1, 1) if axis == 0 else (1, -1, 1))
        low = tf.cast(low, tf.int32)
        before, after = (
            tf.gather(image, tf.clip_by_value(index, 0, length - 1), axis=axis) for index in (low, low + 1)
        )
        image = before + weight * (after - before)
    return image


def flip(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Mirrored left to right, half of the time."""
    return tf.cond(uniform([], seed) < 0.5, lambda: tf.reverse(image, [1]), lambda: image)


def color_jitter(
    image: tf.Tensor, seed: tf.Tensor, bright: float = 0.4, contrasty: float = 0.4, colorful: float = 0.4
) -> tf.Tensor:
    """Brightness, contrast and colour, each by a factor of up to 1 - and 1 + its amount, in random order.

    Howard 2013, arXiv:1312.5402, section 2.
    """
    factors = 1 + uniform([3], seed, -1, 1) * tf.constant([bright, contrasty, colorful], tf.float32)
    order = tf.argsort(uniform([3], fold_in(seed, 1)))
    for turn in range(3):
        branches = [
            lambda image=image, change=change, factor=factor: change(image, factor)
            for change, factor in zip((brightness, contrast, color), tf.unstack(factors), strict=True)
        ]
        image = tf.switch_case(order[turn], branches)
    return image


def pca_lighting(image: tf.Tensor, seed: tf.Tensor, deviation: float = 0.1) -> tf.Tensor:
    """One colour added to all pixels, drawn along the principal components of ImageNet's.

    Krizhevsky et al. 2012, section 4.1. Cut to 0..255, for the network's input is a picture.
    """
    amounts = tf.random.stateless_normal([3], seed, stddev=deviation)
    components = tf.constant(255 * PCA_VECTORS * PCA_VALUES, tf.float32)
    return tf.clip_by_value(image + tf.linalg.matvec(components, amounts), 0, 255)


def mixup(images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor, alpha: float = 0.2) -> tuple[tf.Tensor, tf.Tensor]:
    """Each picture and its label blended with its neighbour's, by a weight from Beta(alpha, alpha).

    Zhang et al. 2017, arXiv:1710.09412. The weight is drawn for each picture.
    """
    weight = beta(tf.shape(images)[0], seed, alpha)
    return (
        _between(tf.roll(images, 1, 0), images, tf.reshape(weight, (-1, 1, 1, 1))),
        _between(tf.roll(labels, 1, 0), labels, weight[:, None]),
    )


def cutmix(images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor, alpha: float = 1.0) -> tuple[tf.Tensor, tf.Tensor]:
    """A box of each picture replaced by its neighbour's, and as much of the label as the box takes of the area.

    Yun et al. 2019, arXiv:1905.04899, section 3 and algorithm A1: the area is drawn from Beta(alpha, alpha), the centre
    evenly, and the box is cut at the edges.
    """
    count, height, width = tf.unstack(tf.shape(images)[:3])
    part = tf.sqrt(1 - beta(count, seed, alpha))
    centres = uniform([2, count], fold_in(seed, 2))

    def inside(length: tf.Tensor, centre: tf.Tensor) -> tf.Tensor:
        """Which of `length` pixels the boxes cover: bool [count, length]."""
        length_ = tf.cast(length, tf.float32)
        low = tf.round((centre - part / 2) * length_)
        high = tf.round((centre + part / 2) * length_)
        pixel = tf.range(length_)
        return (pixel >= low[:, None]) & (pixel < high[:, None])

    box = inside(height, centres[0])[:, :, None] & inside(width, centres[1])[:, None]
    taken = tf.reduce_mean(tf.cast(box, tf.float32), (1, 2))[:, None]
    return (
        tf.where(box[..., None], tf.roll(images, 1, 0), images),
        _between(labels, tf.roll(labels, 1, 0), taken),
    )


def beta(count: tf.Tensor, seed: tf.Tensor, alpha: float) -> tf.Tensor:
    """Draws from Beta(alpha, alpha): float32 [count]."""
    # float64, for most draws from a gamma of small alpha are less than float32's least number
    first, second = (
        tf.random.stateless_gamma([count], fold_in(seed, number), tf.constant(alpha, tf.float64), dtype=tf.float64)
        for number in (0, 1)
    )
    return tf.cast(tf.math.divide_no_nan(first, first + second), tf.float32)


def _between(start: tf.Tensor, end: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    """`start` at weight 0, `end` at weight 1."""
    return start * (1 - weight) + end * weight


CROPS = {"random_resized_crop": random_resized_crop}  # instead of decoding and fitting
PICTURES = {
    "pad_crop": pad_crop,
    "shift": shift,
    "flip": flip,
    "color_jitter": color_jitter,
    "pca_lighting": pca_lighting,
    "rand_augment": rand_augment,
}
BATCHES = {"mixup": mixup, "cutmix": cutmix}
TABLES = (CROPS, PICTURES, BATCHES)
