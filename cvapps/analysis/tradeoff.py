"""Accuracy against operations and parameters: what a network's size buys.

Canziani, Paszke & Culurciello 2016, arXiv:1605.07678, figure 2: top-1 accuracy on ImageNet's validation pictures, one
centre crop, against the multiply-adds of one picture, with circles whose areas are the parameters. Accuracies are of
published weights, each with its source; multiply-adds and parameters are counted by `profile` on our graphs.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np

from cvapps.analysis.profile import profile
from cvapps.analysis.table import Column, Table
from cvapps.registry import create_model, list_models, nearest

TORCHVISION = "torchvision 0.28, weights IMAGENET1K_V1"
KERAS = "keras.io/api/applications"
HU = "github.com/hujie-frank/SENet, Table 1"
HRNET = "github.com/HRNet/HRNet-Image-Classification"
SZEGEDY = "Szegedy et al. 2016, arXiv:1602.07261, Table 2 (without blacklisted pictures)"

TOP1 = {  # percent
    "alexnet": (56.522, TORCHVISION),
    "vgg11": (69.020, TORCHVISION),
    "vgg13": (69.928, TORCHVISION),
    "vgg16": (71.592, TORCHVISION),
    "vgg19": (72.376, TORCHVISION),
    "googlenet": (69.778, TORCHVISION),
    "inception_v3": (77.294, TORCHVISION),
    "inception_v4": (80.0, SZEGEDY),
    "inception_resnet_v2": (80.3, KERAS),
    "resnet18": (69.758, TORCHVISION),
    "resnet34": (73.314, TORCHVISION),
    "resnet50": (76.130, TORCHVISION),
    "resnet101": (77.374, TORCHVISION),
    "resnet152": (78.312, TORCHVISION),
    "resnet50_v2": (76.0, KERAS),
    "resnet101_v2": (77.2, KERAS),
    "resnet152_v2": (78.0, KERAS),
    "wide_resnet50_2": (78.468, TORCHVISION),
    "wide_resnet101_2": (78.848, TORCHVISION),
    "resnext50_32x4d": (77.618, TORCHVISION),
    "se_resnet50": (77.63, HU),
    "se_resnext50_32x4d": (79.03, HU),
    "senet154": (81.32, HU),
    "densenet121": (74.434, TORCHVISION),
    "densenet161": (77.138, TORCHVISION),
    "densenet169": (75.600, TORCHVISION),
    "densenet201": (76.896, TORCHVISION),
    "mobilenet_v1": (70.4, KERAS),
    "mobilenet_v2": (71.878, TORCHVISION),
    "shufflenet_v2_x0_5": (60.552, TORCHVISION),
    "shufflenet_v2_x1_0": (69.362, TORCHVISION),
    "shufflenet_v2_x1_5": (72.996, TORCHVISION),
    "shufflenet_v2_x2_0": (76.230, TORCHVISION),
    "nasnet_mobile": (74.4, KERAS),
    "nasnet_large": (82.5, KERAS),
    "hrnet_w18": (76.8, HRNET),
    "hrnet_w32": (78.5, HRNET),
    "hrnet_w48": (79.3, HRNET),
}
FAMILIES = {  # the name's beginning: colour
    "alexnet": "#7f7f7f", "vgg": "#e15759", "googlenet": "#f28e2b", "inception": "#f28e2b", "resnet": "#4e79a7",
    "wide": "#4e79a7", "resnext": "#76b7b2", "se": "#9467bd", "densenet": "#59a14f", "mobilenet": "#b8860b",
    "shufflenet": "#d4729f", "nasnet": "#9c755f", "hrnet": "#17a2b8",
}  # fmt: skip


@dataclass(frozen=True)
class Point:
    """One network of the chart: percent of top-1 accuracy, and for one picture of its own size what it costs."""

    name: str
    top1: float
    multiply_adds: int
    parameters: int
    source: str


@dataclass(frozen=True)
class Tradeoff(Table):
    """The chart's numbers as a table, and the chart: `tradeoff().draw().savefig("tradeoff.png")`."""

    model: str
    rows: tuple[Point, ...]
    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column("model", lambda row: row.name, left=True),
        Column("top-1 (%)", lambda row: f"{row.top1:.1f}"),
        Column("multiply-adds (M)", lambda row: f"{row.multiply_adds / 1e6:,.0f}"),
        Column("params (M)", lambda row: f"{row.parameters / 1e6:.1f}"),
        Column("accuracy from", lambda row: row.source, left=True),
    )
    FRAME: ClassVar[dict[str, str]] = {
        "model": "name", "top1": "top1", "multiply_adds": "multiply_adds", "params": "parameters", "source": "source",
    }  # fmt: skip

    def draw(self) -> Any:
        """Canziani's figure, of matplotlib. Raises ImportError without matplotlib."""
        try:
            from matplotlib.backends.backend_agg import FigureCanvasAgg
            from matplotlib.figure import Figure
        except ImportError as error:
            raise ImportError("drawing needs matplotlib: pip install 'cvapps[plot]'") from error
        figure = Figure(figsize=(12, 9), dpi=150, layout="constrained")
        FigureCanvasAgg(figure)  # measures the labels
        axes = figure.add_subplot()
        rows = sorted(self.rows, key=lambda row: -row.parameters)  # small circles over large ones
        for row in rows:
            x, y, size, colour = row.multiply_adds / 1e9, row.top1, _area(row.parameters), _colour(row.name)
            axes.scatter(x, y, size, colour, alpha=0.55, edgecolors="white", linewidths=0.8, zorder=2)
            axes.scatter(x, y, 4, "#333333", linewidths=0, zorder=3)
        _frame(axes)
        _key(axes)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # the places of the labels are of this layout
        _label(axes, rows)
        return figure


