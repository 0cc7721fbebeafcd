"""The places of the path that a task fills."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import keras
from matplotlib.figure import Figure

from pipelines.data.batches import Batches
from pipelines.endpoints import Endpoint, principal
from pipelines.recipe import Recipe
from pipelines.tracking import Run


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


D = TypeVar("D", bound=Batches)


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


def principal_output(model: keras.Model) -> keras.Model:
    """The graph that answers, of the same layers: what only training needs is gone."""
    return keras.Model(model.input, principal(model.output), name=model.name)
