"""Sliding windows: a patch classifier asked at many places, and N4, which answers so for every pixel at once.

Ciresan, Giusti, Gambardella & Schmidhuber 2012, Deep Neural Networks Segment Neuronal Membranes in Electron Microscopy
Images, https://papers.nips.cc/paper/4741, Table 1: `n4_patch` labels the pixel in the middle of 95x95. `n4` has the
same weights under the same names (`surgery.transplant` moves them) and gives the map of all pixels: a pooling no longer
drops places, and every later layer reads places as far apart as the poolings before have let them become (Long et al.
2015, arXiv:1411.4038, section 3.2: stride as rarefied filters). The picture goes on mirrored beyond its border.

The same at a network's own stride, for any classifier: `slide` is the slow way, `surgery.fully_convolutional` the fast
one. Their maps are identical where no layer pads: a padded one reads zeros at the border of a patch, where the picture
goes on. benchmarks/sliding_window.py measures both.
Deviations: pictures are RGB and made grey; the nonlinearity is the scaled hyperbolic tangent of ZNN's N4
(seung-lab/znn-release); foveation and sampling by distance, which the paper tries on patches, are left out: a map of
the whole picture can't have them.
"""

import keras
import numpy as np
from keras import layers, ops

from cvapps.blocks import Pixels, grey, named, picture
from cvapps.layers.activation import scaled_tanh
from cvapps.registry import Paper, register

KERNELS = (4, 5, 4, 4)  # Table 1; behind each convolution a pooling of 2x2
PATCH = 95


def squash(x, name):
    """The units' nonlinearity: shape kept."""
    return layers.Activation(scaled_tanh, name=f"{name}_tanh")(x)


def strided_pool(x, apart, name):
    """Maximum of each 2x2 places, and how far apart places then lie: (N, H, W, C) -> (N, H/2, W/2, C), 1."""
    return layers.MaxPooling2D(2, name=name)(x), 1


def dilated_pool(x, apart, name):
    """Maximum of four places `apart`, at every place: (N, H, W, C) -> (N, H - apart, W - apart, C), 2 apart."""
    for side, axis in enumerate(("down", "right")):
        ends = [[(0, 0), (0, 0)], [(0, 0), (0, 0)]]
        ends[0][side], ends[1][side] = (0, apart), (apart, 0)
        pair = [layers.Cropping2D(tuple(cut), name=f"{name}_{axis}{i}")(x) for i, cut in enumerate(ends, start=1)]
        x = layers.Maximum(name=f"{name}_{axis}")(pair)
    return x, 2 * apart


def trunk(x, maps, pool):
    """Layers 1 to 8: (N, H, W, 1) -> (N, h, w, maps), and how far apart the places of one patch lie in it."""
    apart = 1
    for number, kernel in zip((1, 3, 5, 7), KERNELS, strict=True):
        x = layers.Conv2D(maps, kernel, dilation_rate=apart, name=f"conv{number}")(x)
        x, apart = pool(squash(x, f"conv{number}"), apart, f"pool{number + 1}")
    return x, apart


def patch_classifier(
    maps: int = 48,
    hidden: int = 200,
    pixels: Pixels = "centred",
    num_classes: int = 2,
    input_shape: tuple[int, int, int] = (PATCH, PATCH, 3),
    name: str = "n4_patch",
) -> keras.Model:
    """(N, 95, 95, 3) -> logits (N, num_classes) of the pixel in the middle. Raises ValueError for another size."""
    if input_shape != (PATCH, PATCH, 3):
        raise ValueError(f"{name} reads patches of {(PATCH, PATCH, 3)}, not {input_shape}")
    image, x = picture(input_shape, pixels)
    x, _ = trunk(grey(x), maps, strided_pool)
    x = squash(layers.Dense(hidden, name="fc9")(layers.Flatten(name="flatten")(x)), "fc9")
    return keras.Model(image, layers.Dense(num_classes, dtype="float32", name="logits")(x), name=name)


def every_pixel(
    maps: int = 48,
    hidden: int = 200,
    pixels: Pixels = "centred",
    num_classes: int = 2,
    input_shape: tuple[int | None, int | None, int] = (512, 512, 3),
    name: str = "n4",
) -> keras.Model:
    """(N, H, W, 3) -> logits (N, H, W, num_classes): the patch classifier's of the patch around each pixel.

    Raises ValueError for a side under 47, of which the mirror image would not reach to the end of a patch.
    """
    margin = PATCH // 2
    image, x = picture(input_shape, pixels, smallest=margin)
    x = named(ops.pad(grey(x), ((0, 0), (margin, margin), (margin, margin), (0, 0)), "symmetric"), "mirrored")
    x, apart = trunk(x, maps, dilated_pool)
    x = squash(layers.Conv2D(hidden, 3, dilation_rate=apart, name="fc9")(x), "fc9")
    return keras.Model(image, layers.Conv2D(num_classes, 1, dtype="float32", name="logits")(x), name=name)


def slide(model: keras.Model, image: np.ndarray, stride: int = 1, batch: int = 64) -> np.ndarray:
    """A patch classifier's output for each window of a picture: (H, W, C) -> (h, w, outputs).

    h = (H - patch height) // stride + 1, w alike; place (i, j) is the window that begins at pixel (stride i, stride j).
    Raises ValueError for a model of open size or several outputs, and for a picture that is smaller than a patch.
    """
    height, width, channels = model.input_shape[1:]
    if None in (height, width) or not isinstance(model.output, keras.KerasTensor):
        raise ValueError(f"expected a model with one output of one size of patch; {model.name} is none")
    if image.ndim != 3 or image.shape[0] < height or image.shape[1] < width or image.shape[2] != channels:
        raise ValueError(f"expected a picture of at least {(height, width, channels)}, not {image.shape}")
    windows = np.lib.stride_tricks.sliding_window_view(image, (height, width), axis=(0, 1))[::stride, ::stride]
    rows, columns = (places.ravel() for places in np.indices(windows.shape[:2]))
    answers = []
    for start in range(0, len(rows), batch):
        chosen = windows[rows[start : start + batch], columns[start : start + batch]]  # (n, C, h, w): the copy
        answers.append(model.predict_on_batch(chosen.transpose(0, 2, 3, 1)))
    return np.concatenate(answers).reshape(*windows.shape[:2], -1)


CIRESAN_2012 = Paper(
    "Ciresan, Giusti, Gambardella, Schmidhuber",
    2012,
    "Deep Neural Networks Segment Neuronal Membranes in Electron Microscopy Images",
    "https://papers.nips.cc/paper/4741",
)
register("classification", patch_classifier, {"n4_patch": {}}, CIRESAN_2012, systems=[71])
register("segmentation", every_pixel, {"n4": {}}, CIRESAN_2012, systems=[71])