def tradeoff(models: Iterable[str] | None = None) -> Tradeoff:
    """Accuracy, multiply-adds and parameters of the models, of all that are registered where not given.

    Builds each model once, which takes some minutes for all. Raises ValueError for a name without a published accuracy.
    """
    names = [name for name in list_models() if name in TOP1] if models is None else list(models)
    rows = []
    for name in names:
        if name not in TOP1:
            raise ValueError(f"no published accuracy is kept for {name!r}; {nearest(name, TOP1)}")
        model = create_model(name)
        parameters = sum(int(np.prod(v.shape)) for v in model.trainable_weights)
        rows.append(Point(name, TOP1[name][0], profile(model).multiply_adds, parameters, TOP1[name][1]))
        del model
        keras.utils.clear_session()
    return Tradeoff("accuracy against operations", tuple(sorted(rows, key=lambda row: row.multiply_adds)))


def _colour(name: str) -> str:
    return next(colour for family, colour in FAMILIES.items() if name.startswith(family))


def _area(parameters: float) -> float:
    """In square points."""
    return 9 * parameters / 1e6


def _frame(axes: Any) -> None:
    axes.set_xscale("log")
    ticks = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.margins(x=0.08, y=0.07)
    axes.set_xlabel("multiply-adds of one picture (billions)", fontsize=11)
    axes.set_ylabel("top-1 accuracy on ImageNet, one crop (%)", fontsize=11)
    axes.set_title("What operations and parameters buy", fontsize=14, loc="left", fontweight="bold")
    axes.grid(color="#e8e8e8", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _key(axes: Any) -> None:
    """Circles of round numbers of parameters, below on the right."""
    key = axes.inset_axes((0.6, 0.015, 0.39, 0.15))
    key.set_axis_off()
    key.set_xlim(0, 1)
    key.set_ylim(0, 1)
    key.text(0.02, 0.5, "parameters", fontsize=10, va="center", color="#444444")
    for x, millions in zip((0.34, 0.49, 0.67, 0.88), (5, 25, 60, 140), strict=True):
        key.scatter(x, 0.6, _area(millions * 1e6), "#bbbbbb", alpha=0.8, linewidths=0)
        key.text(x, 0.16, f"{millions} M", fontsize=9, ha="center", va="center", color="#444444")


ANGLES = np.radians(np.arange(0, 360, 15))


def _label(axes: Any, rows: list[Point]) -> None:
    """Names beside their circles: over no other name, centre or line, and if there is room over no circle's rim."""
    renderer = axes.figure.canvas.get_renderer()
    point = axes.figure.dpi / 72
    centres = axes.transData.transform([(row.multiply_adds / 1e9, row.top1) for row in rows])
    radii = np.array([np.sqrt(_area(row.parameters) / np.pi) * point for row in rows])
    frame, key = axes.get_window_extent(renderer), axes.child_axes[0].get_window_extent(renderer)
    taken = np.concatenate([np.hstack([centres - 3 * point, centres + 3 * point]), [key.extents]])
    crowds = [np.sort(np.hypot(*(centres - centre).T))[:6].sum() for centre in centres]
    for i in np.argsort(crowds):  # crowded names first: they have the fewest places
        text = axes.text(0, 0, rows[i].name, fontsize=8, color="#222222", ha="center", va="center", zorder=4)
        size = text.get_window_extent(renderer)
        half = np.array([size.width / 2 + 1.5 * point, size.height / 2 + 0.5 * point])
        # places around the centre: right beside the dot, or outside of the circle, nearer and farther
        gaps = np.concatenate([[4 * point], radii[i] + point * np.array([2, 6, 12, 20, 30, 42, 56, 72, 90])])
        ways = np.stack([np.cos(ANGLES), np.sin(ANGLES)], -1)
        middles = (centres[i] + ways * (gaps[:, None, None] + np.abs(ways * half).sum(-1, keepdims=True))).reshape(
            -1, 2
        )
        boxes = np.hstack([middles - half, middles + half])
        edges = np.clip(centres[i], boxes[:, :2], boxes[:, 2:])
        lengths = np.hypot(*(edges - centres[i]).T)
        lines = centres[i] + (edges - centres[i])[:, None] * np.linspace(0.2, 0.95, 24)[:, None]
        grid = np.stack(np.meshgrid([-1, -0.5, 0, 0.5, 1], [-1, 0, 1]), -1).reshape(-1, 2)
        spread = middles[:, None] + grid * half
        covered = (np.hypot(*np.moveaxis(spread[:, :, None] - centres, -1, 0)) < radii).mean(1)  # by each circle
        rims = np.minimum(covered, 1 - covered)
        cost = lengths / point + 120 * rims.sum(1) + 25 * (covered > 0).sum(1)
        others = np.delete(taken, i, axis=0)
        crossed = (lines[:, :, None] > others[:, :2]) & (lines[:, :, None] < others[:, 2:])
        cost += 400 * np.any(crossed.all(-1), axis=(1, 2)) * (lengths > 12 * point)
        overlaps = (boxes[:, None, :2] < taken[:, 2:]) & (boxes[:, None, 2:] > taken[:, :2])
        outside = np.any((boxes[:, :2] < frame.min) | (boxes[:, 2:] > frame.max), axis=1)
        cost[np.any(overlaps.all(-1), axis=1) | outside] = np.inf
        best = int(cost.argmin())
        if np.isinf(cost[best]):
            raise ValueError(f"no room for the label of {rows[i].name}: draw fewer models")
        to_data = axes.transData.inverted().transform
        text.set_position(tuple(to_data(middles[best])))
        taken = np.vstack([taken, boxes[best]])
        if lengths[best] > max(radii[i], 6 * point) + 4 * point:
            x, y = to_data(np.stack([centres[i], edges[best]])).T
            axes.plot(x, y, color="#888888", linewidth=0.6, zorder=2.5, scalex=False, scaley=False)
            taken = np.vstack([taken, np.hstack([lines[best] - point, lines[best] + point])])
