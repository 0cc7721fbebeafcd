"""Pictures of a network: its places from top to bottom."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from pipelines.blueprint import Blueprint, Box, blueprint
from pipelines.pictures_style import BLUE, GREEN, GREY, ORANGE, PURPLE, short

TINTS = {"input": "#eeeeee", "convolution": "#d6e8f3", "pooling": "#fbe3d3", "dense": "#d3efe5", "other": "#f4f4f4"}
EDGES = {"input": GREY, "convolution": BLUE, "pooling": ORANGE, "dense": GREEN, "other": "#999999"}
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
    axes.text(x + 0.12, y + HEAD / 2, f"{short(box.title, 30)}{times}", fontsize=9, fontweight="bold", va="center")
    axes.text(x + WIDTH - 0.12, y + HEAD / 2, box.shape, fontsize=8.5, va="center", ha="right")
    for i, line in enumerate(box.lines):
        axes.text(x + 0.12, y + HEAD + LINE * (i + 0.5), short(line, 52), fontsize=8, va="center", color="#222222")
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
