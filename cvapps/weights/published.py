"""What a family's table of names is, and where all of them are found."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import cvapps.weights
from cvapps.registry import model_info


@dataclass(frozen=True)
class Flattened:
    """The map that a source flattened channels first, (channels, height, width), before its dense layer."""

    channels: int
    height: int
    width: int


Pair = tuple[str | None, str] | tuple[str, str, Flattened]


@dataclass(frozen=True)
class Published:
    """The weights that somebody publishes for a row.

    `source` is a builder of keras.applications, or a repository of the Hugging Face hub; empty where nobody publishes
    this row's weights and only the names are known. `names` gives, for the row's settings, pairs of our layer and
    theirs, the network's first layer first; ours is None where theirs isn't needed, and "head/classes_conv" for a layer
    of a model inside of ours. `settings` make our graph theirs,
    `arguments` make keras.applications' builder build theirs. `bgr`: their first layer reads blue, green, red. `also`:
    what another source calls some of a state's layers, {its name: the name in the table}. `epsilon`: of their batch
    normalizations, where it isn't our layers' own.
    """

    source: str
    names: Callable[[Mapping[str, Any]], Iterator[Pair]]
    settings: Mapping[str, Any] = field(default_factory=dict)
    bgr: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict)
    also: Mapping[str, str] = field(default_factory=dict)
    epsilon: float | None = None


@cache
def _tables(kind: str) -> dict[str, Published]:
    """All families' tables of that kind, KERAS or STATE, as one. A module in this package is a family's."""
    found: dict[str, Published] = {}
    for module in pkgutil.iter_modules(cvapps.weights.__path__, "cvapps.weights."):
        table = getattr(importlib.import_module(module.name), kind, {})
        if twice := found.keys() & table.keys():
            raise ValueError(f"{module.name} names {sorted(twice)} again")
        found.update(table)
    return found


def in_keras(name: str) -> Published | None:
    """The row's weights as keras.applications has them, or None. Raises ValueError for an unknown row."""
    return _tables("KERAS").get(model_info(name).name)


def in_pytorch(name: str) -> Published | None:
    """The row's weights under PyTorch's names, or None. Raises ValueError for an unknown row."""
    return _tables("STATE").get(model_info(name).name)
