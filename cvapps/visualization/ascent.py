"""Gradient ascent on an objective: one loop, whose places are the papers' differences.

Erhan et al. 2009, "Visualizing Higher-Layer Features of a Deep Network", is the idea: the picture that excites a unit
most. A paper is an `Ascent` with other values in its places, made by `dataclasses.replace`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from cvapps import backend
from cvapps.analysis.graph import functional
from cvapps.visualization.moves import Move, moved, together
from cvapps.visualization.networks import in_float32, read
from cvapps.visualization.objectives import Objective
from cvapps.visualization.parameterizations import GREY, Parameterization, Shape
from cvapps.visualization.regularizers import Regularizer
from cvapps.visualization.result import Visualization


def steepest(gradient: Any) -> Any:
    """The gradient itself."""
    return gradient


def per_mean_magnitude(gradient: Any) -> Any:
    """Each sample's gradient over the mean of its magnitudes: (N, ...) -> (N, ...). The rate is then a mean step."""
    mean = ops.mean(ops.abs(gradient), axis=tuple(range(1, len(gradient.shape))), keepdims=True)
    return gradient / ops.maximum(mean, np.finfo(np.float32).tiny)


def square_norm(weight: float) -> Callable[[Any], Any]:
    """weight · |values|² of each sample: (N, ...) -> (N,). The L2 term of Simonyan et al. 2013, section 2."""
    return lambda values: weight * ops.sum(ops.reshape(ops.square(values), (values.shape[0], -1)), axis=-1)


def no_penalty(values: Any) -> Any:
    """(N, ...) -> zeros (N,)."""
    return ops.zeros((values.shape[0],))


@dataclass(frozen=True)
class Ascent:
    """The places of the loop: what is moved, through which moves it is seen, what it costs, how a step is made.

    Each step of `optimizer` (a function that makes one, as its state isn't shared) goes along `direction` of the
    gradient of objective minus `penalty(values)`, and then the regularizers change the values in turn.
    """

    parameterization: Callable[[Shape], Parameterization] = GREY
    moves: Sequence[Move] = ()
    penalty: Callable[[Any], Any] = no_penalty
    direction: Callable[[Any], Any] = steepest
    optimizer: Callable[[], keras.optimizers.Optimizer] = keras.optimizers.SGD
    regularizers: Sequence[Regularizer] = ()
    steps: int = 200

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"expected at least one step, got {self.steps}")


def ascend(
    model: keras.Model,
    objective: Objective,
    how: Ascent,
    *,
    count: int = 1,
    size: tuple[int, int] | None = None,
    seed: int = 0,
    verbose: int = 1,
) -> Visualization:
    """`count` pictures [N, H, W, C] that raise the objective; `size` is theirs, by default what the network takes.

    They climb as one batch, whose memory grows with `count`: call it for a few at a time where it doesn't suffice. A
    larger picture is seen through a window of the network's size. `values` are the pictures; `details` hold the
    "objective" before each step [steps, N], "reached" at the end without moves [N], and the moved "values" [N, ...].
    Raises ValueError for a count below 1, for a picture smaller than the network's, and where neither has a size.
    """
    if count < 1:
        raise ValueError(f"expected a count of at least one picture, got {count}")
    height, width, channels = functional(model).inputs[0].shape[1:]
    if size is None and None in (height, width):
        raise ValueError(f"{model.name} takes pictures of any size: say which `size` is to be made")
    tall, wide = size or (height, width)
    window = (height or tall, width or wide)
    if tall < window[0] or wide < window[1]:
        raise ValueError(f"expected pictures of at least {window[0]}x{window[1]}, got {tall}x{wide}")
    random = np.random.default_rng(seed)
    space = how.parameterization((count, tall, wide, channels))
    still = together((), random, (0, 0))
    move_at_all = bool(how.moves) or window != (tall, wide)
    reader = read(in_float32(model), objective.reads)

    def watched(values, transform):
        picture = space.picture(values)
        seen = moved(picture, transform, *window) if move_at_all else picture
        return objective.value(reader(seen, training=False))

    def climb(values, transform):
        def worth(given):
            found = watched(given[0], transform)
            return ops.sum(found - how.penalty(given[0])), found

        (gradient,), found = backend.gradients(worth, [values])
        return gradient, how.direction(gradient), found

    def settle(values, gradient, step):
        for regularizer in how.regularizers:
            values = regularizer(values, gradient, step)
        return ops.clip(values, space.low, space.high)

    climb, settle = backend.compiled(climb), backend.compiled(settle)
    optimizer = how.optimizer()
    start = np.clip(space.start(random), space.low, space.high)
    moving = keras.Variable(start.astype("float32"), dtype="float32", name="values")
    history = np.zeros((how.steps, count), "float32")
    progress = keras.utils.Progbar(how.steps, verbose=verbose)
    room = (tall - window[0], wide - window[1])
    for step in range(how.steps):
        transform = ops.convert_to_tensor(together(how.moves, random, room))
        gradient, upward, found = climb(moving.value, transform)
        optimizer.apply([-upward], [moving])
        moving.assign(settle(moving.value, gradient, ops.convert_to_tensor(step, "int32")))
        history[step] = ops.convert_to_numpy(found)
        progress.update(step + 1, [("objective", float(history[step].mean()))])
    pictures = ops.convert_to_numpy(space.picture(moving.value))
    details = {
        "objective": history,
        "reached": ops.convert_to_numpy(watched(moving.value, ops.convert_to_tensor(still))),
        "values": ops.convert_to_numpy(moving.value),
    }
    return Visualization(objective.title, {"picture": pictures}, pictures, details=details)
