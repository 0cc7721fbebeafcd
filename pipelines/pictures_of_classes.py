"""Pictures of photographs under their classes: a batch, and the answers that were most wrong."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipelines.pictures_style import GREEN, ORANGE, short


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
        axes.set_title(f"seen: {short(class_names[seen], 14)} ({probabilities[i, seen]:.3f})", fontsize=8, color=ORANGE)
        axes.text(
            0.5, -0.03, f"true: {short(class_names[truth], 14)} ({of_truth[i]:.3f})",
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
        return short(class_names[int(label)], 16)
    first, second = np.argsort(label, kind="stable")[::-1][:2] if len(label) > 1 else (0, 0)
    if label[second] < 0.1 or first == second:
        return short(class_names[first], 16)
    return f"{label[first]:.2f} {short(class_names[first], 10)}\n{label[second]:.2f} {short(class_names[second], 10)}"


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
