"""Pictures that excite a unit and that a generator would make: the ascent moves the generator's code.

Nguyen et al. 2016, "Synthesizing the preferred inputs for neurons in neural networks via deep generator networks",
arXiv:1605.09304, section 2: L2 on the code, and each of its values stays in the range it has for real pictures. The
numbers are those of the authors' program: 200 steps, the code loses a hundredth of itself at each, and the rate falls
on a line to zero from 8 where the ranges of its code (fc6 of CaffeNet) are 12 wide on average.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from cvapps.analysis.graph import functional
from cvapps.visualization.ascent import Ascent, ascend, per_mean_magnitude
from cvapps.visualization.networks import in_float32
from cvapps.visualization.objectives import Objective
from cvapps.visualization.parameterizations import Parameterization, Shape
from cvapps.visualization.regularizers import Regularizer, decay
from cvapps.visualization.result import Visualization

DEVIATIONS = 3  # how far from the mean a code's value may go


@dataclass(frozen=True)
class CodeRange:
    """Where each value of a generator's code may lie: two arrays of the code's shape."""

    low: np.ndarray
    high: np.ndarray

    def __post_init__(self) -> None:
        if self.low.shape != self.high.shape or not np.all(self.low < self.high):
            raise ValueError(f"expected two arrays of a shape, low < high; got {self.low.shape}, {self.high.shape}")


def range_of(codes: np.ndarray) -> CodeRange:
    """The range of real pictures' codes [N, ...]: three deviations around the mean, but never below the least seen.

    The codes of a rectified layer therefore start at zero, as in the paper. A value that never changes gets a range of
    a millionth, so that it stays.
    """
    mean, deviation = np.mean(codes, axis=0), np.maximum(np.std(codes, axis=0), 1e-6)
    return CodeRange(
        np.maximum(mean - DEVIATIONS * deviation, np.min(codes, axis=0) - 1e-6), mean + DEVIATIONS * deviation
    )


def normal_range(shape: tuple[int, ...]) -> CodeRange:
    """The range of a code that is standard normal, as a variational autoencoder's or most adversarial generators'."""
    return CodeRange(np.full(shape, -float(DEVIATIONS)), np.full(shape, float(DEVIATIONS)))


def codes_of(generator: keras.Model, allowed: CodeRange) -> Callable[[Shape], Parameterization]:
    """The codes [N, ...] of a generator of pictures in [0, 255]; they start as standard normal numbers, in the range.

    Raises ValueError for a range that isn't the code's, and where the generator's pictures aren't those asked for or
    lie outside of [0, 255].
    """
    generator = in_float32(functional(generator))
    code = generator.inputs[0].shape[1:]
    if allowed.low.shape != code:
        raise ValueError(f"expected a range of {generator.name}'s code {list(code)}, got {list(allowed.low.shape)}")

    def start_of(count):
        return lambda random: np.clip(random.standard_normal((count, *code)), allowed.low, allowed.high)

    def of(shape):
        sample = start_of(2)(np.random.default_rng(0)).astype("float32")
        made = ops.convert_to_numpy(generator(sample, training=False))
        expected, got = list(shape[1:]), list(made.shape[1:])
        if got != expected:
            raise ValueError(f"expected pictures {expected} of {generator.name}, it makes {got}")
        low, high = float(made.min()), float(made.max())
        if not (low >= 0 and 1 < high <= 255):
            raise ValueError(f"expected {generator.name} to make pictures in [0, 255], they are in [{low:g}, {high:g}]")
        return Parameterization(
            start_of(shape[0]), lambda values: generator(values, training=False), allowed.low, allowed.high
        )

    return of


@dataclass(frozen=True)
class Synthesis:
    """The places of an ascent on a code; `rate`, in mean widths of the code's ranges, falls on a line to zero."""

    rate: float = 8 / 12
    direction: Callable[[Any], Any] = per_mean_magnitude
    regularizers: Sequence[Regularizer] = (decay(0.01),)
    steps: int = 200

    def ascent(self, generator: keras.Model, allowed: CodeRange) -> Ascent:
        """The ascent on this generator's codes. Raises ValueError as `codes_of` does, and for less than a step."""
        rate = self.rate * float(np.mean(allowed.high - allowed.low))
        schedule = keras.optimizers.schedules.PolynomialDecay
        return Ascent(
            parameterization=codes_of(generator, allowed),
            direction=self.direction,
            optimizer=lambda: keras.optimizers.SGD(schedule(rate, self.steps, 0.0)),
            regularizers=self.regularizers,
            steps=self.steps,
        )


GENERATOR = Synthesis()


def synthesize(
    model: keras.Model,
    objective: Objective,
    generator: keras.Model,
    allowed: CodeRange,
    *,
    how: Synthesis = GENERATOR,
    count: int = 1,
    seed: int = 0,
    verbose: int = 1,
) -> Visualization:
    """`count` pictures [N, H, W, C] of the generator that raise the objective; the codes are `details["values"]`.

    The generator's pictures may be larger than what the network takes, which then sees their middle. What raises
    ValueError is as in `codes_of` and `ascend`.
    """
    ascent, size = how.ascent(generator, allowed), generator.output_shape[1:3]
    return ascend(model, objective, ascent, count=count, size=size, seed=seed, verbose=verbose)
