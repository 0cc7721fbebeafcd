"""RandAugment: `layers` operations, each drawn evenly from fourteen, at one common magnitude.

Cubuk et al. 2019, arXiv:1909.13719; the operations and the ranges that magnitude 30 reaches are AutoAugment's (Cubuk et
al. 2018, arXiv:1805.09501, Table 6). Deviations: the strength of brightness, contrast, colour and sharpness is drawn on
either side of "no change", as that of the geometric operations is; a translation is a part of the picture's side, not a
number of pixels. `keras.layers.RandAugment` is another thing: it turns by up to half a circle and draws each magnitude
anew, computes all operations for each one that it applies, and takes no seed for a single picture.
"""

import math

import tensorflow as tf

from pipelines.data.photometric import brightness, color, contrast, sharpness

LARGEST = 30  # the magnitude at which each operation reaches the end of its range
FILL = 128.0  # grey, where a geometric operation uncovers what is outside


def rand_augment(image: tf.Tensor, seed: tf.Tensor, layers: int = 2, magnitude: float = 9) -> tf.Tensor:
    """[H, W, 3] in 0..255 -> float32 [H, W, 3] of whole numbers: the operations are defined on 8 bits."""
    strength = magnitude / LARGEST
    chosen = tf.random.stateless_uniform([layers], seed, 0, len(OPERATIONS), tf.int32)
    signs = tf.sign(tf.random.stateless_uniform([layers], tf.random.experimental.stateless_fold_in(seed, 1), -1, 1))
    image = tf.round(image)
    for layer in range(layers):
        signed = signs[layer] * strength
        branches = [
            lambda operation=operation, image=image, signed=signed: operation(image, signed)
            for operation in OPERATIONS.values()
        ]
        image = tf.round(tf.clip_by_value(tf.switch_case(chosen[layer], branches), 0, 255))
    return image


def identity(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """The picture as it is."""
    return image


def shear_x(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """Rows shifted by up to 0.3 of their distance from the middle row."""
    return _affine(image, ((1.0, 0.3 * strength), (0.0, 1.0)))


def shear_y(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """Columns shifted by up to 0.3 of their distance from the middle column."""
    return _affine(image, ((1.0, 0.0), (0.3 * strength, 1.0)))


def translate_x(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """Moved to the left by up to 150/331 of the width."""
    return _affine(image, ((1.0, 0.0), (0.0, 1.0)), x=150 / 331 * strength)


def translate_y(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """Moved upwards by up to 150/331 of the height."""
    return _affine(image, ((1.0, 0.0), (0.0, 1.0)), y=150 / 331 * strength)


def rotate(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """Turned anticlockwise by up to 30 degrees."""
    angle = math.radians(30) * strength
    return _affine(image, ((tf.cos(angle), -tf.sin(angle)), (tf.sin(angle), tf.cos(angle))))


def autocontrast(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """Each channel stretched so that its least value is 0 and its largest 255."""
    low, high = tf.reduce_min(image, (0, 1)), tf.reduce_max(image, (0, 1))
    return tf.where(high > low, tf.floor((image - low) * 255 / tf.maximum(high - low, 1)), image)


def equalize(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """Each channel through the table that makes its histogram even."""
    values = tf.cast(image, tf.int32)

    def channel(values: tf.Tensor) -> tf.Tensor:
        histogram = tf.math.bincount(tf.reshape(values, (-1,)), minlength=256, maxlength=256)
        largest = tf.reduce_max(values)
        step = (tf.size(values) - histogram[largest]) // 255
        table = tf.minimum((step // 2 + tf.cumsum(histogram, exclusive=True)) // tf.maximum(step, 1), 255)
        return tf.where(step > 0, tf.gather(table, values), values)

    return tf.cast(tf.stack([channel(values[..., c]) for c in range(3)], -1), tf.float32)


def posterize(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """The upper 8 to 4 bits of each value."""
    unit = 2 ** tf.round(4 * tf.abs(strength))
    return tf.floor(image / unit) * unit


def solarize(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """Values from a threshold on, 256 to 0, inverted."""
    return tf.where(image < 256 * (1 - tf.abs(strength)), image, 255 - image)


OPERATIONS = {
    "identity": identity,
    "autocontrast": autocontrast,
    "equalize": equalize,
    "rotate": rotate,
    "solarize": solarize,
    "color": lambda image, strength: color(image, 1 + 0.9 * strength),
    "posterize": posterize,
    "contrast": lambda image, strength: contrast(image, 1 + 0.9 * strength),
    "brightness": lambda image, strength: brightness(image, 1 + 0.9 * strength),
    "sharpness": lambda image, strength: sharpness(image, 1 + 0.9 * strength),
    "shear_x": shear_x,
    "shear_y": shear_y,
    "translate_x": translate_x,
    "translate_y": translate_y,
}


def _affine(image: tf.Tensor, matrix, x: float | tf.Tensor = 0.0, y: float | tf.Tensor = 0.0) -> tf.Tensor:
    """out(p) = image(matrix (p - centre) + centre + (x * width, y * height)), bilinear, FILL outside."""
    height, width, _ = tf.unstack(tf.cast(tf.shape(image), tf.float32))
    (a, b), (c, d) = matrix
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    right = middle_x - a * middle_x - b * middle_y + x * width
    down = middle_y - c * middle_x - d * middle_y + y * height
    row = [tf.cast(value, tf.float32) for value in (a, b, right, c, d, down, 0, 0)]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=image[None], transforms=tf.stack(row)[None], output_shape=tf.shape(image)[:2],
        interpolation="BILINEAR", fill_mode="CONSTANT", fill_value=FILL,
    )[0]  # fmt: skip
