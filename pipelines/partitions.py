"""How well a trained segmenter of borders and cells parts its held-out pictures: the errors of the ISBI 2012 challenge.

    python -m pipelines.partitions unet_isbi
    python -m pipelines.partitions RECIPE --tile 256 --margin 64    # of a padded network of any size

Class 0 is border, class 1 cell. Pictures keep their size: they are seen in overlapping tiles.
"""

from collections.abc import Callable, Iterable
from functools import partial
from statistics import fmean

import click
import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from cvapps.dense.tiling import predict_tiled
from cvapps.losses import IGNORE
from cvapps.metrics.partition import pixel_error, rand_error
from pipelines.data.decode import decode_image
from pipelines.data.label_maps import read_mask
from pipelines.runs import latest_finished
from pipelines.tasks import task_of

ERRORS: dict[str, Callable[..., float]] = {
    "pixel error": pixel_error,
    "Rand error": partial(rand_error, lines=lambda mask: mask),
    "Rand error of thin borders": rand_error,
}


def border_probability(logits: np.ndarray) -> np.ndarray:
    """Of two classes, border first: float32 (H, W, 2) -> (H, W)."""
    return np.asarray(tf.nn.sigmoid(logits[..., 0] - logits[..., 1]))


def errors(model: keras.Model, pairs: Iterable[tuple[np.ndarray, np.ndarray]], **tiling) -> dict[str, float]:
    """Means over pictures (H, W, 3) with masks (H, W) of 0 and 1; `tiling` are settings of `predict_tiled`.

    Raises ValueError for a model of other than two classes, and for a mask with other labels.
    """
    found: dict[str, list[float]] = {name: [] for name in ERRORS}
    for image, mask in pairs:
        if other := set(np.unique(mask)) - {0, 1}:
            what = f"with pixels that don't count ({IGNORE})" if IGNORE in other else f"with {sorted(map(int, other))}"
            raise ValueError(f"expected masks of 0, border, and 1, cell, not one {what}")
        logits = predict_tiled(model, image, **tiling)
        if logits.shape[-1] != 2:
            raise ValueError(f"expected a model of two classes, border and cell; {model.name} has {logits.shape[-1]}")
        for name, error in ERRORS.items():
            found[name].append(error(mask == 1, border_probability(logits)))
    return {name: fmean(values) for name, values in found.items()}


@click.command()
@click.argument("recipe")
@click.option("--tile", type=int, help="Side of a tile, where the network takes any.")
@click.option("--margin", default=0, show_default=True, help="Pixels dropped at each edge of a tile.")
def main(recipe: str, tile: int | None, margin: int):
    """Scores the newest finished run of RECIPE."""
    folder = latest_finished(recipe)
    held_out = task_of(folder.recipe).open_data(folder.recipe).dataset.validation
    model = keras.saving.load_model(folder.model, compile=False)
    files = tqdm(list(zip(held_out.names, held_out.labels, strict=True)), desc="held out", disable=None)
    pairs = ((decode_image(tf.io.read_file(image)).numpy(), read_mask(mask)) for image, mask in files)
    for name, value in errors(model, pairs, tile=(tile, tile) if tile else None, margin=margin, batch=1).items():
        print(f"{name:28} {value:.4f}")


if __name__ == "__main__":
    main()
