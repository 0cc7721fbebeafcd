"""The pictures of a run: data -> matplotlib Figure. Nothing here knows where a picture goes.

Colours are Okabe & Ito's, which colour-blind people can tell apart, and Matplotlib's single-hue maps. Figures are made
without pyplot, so none stays open.
"""

import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

import keras
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.ticker import MaxNLocator
from sklearn.metrics import confusion_matrix as count_confusions

from pipelines.blueprint import Blueprint, Box, blueprint, numbered_place

BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#555555"
TINTS = {"input": "#eeeeee", "convolution": "#d6e8f3", "pooling": "#fbe3d3", "dense": "#d3efe5", "other": "#f4f4f4"}
EDGES = {"input": GREY, "convolution": BLUE, "pooling": ORANGE, "dense": GREEN, "other": "#999999"}


def _short(text: Any, length: int = 22) -> str:
    """A name that fits under a picture; `$` is no mathematics."""
    text = str(text).replace("$", r"\$")
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)


# Curves.


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


# Right and wrong.


def confusion_matrix(labels: np.ndarray, predictions: np.ndarray, class_names: Sequence[str]) -> Figure:
    """True classes by rows, predicted ones by columns, from two int arrays (N,).

    The colour is the part of the row; counts stand in the cells where there is room, else the worst confusions are
    listed. Raises ValueError for a label outside the classes.
    """
    labels, predictions, count = np.asarray(labels), np.asarray(predictions), len(class_names)
    for what, values in (("label", labels), ("prediction", predictions)):
        if len(values) and not 0 <= values.min() <= values.max() < count:
            raise ValueError(f"each {what} must lie in 0..{count - 1}, not {values.min()}..{values.max()}")
    if not len(labels):
        return confusion_counts(np.zeros((count, count), int), class_names)
    return confusion_counts(count_confusions(labels, predictions, labels=np.arange(count)), class_names)


