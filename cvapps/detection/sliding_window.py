"""Sliding windows, the naive detector: a classifier asked at every place and scale of a picture.

Sermanet et al. 2013, arXiv:1312.6229, sections 3.3 and 3.5: dense evaluation over an image pyramid, by a network made
convolutional. The classifier has a class for the background. What it says of a window becomes a box of the window's
size, and non-maximum suppression leaves the best.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from cvapps.analysis import fully_convolutional, receptive_field
from cvapps.dense.sliding_window import slide
from cvapps.ops.suppression import nms


@dataclass(frozen=True)
class Windows:
    """A classifier at every place of a picture: `answer` maps (H, W, 3) to (h, w, classes).

    Place (i, j) is the window of `patch` (height, width) that begins at pixel (i, j) times `stride`.
    """

    answer: Callable[[np.ndarray], np.ndarray]
    patch: tuple[int, int]
    stride: int


def one_by_one(model: keras.Model, stride: int, batch: int = 64) -> Windows:
    """Each window by itself: any classifier of one size of picture, at any stride. Raises ValueError for others."""
    if stride < 1:
        raise ValueError(f"expected a stride of at least a pixel, not {stride}")
    return Windows(lambda picture: slide(model, picture, stride, batch), patch_of(model), stride)


def at_once(model: keras.Model) -> Windows:
    """All windows in one pass, at the classifier's own stride.

    The answers are those of `one_by_one` where no layer pads. A padded one reads zeros at the border of a window, where
    the picture goes on, so that they differ. Raises TypeError and ValueError as `fully_convolutional` does.
    """
    network, patch = fully_convolutional(model), patch_of(model)
    stride, _ = own_stride(network)
    return Windows(lambda picture: network.predict_on_batch(picture[None])[0], patch, stride)


def windows(model: keras.Model, stride: int = 16, batch: int = 64) -> Windows:
    """At once where that gives the answers of the windows one by one, else one by one at `stride` pixels."""
    try:
        network = fully_convolutional(model)
        _, exact = own_stride(network, patch_of(model))
    except (TypeError, ValueError):  # no such form, or fields that nobody knows
        exact = False
    return at_once(model) if exact else one_by_one(model, stride, batch)


def own_stride(network: keras.Model, patch: tuple[int, int] = (0, 0)) -> tuple[int, bool]:
    """Pixels between the places of a fully convolutional network, and whether each sees its window and no padding."""
    last = receptive_field(network).rows[-1]
    down, right = last.jump
    if down != right:
        raise ValueError(f"expected places as far apart down as along; {network.name}'s are {last.jump}")
    return int(down), tuple(last.size) == tuple(patch) and tuple(last.start) == (0, 0)


def patch_of(model: keras.Model) -> tuple[int, int]:
    """(height, width) of the pictures of a classifier of one size. Raises ValueError for another."""
    shape = model.input_shape if isinstance(model.input_shape, tuple) else ()
    if len(shape) != 4 or None in shape[1:]:
        raise ValueError(f"expected a classifier of one size of picture; {model.name} takes {model.input_shape}")
    return shape[1:3]


def pyramid(
    picture: tuple[int, int], patch: tuple[int, int], octave: int = 2, ratios: Sequence[float] = (1.0,)
) -> Iterator[tuple[int, int]]:
    """Sizes of windows, (height, width) in the picture's pixels, from the patch's own up to the picture's sides.

    `octave` sizes from a side to its double; a ratio multiplies the height as it divides the width, by its root.
    """
    if octave < 1 or min(ratios, default=0) <= 0:
        raise ValueError(f"expected at least one size in an octave and positive ratios, not {octave} and {ratios}")
    for ratio in ratios:
        tall, wide = patch[0] * math.sqrt(ratio), patch[1] / math.sqrt(ratio)
        largest = min(picture[0] / tall, picture[1] / wide)
        for k in range(math.floor(octave * math.log2(largest)) + 1 if largest >= 1 else 0):
            yield round(tall * 2 ** (k / octave)), round(wide * 2 ** (k / octave))


def candidates(look: Windows, image: np.ndarray, sizes: Sequence[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """The boxes of all windows (P, 4), and the classifier's logits (P, K).

    For each size the picture is resized until such a window is as large as the patch. It goes on with its last pixels
    at the right and lower border, so that the last window begins within it.
    """
    height, width = image.shape[:2]
    found, answers = [], []
    for size in sizes:
        inner = tuple(max(1, round(s * p / w)) for s, p, w in zip((height, width), look.patch, size, strict=True))
        small = ops.image.resize(image[None], inner, "bilinear", antialias=True, data_format="channels_last")
        steps = [max(0, -(-(s - p) // look.stride)) for s, p in zip(inner, look.patch, strict=True)]
        whole = [n * look.stride + p for n, p in zip(steps, look.patch, strict=True)]
        more = [(0, max(0, w - s)) for w, s in zip(whole, inner, strict=True)]
        logits = look.answer(np.pad(ops.convert_to_numpy(small)[0], [*more, (0, 0)], "edge"))
        rows, columns = np.indices(logits.shape[:2]).reshape(2, -1) * look.stride
        places = np.stack([columns, rows, columns + look.patch[1], rows + look.patch[0]], axis=1)
        found.append(places * np.tile([width / inner[1], height / inner[0]], 2))
        answers.append(logits.reshape(-1, logits.shape[-1]))
    return np.concatenate(found).astype("float32"), np.concatenate(answers)


def detect(
    look: Windows,
    image: np.ndarray,
    sizes: Sequence[tuple[int, int]] | None = None,
    background: int = 0,
    threshold: float = 0.5,
    overlap: float = 0.3,
    count: int = 100,
) -> dict[str, np.ndarray]:
    """RGB in [0, 255], (H, W, 3) -> {"boxes": (1, D, 4), "scores": (1, D), "classes": (1, D)}, D = `count`.

    `sizes` are those of windows in the picture, `pyramid`'s unless given. A window is a candidate where a class other
    than the `background` (its number among the logits) has a probability over `threshold`; classes are numbered from 0
    without it. Raises ValueError for other than a colour picture, one that no window fits into, and a background that
    is no class.
    """
    image = np.asarray(image, "float32")
    if image.ndim != 3 or image.shape[-1] != 3 or 0 in image.shape:
        raise ValueError(f"expected a picture of (height, width, 3), not {image.shape}")
    sizes = [*pyramid(image.shape[:2], look.patch)] if sizes is None else [*sizes]
    if not sizes:
        raise ValueError(f"no window of {look.patch} fits into a picture of {image.shape[:2]}")
    boxes, logits = candidates(look, image, sizes)
    if not 0 <= background < logits.shape[1]:
        raise ValueError(f"expected a background among {logits.shape[1]} classes, not {background}")
    likely = np.delete(ops.convert_to_numpy(ops.softmax(ops.cast(logits, "float32"))), background, axis=1)
    place, kind = np.nonzero(likely > threshold)
    boxes = np.clip(boxes[place], 0, np.tile(image.shape[1::-1], 2)).astype("float32")
    return kept(boxes, likely[place, kind], kind.astype("int32"), overlap, count)


def kept(boxes, scores, classes, overlap, count) -> dict[str, np.ndarray]:
    """The best of each class after non-maximum suppression, padded: (P, 4), (P,), (P,) -> as `detect`."""
    number, there = nms(boxes[None], scores[None], np.ones((1, len(scores)), bool), overlap, count, classes[None])
    number, there = ops.convert_to_numpy(number)[0], ops.convert_to_numpy(there)
    if not len(scores):
        boxes, scores, classes = np.zeros((1, 4), "float32"), np.zeros(1, "float32"), np.zeros(1, "int32")
    return {
        "boxes": np.where(there[..., None], boxes[number][None], 0).astype("float32"),
        "scores": np.where(there, scores[number][None], 0).astype("float32"),
        "classes": np.where(there, classes[number][None], -1).astype("int32"),
    }
