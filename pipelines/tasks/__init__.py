"""What a task changes of the one path from recipe to endpoint: one value, with a function for each place."""

import importlib

import cvapps
from cvapps.registry import nearest
from pipelines.recipe import Recipe
from pipelines.tasks.task import Opened, Task

__all__ = ["Opened", "Task", "task_of"]

TASKS = ("classification", "depth", "detection", "edges", "object_masks", "segmentation")


def task_of(recipe: Recipe) -> Task:
    """The task of the recipe's model. Raises ValueError for a model that isn't known, or that no trainer knows."""
    name = cvapps.model_info(recipe.model).task
    if name not in TASKS:
        raise ValueError(f"{recipe.model} is a model for {name}, which no recipe trains; {nearest(name, TASKS)}")
    return importlib.import_module(f"pipelines.tasks.{name}").TASK
