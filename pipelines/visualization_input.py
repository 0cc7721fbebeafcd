"""The pictures that a visualization is of: photographs as the network takes them, or a run's held-out ones."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

import cvapps
from pipelines.data.decode import decode_image, fit
from pipelines.tasks import Opened, task_of
from pipelines.trained import Trained
from pipelines.visualizations import Asked, Method


def pictures_for(
    row: Method, network: Trained, asked: Asked, photos: Sequence[Path], count: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """float32 [N, H, W, 3] of the photographs or else of the run's held-out pictures, and the classes of these [N].

    Raises ValueError for a file without photographs, for what isn't one, for photographs of several sizes where the
    network has none, and for a class that no held-out picture is of.
    """
    if not photos:
        if network.data is None:
            raise ValueError("expected --photo, as a file has no held-out pictures")
        task = cvapps.model_info(network.recipe.model).task
        return _held_out(network.data, task, count, asked.class_number if row.of_one_class else None)
    prepare = _prepare(network)
    pictures = [prepare(_photograph(path)) for path in photos]
    if len({picture.shape for picture in pictures}) > 1:
        sizes = ", ".join(f"{path} {p.shape[1]}x{p.shape[0]}" for path, p in zip(photos, pictures, strict=True))
        raise ValueError(f"{network.model.name} takes pictures as they are, and these differ in size: {sizes}")
    return np.stack(pictures), None


def _prepare(network: Trained) -> Callable[[tf.Tensor], np.ndarray]:
    """A photograph as the network takes it: a run's as in its validation, a file's resized and cut to its size."""
    if network.data is not None:
        prepare = task_of(network.recipe).endpoint(network.recipe, network.data).prepare
        return lambda image: prepare(image).numpy()
    shape = network.model.input_shape
    if not isinstance(shape, tuple) or len(shape) != 4 or shape[-1] != 3:
        raise ValueError(f"expected a network of photographs (N, H, W, 3); {network.model.name} takes {shape}")
    _, height, width, _ = shape
    if height is None or width is None:
        return lambda image: tf.cast(image, tf.float32).numpy()
    return lambda image: fit(image, (height, width)).numpy()


def _photograph(path: Path) -> tf.Tensor:
    try:
        return decode_image(path.read_bytes())
    except tf.errors.InvalidArgumentError as error:
        raise ValueError(f"{path}: {error.message}") from error


def _held_out(data: Opened, task: str, count: int, wanted: int | None) -> tuple[np.ndarray, np.ndarray | None]:
    """The first pictures, all or of the class that is wanted, and of a classifier their classes."""
    elements = data.validation_batches().unbatch()
    if task != "classification":
        if wanted is not None:
            raise ValueError(f"held-out pictures of {task} have no class each: give --photo")
        return np.stack([element[0].numpy() for element in elements.take(count)]), None
    if wanted is not None:
        elements = elements.filter(lambda image, label, *_: tf.equal(tf.argmax(label), wanted))
    found = list(elements.take(count))
    if not found:
        raise ValueError(f"no held-out picture is of class {wanted}")
    pictures, labels = np.stack([one[0].numpy() for one in found]), [int(np.argmax(one[1])) for one in found]
    return pictures, np.array(labels)
