"""What a run is: one frozen dataclass, in the order in which the run happens, and typed changes to it."""

import ast
import functools
import importlib
import inspect
import json
import pkgutil
import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal

from pydantic import TypeAdapter

from cvapps.registry import check_type, model_info, nearest


@dataclass(frozen=True)
class Data:
    """Pictures and labels, and what is done to a picture before the network sees it."""

    source: str = "digits"  # "tfds:NAME", "folder:PATH", "arrays:PATH"; with maps or objects: data/{maps,detection}.py
    held_out: float = 0.2  # part kept for validation, stratified by class, where the source has no split of its own
    size: tuple[int, int] = (32, 32)  # height, width that the network is given
    eval_crop: float = 1.0  # validation: the shorter side is resized to size / eval_crop, then the centre is cut
    augment: tuple[str, ...] = ()  # names from data/augment.py, in this order, training only
    batch: int = 128  # of a step, on all devices and workers together
    cache: bool = True  # decoded validation pictures, and raw training bytes, stay in memory
    max_bad: float = 0.01  # part of the pictures that may be unreadable; more is an error
    max_boxes: int = 100  # of a picture that detection trains with: of more, the largest
    threads: int = 0  # for decoding and augmenting; 0 lets tf.data choose
    service: str = ""  # grpc://HOST:PORT, whose tf.data workers make the training batches: data/service.py
    service_wait: float = 120.0  # seconds for a batch of the service: a worker that is restarted needs a minute


@dataclass(frozen=True)
class Optimizer:
    """The update rule."""

    name: Literal["sgd", "adamw", "rmsprop"] = "sgd"
    learning_rate: float = 0.1  # at its highest
    momentum: float = 0.9
    weight_decay: float = 1e-4  # of kernels only: no bias, no normalization weight
    clip_norm: float | None = None  # of the gradient of all weights together


@dataclass(frozen=True)
class Schedule:
    """The learning rate over the run, as a part of the optimizer's."""

    name: Literal["constant", "cosine", "poly", "step"] = "cosine"
    warmup_epochs: float = 0.0  # linear from zero
    drop_epochs: tuple[float, ...] = ()  # where "step" multiplies by drop_factor
    drop_factor: float = 0.1
    power: float = 0.9  # of "poly": the part of the run that is left, to that power


@dataclass(frozen=True)
class Recipe:
    """One run: command, hardware, time and expected result stand in its file's docstring."""

    model: str
    settings: dict[str, Any] = field(default_factory=dict)  # of the model's row; "head.width" is that of its `head`
    data: Data = Data()
    epochs: int = 30
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    loss: str = ""  # of the task's table, with its numbers: "separation(10, 5)"; without a name the task's usual
    label_smoothing: float = 0.0  # of classification
    auxiliary_weight: float = 0.3  # of the loss of each auxiliary classifier, where the model has such
    initial: str = ""  # first weights: "imagenet", "run:RECIPE" (or "best:") of its newest finished run, or a file
    frozen: tuple[str, ...] = ()  # beginnings of the names of layers that stay as they are
    ema: float | None = None  # momentum of the weights' moving average, which validation and export then use
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "mixed_bfloat16"
    epoch_steps: int | None = None  # ends every epoch, and validation, after so many batches
    jit: bool = False  # XLA: twice as slow on a CPU, faster on a GPU
    strategy: Literal["default", "mirrored", "multiworker"] = "default"  # one device, all of a machine, of several
    joint_norm: bool = True  # on several devices: moments of the whole batch, as on one; or of each device's part
    checkpoint_steps: int = 200  # also before and after every validation
    checkpoint_keep: int = 2  # so many of the newest; one that the disk has spoilt is passed over
    keep_best: str = "lowest val_loss"  # or "highest" one: that epoch's model is kept beside the last; "" keeps none
    seed: int = 0


def names() -> list[str]:
    """Every recipe: a module of `pipelines/recipes` is one."""
    return sorted(module.name for module in pkgutil.iter_modules(importlib.import_module("pipelines.recipes").__path__))


def load(name: str) -> Recipe:
    """The recipe called `name`. Raises ValueError with the nearest names where there is none."""
    if name not in names():
        raise ValueError(f"no recipe is called {name!r}; {nearest(name, names())}")
    return importlib.import_module(f"pipelines.recipes.{name}").RECIPE


def override(recipe: Any, path: str, text: str) -> Any:
    """`override(r, "optimizer.learning_rate", "0.05")`: the recipe with one field changed to what the text says.

    Raises ValueError for an unknown field and TypeError for a value of another type; each says what was expected.
    """
    head, _, rest = path.partition(".")
    if isinstance(recipe, dict):
        return {**recipe, path: read_value(text)}
    known = [f.name for f in fields(recipe)]
    if head not in known:
        raise ValueError(f"{type(recipe).__name__} has no field {head!r}; {nearest(head, known)}")
    old = getattr(recipe, head)
    if rest and (is_dataclass(old) or isinstance(old, dict)):
        return replace(recipe, **{head: override(old, rest, text)})
    if rest or is_dataclass(old):
        inner = f", one of {[f.name for f in fields(old)]}" if is_dataclass(old) else ""
        raise ValueError(f"{path}={text}: {head} is a {type(old).__name__}; set one of its fields{inner}")
    annotation = typing.get_type_hints(type(recipe))[head]
    new = read_value(text)
    if isinstance(old, str) or typing.get_origin(annotation) is Literal:
        new = text
    check_type(path, new, annotation)
    return replace(recipe, **{head: float(new) if annotation in (float, float | None) and new is not None else new})


