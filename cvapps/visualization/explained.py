"""What is explained of some pictures: one objective of all of them, or of each the score of a class of its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from cvapps import backend
from cvapps.analysis.graph import functional
from cvapps.visualization.networks import checked_images, in_float32, read
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

        def both(pictures, labels):
            def summed(values):
                found = scores(values[0], labels)
                return ops.sum(found), found

            (gradient,), found = backend.gradients(summed, [pictures])
            return found, gradient

        return backend.compiled(both)


def explained(model: keras.Model, images: Any, of: Subject, batch_size: int) -> Explained:
    """Of an objective, of a class or one for each picture, or where `of` is None of the class that scores best.

    A class's score is unnormalised, of a label map its mean over the places. Raises ValueError for pictures that don't
    fit (see `checked_images`), for classes that don't exist or are of another count, and for several inputs; TypeError
    for a model that isn't functional and for classes that aren't whole numbers.
    """
    if len(functional(model).inputs) != 1:
        raise ValueError(f"expected a model of pictures alone; {model.name} has {len(functional(model).inputs)} inputs")
    pictures = checked_images(model, images)
    if not len(pictures):
        raise ValueError("expected at least one picture")
    model = in_float32(model)
    if isinstance(of, Objective):
        reader, nothing = read(model, of.reads), np.zeros(len(pictures), "int32")
        return Explained(pictures, nothing, (), reader, lambda found, labels: of.value(found))
    reader = read(model, [OUTPUT])

    def every_score(found):
        maps = found[OUTPUT]
        return ops.mean(ops.reshape(maps, (ops.shape(maps)[0], -1, maps.shape[-1])), axis=1)

    def own_score(found, labels):
        return ops.squeeze(ops.take_along_axis(every_score(found), labels[:, None], axis=1), axis=1)

    if of is None:
        answer = backend.compiled(lambda some: every_score(reader(some, training=False)))
        labels = in_batches(answer, batch_size, pictures).argmax(axis=-1).astype("int32")
    else:
        labels = _checked_labels(of, len(pictures), reader.output[OUTPUT].shape[-1])
    return Explained(pictures, labels, tuple(f"class {label}" for label in labels), reader, own_score)


def _checked_labels(labels: Any, count: int, classes: int) -> np.ndarray:
    found = np.asarray(labels)
    if found.dtype.kind not in "iu":
        raise TypeError(f"expected an Objective, a class, a class for each picture or None, got {labels!r}")
    if found.shape not in ((), (count,)):
        raise ValueError(f"expected a class for each of {count} pictures, got {list(found.shape)}")
    if found.min() < 0 or found.max() >= classes:
        raise ValueError(f"expected classes from 0 to {classes - 1}, got {found.min()} to {found.max()}")
    return np.broadcast_to(found, (count,)).astype("int32")


def in_batches(function: Callable, batch_size: int, *arrays: np.ndarray, step: Callable = lambda: None) -> Any:
    """Arrays [N, ...] -> the function's answers [N, ...], of `batch_size` rows at a time; `step` is called after each.

    The last rows are filled up, so that a compiled function sees one shape. Raises ValueError for a size under one.
    """
    if batch_size < 1:
        raise ValueError(f"expected a batch of at least one, got {batch_size}")
    count = len(arrays[0])
    size, parts = min(batch_size, count), []
    for start in range(0, count, size):
        rows = np.minimum(np.arange(start, start + size), count - 1)
        found = function(*(ops.convert_to_tensor(array[rows]) for array in arrays))
        kept = min(size, count - start)
        parts.append(tree.map_structure(lambda x, kept=kept: ops.convert_to_numpy(x)[:kept], found))
        step()
    return tree.map_structure(lambda *some: np.concatenate(some), *parts)
