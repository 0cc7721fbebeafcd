"""A visualization of a trained network as a file, and as a picture of the run that it belongs to."""

import inspect
import re
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import cvapps
from cvapps import visualization
from cvapps.registry import check_type, nearest
from cvapps.weights import imagenet_classes
from pipelines.data.decode import decode_image, fit
from pipelines.environment import environment_tags
from pipelines.home import home
from pipelines.recipe import assignment, read_value
from pipelines.tasks import Opened, task_of
from pipelines.tracked_run import Run, open_run
from pipelines.trained import Trained, trained
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
    pictures, labels = _pictures(network, method, photos, count)
    asked = Asked(pictures, labels, _class_names(network), chosen_class, layer, channel)
    by_keyword = {key: one.read(asked) for key, one in row.keywords.items()}
    sheet = function(network.model, *(one.read(asked) for one in row.arguments), **by_keyword, **settings)
    figure = row.finish(sheet, asked).figure()

    words = (method, *(str(value) for value in chosen.values() if value is not None), *changes)
    file = "-".join(re.sub(r"[^\w.=]+", "_", word) for word in words) + ".png"
    path = home("visualizations", Path(name).stem, file)
    figure.savefig(path, dpi=120)
    run = _run_of(network, name, {"method": method, **chosen, "settings": list(changes)})
    run.picture(path, f"visualizations/{file}")
    run.finish("FINISHED")
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
        value = _public(value) if isinstance(value, str) else value
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


def _pictures(
    network: Trained, method: str, photos: Sequence[Path], count: int
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """What a method that takes pictures is given, and the classes of held-out ones."""
    if photos:
        prepare = _prepare(network)
        return np.stack([prepare(_photograph(path)) for path in photos]), None
    if "--photo" not in METHODS[method].options:
        return None, None
    if network.data is None:
        raise ValueError(f"{method} needs --photo, as a file has no held-out pictures")
    return _held_out(network.data, cvapps.model_info(network.recipe.model).task, count)


def _prepare(network: Trained) -> Callable[[tf.Tensor], np.ndarray]:
    """A photograph as the network takes it: a run's as in its validation, a file's resized and cut to its size."""
    if network.data is not None:
        prepare = task_of(network.recipe).endpoint(network.recipe, network.data).prepare
        return lambda image: prepare(image).numpy()
    _, height, width, _ = network.model.input_shape
    if height is None or width is None:
        return lambda image: tf.cast(image, tf.float32).numpy()
    return lambda image: fit(image, (height, width)).numpy()


def _photograph(path: Path) -> tf.Tensor:
    try:
        return decode_image(path.read_bytes())
    except tf.errors.InvalidArgumentError as error:
        raise ValueError(f"{path}: {error.message}") from error


def _held_out(data: Opened, task: str, count: int) -> tuple[np.ndarray, np.ndarray | None]:
    """The first pictures, and of a classifier their classes."""
    elements = list(data.validation_batches().unbatch().take(count))
    pictures = np.stack([element[0].numpy() for element in elements])
    labels = [int(np.argmax(element[1])) for element in elements] if task == "classification" else None
    return pictures, None if labels is None else np.array(labels)


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
