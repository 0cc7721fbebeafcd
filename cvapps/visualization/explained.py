"""What is explained of some pictures: one objective of all of them, or of each the score of a class of its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from cvapps import backend
from cvapps.visualization.batches import in_batches
from cvapps.visualization.checks import check_counts, checked_labels
from cvapps.visualization.networks import checked_images, gradient_and, in_float32, read
from cvapps.visualization.objectives import OUTPUT, Objective

Subject = Objective | int | Sequence[int] | np.ndarray | None


@dataclass(frozen=True)
class Explained:
    """Checked pictures [N, H, W, C], their classes (N,), names for their rows, and what answers for them.

    `score` takes what `reader` found of some pictures, and their classes (n,): -> (n,).
    """

    pictures: np.ndarray
    labels: np.ndarray
    rows: tuple[str, ...]
    reader: keras.Model
    score: Callable[[Any, Any], Any]

    def scores(self) -> Callable[[Any, Any], Any]:
        """A function of pictures (n, H, W, C) and classes (n,), to be compiled: the scores (n,)."""
        return lambda pictures, labels: self.score(self.reader(pictures, training=False), labels)

    def gradients(self) -> Callable[[Any, Any], tuple[Any, Any]]:
        """A compiled function of pictures and classes: the scores (n,), and by the pictures their gradients."""
        scores = self.scores()

        def twice(pictures, labels):
            found = scores(pictures, labels)
            return found, found

        both = gradient_and(twice)
        return lambda pictures, labels: both(pictures, labels)[::-1]


def explained(model: keras.Model, images: Any, of: Subject, batch_size: int, output: str | None) -> Explained:
    """Of an objective, of a class or one for each picture, or where `of` is None of the class that scores best.

    A class's score is unnormalised, of a label map its mean over the places; `output` says which of several has it.
    Raises ValueError for pictures that don't fit (see `checked_images`), for classes that don't exist or are of another
    count, for an output that `read` refuses, and for an output besides an Objective, which has its own; TypeError for a
    model that isn't functional and for classes that aren't whole numbers.
    """
    check_counts(batch_size=batch_size)
    pictures = checked_images(model, images)
    if not len(pictures):
        raise ValueError("expected at least one picture")
    model = in_float32(model)
    if isinstance(of, Objective):
        if output is not None:
            raise ValueError(f"expected no output besides an Objective, which says what it reads, got {output!r}")
        reader, nothing = read(model, of.reads), np.zeros(len(pictures), "int32")
        return Explained(pictures, nothing, (), reader, lambda found, labels: of.value(found))
    name = OUTPUT + (output or "")
    reader = read(model, [name])

    def every_score(found):
        maps = found[name]
        return ops.mean(ops.reshape(maps, (ops.shape(maps)[0], -1, maps.shape[-1])), axis=1)

    def own_score(found, labels):
        return ops.squeeze(ops.take_along_axis(every_score(found), labels[:, None], axis=1), axis=1)

    if of is None:
        answer = backend.compiled(lambda some: every_score(reader(some, training=False)))
        labels = in_batches(answer, batch_size, pictures).argmax(axis=-1).astype("int32")
    else:
        labels = checked_labels(of, len(pictures), reader.output[name].shape[-1])
    return Explained(pictures, labels, tuple(f"class {label}" for label in labels), reader, own_score)
