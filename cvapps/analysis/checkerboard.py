"""The checkerboard of uneven overlap, and its cure.

Odena, Dumoulin & Olah 2016, "Deconvolution and Checkerboard Artifacts", Distill, doi:10.23915/distill.00003: where a
transposed convolution's stride doesn't divide its kernel, neighbouring pixels are painted over by different numbers of
values, whatever the weights are. Repeating values and then a convolution reaches each pixel as often.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from cvapps.analysis.table import Column, Table

Way = Literal["transposed", "resized"]


def overlap(way: Way, kernel: int, stride: int, inputs: int) -> np.ndarray:
    """How many pairs of a value and a weight make each pixel, along one side: int64 (inputs * stride,).

    Of `transposed` and `resize_conv` in `cvapps.dense.upsample`, with their padding; a picture's map is the outer
    product of two sides. Raises ValueError for another way and for numbers below 1.
    """
    if way not in ("transposed", "resized"):
        raise ValueError(f'expected "transposed" or "resized", not {way!r}')
    if min(kernel, stride, inputs) < 1:
        raise ValueError(f"expected kernel, stride and inputs from 1 on, not {kernel}, {stride}, {inputs}")
    values = np.zeros(inputs * stride, "int64")
    values[:: stride if way == "transposed" else 1] = 1
    before = max(kernel - stride, 0) // 2 if way == "transposed" else kernel - 1 - (kernel - 1) // 2
    return np.convolve(values, np.ones(kernel, "int64"))[before : before + len(values)]


def picture(way: Way, kernel: int, stride: int, inputs: int) -> np.ndarray:
    """The same of a square map: int64 (inputs * stride, inputs * stride)."""
    side = overlap(way, kernel, stride, inputs)
    return np.multiply.outer(side, side)


@dataclass(frozen=True)
class Overlap:
    """One way to enlarge a map: the fewest and the most pairs that make a pixel, away from the edges."""

    way: Way
    kernel: int
    stride: int
    fewest: int
    most: int

    @property
    def name(self) -> str:
        """In words."""
        words = {"transposed": "transposed convolution", "resized": "repeated values, convolution"}[self.way]
        return f"{words} {self.kernel}x{self.kernel}, factor {self.stride}"


@dataclass(frozen=True)
class Checkerboard(Table):
    """Ways to enlarge as a table, and drawn: `checkerboard().draw().savefig("docs/checkerboard.png")`."""

    model: str
    rows: tuple[Overlap, ...]
    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column("way", lambda row: row.name, left=True),
        Column("fewest", lambda row: str(row.fewest)),
        Column("most", lambda row: str(row.most)),
    )
    FRAME: ClassVar[dict[str, str]] = {
        "way": "way", "kernel": "kernel", "stride": "stride", "fewest": "fewest", "most": "most",
    }  # fmt: skip

    def draw(self) -> Any:
        """Above the overlaps of each way; below what three layers of it, all weights equal, make of a smooth map.

        Raises ImportError without matplotlib.
        """
        try:
            from matplotlib.figure import Figure
        except ImportError as error:
            raise ImportError("drawing needs matplotlib: pip install 'cvapps[plot]'") from error
        figure = Figure(figsize=(3.1 * len(self.rows), 7.2), dpi=130, layout="constrained")
        axes = figure.subplots(2, len(self.rows), squeeze=False)
        for row, above, below in zip(self.rows, *axes, strict=True):
            _counts(above, row)
            below.imshow(_cut(enlarged(row, smooth_map(), 3)), cmap="magma", vmin=0, vmax=1, interpolation="nearest")
            even = row.fewest == row.most
            verdict = f"each {row.most}" if even else f"{row.fewest} to {row.most}"
            above.set_title(row.name.replace(", factor", ",\nfactor"), fontsize=10.5)
            above.set_xlabel(f"pairs of value and weight\nin a pixel: {verdict}", fontsize=9.5)
            below.set_xlabel("smooth" if even else "checkerboard", fontsize=10.5, fontweight="bold")
            for ax in (above, below):
                ax.set_xticks([])
                ax.set_yticks([])
        axes[0][0].set_ylabel("overlaps", fontsize=10.5)
        axes[1][0].set_ylabel("three such layers on a smooth map,\nall weights equal", fontsize=10.5)
        figure.suptitle("Where the factor doesn't divide the kernel, pixels are made unevenly", fontsize=14, x=0.5)
        return figure


SHOWN = (("transposed", 3, 2), ("transposed", 5, 2), ("transposed", 4, 2), ("resized", 3, 2))


def checkerboard(ways: tuple[tuple[Way, int, int], ...] = SHOWN) -> Checkerboard:  # type: ignore[assignment]
    """The overlaps of each (way, kernel, stride), by default two that are uneven and two cures."""
    rows = []
    for way, kernel, stride in ways:
        inside = _cut(picture(way, kernel, stride, 2 * kernel + 4), kernel)
        rows.append(Overlap(way, kernel, stride, int(inside.min()), int(inside.max())))
    return Checkerboard("ways to enlarge a map", tuple(rows))


def enlarged(row: Overlap, values: np.ndarray, times: int) -> np.ndarray:
    """The map (H, W) after so many layers of that way whose weights are all the same and keep the mean: float64."""
    for _ in range(times):
        for axis in (0, 1):
            values = np.apply_along_axis(_line, axis, values, row)
    return values


def _line(values: np.ndarray, row: Overlap) -> np.ndarray:
    if row.way == "transposed":
        spread = np.zeros(len(values) * row.stride)
        spread[:: row.stride] = values
        before, weight = max(row.kernel - row.stride, 0) // 2, row.stride / row.kernel
    else:
        spread = values.repeat(row.stride)
        before, weight = row.kernel - 1 - (row.kernel - 1) // 2, 1 / row.kernel
    return np.convolve(spread, np.full(row.kernel, weight))[before : before + len(spread)]


def smooth_map(side: int = 12) -> np.ndarray:
    """Two soft hills: (side, side), from 0 to 1."""
    y, x = np.mgrid[:side, :side] / (side - 1)
    hills = np.exp(-((x - 0.36) ** 2 + (y - 0.4) ** 2) / 0.045) + 0.8 * np.exp(
        -((x - 0.7) ** 2 + (y - 0.68) ** 2) / 0.03
    )
    return hills / hills.max()


def _cut(values: np.ndarray, edge: int = 8) -> np.ndarray:
    """Without the edges, where zeros from outside count."""
    return values[edge:-edge, edge:-edge]


def _counts(axes: Any, row: Overlap) -> None:
    """A few cells of the middle with their numbers."""
    cells = _cut(picture(row.way, row.kernel, row.stride, 2 * row.kernel + 4), row.kernel)[:6, :6]
    axes.imshow(cells, cmap="Blues", vmin=0, vmax=1.35 * row.most, interpolation="nearest")
    for (i, j), count in np.ndenumerate(cells):
        colour = "white" if 2 * count > row.most else "#222222"
        axes.text(j, i, str(count), ha="center", va="center", fontsize=11, color=colour)
