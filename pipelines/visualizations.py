"""Which visualization needs what of the command line: the table that `python -m pipelines visualize` reads.

A row is the name of a function of `cvapps.visualization` and its arguments after the model, in their order; what it
takes by keyword alone is set by `--set`, unless the row says where it comes from.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from cvapps.registry import nearest
from cvapps.visualization import class_score, named


@dataclass(frozen=True)
class Asked:
    """What was asked, read: pictures as the network takes them, and what is known of its classes."""

    pictures: Any  # float32 [N, H, W, 3]; None for a method that takes none
    labels: np.ndarray | None  # [N], where the pictures are held out and have a class
    class_names: tuple[str, ...]  # empty where nobody knows them
    chosen_class: str | None  # a name or a number
    layer: str | None

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


@dataclass(frozen=True)
class Method:
    """How a function is called: its arguments after the model, those by keyword, and what is done with its sheet."""

    arguments: Sequence[Argument]
    keywords: Mapping[str, Argument] = field(default_factory=dict)
    finish: Callable[[Any, Asked], Any] = lambda sheet, asked: sheet

    @property
    def options(self) -> dict[str, bool]:
        """The options that it takes, and whether it needs them."""
        return {one.option: one.needed for one in (*self.arguments, *self.keywords.values())}


def _labels(asked: Asked) -> np.ndarray | None:
    return asked.labels if asked.chosen_class is None else _repeated(asked)


def _repeated(asked: Asked) -> np.ndarray:
    return np.full(len(asked.pictures), asked.class_number)


def _with_names(sheet: Any, asked: Asked) -> Any:
    return named(sheet, asked.class_names) if asked.class_names else sheet


PHOTO = Argument("--photo", lambda asked: asked.pictures)
LABELS = Argument(
    "--class", _labels, needed=False
)  # of held-out pictures they are known; else what the network answers
TARGETS = Argument("--class", _repeated)
SCORE = Argument("--class", lambda asked: class_score(asked.class_number))
LAYER = Argument("--layer", lambda asked: asked.layer)
attack = partial(Method, (PHOTO, LABELS), finish=_with_names)

METHODS: dict[str, Method] = {
    "ascend_until_fooled": Method((PHOTO, TARGETS), finish=_with_names),
    "deep_fool": attack(),
    "fast_gradient_sign": attack(),
    "iterative_gradient_sign": attack(),
    "least_likely_class": attack(),
    "projected_gradient_descent": attack(),
    "robustness_curves": Method((PHOTO, LABELS)),
    "uniform_noise": attack(),
}
