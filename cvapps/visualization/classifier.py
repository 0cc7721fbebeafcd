"""A classifier as attacks see it: its logits, and how they change with the pictures."""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from cvapps import backend
from cvapps.visualization.networks import checked_images, in_float32, read
from cvapps.visualization.objectives import OUTPUT


class Classifier:
    """A network that tells classes apart: pictures (N, H, W, C) -> logits (N, classes), float32 and as in inference.

    `output` says which of several; `batch_size` is how many pictures are looked at together. Raises ValueError for an
    output that isn't logits of at least two classes.
    """

    def __init__(self, model: keras.Model, output: str | None, batch_size: int):
        check_positive(batch_size=batch_size)
        name = OUTPUT + (output or "")
        reader = read(in_float32(model), [name])
        shape = reader.output[name].shape
        if len(shape) != 2 or shape[1] < 2:
            raise ValueError(f"expected logits (N, classes) of at least two classes, {model.name} gives {shape}")
        self.model, self.classes, self.batch_size = model, shape[1], batch_size
        self._read = lambda pictures: reader(pictures, training=False)[name]
        self.logits = backend.compiled(self._read)

    def gradient_of(self, value: Callable[[Any, Any], Any]) -> Callable[[Any, Any], tuple[Any, Any]]:
        """Of a value (logits, labels) -> (N,): a compiled (pictures, labels) -> its gradient by the pictures, logits.

        Each picture's gradient is that of its own value.
        """

        def both(pictures, labels):
            def summed(values):
                logits = self._read(values[0])
                return ops.sum(value(logits, labels)), logits

            (gradient,), logits = backend.gradients(summed, [pictures])
            return gradient, logits

        return backend.compiled(both)

    def checked(self, images: Any, labels: Any) -> tuple[np.ndarray, np.ndarray]:
        """Pictures as float32 [N, H, W, C] and the number of a class for each, the network's own answers where None.

        Raises ValueError for no picture, for another number of labels than of pictures and for a class that there
        isn't, TypeError for labels that aren't whole numbers, and what `checked_images` raises.
        """
        pictures = checked_images(self.model, images)
        if not len(pictures):
            raise ValueError("expected at least one picture")
        if labels is None:
            return pictures, self.all_logits(pictures).argmax(-1).astype("int32")
        given = np.asarray(ops.convert_to_numpy(labels) if ops.is_tensor(labels) else labels)
        if given.dtype.kind not in "iu":
            raise TypeError(f"expected a whole number for each picture, the class's, got labels of {given.dtype}")
        if given.shape != pictures.shape[:1]:
            raise ValueError(f"expected {len(pictures)} labels, one for each picture, got {list(given.shape)}")
        if given.min() < 0 or given.max() >= self.classes:
            wrong = given[(given < 0) | (given >= self.classes)][0]
            raise ValueError(f"expected labels from 0 to {self.classes - 1}, got {wrong}")
        return pictures, given.astype("int32")

    def batches(self, pictures: np.ndarray) -> list[slice]:
        """Which of the pictures are looked at together."""
        return [slice(i, i + self.batch_size) for i in range(0, len(pictures), self.batch_size)]

    def all_logits(self, pictures: np.ndarray) -> np.ndarray:
        """float32 [N, H, W, C] -> [N, classes], a batch at a time."""
        parts = (pictures[batch] for batch in self.batches(pictures))
        return np.concatenate([ops.convert_to_numpy(self.logits(ops.convert_to_tensor(part))) for part in parts])


def of_class(logits: Any, labels: Any) -> Any:
    """The score of each picture's class: (N, classes), (N,) -> (N,)."""
    return ops.take_along_axis(logits, labels[:, None], axis=1)[:, 0]


def cross_entropy(logits: Any, labels: Any) -> Any:
    """The loss of each picture's class: (N, classes), (N,) -> (N,)."""
    return -of_class(ops.log_softmax(logits, axis=-1), labels)


def check_positive(**values: Any) -> None:
    """Raises TypeError for what isn't a number and ValueError for what isn't positive and finite, by its name."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
            raise TypeError(f"expected a number as {name}, got {value!r}")
        if not 0 < value < math.inf:
            raise ValueError(f"expected {name} above 0, got {value}")
