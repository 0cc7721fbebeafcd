"""Accuracy against operations and parameters: what a network's size buys.

Canziani, Paszke & Culurciello 2016, arXiv:1605.07678, figure 2: top-1 accuracy on ImageNet's validation pictures, one
centre crop, against the multiply-adds of one picture, with circles whose areas are the parameters. Accuracies are of
published weights, each with its source; multiply-adds and parameters are counted by `profile` on our graphs.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import keras
import numpy as np

from cvapps.analysis.profile import profile
from cvapps.analysis.table import Column, Table
from cvapps.registry import create_model, list_models, nearest

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TORCHVISION = "torchvision 0.28, weights IMAGENET1K_V1"
KERAS = "keras.io/api/applications"
HU = "github.com/hujie-frank/SENet, Table 1"
HRNET = "github.com/HRNet/HRNet-Image-Classification"
SZEGEDY = "Szegedy et al. 2016, arXiv:1602.07261, Table 2"

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

    def draw(self) -> "Figure":
        """Canziani's figure. Raises ImportError without matplotlib."""
        try:
            from matplotlib.figure import Figure
        except ImportError as error:
            raise ImportError("drawing needs matplotlib: pip install 'cvapps[plot]'") from error
        figure = Figure(figsize=(11, 7.5), dpi=150, layout="constrained")
        axes = figure.add_subplot()
        rows = sorted(self.rows, key=lambda row: -row.parameters)  # small circles over large ones
        for row in rows:
            style = dict(color=_colour(row.name), alpha=0.55, edgecolors="white", linewidths=0.8, zorder=2)
            axes.scatter(row.multiply_adds / 1e9, row.top1, s=_area(row.parameters), **style)
            axes.scatter(row.multiply_adds / 1e9, row.top1, s=4, color="#333333", linewidths=0, zorder=3)
        _frame(axes)
        _key(axes)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # the places of the labels are of this layout
        _label(axes, rows)
        return figure


def tradeoff(models: Iterable[str] | None = None) -> Tradeoff:
    """Accuracy, multiply-adds and parameters of the models, of all that are registered where not given.

    Builds each model once, which takes a minute for all. Raises ValueError for a name without a published accuracy.
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
    return FAMILIES[re.match("[a-z]+", name)[0]]  # type: ignore[index]


def _area(parameters: float) -> float:
    """In square points."""
    return 13 * parameters / 1e6


def _frame(axes: "Axes") -> None:
    axes.set_xscale("log")
    ticks = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.margins(x=0.09, y=0.09)
    axes.set_xlabel("multiply-adds of one picture (billions)", fontsize=11)
    axes.set_ylabel("top-1 accuracy on ImageNet, one crop (%)", fontsize=11)
    axes.set_title("What operations and parameters buy", fontsize=14, loc="left", fontweight="bold")
    axes.grid(color="#e8e8e8", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _key(axes: "Axes") -> None:
    """Circles of round numbers of parameters."""
    sizes = [5, 25, 60, 140]
    circles = [
        axes.scatter([], [], s=_area(size * 1e6), color="#bbbbbb", alpha=0.7, edgecolors="white") for size in sizes
    ]
    words = [f"{size} M" for size in sizes]
    axes.legend(
        circles, words, title="parameters", loc="lower right", ncols=len(sizes), frameon=False,
        columnspacing=2.4, handletextpad=1.6, borderpad=1.6,
    )  # fmt: skip


def _label(axes: "Axes", rows: list[Point]) -> None:
    """Names beside their circles, where they cover no other name and no centre; a thin line where that is far."""
    from matplotlib.transforms import Bbox

    renderer = axes.figure.canvas.get_renderer()  # type: ignore[attr-defined]
    places = axes.transData.transform([(row.multiply_adds / 1e9, row.top1) for row in rows])
    scale = axes.figure.dpi / 72
    centres = [Bbox.from_bounds(x - 3 * scale, y - 3 * scale, 6 * scale, 6 * scale) for x, y in places]
    legend = axes.get_legend()
    taken = [*centres, *([legend.get_window_extent(renderer)] if legend else [])]
    inside = axes.get_window_extent(renderer)
    # crowded names first: they have the fewest places
    crowd = [np.hypot(*(places - place).T) for place in places]
    for i in np.argsort([np.sort(c)[: min(4, len(c))].sum() for c in crowd]):
        row, (x, y) = rows[i], places[i]
        text = axes.text(0, 0, row.name, fontsize=8, color="#222222", ha="center", va="center", zorder=4)
        box = text.get_window_extent(renderer)
        width, height = box.width + 3 * scale, box.height + 1 * scale
        radius = np.sqrt(_area(row.parameters) / np.pi) * scale
        best = None
        for far in (min(radius, 9 * scale), radius + 2 * scale, *(radius + n * 8 * scale for n in range(1, 12))):
            for angle in np.radians([0, 180, 90, 270, 45, 315, 135, 225, 22, 338, 158, 202, 67, 293, 113, 247]):
                cx = x + np.cos(angle) * (far + width / 2 + 2 * scale)
                cy = y + np.sin(angle) * (far + height / 2 + 2 * scale)
                spot = Bbox.from_bounds(cx - width / 2, cy - height / 2, width, height)
                free = spot.x0 > inside.x0 and spot.x1 < inside.x1 and spot.y0 > inside.y0 and spot.y1 < inside.y1
                if free and not any(spot.overlaps(other) for other in taken):
                    best = spot
                    break
            if best:
                break
        if best is None:
            raise ValueError(f"no room for the label of {row.name}: draw fewer models")
        taken.append(best)
        middle = ((best.x0 + best.x1) / 2, (best.y0 + best.y1) / 2)
        to_data = axes.transData.inverted().transform
        text.set_position(to_data(middle))
        nearest_edge = (np.clip(x, best.x0, best.x1), np.clip(y, best.y0, best.y1))
        if np.hypot(nearest_edge[0] - x, nearest_edge[1] - y) > 12 * scale:
            (x0, y0), (x1, y1) = to_data((x, y)), to_data(nearest_edge)
            axes.plot([x0, x1], [y0, y1], color="#999999", linewidth=0.6, zorder=1.5, scalex=False, scaley=False)