def confusion_counts(counts: np.ndarray, class_names: Sequence[str]) -> Figure:
    """The same picture from counts (C, C), true classes by rows."""
    counts, count = np.asarray(counts), len(class_names)
    parts = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    cell = 0.9 if count <= 4 else 0.5 if count <= 20 else 0.25 if count <= 50 else 0.16
    small = 9 if count <= 20 else 7 if count <= 50 else 5.5
    shown = [_short(name) for name in class_names]
    room = 0.01 * small * max(map(len, shown))  # inches that the names take
    long = room > cell
    side = max(3.2, cell * count)
    left, bottom, list_width = room + 0.5, (room if long else 0.2) + 0.5, 2.4 if count > 20 else 0.0
    width, height = left + side + 1.2 + list_width, bottom + side + 0.5
    figure = Figure(figsize=(width, height))  # laid out by hand: the cells must be squares beside names of any length
    axes = figure.add_axes((left / width, bottom / height, side / width, side / height))
    # The root of the part shows a percent of mistakes beside 99 of right answers.
    image = axes.imshow(parts, cmap="Blues", norm=PowerNorm(0.5, 0, 1), interpolation="nearest")
    axes.set_xticks(range(count), shown, rotation=90 if long else 0, fontsize=small)
    axes.set_yticks(range(count), shown, fontsize=small)
    axes.set_xticks(np.arange(1, count) - 0.5, minor=True)
    axes.set_yticks(np.arange(1, count) - 0.5, minor=True)
    axes.grid(which="minor", color="#f0f0f0", linewidth=0.4)
    axes.tick_params(which="both", length=0)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    right = int(np.trace(counts))
    total = int(counts.sum())
    accuracy = f": {right / total:.2%} right" if total else ""
    axes.set_title(f"{right:,} of {total:,}{accuracy}", fontsize=11)
    beside = figure.add_axes(
        ((left + side + 0.2) / width, (bottom + 0.15 * side) / height, 0.16 / width, 0.7 * side / height)
    )
    bar = figure.colorbar(image, cax=beside, ticks=[0, 0.01, 0.1, 0.25, 0.5, 1], format="{x:.0%}")
    bar.set_label("part of the true class", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    if count <= 20:
        for i, j in np.argwhere(counts):
            colour = "white" if parts[i, j] > 0.3 else "black"
            words = f"{counts[i, j]:,}" if counts.max() < 1e5 else f"{parts[i, j]:.0%}"  # of pixels there are too many
            axes.text(j, i, words, ha="center", va="center", color=colour, fontsize=small)
    else:
        words = _worst_confusions(counts, class_names)
        figure.text((left + side + 1.2) / width, (bottom + side / 2) / height, words, va="center", fontsize=8)
    return figure


def _worst_confusions(counts: np.ndarray, class_names: Sequence[str], most: int = 15) -> str:
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    pairs = [(i, j) for i, j in zip(*np.unravel_index(order, counts.shape), strict=True) if wrong[i, j]]
    lines = [f"{wrong[i, j]:>4}  {_short(class_names[i], 14)} → {_short(class_names[j], 14)}" for i, j in pairs]
    return "\n".join(["most often confused", "(true → predicted)", "", *(lines or ["nothing"])])


def _grid(count: int, columns: int, cell: float, extra: float, top: float) -> tuple[Figure, list[Axes]]:
    """A figure of `count` empty axes for pictures, each `cell` inches wide with `extra` inches for its caption."""
    columns = max(1, min(columns, count))
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(max(cell * columns, 4.0), (cell + extra) * rows + top), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for one in axes:
        one.set_axis_off()
    return figure, axes[:count]


def _show(axes: Axes, image: np.ndarray) -> None:
    """A picture [H, W, 1 or 3] in [0, 255], its pixels as they are where it is small."""
    pixels = np.clip(np.rint(np.nan_to_num(np.asarray(image, dtype="float32"))), 0, 255).astype("uint8")
    pixels = np.repeat(pixels, 3, axis=-1) if pixels.shape[-1] == 1 else pixels
    axes.imshow(pixels, interpolation="nearest" if max(pixels.shape[:2]) < 128 else "antialiased")


def worst_mistakes(
    images: np.ndarray, labels: np.ndarray, probabilities: np.ndarray, class_names: Sequence[str], count: int = 16
) -> Figure:
    """The wrong answers that gave the true class the least: images (N, H, W, 3), labels (N,), probabilities (N, C).

    Under each: what it is and what was seen, with the probability of both.
    """
    labels, probabilities = np.asarray(labels, dtype=int), np.asarray(probabilities)
    predicted = probabilities.argmax(axis=-1) if len(labels) else labels
    of_truth = probabilities[np.arange(len(labels)), labels]
    wrong = np.flatnonzero(predicted != labels)
    chosen = wrong[np.argsort(of_truth[wrong], kind="stable")][:count]
    if not len(chosen):
        figure = Figure(figsize=(4, 1.5), layout="constrained")
        figure.text(0.5, 0.5, "no mistakes", ha="center", va="center", fontsize=14, color=GREEN)
        return figure
    figure, cells = _grid(len(chosen), 8 if len(chosen) > 16 else 4, 1.8, 0.5, 0.4)
    for axes, i in zip(cells, chosen, strict=True):
        _show(axes, images[i])
        seen, truth = predicted[i], labels[i]
        axes.set_title(
            f"seen: {_short(class_names[seen], 14)} ({probabilities[i, seen]:.3f})", fontsize=8, color=ORANGE
        )
        axes.text(
            0.5, -0.03, f"true: {_short(class_names[truth], 14)} ({of_truth[i]:.3f})",
            transform=axes.transAxes, ha="center", va="top", fontsize=8, color=GREEN,
        )  # fmt: skip
    figure.suptitle(f"the worst mistakes, the worst first: {len(chosen)}", fontsize=11)
    return figure


def batch_sheet(images: np.ndarray, labels: np.ndarray, class_names: Sequence[str], most: int = 32) -> Figure:
    """The first pictures of a batch (N, H, W, 3) in [0, 255], with labels as ints (N,) or parts of classes (N, C).

    Raises ValueError for an empty batch.
    """
    images, labels = np.asarray(images)[:most], np.asarray(labels)[:most]
    if not len(images):
        raise ValueError("the batch is empty")
    figure, cells = _grid(len(images), 8, 1.25, 0.3, 0.4)
    for axes, image, label in zip(cells, images, labels, strict=True):
        _show(axes, image)
        axes.set_title(_label(label, class_names), fontsize=7)
    height, width = images.shape[1:3]
    figure.suptitle(f"a batch as the network sees it, {height} × {width} pixels", fontsize=11)
    return figure


def _label(label: np.ndarray, class_names: Sequence[str]) -> str:
    """A class, or the mixture of two that MixUp and CutMix make; what smoothing spreads over all is not said."""
    if not np.ndim(label):
        return _short(class_names[int(label)], 16)
    first, second = np.argsort(label, kind="stable")[::-1][:2] if len(label) > 1 else (0, 0)
    if label[second] < 0.1 or first == second:
        return _short(class_names[first], 16)
    return f"{label[first]:.2f} {_short(class_names[first], 10)}\n{label[second]:.2f} {_short(class_names[second], 10)}"


# The network.


def profile_table(rows: Iterable[Any], title: str = "") -> Figure:
    """Memory, parameters and multiply-adds of each layer as bars, from `profile(model).rows`, dicts or a DataFrame.

    The layers of a long network are added up by place: `stage2_block1`. A layer whose multiply-adds nobody counted
    has a `?`. Raises ValueError where there is no row.
    """
    if hasattr(rows, "to_dict") and hasattr(rows, "rename"):
        rows = rows.rename(columns={"layer": "name", "params": "parameters"}).to_dict("records")
    table = [asdict(row) if is_dataclass(row) and not isinstance(row, type) else dict(row) for row in rows]
    if not table:
        raise ValueError("the profile has no row")
    if len(table) > 40:
        table = _by_place(table)
    panels = (
        ("memory_kb", "memory (KB)", 1, PURPLE),
        ("parameters", "parameters (k)", 1e3, BLUE),
        ("multiply_adds", "multiply-adds (M)", 1e6, GREEN),
    )
    figure = Figure(figsize=(11, 1.4 + 0.22 * len(table)), layout="constrained")
    for axes, (key, label, unit, colour) in zip(figure.subplots(1, 3, sharey=True), panels, strict=True):
        values = [math.nan if row[key] is None else row[key] / unit for row in table]
        axes.barh(range(len(table)), np.nan_to_num(values), color=colour, height=0.7)
        for i, value in enumerate(values):
            words = " ?" if math.isnan(value) else f" {value:,.0f}" if value >= 100 else f" {value:,.2g}"
            axes.text(np.nan_to_num(value), i, words, va="center", fontsize=7)
        axes.margins(x=0.18)
        axes.set_xlim(left=0)
        axes.set_title(f"{label}: {np.nansum(values):,.1f}", fontsize=10)
        axes.tick_params(axis="x", labelsize=7)
        axes.grid(axis="x", color="#e6e6e6", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_yticks(range(len(table)), [_short(row["name"], 34) for row in table], fontsize=7.5)
        axes.set_ylim(len(table) - 0.4, -0.6)
    if title:
        figure.suptitle(title, fontweight="bold")
    return figure


def _by_place(table: list[dict[str, Any]]) -> list[dict[str, Any]]:
    names = [row["name"] for row in table]
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in table:
        name = row["name"]
        is_place = any(other.startswith(f"{name}_") for other in names)
        place = numbered_place(name) or (name if is_place else re.sub(r"_[^_]*$", "", name))
        groups.setdefault(place, []).append(row)
    keys = ("memory_kb", "parameters", "multiply_adds")
    return [
        {"name": name, **{key: sum(row[key] or 0 for row in rows) for key in keys}} for name, rows in groups.items()
    ]


WIDTH, RIGHT = 4.9, 0.55  # inches: a box, what passes it on the right
LEFT, NARROW = 1.45, 0.3  # inches: what passes a box on the left, and where nothing does
LINE, HEAD, GAP = 0.165, 0.3, 0.26  # inches: a line of a box, its title, between two boxes
BEHIND = 0.045  # inches by which a box is seen behind another
TALLEST = 12.0  # inches of a column of boxes


def architecture_diagram(model: keras.Model, title: str | None = None) -> Figure:
    """The network from top to bottom: places with their operations, output, parameters, and the ways around them.

    Places in a row that are built alike are one box with a count. Raises TypeError for a model that has no graph.
    """
    plan = blueprint(model)
    heights = [HEAD + LINE * len(box.lines) + 0.08 * bool(box.lines) for box in plan.boxes]
    columns = _columns(heights)
    tall = max(sum(heights[i] + GAP for i in column) for column in columns)
    left = NARROW if all(box.shortcut is None for box in plan.boxes) else LEFT
    stride = left + WIDTH + RIGHT
    figure = Figure(figsize=(stride * len(columns), tall + 0.75))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, stride * len(columns))
    axes.set_ylim(tall + 0.3, -0.45)
    name = title if title is not None else model.name
    axes.text(0.2, -0.22, name, fontsize=13, fontweight="bold", va="center")
    total = f"{model.count_params():,} parameters"
    axes.text(stride * len(columns) - 0.2, -0.22, total, fontsize=10, va="center", ha="right", color=GREY)
    corners: dict[int, tuple[float, float]] = {}
    for number, column in enumerate(columns):
        x, y = number * stride + left, GAP / 2
        for i in column:
            corners[i] = (x, y)
            entered = (x, y + HEAD / 2) if number and i == column[0] else (x + WIDTH / 2, y - GAP * 0.5)
            _draw_box(axes, plan.boxes[i], x, y, heights[i], entered)
            if i != column[-1]:
                bottom = y + heights[i] + BEHIND * 2 * (plan.boxes[i].count > 1)
                _arrow(axes, (x + WIDTH / 2, bottom), (x + WIDTH / 2, y + heights[i] + GAP))
            y += heights[i] + GAP
    for column, following in itertools.pairwise(columns):
        (x, y), (to_x, to_y) = corners[column[-1]], corners[following[0]]
        start, middle = (x + WIDTH, y + heights[column[-1]] / 2), x + WIDTH + RIGHT / 2 + 0.1
        axes.plot([start[0], middle, middle], [start[1], start[1], to_y + HEAD / 2], color=GREY, linewidth=1.2)
        _arrow(axes, (middle, to_y + HEAD / 2), (to_x, to_y + HEAD / 2))
    _draw_skips(axes, plan, corners, heights)
    return figure


def _columns(heights: list[float]) -> list[list[int]]:
    """Boxes by column, filled evenly so that none is much taller than the others."""
    total = sum(height + GAP for height in heights)
    wanted = total / math.ceil(total / TALLEST)
    columns: list[list[int]] = [[]]
    filled = 0.0
    for i, height in enumerate(heights):
        if columns[-1] and filled + (height + GAP) / 2 > wanted * len(columns):
            columns.append([])
        columns[-1].append(i)
        filled += height + GAP
    return columns


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], colour: str = GREY) -> None:
    style: dict[str, Any] = dict(arrowstyle="-|>", mutation_scale=9, color=colour, linewidth=1.2, shrinkA=0, shrinkB=0)
    axes.add_patch(FancyArrowPatch(start, end, **style))


