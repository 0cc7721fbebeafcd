"""The picture that a network takes for the purest example of a class, and four ways to keep it like a picture.

Simonyan, Vedaldi & Zisserman 2013, arXiv:1312.6034, section 2, equation 1. Yosinski et al. 2015, arXiv:1506.06579,
section 3 and Table 1. Neither paper states the length of a step: here the rate is by how many grey levels a step moves
a value on average, which serves networks of any scale. The second paper's program cuts the picture to [0, 255] after
each step, and starts from noise; here all of them are cut, as what lies beyond has no colours to be shown in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import keras
import numpy as np
from keras import ops

from cvapps import backend
from cvapps.visualization.ascent import Ascent, ascend, per_mean_magnitude, square_norm
from cvapps.visualization.explained import in_batches
from cvapps.visualization.joint_objectives import one_each
from cvapps.visualization.networks import in_float32, read
from cvapps.visualization.objectives import OUTPUT, class_score
from cvapps.visualization.parameterizations import pixels
from cvapps.visualization.regularizers import clip_small_contribution, clip_small_norm, decay, every, gaussian_blur
from cvapps.visualization.result import Visualization

# the weight is for the scores of networks on photographs; those of a network of a few layers may bear a tenth of it
CLASS_VISUALIZATION = Ascent(
    penalty=square_norm(2e-6),
    direction=per_mean_magnitude,
    optimizer=lambda: keras.optimizers.SGD(2.0),
)

# the rows of Table 1; their names here are ours, as are the rates, which suit each of them
TABLE_1 = {
    "mid_frequency": (4.0, (every(4, gaussian_blur(0.5)), clip_small_norm(50))),
    "high_frequency": (8.0, (decay(0.3), clip_small_norm(20))),
    "low_frequency": (4.0, (decay(0.0001), every(4, gaussian_blur(1.0)))),
    "important_pixels": (0.3, (every(4, gaussian_blur(0.5)), clip_small_contribution(90))),
}


def _row(rate, regularizers):
    return Ascent(
        parameterization=pixels(deviation=10.0),
        direction=per_mean_magnitude,
        optimizer=lambda: keras.optimizers.SGD(rate),
        regularizers=regularizers,
    )


YOSINSKI = {name: _row(*row) for name, row in TABLE_1.items()}


def visualize_class(
    model: keras.Model,
    classes: Sequence[int] | Mapping[str, int],
    *,
    how: Ascent = CLASS_VISUALIZATION,
    output: str | None = None,
    size: tuple[int, int] | None = None,
    batch_size: int = 16,
    seed: int = 0,
    verbose: int = 1,
) -> Visualization:
    """A picture [H, W, C] for each class, by its number or {name: number}, of an output of scores before the softmax.

    `details` hold what `ascend` gives and the "probability" of each class for its picture [N], the mean over the places
    of a map; the rows say both. Raises ValueError for no class, for an unknown one, for an unknown
    output and for a batch under one.
    """
    numbers = list(classes.values()) if isinstance(classes, Mapping) else list(classes)
    names = list(classes) if isinstance(classes, Mapping) else [f"class {number}" for number in numbers]
    if not numbers:
        raise ValueError("expected at least one class, got none")
    if batch_size < 1:
        raise ValueError(f"expected a batch of at least one, got {batch_size}")
    parts = []
    for first in range(0, len(numbers), batch_size):
        scores = [class_score(number, output) for number in numbers[first : first + batch_size]]
        objective = one_each(scores, "class scores")
        parts.append(ascend(model, objective, how, count=len(scores), size=size, seed=seed + first, verbose=verbose))
    pictures = np.concatenate([part.values for part in parts])
    chosen = probabilities(model, pictures, output, batch_size)[np.arange(len(numbers)), numbers]
    joined = {name: np.concatenate([part.details[name] for part in parts]) for name in ("reached", "values")}
    history = np.concatenate([part.details["objective"] for part in parts], axis=1)
    details = {"objective": history, "probability": chosen, **joined}
    rows = [f"{name}, p = {p:.3f}" for name, p in zip(names, chosen, strict=True)]
    return replace(
        parts[0], title="classes", columns={"picture": pictures}, values=pictures, rows=rows, details=details
    )


def probabilities(model: keras.Model, pictures: np.ndarray, output: str | None, batch_size: int) -> np.ndarray:
    """Softmax of an output's scores, the mean over the places of a map: [N, H, W, C] -> [N, classes].

    A larger picture's middle is what the network sees.
    """
    name = OUTPUT + (output or "")
    reader = read(in_float32(model), (name,))
    rows, columns = (n or m for n, m in zip(reader.inputs[0].shape[1:3], pictures.shape[1:3], strict=True))
    top, left = (pictures.shape[1] - rows) // 2, (pictures.shape[2] - columns) // 2
    pictures = pictures[:, top : top + rows, left : left + columns]

    def shares(some):
        scores = reader(some, training=False)[name]
        return ops.mean(ops.softmax(ops.reshape(scores, (ops.shape(scores)[0], -1, scores.shape[-1]))), axis=1)

    return in_batches(backend.compiled(shares), batch_size, pictures)
