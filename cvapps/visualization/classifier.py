"""A classifier as attacks see it: its logits, and how they change with the pictures."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from cvapps import backend
from cvapps.visualization.batches import in_batches
from cvapps.visualization.checks import check_counts, checked_labels
from cvapps.visualization.networks import checked_images, gradient_and, in_float32, read
from cvapps.visualization.objectives import OUTPUT


class Classifier:
    """A network that tells classes apart: pictures (N, H, W, C) -> logits (N, classes), float32 and as in inference.

    `output` says which of several; `batch_size` is how many pictures are looked at together. Raises ValueError for an
    output that isn't logits of at least two classes.
    """

    def __init__(self, model: keras.Model, output: str | None, batch_size: int):
        check_counts(batch_size=batch_size)
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

        def valued(pictures, labels):
            logits = self._read(pictures)
            return value(logits, labels), logits

        return gradient_and(valued)

    def checked(self, images: Any, labels: Any) -> tuple[np.ndarray, np.ndarray]:
        """Pictures as float32 [N, H, W, C] and a class for each: those given, one for all, or where None the answers.

        Raises ValueError for no picture, and what `checked_labels` and `checked_images` raise.
        """
        pictures = checked_images(self.model, images)
        if not len(pictures):
            raise ValueError("expected at least one picture")
        if labels is None:
            return pictures, self.all_logits(pictures).argmax(-1).astype("int32")
        return pictures, checked_labels(labels, len(pictures), self.classes)

    def all_logits(self, pictures: np.ndarray) -> np.ndarray:
        """float32 [N, H, W, C] -> [N, classes], a batch at a time."""
        return in_batches(self.logits, self.batch_size, pictures)


def of_class(logits: Any, labels: Any) -> Any:
    """The score of each picture's class: (N, classes), (N,) -> (N,)."""
    return ops.take_along_axis(logits, labels[:, None], axis=1)[:, 0]


def cross_entropy(logits: Any, labels: Any) -> Any:
    """The loss of each picture's class: (N, classes), (N,) -> (N,)."""
    return -of_class(ops.log_softmax(logits, axis=-1), labels)