def _draw_box(axes: Axes, box: Box, x: float, y: float, height: float, entered: tuple[float, float]) -> None:
    """One box, several behind each other where it stands for several, and the way around it from `entered`."""
    style: dict[str, Any] = dict(facecolor=TINTS[box.kind], edgecolor=EDGES[box.kind], linewidth=1.1)
    style["boxstyle"] = "round,pad=0,rounding_size=0.07"
    for i in range(2 if box.count > 1 else 0, -1, -1):
        axes.add_patch(FancyBboxPatch((x + BEHIND * i, y + BEHIND * i), WIDTH, height, **style))
    times = f"   × {box.count}" if box.count > 1 else ""
    axes.text(x + 0.12, y + HEAD / 2, f"{_short(box.title, 30)}{times}", fontsize=9, fontweight="bold", va="center")
    axes.text(x + WIDTH - 0.12, y + HEAD / 2, box.shape, fontsize=8.5, va="center", ha="right")
    for i, line in enumerate(box.lines):
        axes.text(x + 0.12, y + HEAD + LINE * (i + 0.5), _short(line, 52), fontsize=8, va="center", color="#222222")
    if box.parameters:
        words = f"{box.parameters:,} parameters"
        axes.text(x + WIDTH - 0.12, y + HEAD + LINE / 2, words, fontsize=7.5, va="center", ha="right", color=GREY)
    if box.shortcut is not None:
        add = max((i for i, line in enumerate(box.lines) if line.startswith("add")), default=len(box.lines) - 1)
        (start, top), bottom, out = entered, y + HEAD + LINE * (add + 0.5), x - 0.22
        axes.plot([start if start > x else out, out, out], [top, top, bottom], color=ORANGE, linewidth=1.2)
        _arrow(axes, (out, bottom), (x, bottom), ORANGE)
        words = box.shortcut.replace(", ", "\n", 1) if len(box.shortcut) > 14 else box.shortcut
        axes.text(out - 0.08, (top + bottom) / 2, words, fontsize=8, va="center", ha="right", color=ORANGE)


def _draw_skips(
    axes: Axes, plan: Blueprint, corners: Mapping[int, tuple[float, float]], heights: Sequence[float]
) -> None:
    """The edges that pass over other boxes, each in the first lane on the right that is free."""
    lanes: list[list[tuple[int, int]]] = []
    for start, end in plan.skips:
        (x, y), (to_x, to_y) = corners[start], corners[end]
        if x != to_x:
            axes.text(to_x + WIDTH + 0.06, to_y + HEAD / 2, f"+ {plan.boxes[start].title}", fontsize=6.5, color=PURPLE)
            continue
        free = (lane for lane in lanes if all(start >= b or end <= a for a, b in lane))
        lane = next(free, None)
        if lane is None:
            lane = []
            lanes.append(lane)
        lane.append((start, end))
        out = x + WIDTH + 0.14 + 0.1 * lanes.index(lane)
        from_y, into_y = y + heights[start] * 0.7, to_y + HEAD * 0.3
        axes.plot([x + WIDTH, out, out], [from_y, from_y, into_y], color=PURPLE, linewidth=1.2)
        _arrow(axes, (out, into_y), (to_x + WIDTH, into_y), PURPLE)
