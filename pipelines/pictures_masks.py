"""Pictures of object proposals: data -> matplotlib Figure."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from cvapps.dense.object_proposals import Proposals
from pipelines.pictures_of_maps import tinted
from pipelines.pictures_style import BLUE, GREEN, ORANGE, PURPLE

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, "#E69F00", "#56B4E9", "#F0E442")  # Okabe & Ito's


def proposals_sheet(image: np.ndarray, found: Proposals, truth: np.ndarray | None = None, count: int = 6) -> Figure:
    """The best `count` proposals over their picture (H, W, 3) in [0, 255], beside it the true masks bool (G, H, W).

    Raises ValueError for masks of another size than the picture.
    """
    size = np.shape(image)[:2]
    for masks in (found.masks, *(() if truth is None else (truth,))):
        if masks.shape[1:] != size:
            raise ValueError(f"expected masks of the picture's {size} pixels, not {masks.shape[1:]}")
    panels = 1 if truth is None else 2
    height, width = size
    figure = Figure(figsize=(6 * panels, 6 * height / width + 0.4), layout="constrained")
    axes = figure.subplots(1, panels, squeeze=False)[0]
    best = found.masks[:count]
    _draw(axes[0], image, best, [f"{score:.2f}" for score in found.scores[:count]])
    axes[0].set_title(f"the best {len(best)} of {len(found.masks)} proposals", fontsize=11)
    if truth is not None:
        _draw(axes[1], image, truth, [""] * len(truth))
        axes[1].set_title(f"{len(truth)} annotated objects", fontsize=11)
    return figure


def masks_over(image: np.ndarray, masks: np.ndarray, colours: Sequence[str] = COLOURS) -> np.ndarray:
    """A picture (H, W, 3) in [0, 255], with masks bool (P, H, W) as tints, the first on top: uint8 (H, W, 3).

    The masks take the colours in turn.
    """
    shown = np.clip(image, 0, 255)
    for i in reversed(range(len(masks))):
        shown = tinted(shown, 255 * np.array(to_rgb(colours[i % len(colours)])), 0.45 * masks[i][..., None])
    return np.asarray(shown, np.uint8)


def _draw(axes: Axes, image: np.ndarray, masks: np.ndarray, labels: Sequence[str]) -> None:
    """The picture with each mask as a tint and an outline, the first on top."""
    axes.imshow(masks_over(image, masks))
    axes.set_axis_off()
    for i, (mask, label) in enumerate(zip(masks, labels, strict=True)):
        if mask.any() and not mask.all():
            axes.contour(mask, levels=[0.5], colors=[COLOURS[i % len(COLOURS)]], linewidths=1.5)
        rows, columns = np.nonzero(mask)
        if label and len(rows):
            axes.text(
                columns.mean(), rows.mean(), label, color="white", fontsize=8, ha="center", va="center",
                bbox=dict(boxstyle="round,pad=0.15", color=COLOURS[i % len(COLOURS)]),
            )  # fmt: skip
