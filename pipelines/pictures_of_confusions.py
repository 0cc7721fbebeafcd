"""Pictures of which class is taken for which."""

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix as count_confusions

from pipelines.pictures_style import short


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
    shown = [short(name) for name in class_names]
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
    lines = [f"{wrong[i, j]:>4}  {short(class_names[i], 14)} → {short(class_names[j], 14)}" for i, j in pairs]
    return "\n".join(["most often confused", "(true → predicted)", "", *(lines or ["nothing"])])
