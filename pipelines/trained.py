"""A trained network by the name that people give: a recipe's newest finished run, or a .keras file."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import keras

from pipelines.recipe import Recipe
from pipelines.runs import RunFolder, latest_finished
from pipelines.tasks import Opened, task_of


@dataclass(frozen=True)
class Trained:
    """A network, the recipe that it is by and the folder of its run; a file has neither run nor data."""

    model: keras.Model
    recipe: Recipe
    folder: RunFolder | None

    @cached_property
    def data(self) -> Opened | None:
        """The recipe's data, opened."""
        return None if self.folder is None else task_of(self.recipe).open_data(self.recipe)


def trained(name: str) -> Trained:
    """The network of a recipe's newest finished run, or of a .keras file, whose recipe is that of its model's name.

    Raises FileNotFoundError where there is no such run or file.
    """
    if name.endswith(".keras"):
        if not Path(name).is_file():
            raise FileNotFoundError(f"no model at {name}")
        model = keras.saving.load_model(name, compile=False)
        return Trained(model, Recipe(model.name), None)
    folder = latest_finished(name)
    return Trained(keras.saving.load_model(folder.model, compile=False), folder.recipe, folder)
