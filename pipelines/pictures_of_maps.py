"""Pictures of maps beside the photographs that they belong to: image, truth, prediction."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from cvapps.losses import IGNORE

VOID = (255, 255, 255)  # of pixels that don't count
CELL = 2.6  # inches of a picture's width


def coloured(labels: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Class numbers [..., H, W] in the classes' colours: uint8 [..., H, W, 3]; 255 is white."""
    table = np.full((256, 3), VOID, np.uint8)
    table[: len(palette)] = palette
    return table[np.asarray(labels)]


def tinted(image: np.ndarray, colours: np.ndarray, strength: np.ndarray | float = 0.6) -> np.ndarray:
    """A picture [H, W, 3] under colours of a strength of 0 to 1, both in 0..255: uint8 [H, W, 3]."""
    return np.rint((1 - strength) * np.asarray(image, np.float32) + strength * colours).astype(np.uint8)


def label_sheet(
    images: np.ndarray,
    columns: dict[str, np.ndarray],
    palette: np.ndarray,
    class_names: Sequence[str],
    captions: Sequence[str] = (),
) -> Figure:
    """A row for each picture [N, H, W, 3]: itself, and its label maps [N, h, w] by title; the classes' colours below.

    A map may be smaller than its picture. Raises ValueError where there is no picture.
    """
    if not len(images):
        raise ValueError("there is no picture to show")
    sheets = {"image": np.clip(np.rint(images), 0, 255).astype(np.uint8)}
    sheets |= {title: coloured(labels, palette) for title, labels in columns.items()}
    figure = sheet_of(sheets, captions)
    present = {number for labels in columns.values() for number in np.unique(labels)}
    shown = [(name, palette[i] / 255) for i, name in enumerate(class_names) if i in present]
    shown += [("does not count", np.array(VOID) / 255)] * (IGNORE in present)
    patches = [Patch(facecolor=tuple(colour), edgecolor="#999999", label=name) for name, colour in shown]
    columns_of_names = min(len(patches), int(CELL * len(sheets) / 1.4))
    figure.legend(handles=patches, loc="outside lower center", ncols=columns_of_names, fontsize=8, frameon=False)
    return figure


def value_sheet(images: np.ndarray, columns: dict[str, np.ndarray], unit: str, captions: Sequence[str] = ()) -> Figure:
    """A row for each picture [N, H, W, 3]: itself, and its maps of values [N, h, w] by title, on one scale a row.

    0 is unknown, and white. Raises ValueError where there is no picture.
    """
    if not len(images):
        raise ValueError("there is no picture to show")
    sheets = {"image": np.clip(np.rint(images), 0, 255).astype(np.uint8)}
    known = [
        np.concatenate([values[i][values[i] > 0].ravel() for values in columns.values()]) for i in range(len(images))
    ]
    ranges = [np.percentile(values, (1, 99)) if len(values) else np.array([0.0, 1.0]) for values in known]
    for title, values in columns.items():
        sheets[title] = np.stack([painted(value, span) for value, span in zip(values, ranges, strict=True)])
    spans = [f"{low:.2g} to {high:.2g} {unit}" for low, high in ranges]
    return sheet_of(sheets, [f"{a}\n{b}" for a, b in zip(captions, spans, strict=True)] if captions else spans)


def painted(values: np.ndarray, span: np.ndarray) -> np.ndarray:
    """Values [H, W] on a scale that ends at `span`: uint8 [H, W, 3]; 0 is unknown, and white."""
    low, high = span
    colours = colormaps["viridis_r"](np.clip((values - low) / max(high - low, 1e-9), 0, 1))[..., :3]
    return np.where((values > 0)[..., None], np.rint(255 * colours), 255).astype(np.uint8)


def sheet_of(columns: dict[str, np.ndarray], captions: Sequence[str] = ()) -> Figure:
    """uint8 pictures [N, H, W, 3] by title side by side, a row for each number, `captions` beside the rows."""
    count = len(next(iter(columns.values())))
    height, width = next(iter(columns.values())).shape[1:3]
    figure = Figure(figsize=(CELL * len(columns), CELL * height / width * count + 1.2), layout="constrained")
    grid = figure.subplots(count, len(columns), squeeze=False)
    for j, (title, pictures) in enumerate(columns.items()):
        for i, picture in enumerate(pictures):
            axes: Axes = grid[i, j]
            axes.imshow(picture, interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(False)
            if i == 0:
                axes.set_title(title, fontsize=10)
            if j == 0 and captions:
                axes.set_ylabel(captions[i], fontsize=8)
    return figure
