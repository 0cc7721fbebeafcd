"""Which visualization needs what of the command line: the table that `python -m pipelines visualize` reads.

A row is the name of a function of `cvapps.visualization` and its arguments after the model, in their order; what it
takes by keyword alone is set by `--set`, unless the row says where it comes from.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from cvapps.registry import nearest
from cvapps.visualization import channel, whole_layer, with_class_names

MOST = 50  # classes on one sheet


@dataclass(frozen=True)
class Asked:
    """What was asked, read: pictures as the network takes them, and what is known of its classes."""

    pictures: Any  # float32 [N, H, W, 3]; None for a method that takes none
    labels: np.ndarray | None  # [N], where the pictures are held out and have a class
    class_names: tuple[str, ...]  # empty where nobody knows them
    chosen_class: str | None  # a name or a number
    layer: str | None
    channel: int | None

    @property
    def class_number(self) -> int:
        """The chosen class's. Raises ValueError for a class that there isn't."""
        text = str(self.chosen_class)
        if text in self.class_names:
            return self.class_names.index(text)
        if not text.isdecimal():
            known = nearest(text, self.class_names) if self.class_names else "say its number"
            raise ValueError(f"no class is called {text!r}; {known}")
        return int(text)


@dataclass(frozen=True)
class Argument:
    """One argument of a method: the option that it is read from, and how."""

    option: str
    read: Callable[[Asked], Any]
    needed: bool = True
    besides: tuple[str, ...] = ()  # options that it reads where they are given


@dataclass(frozen=True)
class Method:
    """How a function is called: its arguments after the model, those by keyword, and what is done with its sheet."""

    arguments: Sequence[Argument]
    keywords: Mapping[str, Argument] = field(default_factory=dict)
    finish: Callable[[Any, Asked], Any] = lambda sheet, asked: sheet
    of_one_class: bool = False  # its held-out pictures are those of the chosen class

    @property
    def options(self) -> dict[str, bool]:
        """The options that it takes, and whether it needs them."""
        every = (*self.arguments, *self.keywords.values())
        return {option: False for one in every for option in one.besides} | {one.option: one.needed for one in every}


def _labels(asked: Asked) -> np.ndarray | None:
    return asked.labels if asked.chosen_class is None else _repeated(asked)


def _repeated(asked: Asked) -> np.ndarray:
    return np.full(len(asked.pictures), asked.class_number)


def _classes(asked: Asked) -> dict[str, int]:
    """The chosen class, or where none is chosen all that have a name."""
    if asked.chosen_class is not None:
        return {asked.chosen_class: asked.class_number}
    if not 0 < len(asked.class_names) <= MOST:
        known = f"{len(asked.class_names)} are too many" if asked.class_names else "nobody knows their names"
        raise ValueError(f"say which --class is meant: of this network's classes {known}")
    return {name: number for number, name in enumerate(asked.class_names)}


def _feature(asked: Asked) -> Any:
    layer = str(asked.layer)
    return whole_layer(layer) if asked.channel is None else channel(layer, asked.channel)


def _with_names(sheet: Any, asked: Asked) -> Any:
    return with_class_names(sheet, asked.class_names) if asked.class_names else sheet


def _explained(sheet: Any, asked: Asked) -> Any:
    names = asked.class_names
    return replace(sheet, rows=[names[label] for label in sheet.details["labels"]]) if names else sheet


PHOTO = Argument("--photo", lambda asked: asked.pictures)
# where no class is chosen: of held-out pictures their own, of others what the network answers
LABELS = Argument("--class", _labels, needed=False)
TARGETS = Argument("--class", _repeated)
CLASS = Argument("--class", lambda asked: asked.class_number)
CLASSES = Argument("--class", _classes, needed=False)
LAYER = Argument("--layer", lambda asked: asked.layer)
ANY_LAYER = replace(LAYER, needed=False)
CHANNEL = Argument("--channel", lambda asked: asked.channel)
FEATURE = Argument("--layer", _feature, besides=("--channel",))
attack = partial(Method, (PHOTO, LABELS), finish=_with_names)
attribution = partial(Method, (PHOTO, LABELS), finish=_explained)

METHODS: dict[str, Method] = {
    "ascend_until_fooled": Method((PHOTO, TARGETS), finish=_with_names),
    "back_project": Method((PHOTO, LAYER, CHANNEL)),
    "compare_filters": Method((PHOTO,), {"layer": ANY_LAYER}),
    "deep_fool": attack(),
    "facets": Method((PHOTO, CLASS, LAYER), of_one_class=True),
    "fast_gradient_sign": attack(),
    "grad_cam": attribution(keywords={"layer": ANY_LAYER}),
    "integrated_gradients": attribution(),
    "iterative_gradient_sign": attack(),
    "least_likely_class": attack(),
    "occlusion": attribution(),
    "projected_gradient_descent": attack(),
    "robustness_curves": Method((PHOTO, LABELS)),
    "saliency": attribution(),
    "smooth_grad": attribution(),
    "top_patches": Method((PHOTO, LAYER, CHANNEL)),
    "uniform_noise": attack(),
    "visualize_class": Method((CLASSES,)),
    "visualize_feature": Method((FEATURE,)),
}
