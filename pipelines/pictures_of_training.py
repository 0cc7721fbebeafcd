"""Pictures of a training: its curves."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipelines.pictures_style import BLUE, ORANGE


def training_curves(history: Mapping[str, Sequence[float]], title: str = "") -> Figure:
    """One panel for each metric of `history` {name: a value an epoch}, `val_<name>` drawn into the panel of `name`.

    Losses come first, learning rate and speed last; the best held-out value is marked. Raises ValueError where there is
    no epoch.
    """
    names = list(dict.fromkeys(name.removeprefix("val_") for name in history))
    if not names or not any(len(values) for values in history.values()):
        raise ValueError("there is no epoch to draw")
    late = {"learning_rate": 1, "pictures_per_second": 2}
    names.sort(key=lambda name: (late.get(name, 0), "loss" not in name))
    columns = min(3, len(names))
    rows = math.ceil(len(names) / columns)
    figure = Figure(figsize=(4.4 * columns, 3.3 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, name in zip(panels, names, strict=False):
        _curve(axes, name, history.get(name), history.get(f"val_{name}"))
    for axes in panels[len(names) :]:
        axes.remove()
    if title:
        figure.suptitle(title, fontweight="bold")
    return figure


def _curve(axes: Axes, name: str, train: Sequence[float] | None, held_out: Sequence[float] | None) -> None:
    _plain(axes)
    axes.set_title(name.replace("_", " "))
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    for values, colour, label in ((train, BLUE, "training"), (held_out, ORANGE, "held out")):
        if values is not None and len(values):
            alone: dict[str, Any] = dict(marker="o", markersize=4) if len(values) < 3 else {}
            axes.plot(range(1, len(values) + 1), values, color=colour, linewidth=1.8, label=label, **alone)
    finite = np.asarray(held_out if held_out is not None else [], dtype="float64")
    if np.isfinite(finite).any():
        best = int(np.nanargmin(finite) if "loss" in name else np.nanargmax(finite))
        axes.plot(best + 1, finite[best], "o", color=ORANGE, markersize=6, markeredgecolor="white")
        label = f"best {finite[best]:.4g}, epoch {best + 1}"
        axes.plot([], [], "o", color=ORANGE, markersize=6, markeredgecolor="white", label=label)
        axes.legend(frameon=False, fontsize=8)


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
