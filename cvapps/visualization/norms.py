"""The norms in which the change of a picture is measured, bounded and made: L-infinity and L2.

Madry et al. 2017, arXiv:1706.06083, section 2.1, has the balls; Moosavi-Dezfooli et al. 2015, arXiv:1511.04599,
equations 10 to 12, the dual norms. Everything is of each picture by itself and in grey levels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

TINY = float(np.finfo(np.float32).tiny)
VALUES = (1, 2, 3)  # the axes of a picture's values


@dataclass(frozen=True)
class Norm:
    """What an attack needs to know of a norm; pictures and changes are float32 (N, H, W, C)."""

    name: str
    length: Callable[[Any], Any]
    """Of a change: (N, H, W, C) -> (N,)."""
    dual: Callable[[Any], Any]
    """How much a function of this gradient rises by a change of length one, at most: (N, H, W, C) -> (N,)."""
    step: Callable[[Any], Any]
    """The change of length one that does so; no change where the gradient is zero."""
    project: Callable[[Any, float], Any]
    """The change as it is, or where it is longer than the radius the nearest that isn't."""
    sample: Callable[[tuple[int, ...], float, keras.random.SeedGenerator], Any]
    """Changes of this shape, evenly distributed over the ball of this radius."""


def _largest(change: Any) -> Any:
    return ops.max(ops.abs(change), axis=VALUES)


def _euclidean(change: Any) -> Any:
    """Divided by its largest value first: the squares of a sure network's gradient are below float32's least."""
    largest = ops.max(ops.abs(change), axis=VALUES, keepdims=True)
    scaled = change / ops.maximum(largest, TINY)
    return ops.sqrt(ops.sum(ops.square(scaled), axis=VALUES)) * largest[:, 0, 0, 0]


def _unit(gradient: Any) -> Any:
    largest = ops.max(ops.abs(gradient), axis=VALUES, keepdims=True)
    scaled = gradient / ops.maximum(largest, TINY)
    return scaled / ops.maximum(column(_euclidean(scaled)), TINY)


def _into_sphere(change: Any, radius: float) -> Any:
    return change * column(radius / ops.maximum(_euclidean(change), radius))


def _in_sphere(shape: tuple[int, ...], radius: float, seed: keras.random.SeedGenerator) -> Any:
    """A direction from a normal distribution; the part of the ball within a radius grows with its d-th power."""
    direction = _unit(keras.random.normal(shape, dtype="float32", seed=seed))
    part = keras.random.uniform((shape[0], 1, 1, 1), dtype="float32", seed=seed)
    return radius * part ** (1 / np.prod(shape[1:]).item()) * direction


def column(lengths: Any) -> Any:
    """A number for each picture beside its values: (N,) -> (N, 1, 1, 1)."""
    return ops.reshape(lengths, (-1, 1, 1, 1))


LINF = Norm(
    "L-infinity",
    length=_largest,
    dual=lambda gradient: ops.sum(ops.abs(gradient), axis=VALUES),
    step=ops.sign,
    project=lambda change, radius: ops.clip(change, -radius, radius),
    sample=lambda shape, radius, seed: keras.random.uniform(shape, -radius, radius, dtype="float32", seed=seed),
)
L2 = Norm("L2", length=_euclidean, dual=_euclidean, step=_unit, project=_into_sphere, sample=_in_sphere)
