"""The one door by name: `create_model("resnet50")` finds the row that a family's file registered."""

import difflib
import fnmatch
import functools
import importlib
import inspect
import pkgutil
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
import typeguard

import cvapps


@dataclass(frozen=True)
class Paper:
    """Where a model was published."""

    authors: str
    year: int
    title: str
    link: str


@dataclass(frozen=True)
class Row:
    """One named model: its family's builder and the settings that make it this member of the family."""

    name: str
    task: str
    builder: Callable[..., keras.Model]
    settings: Mapping[str, Any]
    paper: Paper
    systems: tuple[int, ...]

    @property
    def defaults(self) -> dict[str, Any]:
        """Every setting of the builder with the value that this row builds with."""
        parameters = inspect.signature(self.builder).parameters.values()
        own = {p.name: p.default for p in parameters if p.default is not p.empty}
        return {**own, **self.settings, "name": self.name}

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """(height, width, channels) of the picture that the row expects unless told otherwise."""
        return self.defaults["input_shape"]


_ROWS: dict[str, Row] = {}


def builds(spec: type) -> Callable[[Callable[[Any], keras.Model]], Callable[..., keras.Model]]:
    """Makes of `graph(spec)` a builder whose settings are the fields of the frozen dataclass `spec`, by their names.

    So a row's table may hold `vars(ancestor)`, any place may be replaced by whoever builds, and `changes` tells which
    places a paper replaced. The builder's `spec` is the dataclass.
    """

    def builder_of(graph: Callable[[Any], keras.Model]) -> Callable[..., keras.Model]:
        @functools.wraps(graph)
        def builder(**settings: Any) -> keras.Model:
            return graph(spec(**settings))

        builder.__signature__ = inspect.signature(spec)  # type: ignore[attr-defined]
        builder.__annotations__ = typing.get_type_hints(spec)
        builder.spec = spec  # type: ignore[attr-defined]
        return builder

    return builder_of


def register(
    task: str,
    builder: Callable[..., keras.Model],
    variants: Mapping[str, Mapping[str, Any]],
    paper: Paper,
    systems: Iterable[int],
) -> None:
    """Enters every row of a family's table.

    `systems` are the numbers of the lectures' systems that the rows answer. Raises ValueError for a name taken twice.
    """
    for name, settings in variants.items():
        if name in _ROWS:
            raise ValueError(f"{name!r} is already registered by {_ROWS[name].builder.__module__}")
        _ROWS[name] = Row(name, task, builder, MappingProxyType(settings), paper, tuple(systems))


@cache
def _rows() -> dict[str, Row]:
    """All rows by name. Importing every module is what fills the table, so there is no list to forget."""
    for module in pkgutil.walk_packages(cvapps.__path__, "cvapps."):
        importlib.import_module(module.name)
    return dict(sorted(_ROWS.items()))


def model_info(name: str) -> Row:
    """The row called `name`: task, paper, default input shape and settings, lecture systems it answers.

    Raises ValueError, with the nearest names, for a name that no family registered.
    """
    rows = _rows()
    if name not in rows:
        raise ValueError(f"no model is called {name!r}; {nearest(name, rows)}")
    return rows[name]


def list_models(pattern: str = "*", task: str | None = None) -> list[str]:
    """Sorted names that match a shell-style pattern, of one task or of all.

    Raises ValueError for a task that no family has.
    """
    tasks = {row.task for row in _rows().values()}
    if task is not None and task not in tasks:
        raise ValueError(f"no task is called {task!r}; {nearest(task, tasks)}")
    return [name for name, row in _rows().items() if fnmatch.fnmatchcase(name, pattern) and task in (None, row.task)]


def create_model(name: str, /, weights: str | Path | None = None, **overrides: Any) -> keras.Model:
    """Builds a model by name; `overrides` replace the row's settings.

    `weights` are random where not given; "imagenet" fetches what someone publishes for the row, a path to .weights.h5,
    .keras or .safetensors reads a file (see `cvapps.weights`). Raises ValueError for an unknown name or setting and for
    weights that don't fit, TypeError for a value of the wrong type; each names what is known.
    """
    if weights is not None:
        return cvapps.weights.load(name, weights, **overrides)
    check_settings(name, overrides)
    row = model_info(name)
    return row.builder(**{**row.settings, "name": name, **overrides})


def check_settings(name: str, settings: Mapping[str, Any]) -> None:
    """Raises ValueError for a model or a setting that there is not, TypeError for a value of the wrong type."""
    row = model_info(name)
    hints = typing.get_type_hints(row.builder)
    for setting, value in settings.items():
        if setting not in row.defaults:
            raise ValueError(f"{name} has no setting {setting!r}; it has {sorted(row.defaults)}")
        check_type(f"{name}'s {setting}", value, hints[setting])


def changes(name: str, ancestor: str) -> dict[str, tuple[Any, Any]]:
    """Where `name` differs from `ancestor`: {setting: (the ancestor's value, its own)}.

    Raises ValueError for two models that are not built by the same graph.
    """
    old, new = model_info(ancestor), model_info(name)
    if old.builder is not new.builder:
        raise ValueError(f"{name} and {ancestor} are different graphs: {new.builder.__name__}, {old.builder.__name__}")
    before, after = old.defaults, new.defaults
    return {key: (before[key], after[key]) for key in after if key != "name" and not _same(before[key], after[key])}


def _same(a: Any, b: Any) -> bool:
    """Whether two settings are equal, whose mappings may hold arrays, as anchors' do."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)
    return a == b


def nearest(name: str, known: Iterable[str]) -> str:
    """The words that end an error about an unknown name."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"the nearest names are {close}" if close else f"known are {known}"


def check_type(what: str, value: Any, annotation: Any) -> None:
    """Raises TypeError where `value` is not of the annotated type; a bool is not an int here."""
    try:
        typeguard.check_type(value, annotation, collection_check_strategy=typeguard.CollectionCheckStrategy.ALL_ITEMS)
        if isinstance(value, bool) and annotation in (int, float, int | None, float | None):
            raise typeguard.TypeCheckError("is a bool")
    except typeguard.TypeCheckError as error:
        expected = annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")
        raise TypeError(f"{what} must be {expected}, not {value!r} ({type(value).__name__})") from error
