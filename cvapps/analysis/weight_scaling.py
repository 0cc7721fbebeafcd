"""Exercise 5.1 of Szeliski's "Computer Vision", worked: two scalings of one function's weights, of which one learns.

Szeliski 2022, "Computer Vision: Algorithms and Applications", 2nd edition, exercise 5.1 and figure 5.54; the tables are
the lectures'. Two hidden units and an output, all rectified, without biases, fit y = |x1 + 1.1 x2| on {-1, 0, 1} x
{-1, 0, 1}: z_i = relu(w_i1 x1 + w_i2 x2), y = relu(w_31 z1 + w_32 z2).

1. Column (a) fits: one unit for each sign. 2. Columns (b) and (c) are the same function, so they have the same error,
0.06. 3. Their gradients are not the same: in (c) those of the large weights are a hundred times smaller and those of
the small ones a hundred times larger. 4. The best step along (b)'s gradient is 0.121 and leaves 0.0233. 5. Along (c)'s
it is 1.67e-5 and leaves 0.030. 6. To a thousandth of the first error (b) needs three best steps, (c) more than a
hundred. 7. Batch normalization of z1 and z2 helps: it takes out the factor, and both hidden layers are the same.
"""

from dataclasses import dataclass, fields
from fractions import Fraction

import numpy as np

from cvapps.analysis.table import aligned

TENTH = Fraction(1, 10)
STARTS = {  # figure 5.54: (w11, w12, w21, w22, w31, w32)
    "a": (Fraction(-1), -11 * TENTH, Fraction(1), 11 * TENTH, Fraction(1), Fraction(1)),
    "b": (*[Fraction(-1)] * 2, *[Fraction(1)] * 4),
    "c": (*[Fraction(-100)] * 2, *[Fraction(100)] * 2, *[TENTH**2] * 2),
}


@dataclass(frozen=True)
class Sample:
    """One input's way forwards and backwards; d_ are derivatives of half its squared error."""

    x1: Fraction
    x2: Fraction
    z1: Fraction
    z2: Fraction
    y: Fraction
    target: Fraction
    error: Fraction  # squared
    d_w11: Fraction
    d_w12: Fraction
    d_w21: Fraction
    d_w22: Fraction
    d_z1: Fraction
    d_z2: Fraction
    d_w31: Fraction
    d_w32: Fraction
    d_y: Fraction


@dataclass(frozen=True)
class WeightScaling:
    """The exercise for one column: nine samples in exact fractions, and what the best step along the gradient does."""

    weights: tuple[Fraction, ...]
    samples: tuple[Sample, ...]
    error: Fraction
    gradient: tuple[Fraction, ...]  # by (w11, w12, w21, w22, w31, w32), summed up; "grad-" in the table is its negative
    step: float
    error_after: float

    def __str__(self) -> str:
        names = [f.name for f in fields(Sample)]
        cells = [tuple(names), *(tuple(f"{float(getattr(s, n)):g}" for n in names) for s in self.samples)]
        sums = dict(zip(("d_w11", "d_w12", "d_w21", "d_w22", "d_w31", "d_w32"), self.gradient, strict=True))
        sums["error"] = self.error
        cells.append(tuple(f"{float(sums[n]):g}" if n in sums else "" for n in names))
        last = f"best step {self.step:.4g}: error {float(self.error):g} -> {self.error_after:.4g}"
        return "\n".join([*aligned(cells, [False] * len(names)), last])


def weight_scaling(column: str = "b") -> WeightScaling:
    """Exercise 5.1 from the weights of figure 5.54's column "a", "b" or "c". Raises ValueError for another."""
    if column not in STARTS:
        raise ValueError(f"expected one of figure 5.54's columns {sorted(STARTS)}, not {column!r}")
    weights = STARTS[column]
    samples = tuple(_sample(weights, Fraction(x1), Fraction(x2)) for x1 in (-1, 0, 1) for x2 in (-1, 0, 1))
    names = ("d_w11", "d_w12", "d_w21", "d_w22", "d_w31", "d_w32")
    gradient = tuple(sum((getattr(s, name) for s in samples), Fraction(0)) for name in names)
    floats, direction = (np.array([float(v) for v in values]) for values in (weights, gradient))
    step, after = best_step(floats, direction) if any(gradient) else (0.0, 0.0)
    return WeightScaling(weights, samples, sum((s.error for s in samples), Fraction(0)), gradient, step, after)


def _sample(weights: tuple[Fraction, ...], x1: Fraction, x2: Fraction) -> Sample:
    """The chain rule, Szeliski's equations 5.79 to 5.82."""
    w11, w12, w21, w22, w31, w32 = weights
    z1, z2 = max(w11 * x1 + w12 * x2, Fraction(0)), max(w21 * x1 + w22 * x2, Fraction(0))
    y, target = max(w31 * z1 + w32 * z2, Fraction(0)), abs(x1 + 11 * TENTH * x2)
    d_y = y - target
    d_sum = d_y * (y > 0)
    d_z1, d_z2 = w31 * d_sum, w32 * d_sum
    d_1, d_2 = d_z1 * (z1 > 0), d_z2 * (z2 > 0)
    return Sample(
        x1, x2, z1, z2, y, target, d_y**2,
        d_1 * x1, d_1 * x2, d_2 * x1, d_2 * x2, d_z1, d_z2, d_sum * z1, d_sum * z2, d_y,
    )  # fmt: skip


def _errors(weights: np.ndarray) -> np.ndarray:
    """Squared errors summed over the nine samples, for rows of six weights: (..., 6) -> (...)."""
    x1, x2 = (np.ravel(v) for v in np.meshgrid([-1, 0, 1], [-1, 0, 1], indexing="ij"))
    w = np.moveaxis(weights, -1, 0)[..., None]
    z1, z2 = np.maximum(w[0] * x1 + w[1] * x2, 0), np.maximum(w[2] * x1 + w[3] * x2, 0)
    return ((np.maximum(w[4] * z1 + w[5] * z2, 0) - abs(x1 + 1.1 * x2)) ** 2).sum(-1)


def _gradient(weights: np.ndarray) -> np.ndarray:
    """Of half the summed squared errors by the six weights."""
    x = np.stack([np.ravel(v) for v in np.meshgrid([-1, 0, 1], [-1, 0, 1], indexing="ij")], -1)
    hidden = weights[:4].reshape(2, 2)
    z = np.maximum(x @ hidden.T, 0)
    y = np.maximum(z @ weights[4:], 0)
    d_sum = (y - abs(x @ [1, 1.1])) * (y > 0)
    return np.concatenate([np.ravel((d_sum[:, None] * weights[4:] * (z > 0)).T @ x), d_sum @ z])


def best_step(weights: np.ndarray, direction: np.ndarray) -> tuple[float, float]:
    """How far to go against `direction`, and the error there: the least on a grid that is refined three times."""
    steps = np.logspace(-12, 3, 3001)
    for _ in range(4):
        errors = _errors(weights - steps[:, None] * direction)
        best = int(errors.argmin())
        steps = np.linspace(steps[max(best - 1, 0)], steps[min(best + 1, len(steps) - 1)], 1001)
    return float(steps[500]), float(_errors(weights - steps[500] * direction))


def steepest_descent(column: str, updates: int) -> list[float]:
    """The summed squared error at the start and after each of so many best steps along the gradient."""
    weights = np.array([float(w) for w in weight_scaling(column).weights])
    errors = [float(_errors(weights))]
    for _ in range(updates):
        direction = _gradient(weights)
        weights = weights - best_step(weights, direction)[0] * direction
        errors.append(float(_errors(weights)))
    return errors