def order_of(text: str) -> tuple[Callable, str]:
    """ "lowest val_loss" -> (min, "val_loss"), "highest val_accuracy" -> (max, "val_accuracy"). Raises ValueError."""
    order, _, name = text.partition(" ")
    if order not in ("lowest", "highest") or not name:
        raise ValueError(f"which is best must be said as 'lowest NAME' or 'highest NAME', not {text!r}")
    return {"lowest": min, "highest": max}[order], name


def assignment(change: str) -> tuple[str, str]:
    """What `--set` takes, "NAME=VALUE", in its two parts. Raises ValueError where it isn't that."""
    name, equals, text = change.partition("=")
    if not equals:
        raise ValueError(f"--set takes FIELD=VALUE, not {change!r}")
    return name, text


def read_value(text: str) -> Any:
    """A Python literal, with tuples for lists; or the text itself where it is none."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return tuple(value) if isinstance(value, list) else value


def quick(recipe: Recipe) -> Recipe:
    """The same path in about a minute: two short epochs of small batches."""
    data = replace(recipe.data, batch=min(recipe.data.batch, 32))
    return replace(recipe, data=data, epochs=min(recipe.epochs, 2), epoch_steps=10, checkpoint_steps=5)


def model_settings(recipe: Recipe) -> dict[str, Any]:
    """The recipe's settings as its model's builder takes them.

    The name of a function, where the row has one, means that of the same module. "head.width" is what the setting
    `head`, a function, a dataclass or a dictionary, has of that name. Raises ValueError for names that there are not.
    """
    defaults = model_info(recipe.model).defaults
    settings = {
        key: _function(key, defaults[key], value) if callable(defaults.get(key)) and isinstance(value, str) else value
        for key, value in recipe.settings.items()
        if "." not in key
    }
    for key, value in recipe.settings.items():
        place, dot, rest = key.partition(".")
        if dot and place not in defaults:
            raise ValueError(f"{recipe.model} has no setting {place!r}; {nearest(place, defaults)}")
        if dot:
            settings[place] = _with(place, settings.get(place, defaults[place]), rest, value)
    return settings


def _function(title: str, place: Callable, name: str) -> Callable:
    """The public function called `name` of the module where the place's own is."""
    while isinstance(place, functools.partial):
        place = place.func
    module = sys.modules[place.__module__]
    known = {n: f for n, f in vars(module).items() if inspect.isfunction(f) and f.__module__ == module.__name__}
    if name not in known or name.startswith("_"):
        raise ValueError(f"no {title} is called {name!r}; {nearest(name, [n for n in known if n[0] != '_'])}")
    return known[name]


def _with(title: str, place: Any, path: str, value: Any) -> Any:
    """The place with the value at a dotted path in it."""
    name, dot, rest = path.partition(".")
    remade: Callable
    if isinstance(place, Mapping):
        known, remade = {**place, **({} if dot else {name: value})}, lambda **new: {**place, **new}
    elif is_dataclass(place) and not isinstance(place, type):
        known, remade = vars(place), functools.partial(replace, place)
    elif callable(place):
        parameters = inspect.signature(place).parameters.values()
        known = {one.name: one.default for one in parameters if one.default is not one.empty}
        remade = functools.partial(functools.partial, place)
    else:
        raise ValueError(f"{title}.{path}={value!r}: {title} is {place!r}, which has no parts")
    if name not in known:
        raise ValueError(f"{title} has no {name!r}; {nearest(name, known)}")
    return remade(**{name: _with(f"{title}.{name}", known[name], rest, value) if dot else value})


def flatten(recipe: Any, prefix: str = "") -> dict[str, Any]:
    """Every value under its dotted name: {"data.batch": 128, ...}."""
    flat: dict[str, Any] = {}
    for key, value in (recipe if isinstance(recipe, dict) else vars(recipe)).items():
        nested = is_dataclass(value) or isinstance(value, dict)
        flat.update(flatten(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value})
    return flat


def to_json(recipe: Recipe) -> str:
    """The recipe as text that `from_json` reads back equal."""
    return json.dumps(asdict(recipe), indent=1)


def from_json(text: str) -> Recipe:
    """The recipe that `to_json` wrote. Raises ValueError where it isn't one."""
    recipe = TypeAdapter(Recipe).validate_json(text)
    return replace(recipe, settings=_settings_again(recipe.settings))


def _settings_again(value: Any) -> Any:
    """JSON has no tuples and no numbers as keys, and settings no types to tell them by."""
    if isinstance(value, dict):
        return {int(key) if key.isdecimal() else key: _settings_again(one) for key, one in value.items()}
    return tuple(map(_settings_again, value)) if isinstance(value, list) else value
