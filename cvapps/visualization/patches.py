"""The patches of a set of pictures that excite a channel most, and beside them what in each excites it.

Zeiler & Fergus 2013, arXiv:1311.2901, section 4 and Figure 2 (nine of each channel, with deconvnet projections);
Springenberg et al. 2014, arXiv:1412.6806, Figure 3 (with guided backpropagation). A patch is the receptive field of the
channel's strongest place in its picture.
"""

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import keras
import numpy as np

from cvapps.analysis import receptive_field
from cvapps.visualization.gradients import saliency
from cvapps.visualization.networks import read
from cvapps.visualization.objectives import peak
from cvapps.visualization.relu_rules import GUIDED, Rule
from cvapps.visualization.result import Visualization, signed_pictures
from cvapps.visualization.strongest import strongest

MARGIN = 127.5  # the level of a field's part beyond the picture
# (model, pictures [N, H, W, C], layer, channel) -> what excites the channel's strongest place, [N, H, W, C]
Projection = Callable[[keras.Model, np.ndarray, str, int], np.ndarray]


def by_gradient(rule: Rule) -> Projection:
    """The projection that is the gradient of the strongest place, whose way through ReLUs is the rule's."""

    def project(model, pictures, layer, index):
        return saliency(model, pictures, peak(layer, index), rule=rule).values

    return project


def top_patches(
    model: keras.Model,
    images: Any,
    layer: str,
    index: int,
    *,
    count: int = 9,
    projections: Mapping[str, Projection] = MappingProxyType({"guided": by_gradient(GUIDED)}),
    batch_size: int = 32,
    verbose: int = 1,
) -> Visualization:
    """Pictures [N, H, W, C], or batches to iterate over -> a channel's strongest values (count,) with their patches.

    Of each picture counts its strongest place. What of a field lies beyond the picture is grey; a field as large as the
    picture or larger is the picture. Beside the patches stand the `projections`, cut out alike: such as
    `by_gradient(rule)` or `back_projection`. The `details` hold "numbers" of the pictures in the set, "places" (row,
    column) in the layer's map, and "boxes" of the fields, x1 y1 x2 y2 in pixels. Raises ValueError for a layer or a
    channel that doesn't exist, for no pictures and for a `count` under one.
    """
    best = strongest(model, images, layer, index, count=count, batch_size=batch_size, verbose=verbose)
    boxes = _fields(model, layer, best.places, best.pictures.shape[1:])
    columns = {"patch": _cut(best.pictures, boxes, MARGIN)}
    for name, project in projections.items():
        columns[name] = signed_pictures(_cut(project(model, best.pictures, layer, index), boxes, 0.0))
    rows = tuple(f"{value:.3g} in {number}" for value, number in zip(best.values, best.numbers, strict=True))
    details = {"numbers": best.numbers, "places": best.places, "boxes": boxes}
    return Visualization(f"{layer}, channel {index}", columns, best.values, rows, details)


def _fields(model: keras.Model, layer: str, places: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Places (N, 2) of a layer -> the boxes [N, 4] that they see, x1 y1 x2 y2 with x2 and y2 beyond the last pixel."""
    picture = keras.Input(shape)  # of known size, where the model's own may be open
    field, ends = receptive_field(keras.Model(picture, read(model, [layer])([picture]))).rows[-1], []
    for i, side in enumerate(shape[:2]):
        size, jump, start = field.size[i], field.jump[i], field.start[i]
        first = [_edge(start, jump, place) for place in places[:, i]] if size < side else [0] * len(places)
        ends.append((np.array(first), np.array(first) + (math.ceil(size) if size < side else side)))
    (top, bottom), (left, right) = ends
    return np.stack([left, top, right, bottom], axis=-1)


def _edge(start: int | float | Fraction, jump: int | float | Fraction, place: int) -> int:
    return math.floor(start + int(place) * jump)


def _cut(pictures: np.ndarray, boxes: np.ndarray, fill: float) -> np.ndarray:
    """[N, H, W, C] and boxes [N, 4] of one size, which may reach beyond -> [N, h, w, C]."""
    _, height, width, _ = pictures.shape
    patches = []
    for picture, (left, top, right, bottom) in zip(pictures, boxes, strict=True):
        rows, columns = np.arange(top, bottom), np.arange(left, right)
        inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))
        seen = picture[rows.clip(0, height - 1)][:, columns.clip(0, width - 1)]
        patches.append(np.where(inside[..., None], seen, fill))
    return np.stack(patches).astype("float32")
