"""A visualization of a trained network as a file, and as a picture of the run that it belongs to."""

import inspect
import re
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras

from cvapps import visualization
from cvapps.registry import check_type, nearest
from cvapps.weights import imagenet_classes
from pipelines.environment import environment_tags
from pipelines.home import home
from pipelines.recipe import assignment, read_value
from pipelines.tasks import task_of
from pipelines.tracked_run import Run, open_run
from pipelines.trained import Trained, trained
from pipelines.visualization_input import pictures_for
from pipelines.visualizations import METHODS, Asked, Method

EXPERIMENT = "visualizations"  # of files, which belong to no run


def visualize(
    method: str,
    name: str,
    photos: Sequence[Path] = (),
    chosen_class: str | None = None,
    layer: str | None = None,
    channel: int | None = None,
    changes: Sequence[str] = (),
    count: int = 4,
) -> Path:
    """Calls a method on a recipe's newest finished run or a .keras file, and returns where its picture is.

    Without photos those of a run are its first `count` held-out pictures. The picture is logged under the run; a
    file's is a run of its own. Raises ValueError for a method, an option, a class or a setting that there isn't or that
    is missing, TypeError for a setting of another type, FileNotFoundError for a run or a file that isn't there, and
    what the method raises.
    """
    if method not in METHODS:
        raise ValueError(f"no method is called {method!r}; {nearest(method, METHODS)}")
    row, function = METHODS[method], getattr(visualization, method)
    settings = _settings(method, row, function, changes)
    chosen = {"class": chosen_class, "layer": layer, "channel": channel}
    _check_options(method, row, chosen, bool(photos))
    network = trained(name)
    asked = Asked(None, None, _class_names(network), chosen_class, layer, channel)
    if "--photo" in row.options:
        pictures, labels = pictures_for(row, network, asked, photos, count)
        asked = replace(asked, pictures=pictures, labels=labels)
    by_keyword = {key: one.read(asked) for key, one in row.keywords.items()}
    sheet = function(network.model, *(one.read(asked) for one in row.arguments), **by_keyword, **settings)
    figure = row.finish(sheet, asked).figure()

    shown = [path.stem for path in photos] if asked.pictures is not None else []
    words = (method, *shown[:3], *(str(value) for value in chosen.values() if value is not None), *changes)
    file = "-".join(re.sub(r"[^\w.=]+", "_", word) for word in words) + ".png"
    path = home("visualizations", Path(name).stem, file)
    figure.savefig(path, dpi=120)
    params = {"method": method, **chosen, "settings": list(changes), "photos": [str(photo) for photo in photos]}
    with _run_of(network, name, params) as run:
        run.picture(path, f"visualizations/{file}")
    return path


def _settings(method: str, row: Method, function: Callable, changes: Sequence[str]) -> dict[str, Any]:
    """{name: value} of the settings, each of its parameter's type; a public name of `cvapps.visualization` is that."""
    parameters = inspect.signature(function).parameters.values()
    known = {one.name: one for one in parameters if one.kind is one.KEYWORD_ONLY and one.name not in row.keywords}
    hints, settings = typing.get_type_hints(function), {}
    for change in changes:
        name, text = assignment(change)
        if name not in known:
            raise ValueError(f"{method} has no setting {name!r}; {nearest(name, known)}")
        value = read_value(text)
        if isinstance(value, str) and hints[name] not in (str, str | None):
            value = _public(value)
        check_type(f"{method}'s {name}", value, hints[name])
        settings[name] = value
    for name, parameter in known.items():
        if parameter.default is parameter.empty and name not in settings:
            raise ValueError(f"{method} needs --set {name}=VALUE")
    return settings


def _public(text: str) -> Any:
    """What a public name of `cvapps.visualization` stands for, or "TABLE.row" of a table there; else the text."""
    name, _, row = text.partition(".")
    if name not in visualization.__all__:
        return text
    found = getattr(visualization, name)
    if row and not isinstance(found, Mapping):
        return text
    if row and row not in found:
        raise ValueError(f"{name} has no row {row!r}; {nearest(row, found)}")
    return found[row] if row else found


def _check_options(method: str, row: Method, given: dict[str, Any], has_photos: bool) -> None:
    for option, value in given.items():
        if value is None and row.options.get(f"--{option}"):
            raise ValueError(f"{method} needs --{option}")
        if value is not None and f"--{option}" not in row.options:
            raise ValueError(f"{method} takes no --{option}")
    if has_photos and "--photo" not in row.options:
        raise ValueError(f"{method} takes no --photo")


def _class_names(network: Trained) -> tuple[str, ...]:
    """A run's are its data's; a file with ImageNet's 1000 outputs has ImageNet's."""
    if network.data is not None:
        return task_of(network.recipe).endpoint(network.recipe, network.data).labels
    names = tuple(name for _, name in imagenet_classes())
    outputs = keras.tree.flatten(network.model.output)
    return names if any(output.shape[-1] == len(names) for output in outputs) else ()


def _run_of(network: Trained, name: str, params: dict[str, Any]) -> Run:
    if network.folder is None:
        tags = {**environment_tags(), "file": name}
        return open_run(f"{params['method']} of {network.model.name}", params, tags, EXPERIMENT)
    recipe = network.folder.path.parent.name
    return open_run(recipe, {}, {}, recipe, network.folder.tracked)
