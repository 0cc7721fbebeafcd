"""What in a network a visualization is of: a class's score, a neuron, a channel, a direction, a layer, and sums.

    objective = channel("stage3_block2_out", 7) + 0.1 * class_score(243)

The vocabulary is that of Olah, Mordvintsev & Schubert 2017, doi:10.23915/distill.00007, "The Spectrum of Objectives".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

OUTPUT = "output:"  # what reads a model's output instead of a layer, before the output's name where there are several


@dataclass(frozen=True)
class Objective:
    """A number for each picture, of what some layers answer: {name: (N, ...)} -> (N,).

    `reads` names the layers (or outputs, with `OUTPUT` before the name). Objectives add up, and multiply with numbers.
    """

    title: str
    reads: tuple[str, ...]
    value: Callable[[Mapping[str, Any]], Any]

    def __add__(self, other: "Objective") -> "Objective":
        reads = tuple(dict.fromkeys(self.reads + other.reads))
        return Objective(f"{self.title} + {other.title}", reads, lambda found: self.value(found) + other.value(found))

    def __radd__(self, zero: int) -> "Objective":
        """What `sum` begins with is zero."""
        return self if isinstance(zero, int) and zero == 0 else NotImplemented

    def __mul__(self, weight: float) -> "Objective":
        return Objective(f"{weight:g} ({self.title})", self.reads, lambda found: weight * self.value(found))

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> "Objective":
        return (1 / divisor) * self

    def __neg__(self) -> "Objective":
        return -1.0 * self

    def __sub__(self, other: "Objective") -> "Objective":
        return self + -other


def class_score(index: int, output: str | None = None) -> Objective:
    """The unnormalised score of a class: Simonyan et al. 2013, arXiv:1312.6034, section 2. Mean over a map's places."""
    name = OUTPUT + (output or "")
    return Objective(f"class {index}", (name,), lambda found: _mean(_channel(found[name], index, "class")))


def channel(layer: str, index: int) -> Objective:
    """The mean of one channel of a layer over its places."""
    return Objective(f"{layer}, channel {index}", (layer,), lambda found: _mean(_channel(found[layer], index)))


def neuron(layer: str, index: int, place: tuple[int, int] | None = None) -> Objective:
    """One value of one channel, at (row, column) of the layer's map or at its middle."""

    def value(found):
        plane = _channel(found[layer], index)
        if len(plane.shape) == 1 and place is None:
            return plane
        if len(plane.shape) != 3:
            expected = "no place" if len(plane.shape) == 1 else "a layer with rows and columns, or without places"
            raise ValueError(f"expected {expected}; {layer} answers (N{', places' * (len(plane.shape) - 1)}, C)")
        row, column = place or (plane.shape[1] // 2, plane.shape[2] // 2)
        if not (0 <= row < plane.shape[1] and 0 <= column < plane.shape[2]):
            raise ValueError(f"{layer} has {plane.shape[1]}x{plane.shape[2]} places, there is no {(row, column)}")
        return plane[:, row, column]

    at = "" if place is None else f" at {place}"
    return Objective(f"{layer}, neuron {index}{at}", (layer,), value)


def peak(layer: str, index: int) -> Objective:
    """The largest value of one channel over its places; of equal ones, as a cap makes them, the first."""

    def value(found):
        plane = _by_place(_channel(found[layer], index))
        return ops.sum(plane * ops.one_hot(ops.argmax(plane, axis=-1), ops.shape(plane)[1]), axis=-1)

    return Objective(f"{layer}, channel {index} at its peak", (layer,), value)


def direction(layer: str, vector: np.ndarray) -> Objective:
    """The mean over the places of a layer's projection on a unit vector of its channels."""
    vector = np.asarray(vector, "float32")
    length = np.linalg.norm(vector)
    if not 0 < length < np.inf:
        raise ValueError(f"expected a vector that has a direction, got one of length {length:g}")
    unit = vector / length

    def value(found):
        maps = found[layer]
        if vector.shape != (maps.shape[-1],):
            raise ValueError(f"expected a vector of the {maps.shape[-1]} channels of {layer}, got {vector.shape}")
        return _mean(ops.sum(maps * ops.convert_to_tensor(unit), axis=-1))

    return Objective(f"a direction of {layer}", (layer,), value)


def whole_layer(layer: str) -> Objective:
    """The mean of a layer's squares: DeepDream's (Mordvintsev, Olah & Tyka 2015)."""
    return Objective(layer, (layer,), lambda found: _mean(ops.square(found[layer])))


def _channel(maps: Any, index: int, kind: str = "channel") -> Any:
    """(N, ..., C) -> (N, ...)."""
    count = maps.shape[-1]
    if not 0 <= index < count:
        raise ValueError(f"expected a {kind} from 0 to {count - 1}, got {index}")
    return maps[..., index]


def _mean(values: Any) -> Any:
    """(N, ...) -> (N,)."""
    return ops.mean(_by_place(values), axis=-1)


def _by_place(values: Any) -> Any:
    """(N, ...) -> (N, places)."""
    return ops.reshape(values, (ops.shape(values)[0], -1))
