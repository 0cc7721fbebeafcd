"""The places of the path that a task fills."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import keras
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from pipelines.endpoints import Endpoint, principal
from pipelines.recipe import Recipe
from pipelines.tracked_run import Run


@dataclass(frozen=True)
class Review:
    """A model against its held-out pictures: figures by name, and what people would rather look at or read."""

    figures: dict[str, float]
    pictures: dict[str, Figure]  # by file name
    tables: dict[str, str]  # by file name; the first is what `evaluate` prints

    def track(self, run: Run) -> None:
        """Sends pictures and tables to the run; what the figures are called there is the caller's to say."""
        for name, picture in self.pictures.items():
            run.picture(picture, name)
        for name, table in self.tables.items():
            run.text(table, name)


class Opened(Protocol):
    """A recipe's data, opened: batches of (pictures, targets) or (pictures, targets, weights)."""

    @property
    def fingerprint(self) -> str:
        """Hash of the contents of both splits."""

    @property
    def steps_per_epoch(self) -> int:
        """Full batches of an epoch."""

    def training_batches(self, epoch: int, skip: int = 0) -> tf.data.Dataset:
        """One epoch's batches from batch `skip` on, a pure function of the seed and the epoch."""

    def validation_batches(self) -> tf.data.Dataset:
        """The held-out pictures in their order."""


D = TypeVar("D", bound=Opened)


@dataclass(frozen=True)
class Task(Generic[D]):
    """One function for each place, in the order in which a run comes by."""

    open_data: Callable[[Recipe], D]
    settings: Callable[[Recipe, D], dict[str, Any]]  # of the model, beside the recipe's own
    objective: Callable[[keras.Model, Recipe, D], tuple[keras.Model, dict[str, Any], list[keras.Metric]]]
    """The model that `fit` is called on, what its `compile` takes beside the optimizer, and the metrics."""
    inference: Callable[[keras.Model], keras.Model]  # what is evaluated and exported, of the trained model's layers
    batch_sheet: Callable[[tuple, D], Figure]
    epoch_sheet: Callable[[keras.Model, D], Figure] | None  # a look at some held-out pictures
    review: Callable[[keras.Model, D, int | None], Review]  # of so many batches, or all
    endpoint: Callable[[Recipe, D], Endpoint]
    overlay: Callable[[keras.Model, np.ndarray, D], np.ndarray]
    """What the inference model sees in one photograph [H, W, 3] of any size, painted as uint8 [H, W, 3]."""


def principal_output(model: keras.Model) -> keras.Model:
    """The graph that answers, of the same layers: what only training needs is gone."""
    return keras.Model(model.input, principal(model.output), name=model.name)
