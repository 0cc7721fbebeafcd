"""What a sweep varies: a field of the recipe and where its values come from.

optimizer.name=choice(sgd, adamw)            each of what `--set` takes
settings.hidden=choice((128,), (256, 128))
optimizer.momentum=uniform(0.5, 0.99)        any number from the first to the second
optimizer.learning_rate=log(1e-3, 1)         the same, each power of ten as likely as any other
epochs=integer(10, 30)                       a whole number, both ends included
optimizer.learning_rate=log(1e-3, 1, 4)      the third number: only so many, evenly spaced, as a grid needs
"""

import ast
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from cvapps.registry import check_settings, check_type
from pipelines import recipe as recipes
from pipelines.recipe import Recipe

Values = CategoricalDistribution | FloatDistribution | IntDistribution
FORMS = "choice(A, B, ...), uniform(LOW, HIGH), log(LOW, HIGH) or integer(LOW, HIGH)"


@dataclass(frozen=True)
class Range:
    """Where the values of one field come from."""

    field: str
    text: str  # as it was given
    values: Values  # choices are texts, as `--set` takes them

    @property
    def listed(self) -> list[Any] | None:
        """Every value; None where there is no end of them."""
        if isinstance(self.values, CategoricalDistribution):
            return list(self.values.choices)
        if isinstance(self.values, IntDistribution):
            return list(range(self.values.low, self.values.high + 1))
        return None

    @property
    def ends(self) -> list[Any]:
        """The values by which a range of numbers is checked: its ends; and each choice."""
        values = self.values
        return list(values.choices) if isinstance(values, CategoricalDistribution) else [values.low, values.high]


def choice(*texts: str) -> Values:
    """Of the values that the texts stand for."""
    if len(set(texts)) < 2 or len(set(texts)) < len(texts):
        raise ValueError("takes two values or more, none twice")
    return CategoricalDistribution(texts)


def uniform(low: float, high: float, count: int | None = None) -> Values:
    """Of real numbers."""
    return FloatDistribution(low, high) if count is None else _spaced(np.linspace(low, high, count))


def log(low: float, high: float, count: int | None = None) -> Values:
    """Of real numbers, by their logarithm."""
    if low <= 0:
        raise ValueError(f"needs a LOW above zero, not {low:g}")
    return FloatDistribution(low, high, log=True) if count is None else _spaced(np.geomspace(low, high, count))


def integer(low: int, high: int) -> Values:
    """Of whole numbers."""
    return IntDistribution(low, high)


def _spaced(numbers: Iterable[float]) -> Values:
    return choice(*(f"{number:.6g}" for number in numbers))


KINDS: dict[str, Callable[..., Values]] = {f.__name__: f for f in (choice, uniform, log, integer)}


def read_range(text: str) -> Range:
    """`FIELD=log(1e-3, 1)` and its like. Raises ValueError, saying what is expected, for anything else."""
    field, _, given = (part.strip() for part in text.partition("="))
    try:
        call = ast.parse(given, mode="eval").body
        if not (field and isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and not call.keywords):
            raise SyntaxError
        kind, texts = call.func.id, [_text(given, one) for one in call.args]
        if kind not in KINDS:
            raise SyntaxError
    except SyntaxError:
        raise ValueError(f"--vary takes FIELD={FORMS}, not {text!r}") from None
    try:
        return Range(field, given, choice(*texts) if kind == "choice" else KINDS[kind](*_numbers(kind, texts)))
    except (ValueError, TypeError) as error:
        raise ValueError(f"--vary {text}: {kind} {error}") from error


def _text(source: str, node: ast.expr) -> str:
    """What was written for one argument; of a quoted text what is between the quotes."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return ast.get_source_segment(source, node) or ""


def _numbers(kind: str, texts: Sequence[str]) -> list[float]:
    numbers = [recipes.read_value(one) for one in texts]
    most = 2 if kind == "integer" else 3
    if not 2 <= len(numbers) <= most:
        raise ValueError(f"takes LOW, HIGH{'' if kind == 'integer' else ' and perhaps a count'}, not {list(texts)}")
    low, high, *count = numbers
    for name, one, annotation in zip(("LOW", "HIGH", "count"), numbers, (float, float, int), strict=False):
        check_type(f"needs numbers: {name}", one, int if kind == "integer" else annotation)
    if not low < high:
        raise ValueError(f"needs a LOW below its HIGH, not {low} and {high}")
    if count and count[0] < 2:
        raise ValueError(f"needs a count of two or more, not {count[0]}")
    return numbers


def with_values(recipe: Recipe, values: dict[str, str | float | int]) -> Recipe:
    """The recipe with one value in each field. Raises what `recipe.override` raises."""
    for field, value in values.items():
        recipe = recipes.override(recipe, field, value if isinstance(value, str) else repr(value))
    return recipe


def check_ranges(recipe: Recipe, ranges: Sequence[Range]) -> None:
    """Raises ValueError or TypeError for a field that there is not, one given twice, and values that it doesn't take.

    Of a range of numbers the ends are tried, of choices each one; a setting also against its model's own.
    """
    fields = [one.field for one in ranges]
    if not fields:
        raise ValueError(f"a sweep varies something: --vary FIELD={FORMS}")
    if twice := sorted({field for field in fields if fields.count(field) > 1}):
        raise ValueError(f"{twice} can be varied once")
    for one in ranges:
        for value in one.ends:
            changed = with_values(recipe, {one.field: value})
            check_settings(changed.model, recipes.model_settings(changed))
