"""Boundary or not for each pixel."""

from functools import partial

import keras
import numpy as np
import tensorflow as tf
from tqdm.auto import tqdm

from cvapps.losses import ClassBalancedCrossentropy
from cvapps.metrics.boundaries import BoundaryScores
from cvapps.training import JointlyTrained
from pipelines import endpoints
from pipelines.data.bsds import BoundaryDataset, open_berkeley, open_boundary_folder
from pipelines.data.decode import decode_image, resize
from pipelines.data.maps import MapData, open_data
from pipelines.pictures_of_maps import sheet_of
from pipelines.recipe import Recipe
from pipelines.tasks.task import Review, Task, principal_output

SHOWN = 4  # held-out pictures on a sheet
THRESHOLDS = 33  # where the benchmark has 99, at three times the time


def objective(model: keras.Model, recipe: Recipe, data: MapData):
    """The class-balanced loss of every output together; the benchmark's scores take minutes, so `review` has them."""
    if recipe.loss:
        raise ValueError(f"the loss of boundaries is the class-balanced one; no other is known, not {recipe.loss!r}")
    return JointlyTrained(model, ClassBalancedCrossentropy()), {}, []


def probability(model: keras.Model, image: tf.Tensor) -> np.ndarray:
    """Of a boundary, for one picture: [H, W, 3] -> float32 [H, W]; a network of one size is given it stretched."""
    sides, size = model.input_shape[1:3], tf.shape(image)[:2]
    given = tf.cast(image, tf.float32) if None in sides else resize(image, sides)
    logits = endpoints.principal(model(given[None], training=False))
    return tf.image.resize(tf.sigmoid(logits), size)[0, ..., 0].numpy()


def as_grey(maps: np.ndarray) -> np.ndarray:
    """Probabilities [N, H, W] as uint8 pictures [N, H, W, 3], black where there is a boundary."""
    return np.repeat(np.rint(255 * (1 - np.clip(maps, 0, 1)))[..., None], 3, -1).astype(np.uint8)


def batch_sheet(batch: tuple, data: MapData):
    """The pictures with their boundaries."""
    images, labels, *_ = (part.numpy()[:8] for part in batch)
    return sheet_of({"image": np.rint(images).astype(np.uint8), "truth": as_grey(labels == 1)})


def epoch_sheet(model: keras.Model, data: MapData):
    """The first held-out pictures, their boundaries and what is seen."""
    images, labels, *_ = (part[:SHOWN] for part in next(iter(data.validation_batches().take(1))))
    seen = tf.sigmoid(endpoints.principal(model(images, training=False)))[..., 0].numpy()
    truth, image = as_grey(labels.numpy() == 1), np.rint(images.numpy()).astype(np.uint8)
    return sheet_of({"image": image, "truth": truth, "prediction": as_grey(seen)})


def review(model: keras.Model, data: MapData, batches: int | None) -> Review:
    """ODS, OIS and AP of the held-out pictures, each at its own size, against all its annotators."""
    dataset = data.dataset
    if not isinstance(dataset, BoundaryDataset):
        raise TypeError(f"boundaries are measured against annotators, which {type(dataset).__name__} has none of")
    names = dataset.validation.names[: None if batches is None else batches * data.data.batch]
    scores = BoundaryScores(THRESHOLDS)
    shown: list[list[np.ndarray]] = []
    for name in tqdm(names, desc="held out", disable=None):
        image = decode_image(tf.io.read_file(name))
        found = probability(model, image)
        scores.update(found, dataset.annotators[name])
        if len(shown) < SHOWN:
            drawn = dataset.annotators[name].mean(0)
            sides = (image.numpy(), *as_grey(np.stack([drawn, found])))
            shown.append([resize_to(side, data.data.size) for side in sides])
    values = scores.result()
    figures = {"ods": values.ods, "ois": values.ois, "average_precision": values.ap}
    images, drawings, predictions = (np.stack(side) for side in zip(*shown, strict=True))
    sheet = sheet_of({"image": images, "annotators": drawings, "prediction": predictions})
    table = "\n".join(f"{name:20} {value:.4f}" for name, value in figures.items()) + "\n"
    return Review(figures, {"boundaries.png": sheet}, {"scores.txt": table})


def resize_to(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """uint8 [H, W, 3] -> uint8 [h, w, 3], so that a sheet's cells are alike."""
    return np.rint(resize(tf.constant(picture), size).numpy()).astype(np.uint8)


def overlay(model: keras.Model, image: np.ndarray, data: MapData):
    """The boundaries, black on white."""
    return as_grey(probability(model, tf.constant(image))[None])[0]


TASK = Task(
    partial(open_data, sources={"bsds": open_berkeley, "folder": open_boundary_folder}),
    lambda recipe, data: {},
    objective,
    principal_output,
    batch_sheet,
    epoch_sheet,
    review,
    lambda recipe, data: endpoints.edges(recipe.data.size),
    overlay,
)
