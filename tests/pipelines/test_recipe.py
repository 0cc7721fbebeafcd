"""Recipes: found by name, changed by typed text, shrunk, written down and read back."""

import dataclasses
from collections.abc import Callable
from types import MappingProxyType

import pytest

import cvapps
from cvapps import registry
from pipelines import recipe as recipes
from pipelines.recipe import Recipe

RECIPE = Recipe(model="mlp", settings={"hidden": (8,)})


def test_every_recipe_loads_and_names_a_model():
    names = recipes.names()
    assert len(names) >= 3
    for name in names:
        recipe = recipes.load(name)
        assert recipe.model in cvapps.list_models()
        assert f"python -m pipelines train {name}" in __import__(f"pipelines.recipes.{name}", fromlist=["_"]).__doc__


def test_an_unknown_recipe_gets_the_nearest_names():
    with pytest.raises(ValueError, match=r"no recipe is called 'resnet20_digit'; .*resnet20_digits"):
        recipes.load("resnet20_digit")


@pytest.mark.parametrize(
    ("path", "text", "read"),
    [
        ("epochs", "3", 3),
        ("optimizer.learning_rate", "1", 1.0),
        ("optimizer.clip_norm", "None", None),
        ("data.size", "[48, 64]", (48, 64)),
        ("data.source", "folder:/a/b", "folder:/a/b"),
        ("data.augment", "('flip', 'pad_crop(4)')", ("flip", "pad_crop(4)")),
        ("precision", "float32", "float32"),
        ("jit", "True", True),
        ("ema", "0.99", 0.99),
    ],
)
def test_set_is_typed(path, text, read):
    changed = recipes.flatten(recipes.override(RECIPE, path, text))
    assert changed[path] == read
    assert type(changed[path]) is type(read)
    untouched = recipes.flatten(RECIPE)
    assert {k: v for k, v in changed.items() if k != path} == {k: v for k, v in untouched.items() if k != path}


def test_a_model_setting_may_be_new():
    assert recipes.override(RECIPE, "settings.norm", "group").settings == {"hidden": (8,), "norm": "group"}


@pytest.mark.parametrize(
    ("path", "text", "error", "message"),
    [
        ("epoch", "3", ValueError, r"Recipe has no field 'epoch'; the nearest names are \['epochs'"),
        ("optimizer.rate", "3", ValueError, "Optimizer has no field 'rate'"),
        ("optimizer", "sgd", ValueError, "set one of its fields"),
        ("epochs.x", "3", ValueError, "epochs is a int"),
        ("epochs", "three", TypeError, "epochs must be int, not 'three'"),
        ("epochs", "2.5", TypeError, "epochs must be int, not 2.5"),
        ("epochs", "True", TypeError, "epochs must be int, not True"),
        ("precision", "float17", TypeError, "mixed_bfloat16"),
        ("data.size", "32", TypeError, "data.size|size must be"),
    ],
)
def test_a_wrong_set_says_what_was_expected(path, text, error, message):
    with pytest.raises(error, match=message):
        recipes.override(RECIPE, path, text)


def test_json_round_trip_keeps_every_type():
    for name in recipes.names():
        recipe = recipes.load(name)
        assert recipes.from_json(recipes.to_json(recipe)) == recipe
    changed = dataclasses.replace(RECIPE, ema=0.5, settings={"hidden": (3, 4), "norm": "group"})
    assert recipes.from_json(recipes.to_json(changed)) == changed


def test_quick_is_the_same_path_but_short():
    quick = recipes.quick(recipes.load("resnet20_digits"))
    assert (quick.epochs, quick.epoch_steps, quick.data.batch) == (2, 10, 32)
    assert quick.model == "resnet20_cifar"


def inner(x, low=0):
    """A place of a place."""
    return x, low


@dataclasses.dataclass(frozen=True)
class Part:
    """A place of a model that has places itself."""

    width: int = 256
    inner: Callable = inner


def neck(x, width=64, deep=Part()):
    """A place that is a function."""
    return x, width, deep


def placed(
    anchors=None, neck=neck, part=Part(), settings=MappingProxyType({"norm": "batch"}), threshold=0.5, name="placed"
):
    """A builder that is never called."""


def test_a_setting_may_be_of_a_place(monkeypatch):
    row = registry.Row("placed", "detection", placed, {}, registry.Paper("Nobody", 1900, "", ""), ())
    monkeypatch.setitem(registry._rows(), "placed", row)
    given = {
        "anchors": {8: ((1, 2), (3, 4)), 16: ((5, 6),)}, "neck.width": 8, "neck.deep.width": 2, "part.width": 3,
        "settings.depth": 1, "threshold": 0.1,
    }  # fmt: skip
    made = recipes.model_settings(Recipe("placed", given))
    assert made["neck"](5) == (5, 8, Part(2))
    assert made["anchors"] == given["anchors"]
    assert made["part"] == Part(3)
    assert made["settings"] == {"norm": "batch", "depth": 1}
    assert made["threshold"] == 0.1
    assert recipes.from_json(recipes.to_json(Recipe("placed", given))).settings == given
    assert recipes.model_settings(Recipe("placed", {"neck": "inner", "neck.low": 4}))["neck"](5) == (5, 4)
    for key, value, message in (
        ("neck", "iner", r"no neck is called 'iner'; the nearest names are \['inner'"),
        ("nek.width", 1, r"placed has no setting 'nek'; the nearest names are \['neck'"),
        ("neck.widht", 1, r"neck has no 'widht'; the nearest names are \['width'"),
        ("part.inner.high", 1, "part.inner has no 'high'"),
        ("threshold.low", 1, "threshold.low=1: threshold is 0.5, which has no parts"),
    ):
        with pytest.raises(ValueError, match=message):
            recipes.model_settings(Recipe("placed", {key: value}))
