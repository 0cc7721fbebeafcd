"""What a visualization gives: its numbers, and pictures of them side by side."""

import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

CELL = 2.2  # inches of one picture


@dataclass(frozen=True)
class Visualization:
    """A sheet of pictures, a row for each sample and a titled column for each kind, and the numbers behind it.

    `columns` are pictures [N, H, W, 3] or [N, H, W, 1] in [0, 255]; `values` is what was computed, unscaled, its first
    axis the samples; `rows` names the samples, and `details` holds what else is known, by name. Raises ValueError for
    no sample, for no column and for what doesn't fit together.
    """

    title: str
    columns: Mapping[str, np.ndarray]
    values: np.ndarray
    rows: Sequence[str] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.values)
        if not count or not self.columns:
            raise ValueError(f"expected at least one sample and one column, got {count} and {len(self.columns)}")
        for name, pictures in self.columns.items():
            if pictures.ndim != 4 or pictures.shape[-1] not in (1, 3) or len(pictures) != count:
                raise ValueError(f"column {name!r}: expected [{count}, H, W, 1 or 3], got {list(pictures.shape)}")
        if self.rows and len(self.rows) != count:
            raise ValueError(f"expected a name for each of {count} rows, got {len(self.rows)}")

    def figure(self) -> Any:
        """The sheet as a Matplotlib figure, made without pyplot. A single column is laid out as a square of cells.

        Raises ImportError without matplotlib.
        """
        try:
            from matplotlib.figure import Figure
        except ImportError as error:
            raise ImportError("drawing needs matplotlib: pip install 'cvapps[plot]'") from error

        count, kinds = len(self.values), len(self.columns)
        cells = [(i, name) for i in range(count) for name in self.columns]
        across = kinds if kinds > 1 else int(np.ceil(np.sqrt(count)))
        down = max(1, -(-len(cells) // across))
        tall = CELL * next(iter(self.columns.values())).shape[1] / next(iter(self.columns.values())).shape[2]
        figure = Figure(figsize=(CELL * across, (tall + 0.3) * down + 0.45), layout="constrained")
        figure.suptitle(self.title, fontsize=11)
        grid = figure.subplots(down, across, squeeze=False)
        for axes in grid.flat:
            axes.set_axis_off()
        for axes, (i, name) in zip(grid.flat, cells, strict=False):
            axes.imshow(_drawable(self.columns[name][i]), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            row = self.rows[i] if self.rows else ""
            words = row if kinds == 1 else name if i == 0 and name != next(iter(self.columns)) else ""
            if kinds > 1 and name == next(iter(self.columns)):
                words = f"{name}: {row}" if i == 0 and row else row or (name if i == 0 else "")
            axes.set_title(words.replace("$", r"\$"), fontsize=8)
        return figure

    def save(self, path: str | Path) -> Path:
        """Writes the sheet as a picture of the path's type (.png, .jpg, .pdf) and returns the path."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.figure().savefig(path, dpi=120)
        return path

    def show(self) -> None:
        """Shows the sheet in the notebook, or in the desktop's picture viewer."""
        if "IPython" in sys.modules and sys.modules["IPython"].get_ipython() is not None:
            sys.modules["IPython"].display.display(self)
        else:
            from matplotlib.image import imread

            pixels = imread(io.BytesIO(self._repr_png_()))
            keras.utils.array_to_img(255 * pixels, data_format="channels_last", scale=False).show(self.title)

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.figure().savefig(buffer, dpi=120, format="png")
        return buffer.getvalue()


def _drawable(picture: np.ndarray) -> np.ndarray:
    """[H, W, 3] or [H, W, 1] in [0, 255] -> uint8 that Matplotlib draws in colour or in grey."""
    picture = np.clip(np.round(picture), 0, 255).astype(np.uint8)
    return picture[..., 0] if picture.shape[-1] == 1 else picture


def signed_pictures(maps: np.ndarray) -> np.ndarray:
    """Signed maps [N, H, W, C] -> pictures in [0, 255] in which 127.5 is zero, each sample by its own largest value."""
    largest = np.abs(maps).reshape(len(maps), -1).max(axis=1, initial=0)
    return 127.5 + 127.5 * maps / np.maximum(largest, np.finfo(np.float32).tiny)[:, None, None, None]


def magnitude_pictures(maps: np.ndarray) -> np.ndarray:
    """Signed maps [N, H, W, C] -> grey pictures [N, H, W, 1]: the largest magnitude over the channels, 255 the peak.

    The maximum over the channels is Simonyan, Vedaldi & Zisserman 2013, arXiv:1312.6034, section 3.1.
    """
    grey = np.abs(maps).max(axis=-1, keepdims=True)
    return 255 * grey / np.maximum(grey.max(axis=(1, 2, 3), keepdims=True), np.finfo(np.float32).tiny)


def spotlit_pictures(pictures: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """Pictures [N, H, W, C] and maps [N, H, W, 1] -> pictures lit by the maps, of a fifth of their light elsewhere.

    Negative values don't light; each sample is lit by its own largest value.
    """
    light = np.maximum(maps, 0)
    light = light / np.maximum(light.max(axis=(1, 2, 3), keepdims=True), np.finfo(np.float32).tiny)
    return pictures * (0.2 + 0.8 * light)
