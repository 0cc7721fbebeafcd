"""A depth in metres for each pixel."""

from functools import partial

import keras
import numpy as np
import tensorflow as tf
from tqdm.auto import tqdm

from cvapps.losses import ScaleInvariantLog
from cvapps.losses.depth import at_outputs
from cvapps.metrics import DepthErrors
from cvapps.training import JointlyTrained
from pipelines import endpoints
from pipelines.data import depth_augment
from pipelines.data.decode import resize
from pipelines.data.depth_folders import open_depth_folder
from pipelines.data.maps import MapData, open_data
from pipelines.data.plan import bound
from pipelines.data.tfds_maps import open_tfds_depths
from pipelines.pictures_of_maps import painted, value_sheet
from pipelines.recipe import Recipe
from pipelines.tasks.task import Review, Task, principal_output

SHOWN = 4  # held-out pictures on a sheet


def scale_invariant(recipe: Recipe, data: MapData, balance: float = 0.5, local: float = 0.0):
    """Eigen's loss; `local` weighs the differences between neighbours."""
    return ScaleInvariantLog(balance, local)


LOSSES = {"scale_invariant": scale_invariant}


def objective(model: keras.Model, recipe: Recipe, data: MapData):
    """The scale-invariant loss of logarithms, and the errors of the paper's table."""
    _, loss = bound(recipe.loss or "scale_invariant", LOSSES, "loss of depths")
    metrics = [DepthErrors()]
    return JointlyTrained(model, loss(recipe, data), metrics), {}, metrics


def columns(images: tf.Tensor, metres: tf.Tensor, predicted: tf.Tensor) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Pictures, and the truth beside what is seen where the network answers."""
    truth = keras.ops.convert_to_numpy(at_outputs(metres, predicted))
    return images.numpy(), {"truth": truth, "prediction": keras.ops.convert_to_numpy(predicted)[..., 0]}


def batch_sheet(batch: tuple, data: MapData):
    """The pictures with their depths."""
    images, metres, *_ = (part.numpy()[:8] for part in batch)
    return value_sheet(images, {"truth": metres}, "m")


def epoch_sheet(model: keras.Model, data: MapData):
    """The first held-out pictures, their depths and what is seen."""
    images, metres, *_ = (part[:SHOWN] for part in next(iter(data.validation_batches().take(1))))
    return value_sheet(*columns(images, metres, model(images, training=False)), "m")


def review(model: keras.Model, data: MapData, batches: int | None) -> Review:
    """The errors of the paper's table, and the pictures whose logarithms are most wrong."""
    errors = DepthErrors()
    worst: list[tuple[float, np.ndarray, np.ndarray, np.ndarray]] = []
    for images, metres, *_ in tqdm(data.validation_batches().take(batches or -1), desc="held out", disable=None):
        predicted = model(images, training=False)
        errors.update_state(metres, predicted)
        shown, maps = columns(images, metres, predicted)
        for image, truth, seen in zip(shown, *maps.values(), strict=True):
            known = truth > 0
            ratio = np.log(np.maximum(seen, 1e-6)[known] / truth[known])
            worst.append((float(np.sqrt(np.mean(ratio**2))) if known.any() else 0.0, image, truth, seen))
        worst = sorted(worst, key=lambda one: -one[0])[:SHOWN]
    figures = {name: float(value) for name, value in errors.result().items()}
    images, truths, seen = (np.stack(part) for part in list(zip(*worst, strict=True))[1:])
    captions = [f"RMSE of logs {error:.2f}" for error, *_ in worst]
    sheet = value_sheet(images, {"truth": truths, "prediction": seen}, "m", captions)
    table = "\n".join(f"{name:22} {value:8.4f}" for name, value in figures.items()) + "\n"
    return Review(figures, {"mistakes.png": sheet}, {"errors.txt": table})


def overlay(model: keras.Model, image: np.ndarray, data: MapData):
    """The depths, near ones light; the network sees the photograph stretched to the recipe's size."""
    metres = model(resize(tf.constant(image), data.data.size)[None], training=False)
    values = tf.image.resize(metres, image.shape[:2])[0, ..., 0].numpy()
    return painted(values, np.percentile(values, (1, 99)))


TASK = Task(
    partial(open_data, sources={"folder": open_depth_folder, "tfds": open_tfds_depths}, tables=depth_augment.TABLES),
    lambda recipe, data: {},
    objective,
    principal_output,
    batch_sheet,
    epoch_sheet,
    review,
    lambda recipe, data: endpoints.depths(recipe.data.size),
    overlay,
)
