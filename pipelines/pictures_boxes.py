"""Pictures of detection: boxes, classes and masks over their photographs, and precision against recall."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from cvapps.metrics.detection import Curve
from cvapps.metrics.instances import Detections, Objects, decoded
from pipelines.pictures_masks import COLOURS, masks_over

WIDTH = 5.0  # inches of a photograph
ACROSS = 3  # photographs beside each other
LUMA = np.array([0.299, 0.587, 0.114])
STYLES = ("-", "--", ":")
OUTLINE = [patheffects.withStroke(linewidth=2.4, foreground="white", alpha=0.6)]  # seen on dark and on busy ground


def detection_sheet(
    images: Sequence[np.ndarray],
    found: Sequence[Detections],
    truth: Sequence[Objects],
    class_names: Sequence[str],
    *,
    least: float = 0.5,
    captions: Sequence[str] = (),
) -> Figure:
    """A row for each picture (H, W, 3) in [0, 255]: what is there, and what was found with a score of at least `least`.

    Each class of the sheet has its colour, of which there are seven; crowds and difficult objects are dashed. Raises
    ValueError where there is no picture, or not as many of each.
    """
    if not len(images) or not len(images) == len(found) == len(truth):
        raise ValueError(
            f"expected pictures with what was found and is there, not {[*map(len, (images, found, truth))]}"
        )
    colours = _colours(*found, *truth)
    shapes = [np.shape(image)[:2] for image in images]
    heights = [WIDTH * height / width + 0.3 for height, width in shapes]
    figure = Figure(figsize=(2 * WIDTH, sum(heights)), layout="constrained")
    grid = figure.subplots(len(images), 2, squeeze=False, height_ratios=heights)
    for i, (left, right) in enumerate(grid):
        objects, detections = truth[i], found[i]
        names = [_name(class_names, k) for k in objects.classes]
        _draw(left, images[i], objects, names, colours, objects.crowd | objects.difficult)
        shown = _draw_found(right, images[i], detections, class_names, colours, least)
        left.set_title("  ".join([*captions[i : i + 1], f"{len(objects.boxes)} there"]), fontsize=9)
        right.set_title(f"{shown} of {len(detections.scores)} found have scores of {least:g} or more", fontsize=9)
    return figure


def truth_sheet(images: Sequence[np.ndarray], truth: Sequence[Objects], class_names: Sequence[str]) -> Figure:
    """Pictures (H, W, 3) in [0, 255] of one size with what is there, three in a row.

    Raises ValueError where there is no picture, or not as many of both.
    """
    if not len(images) or len(images) != len(truth):
        raise ValueError(f"expected pictures with what is there, not {[len(images), len(truth)]}")
    colours = _colours(*truth)
    columns = min(ACROSS, len(images))
    rows = math.ceil(len(images) / columns)
    height, width = np.shape(images[0])[:2]
    figure = Figure(figsize=(WIDTH * columns, (WIDTH * height / width + 0.3) * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, image, objects in zip(panels, images, truth, strict=False):
        names = [_name(class_names, k) for k in objects.classes]
        _draw(axes, image, objects, names, colours, objects.crowd | objects.difficult)
        axes.set_title(f"{len(objects.boxes)} there", fontsize=9)
    for axes in panels[len(images) :]:
        axes.remove()
    return figure


def detection_picture(
    image: np.ndarray, found: Detections, class_names: Sequence[str], *, least: float = 0.5
) -> Figure:
    """The picture (H, W, 3) in [0, 255] alone, without a margin, with what was found with a score of at least `least`.

    `painted` gives its pixels.
    """
    height, width = np.shape(image)[:2]
    figure = Figure(figsize=(WIDTH, WIDTH * height / width))
    _draw_found(figure.add_axes((0, 0, 1, 1)), image, found, class_names, _colours(found), least)
    return figure


def painted(figure: Figure, size: tuple[int, int]) -> np.ndarray:
    """A figure of that height and width in pixels: uint8 (H, W, 3)."""
    figure.set_dpi(size[1] / figure.get_figwidth())
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    return np.asarray(pixels.resize((size[1], size[0])))  # a side may have been rounded down


def _colours(*given: Detections | Objects) -> dict[int, str]:
    """A colour for each class that is there, in turn."""
    present = np.unique(np.concatenate([one.classes for one in given]))
    return {int(k): COLOURS[i % len(COLOURS)] for i, k in enumerate(present)}


def _draw_found(
    axes: Axes,
    image: np.ndarray,
    found: Detections,
    class_names: Sequence[str],
    palette: Mapping[int, str],
    least: float,
) -> int:
    """Draws what has a score of at least `least`, the best on top, and says how many those are."""
    kept = found.scores >= least
    shown = _rows(found, np.flatnonzero(kept)[np.argsort(-found.scores[kept], kind="stable")])
    labels = [f"{_name(class_names, k)} {s:.2f}" for k, s in zip(shown.classes, shown.scores, strict=True)]
    _draw(axes, image, shown, labels, palette, np.zeros(len(labels), bool))
    return len(labels)


def _rows(found: Detections, rows: np.ndarray) -> Detections:
    """Some of what was found, in that order."""
    masks = found.masks
    if masks is not None:
        masks = masks[rows] if isinstance(masks, np.ndarray) else [masks[i] for i in rows]
    return Detections(found.boxes[rows], found.scores[rows], found.classes[rows], masks)


def _name(class_names: Sequence[str], number: int) -> str:
    return class_names[number].replace("$", r"\$") if number < len(class_names) else f"class {number}"


def _draw(
    axes: Axes,
    image: np.ndarray,
    given: Detections | Objects,
    labels: Sequence[str],
    palette: Mapping[int, str],
    dashed: np.ndarray,
) -> None:
    """The photograph with masks as tints, and boxes with labels, the first on top."""
    height, width = np.shape(image)[:2]
    colours = [palette[int(k)] for k in given.classes]
    masks = None if given.masks is None or not colours else decoded(given.masks, (height, width))
    shown = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    axes.imshow(shown if masks is None else masks_over(shown, masks, colours), extent=(0, width, height, 0))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    for i in reversed(range(len(colours))):
        x1, y1, x2, y2 = given.boxes[i]
        axes.add_patch(
            Rectangle(
                (x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=colours[i], linewidth=1.6,
                linestyle="--" if dashed[i] else "-", path_effects=OUTLINE, zorder=2,
            )
        )  # fmt: skip
        inside = y1 < 0.05 * height  # there is no room above
        axes.text(
            np.clip(x1, 0, width), np.clip(y1, 0, height), labels[i], fontsize=6.5, clip_on=True,
            color="black" if LUMA @ to_rgb(colours[i]) > 0.6 else "white", va="top" if inside else "bottom", zorder=3,
            bbox=dict(boxstyle="square,pad=0.12", color=colours[i], linewidth=0),
        )  # fmt: skip


def precision_recall(curves: Mapping[str, Curve], averages: Mapping[str, float], title: str = "") -> Figure:
    """Precision against recall of each class in one panel, named with its average precision, the best first.

    Raises ValueError where there is no curve.
    """
    if not curves:
        raise ValueError("there is no class with objects, so there is no curve to draw")
    names = sorted(curves, key=lambda name: -averages[name])
    columns = math.ceil(len(names) / 24)
    figure = Figure(figsize=(5.2 + 1.7 * columns, 4.4), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6e6e6", linewidth=0.8)
    for i, name in enumerate(names):
        recall, precision, _ = curves[name]
        reached = np.flatnonzero(precision > 0)[-1] + 1 if (precision > 0).any() else 0
        axes.plot(
            recall[:reached], precision[:reached], color=COLOURS[i % len(COLOURS)], linewidth=1.6,
            linestyle=STYLES[i // len(COLOURS) % len(STYLES)], label=f"{averages[name]:.3f}  {_name([name], 0)}",
        )  # fmt: skip
    axes.set(xlim=(0, 1.01), ylim=(0, 1.03), xlabel="recall", ylabel="precision")
    axes.set_title(title, fontweight="bold")
    figure.legend(loc="outside right upper", ncols=columns, fontsize=8, frameon=False, title="average precision")
    return figure
