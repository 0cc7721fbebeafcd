"""Augmentations by name, with their parameters: what a recipe writes as "flip", "pad_crop(4)" or "mixup(0.2)"."""

import ast
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import tensorflow as tf

from cvapps.registry import nearest

fold_in = tf.random.experimental.stateless_fold_in
# not for the recipe to give
OWN_ARGUMENTS = {
    "boxes",
    "content",
    "image",
    "images",
    "labels",
    "seed",
    "size",
    "target",
    "truth",
    "sides",
    "recipe",
    "data",
}
Tables = tuple[Mapping[str, Callable], ...]  # what crops, what changes a picture, what mixes a batch


@dataclass(frozen=True)
class Plan:
    """A recipe's augmentations with their parameters bound, in the three places where they apply."""

    crop: Callable[..., Any] | None  # (content, ..., seed, size) -> what a picture's functions take
    pictures: tuple[Callable[..., Any], ...]  # (image, ..., seed) -> the same without the seed
    batches: tuple[Callable[..., Any], ...]  # (images, labels, seed) -> both

    def picture(self, *parts: tf.Tensor, seed: tf.Tensor) -> Any:
        """What is done to one picture, and to a map with it, after it is decoded and has its size."""
        for number, change in enumerate(self.pictures):
            changed = change(*parts, fold_in(seed, number))
            changed = changed if isinstance(changed, tuple) else (changed,)
            parts = tuple(tf.ensure_shape(new, old.shape) for new, old in zip(changed, parts, strict=True))
        return parts if len(parts) > 1 else parts[0]

    def batch(self, images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """What is done to a batch and its one-hot labels."""
        for number, change in enumerate(self.batches):
            images, labels = change(images, labels, fold_in(seed, number))
        return images, labels


def plan(names: Sequence[str], tables: Tables) -> Plan:
    """The augmentations of a recipe, in its order: "name" or "name(number, ...)".

    Raises ValueError for an unknown name, with the nearest, for parameters that it doesn't take, and for an order that
    cannot be: what crops decodes, so it comes first; what mixes pictures needs a batch, so it comes last.
    """
    known = {name: function for table in tables for name, function in table.items()}
    found: list[tuple[int, Callable]] = []
    for text in names:
        name, function = bound(text, known, "augmentation")
        found.append((next(i for i, table in enumerate(tables) if name in table), function))
    places = [place for place, _ in found]
    if places != sorted(places) or places.count(0) > 1:
        first, _, last = map(list, tables)
        raise ValueError(f"the order of {list(names)} cannot be: first at most one of {first}, last those of {last}")
    crops, pictures, batches = (tuple(function for at, function in found if at == place) for place in range(3))
    return Plan(crops[0] if crops else None, pictures, batches)


def bound(text: str, known: Mapping[str, Callable], what: str) -> tuple[str, Callable]:
    """ "name(number, ...)" -> the name, and the function of that name with the numbers as its parameters.

    Raises ValueError for an unknown name, with the nearest, and for parameters that the function doesn't take.
    """
    match = re.fullmatch(r"\s*(\w+)\s*(?:\((.*)\))?\s*", text)
    name, inside = (match[1], match[2] or "") if match else (text, "")
    if name not in known:
        raise ValueError(f"no {what} is called {name!r}; {nearest(name, known)}")
    return name, _bind(text, known[name], inside)


def _bind(text: str, function: Callable, inside: str) -> Callable:
    """The function with the numbers between the parentheses as its parameters."""
    free = [p for p in inspect.signature(function).parameters.values() if p.name not in OWN_ARGUMENTS]
    try:
        values = ast.literal_eval(f"({inside},)") if inside.strip() else ()
        sound = len(values) <= len(free) and all(type(value) in (int, float) for value in values)
        sound = sound and all(type(value) is int for value, p in zip(values, free, strict=False) if p.annotation is int)
    except (ValueError, SyntaxError):
        sound = False
    if not sound:
        wanted = ", ".join(f"{p.name}: {p.annotation.__name__} = {p.default}" for p in free)
        raise ValueError(f"{text!r}: the parameters of {function.__name__} are ({wanted})")
    return partial(function, **{p.name: value for p, value in zip(free, values, strict=False)})
