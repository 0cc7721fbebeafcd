"""Several views of a picture, crops or scales, as one classifier of pixels.

Krizhevsky, Sutskever & Hinton 2012, https://papers.nips.cc/paper/4824, section 4.1 (ten crops). Simonyan & Zisserman
2014, arXiv:1409.1556, section 3.2 (dense evaluation), section 4 and Tables 4 and 5 (test scales, a 5x5 grid of crops).
Szegedy et al. 2014, arXiv:1409.4842, section 7 (144 crops of four scales).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import keras
import numpy as np
from keras import layers, ops

from cvapps.blocks import named
from cvapps.classification.ensemble import Average, averaged, member


@dataclass(frozen=True)
class Crop:
    """A part of a picture that is first resized to `scale` (height, width)."""

    scale: tuple[int, int]
    top: int
    left: int
    height: int
    width: int


def shorter_side(picture, scale):
    """The picture's (height, width) where the shorter side is `scale` and the ratio is kept, to whole pixels."""
    return tuple(round(scale * side / min(picture)) for side in picture)


def ten_crop(picture, side) -> Iterator[Crop]:
    """Krizhevsky's corners and centre, five crops, ten with their mirror images: of a picture for a model's side.

    Both are (height, width).
    """
    (height, width), (h, w) = picture, side
    for top, left in (0, 0), (0, width - w), (height - h, 0), (height - h, width - w):
        yield Crop(picture, top, left, h, w)
    yield Crop(picture, (height - h) // 2, (width - w) // 2, h, w)


def grid(rows: int = 5, columns: int = 5) -> Callable:
    """Simonyan's regular grid from border to border, 50 crops with the mirror images: a function as `ten_crop` is."""

    def crops(picture, side):
        tops, lefts = (
            np.linspace(0, whole - part, count).round().astype(int).tolist()
            for whole, part, count in zip(picture, side, (rows, columns), strict=True)
        )
        return [Crop(picture, top, left, *side) for top in tops for left in lefts]

    return crops


def squares(scales: Sequence[int] = (256, 288, 320, 352)) -> Callable:
    """Szegedy's: of each scale three squares, of each the corners, the centre and the whole; 144 with mirror images.

    A scale is the shorter side's; the squares lie at the ends and in the middle of the longer one.
    """

    def crops(picture, side):
        for scale in scales:
            height, width = size = shorter_side(picture, scale)
            for i in range(3):
                top, left = i * (height - scale) // 2, i * (width - scale) // 2
                for crop in ten_crop((scale, scale), side):
                    yield replace(crop, scale=size, top=top + crop.top, left=left + crop.left)
                yield Crop(size, top, left, scale, scale)

    return crops


def resize(image, size, name):
    """Bilinear, smoothed where it shrinks: (N, H, W, 3) -> (N, *size, 3); the image itself where it has the size."""
    if tuple(image.shape[1:3]) == tuple(size):
        return image
    return named(ops.image.resize(image, size, antialias=True, data_format="channels_last"), name)


def known_size(input_shape) -> tuple[int, int]:
    """(height, width) of a picture (height, width, 3). Raises ValueError for an open size."""
    height, width, channels = input_shape
    if None in (height, width) or channels != 3:
        raise ValueError(f"expected a picture of known (height, width, 3), not {tuple(input_shape)}")
    return height, width


def scores_of(model, views, count, name):
    """Logits of `count` views and of their mirror images, of a map the mean: (V N, H, W, 3) -> (2 V, N, K)."""
    mirrored = named(ops.flip(views, axis=2), f"{name}_mirrored")
    scores = model(named(ops.concatenate([views, mirrored], axis=0), f"{name}_both"))
    if len(scores.shape) == 4:
        scores = layers.GlobalAveragePooling2D(dtype="float32", name=f"{name}_mean")(scores)
    return named(ops.reshape(scores, (2 * count, -1, scores.shape[-1])), f"{name}_scores")


def multi_crop(
    model: keras.Model,
    input_shape: tuple[int, int, int] = (256, 256, 3),
    crops: Callable = ten_crop,
    average: Average = "probabilities",
    name: str = "multi_crop",
) -> keras.Model:
    """(N, H, W, 3) -> logits (N, K): the model's on every crop and its mirror image, averaged; its weights are shared.

    `crops` is `ten_crop`, `grid(rows, columns)` or `squares(scales)`, or a function as these. All crops are one batch.
    Raises ValueError for a model of open size and for a crop that the picture doesn't contain.
    """
    picture, one = known_size(input_shape), member(model, model.name)
    side = known_size(one.input_shape[1:])
    image = keras.Input(input_shape, name="image")
    scaled, views = {}, []
    for i, crop in enumerate(crops(picture, side), start=1):
        (height, width), bottom, right = crop.scale, crop.top + crop.height, crop.left + crop.width
        if min(crop.top, crop.left) < 0 or bottom > height or right > width:
            raise ValueError(f"crops of {model.name}'s {side} need a larger picture than {height}x{width}: {crop}")
        if crop.scale not in scaled:
            scaled[crop.scale] = resize(image, crop.scale, f"scale{height}x{width}")
        view = named(scaled[crop.scale][:, crop.top : bottom, crop.left : right], f"crop{i}")
        views.append(resize(view, side, f"crop{i}_resize"))
    views = named(ops.concatenate(views, axis=0), "views")
    return keras.Model(image, averaged(scores_of(one, views, i, "crops"), average, [1.0] * 2 * i), name=name)


def scales_for(train: int | tuple[int, int]) -> tuple[int, int, int]:
    """Simonyan's three test scales Q (section 4.2) for the scale S of training, one or a range (from, to)."""
    if isinstance(train, int):
        return train - 32, train, train + 32
    first, last = train
    return first, (first + last) // 2, last


def multi_scale(
    model: keras.Model,
    scales: Sequence[int],
    input_shape: tuple[int, int, int] = (256, 256, 3),
    average: Average = "probabilities",
    name: str = "multi_scale",
) -> keras.Model:
    """(N, H, W, 3) -> logits (N, K): the model's on the whole picture and its mirror image at each scale, averaged.

    `scales` are Simonyan's Q: sides to which the picture's shorter one is resized, the ratio kept. A map of logits is
    first averaged over its places (his section 3.2). The weights are shared. Raises ValueError for a model of one size.
    """
    picture, dense = known_size(input_shape), member(model, model.name, ranks=(2, 4))
    if dense.input_shape[1:3] != (None, None):
        raise ValueError(
            f"{model.name} reads pictures of {dense.input_shape[1:]}, and several scales need a model of any size: "
            "build it with input_shape=(None, None, 3), or, where its dense layers have a weight for each place, make "
            "them convolutions by cvapps.analysis.fully_convolutional(model)"
        )
    if not scales:
        raise ValueError("expected at least one scale")
    image = keras.Input(input_shape, name="image")
    scores = []
    for scale in scales:
        view = resize(image, shorter_side(picture, scale), f"scale{scale}_resize")
        scores.append(scores_of(dense, view, 1, f"scale{scale}"))
    scores = named(ops.concatenate(scores, axis=0), "scores")
    return keras.Model(image, averaged(scores, average, [1.0] * 2 * len(scales)), name=name)
